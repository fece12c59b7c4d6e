"""Predictions from an ONNX file: those of its model, without torch; a file that lies is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from mtss_zoo.build import build_model
from mtss_zoo.errors import CheckpointError, ImageError, MtssZooError, UsageError
from mtss_zoo.exporting.export import export
from mtss_zoo.exporting.onnx_model import OnnxModel
from mtss_zoo.model import AttributeModel
from mtss_zoo.recipe_source import load_recipe

RECIPE = {
    "name": "tiny",
    "schema": {
        "types": [
            {"name": "colour", "classes": ["red", "green", "blue"]},
            {"name": "type", "kind": "multi", "classes": ["tee", "dress"]},
        ]
    },
    "data": {"dataset": "garments", "image_size": [48, 32]},
    "model": {"backbone": {"name": "timm", "args": {"name": "test_vit", "img_size": [48, 32]}}, "head": "linear"},
}


@pytest.fixture(scope="module")
def model() -> AttributeModel:
    torch.manual_seed(0)
    model = build_model(load_recipe(RECIPE)).eval()
    model.trained("colour")[1] = False
    return model


@pytest.fixture(scope="module")
def file(model, tmp_path_factory) -> Path:
    return export(model, out=tmp_path_factory.mktemp("exported") / "model.onnx").path


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Path]:
    """Wide, tall and small ones: a smooth JPEG that lies on its side, noise, and half-transparent noise."""
    folder, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth = np.stack(np.meshgrid(np.linspace(0, 255, 300), np.linspace(0, 255, 200)), -1)
    Image.fromarray(np.dstack([smooth, smooth[..., 0]]).astype(np.uint8)).save(folder / "0.jpg", exif=exif)
    Image.fromarray(random.integers(0, 256, (333, 217, 3), dtype=np.uint8)).save(folder / "1.png")
    Image.fromarray(random.integers(0, 256, (20, 24, 4), dtype=np.uint8)).save(folder / "2.webp", lossless=True)
    return sorted(folder.iterdir())


def changed(file: Path, out: Path, **metadata: Any) -> Path:
    """The file with other values in its metadata."""
    proto = onnx.load(file)
    proto.metadata_props[0].value = json.dumps(json.loads(proto.metadata_props[0].value) | metadata)
    onnx.save(proto, out)
    return out


def same(predictions: Any, expected: Any) -> None:
    """Equal classes in equal order. Pillow and torch round a few pixels differently when they resize."""
    assert len(predictions) == len(expected)
    for ours, theirs in zip(predictions, expected, strict=True):
        assert {name: [c for c, _ in best] for name, best in ours.items()} == {
            name: [c for c, _ in best] for name, best in theirs.items()
        }
        for name, best in theirs.items():
            assert [s for _, s in ours[name]] == pytest.approx([s for _, s in best], rel=0, abs=2e-3)


@pytest.mark.parametrize(
    "framing",
    [
        {"fit": "squash"},
        {"fit": "crop"},
        {"fit": "pad"},
        {"fit": "squash", "interpolation": "bicubic"},
        {"fit": "crop", "interpolation": "bicubic", "crop_pct": 0.875},
    ],
)
def test_a_file_predicts_what_its_model_predicts(framing, model, file, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(model, "preprocess", replace(model.preprocess, **framing))
    exported = OnnxModel(changed(file, tmp_path / "model.onnx", **framing))
    same(exported.predict(photos), model.predict(photos))


def test_a_file_from_before_there_were_other_ways_to_resize(file, photos, tmp_path):
    proto = onnx.load(file)
    (entry,) = proto.metadata_props
    metadata = json.loads(entry.value)
    assert (metadata.pop("interpolation"), metadata.pop("crop_pct")) == ("bilinear", 1.0)
    entry.value = json.dumps(metadata)
    onnx.save(proto, tmp_path / "model.onnx")
    same(OnnxModel(tmp_path / "model.onnx").predict(photos), OnnxModel(file).predict(photos))


def test_pictures_come_in_every_form(file, photos):
    exported = OnnxModel(file)
    expected = exported.predict(photos, top_k=2)
    same(exported.predict([str(p) for p in photos], top_k=2, batch_size=2), expected)
    same(exported.predict((p.read_bytes() for p in photos), top_k=2), expected)
    same(exported.predict([Image.open(p) for p in photos], top_k=2), expected)
    same(exported.predict(photos[1], top_k=2), expected[1:2])
    same(exported.predict(Image.open(photos[1]), top_k=2), expected[1:2])
    assert exported.predict([]) == []


def test_untrained_classes_are_never_predicted(file, photos):
    (answer,) = OnnxModel(file).predict(photos[0], top_k=9)
    assert {name: {c for c, _ in best} for name, best in answer.items()} == {
        "colour": {"red", "blue"},
        "type": {"tee", "dress"},
    }


def test_wrong_input_is_refused_in_words(file, tmp_path):
    exported = OnnxModel(file)
    with pytest.raises(ImageError, match=r"nothing\.jpg cannot be used: it does not exist"):
        exported.predict(tmp_path / "nothing.jpg")
    with pytest.raises(ImageError, match="picture 0 cannot be used: it is a ndarray, but a path, a PIL image"):
        exported.predict([np.zeros((4, 4, 3), np.uint8)])
    with pytest.raises(UsageError, match="top_k is 0"):
        exported.predict([], top_k=0)
    for wrong in (np.zeros((1, 3, 48, 32)), np.zeros((1, 3, 32, 48), np.uint8), np.zeros((0, 3, 48, 32), np.uint8)):
        with pytest.raises(UsageError, match=r"uint8 \('B', 3, 48, 32\) is needed"):
            exported.scores(wrong)


def test_predicting_needs_no_torch(file, photos, tmp_path):
    """`mtss-zoo predict model.onnx photo ...` in a process in which torch cannot be imported."""
    code = """
import sys
sys.modules["torch"] = sys.modules["torchvision"] = None
from mtss_zoo.cli import main
sys.argv = ["mtss-zoo", "predict", *sys.argv[1:], "--json"]
main()
"""
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    pictures = [tmp_path / "broken.jpg", *photos]
    done = subprocess.run([sys.executable, "-c", code, file, *pictures], capture_output=True, text=True)
    assert done.returncode == 1 and "broken.jpg" in done.stderr and "Traceback" not in done.stderr
    answers = json.loads(done.stdout)
    assert [answer["image"] for answer in answers] == [str(p) for p in photos]
    found = [{name: [tuple(best) for best in a["attributes"][name]] for name in a["attributes"]} for a in answers]
    same(found, OnnxModel(file).predict(photos))


def refused(path: Path, reason: str) -> None:
    with pytest.raises(CheckpointError, match=reason) as error:
        OnnxModel(path)
    assert str(path) in str(error.value)


class TestForeignFiles:
    """Every one is refused by name, when it is opened."""

    def test_a_missing_file_and_a_folder(self, tmp_path):
        refused(tmp_path / "none.onnx", "cannot be read: No such file")
        refused(tmp_path, "cannot be read: Is a directory")

    def test_a_huge_file_is_not_read(self, tmp_path):
        with (tmp_path / "huge.onnx").open("wb") as sparse:
            sparse.truncate(2**31)
        refused(tmp_path / "huge.onnx", "more than 2,147,483,647 bytes")

    @pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"<html>404</html>", b"ORTM" * 9])
    def test_what_is_no_onnx(self, content, tmp_path):
        (tmp_path / "model.onnx").write_bytes(content)
        refused(tmp_path / "model.onnx", "is no ONNX model|was not written by")

    def test_a_file_cut_in_half(self, file, tmp_path):
        (tmp_path / "model.onnx").write_bytes(file.read_bytes()[:-1000])
        refused(tmp_path / "model.onnx", "is no ONNX model, or is damaged")

    def test_an_onnx_file_of_somebody_else(self, file, tmp_path):
        proto = onnx.load(file)
        del proto.metadata_props[:]
        onnx.save(proto, tmp_path / "model.onnx")
        refused(tmp_path / "model.onnx", "was not written by `mtss-zoo export`: its metadata has no entry 'mtss_zoo'")

    @pytest.mark.parametrize(
        ("metadata", "reason"),
        [
            ({"image_size": [10**9, 10**9]}, "bad metadata: image_size.0: .*4096"),
            ({"image_size": [48]}, "bad metadata: image_size"),
            ({"image_size": [0, 32]}, "bad metadata: image_size.0"),
            ({"image_size": [32, 48]}, "network does not fit its metadata"),
            ({"fit": "os.system"}, "bad metadata: fit"),
            ({"version": 2}, "bad metadata: version"),
            ({"code": "import os"}, "bad metadata: code: Extra inputs"),
            ({"schema": {"types": [{"name": "colour", "classes": 10**12}]}}, "bad metadata: schema.types.0.classes"),
            ({"schema": {"types": []}}, "bad metadata: schema.types"),
            (
                {"schema": {"types": [{"name": "../x", "classes": ["a"]}]}},
                "bad metadata: schema.types.0: .*attribute type '../x'",
            ),
            ({"schema": {"types": [{"name": "colour", "classes": ["red", "red", "blue"]}]}}, "names classes twice"),
            ({"schema": {"types": [{"name": "colour", "classes": ["red", "blue"]}]}}, "network does not fit"),
            ({"schema": {"types": RECIPE["schema"]["types"][:1]}}, "network does not fit its metadata"),
            ({"schema": {"types": RECIPE["schema"]["types"][::-1]}}, "network does not fit its metadata"),
        ],
        ids=str,
    )
    def test_metadata_that_lie(self, metadata, reason, file, tmp_path):
        refused(changed(file, tmp_path / "model.onnx", **metadata), reason)

    def test_metadata_that_are_no_json(self, file, tmp_path):
        proto = onnx.load(file)
        proto.metadata_props[0].value = "!!python/object/apply:os.system [ls]"
        onnx.save(proto, tmp_path / "model.onnx")
        refused(tmp_path / "model.onnx", "bad metadata: mtss_zoo: Invalid JSON")

    @pytest.mark.parametrize("location", ["/etc/passwd", "../secret", "weights"])
    def test_weights_in_another_file(self, location, file, tmp_path):
        """Also beside the model: one file is all that is ever read."""
        (tmp_path / "weights").write_bytes(bytes(10**6))
        proto = onnx.load(file)
        external(proto.graph.initializer[0], location)
        (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
        refused(tmp_path / "model.onnx", "keeps weights in other files, which is refused")

    def test_weights_in_another_file_deep_inside(self, file, tmp_path):
        """A constant in a branch of an If."""
        tensor = numpy_helper.from_array(np.zeros(4, np.float32), "hidden")
        external(tensor, "/etc/passwd")
        constant = helper.make_node("Constant", [], ["hidden"], value=tensor)
        branch = helper.make_graph(
            [constant], "b", [], [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [4])]
        )
        proto = onnx.load(file)
        proto.graph.node.append(helper.make_node("If", ["c"], ["x"], then_branch=branch, else_branch=branch))
        (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
        refused(tmp_path / "model.onnx", "keeps weights in other files")

    def test_a_network_that_onnxruntime_does_not_know(self, file, tmp_path):
        proto = onnx.load(file)
        proto.graph.node[0].op_type = "RunShell"
        (tmp_path / "model.onnx").write_bytes(proto.SerializeToString())
        refused(tmp_path / "model.onnx", "cannot be run by onnxruntime: .*RunShell")

    def test_a_network_that_gives_other_scores_than_announced(self, tmp_path):
        """The batch is announced as free, but two rows come, whatever goes in."""
        write_constant(tmp_path / "model.onnx", np.zeros((2, 2), np.float32))
        exported = OnnxModel(tmp_path / "model.onnx")
        assert exported.scores(np.zeros((2, 3, 4, 4), np.uint8))["a"].shape == (2, 2)
        with pytest.raises(CheckpointError, match="gives scores of a that do not fit its 2 classes"):
            exported.scores(np.zeros((5, 3, 4, 4), np.uint8))

    def test_scores_that_are_not_numbers(self, tmp_path):
        write_constant(tmp_path / "model.onnx", np.array([[np.nan, 1]], np.float32))
        with pytest.raises(MtssZooError, match=r"the scores of a are not numbers \(NaN\)"):
            OnnxModel(tmp_path / "model.onnx").predict(Image.new("RGB", (4, 4)))


def external(tensor: TensorProto, location: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


def write_constant(path: Path, scores: np.ndarray) -> None:
    """A file for pictures of 4 x 4 and classes x, y of type a, that always gives the same scores."""
    node = helper.make_node("Constant", [], ["a_scores"], value=numpy_helper.from_array(scores))
    takes = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 3, 4, 4])
    gives = helper.make_tensor_value_info("a_scores", TensorProto.FLOAT, ["batch", 2])
    opset = [helper.make_opsetid("", 20)]
    proto = helper.make_model(
        helper.make_graph([node], "constant", [takes], [gives]), opset_imports=opset, ir_version=10
    )
    metadata = {
        "written_by": "a test",
        "recipe": "constant",
        "schema": {"types": [{"name": "a", "kind": "single", "classes": ["x", "y"]}]},
        "image_size": [4, 4],
        "fit": "squash",
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "trained": {"a": [True, True]},
    }
    proto.metadata_props.add(key="mtss_zoo", value=json.dumps(metadata))
    onnx.save(proto, path)
