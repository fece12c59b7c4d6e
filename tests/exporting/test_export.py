"""Exported files: they give the model's scores, say what they are, and are kept only if both is so."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

import mtss_zoo
from mtss_zoo.build import build_model
from mtss_zoo.cli import app
from mtss_zoo.errors import MtssZooError, UsageError
from mtss_zoo.exporting import onnx_file
from mtss_zoo.exporting.export import Exported, export
from mtss_zoo.exporting.onnx_model import OnnxModel
from mtss_zoo.exporting.parity import Parity, parity
from mtss_zoo.images import Preprocess
from mtss_zoo.interfaces import AttributeSchema, AttributeType
from mtss_zoo.model import AttributeModel
from mtss_zoo.recipe_source import load_recipe

COLOUR = {"name": "colour", "classes": ["red", "green", "blue"]}
# Names that the network's own parts have, and one that is code where names are pasted into code.
ODD = ["images", "add", 'a"); raise SystemExit("executed', "größe in cm"]
TYPES = [COLOUR, *({"name": name, "kind": "multi", "classes": ["yes", "no"]} for name in ODD)]
TEST_VIT = {"name": "timm", "args": {"name": "test_vit", "img_size": [48, 32]}}
NETWORKS: dict[str, tuple[Any, Any]] = {
    "test_vit, label_embedding": (TEST_VIT, {"name": "label_embedding", "args": {"dim": 8}}),
    "resnet18, linear": ("resnet18", "linear"),
    "mae_vit_tiny, linear": (
        {"name": "mae_vit_tiny", "args": {"image_size": [48, 32], "patch_size": 16, "depth": 2, "drop_path": 0.1}},
        "linear",
    ),
}
FAST, *SLOW = NETWORKS


def built(network: str) -> AttributeModel:
    backbone, head = NETWORKS[network]
    torch.manual_seed(0)
    recipe = {"name": "tiny", "schema": {"types": TYPES}, "model": {"backbone": backbone, "head": head}}
    how = {"fit": "pad", "interpolation": "bicubic", "mean": [0.5, 0.4, 0.3]}
    data = {"dataset": "garments", "image_size": [48, 32], **how}
    model = build_model(load_recipe({**recipe, "data": data})).eval()
    model.trained("colour")[1] = False
    return model


@pytest.fixture(scope="module")
def model() -> AttributeModel:
    return built(FAST)


@pytest.fixture(scope="module")
def file(model, tmp_path_factory) -> Path:
    return export(model, out=tmp_path_factory.mktemp("exported") / "model.onnx").path


def noise(number: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (number, 3, 48, 32), dtype=np.uint8)


def scores_of(model: AttributeModel, pictures: np.ndarray) -> list[np.ndarray]:
    with torch.inference_mode():
        return [s.numpy() for s in model(model.preprocess.normalise(torch.from_numpy(pictures))).values()]


def same(found: Any, expected: Any) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * np.abs(theirs[np.isfinite(theirs)]).max())


def gives_the_scores_of(model: AttributeModel, file: Path) -> None:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for number in (1, 2, 7):
        same(session.run(None, {"images": noise(number)}), scores_of(model, noise(number)))


def test_onnxruntime_gives_the_scores_of_the_model_for_any_number_of_pictures(model, file):
    gives_the_scores_of(model, file)


@pytest.mark.slow
@pytest.mark.parametrize("network", SLOW)
def test_other_networks_do_so_too(network, tmp_path):
    model = built(network)
    written = export(model, "onnx", tmp_path / "new" / "folder" / "model.onnx")
    assert [p.attribute for p in written.parity] == ["colour", *ODD]
    assert all(p.scale > 0 and p.relative < 1e-4 for p in written.parity)
    gives_the_scores_of(model, written.path)


@pytest.mark.parametrize("network", [FAST, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)])
def test_torch_gives_them_too(network, tmp_path):
    model = built(network)
    written = export(model, "torch", tmp_path / "model.pt2")
    extra = {"mtss_zoo.json": ""}
    loaded = torch.export.load(written.path, extra_files=extra).module()
    assert json.loads(extra["mtss_zoo.json"])["schema"] == model.schema.to_dict()
    for number in (1, 2, 7):
        with torch.inference_mode():
            same(loaded(torch.from_numpy(noise(number))), scores_of(model, noise(number)))
    assert str(Path(mtss_zoo.__file__).parent).encode() not in written.path.read_bytes()


def test_the_file_says_what_it_takes_and_gives(file, model):
    proto = onnx.load(file)
    onnx.checker.check_model(proto)
    (entry,) = proto.metadata_props
    assert entry.key == "mtss_zoo"
    assert json.loads(entry.value) == {
        "version": 1,
        "written_by": f"mtss-zoo {mtss_zoo.__version__}",
        "recipe": "tiny",
        "schema": model.schema.to_dict(),
        "image_size": [48, 32],
        "fit": "pad",
        "crop_pct": 1.0,
        "interpolation": "bicubic",
        "mean": [0.5, 0.4, 0.3],
        "std": [0.229, 0.224, 0.225],
        "trained": {"colour": [True, False, True], **{name: [True, True] for name in ODD}},
    }
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [
        ("images", "tensor(uint8)", ["batch", 3, 48, 32])
    ]
    assert [(o.name, o.type, o.shape) for o in session.get_outputs()] == [
        (f"{t.name}_scores", "tensor(float)", ["batch", len(t)]) for t in model.schema
    ]


def test_the_file_names_no_folder_of_this_machine(file):
    assert str(Path(mtss_zoo.__file__).parent).encode() not in file.read_bytes()


def test_an_untrained_class_scores_minus_infinity(file):
    scores = OnnxModel(file).scores(noise(2))["colour"]
    assert (scores[:, 1] == -np.inf).all() and np.isfinite(scores[:, [0, 2]]).all()


class Pixels(torch.nn.Module):
    """Mean colours. What is exported has ``trick`` in it; what is run has not."""

    def __init__(self, trick: Any) -> None:
        super().__init__()
        self.trick = trick
        self.weight = torch.nn.Parameter(torch.ones(3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = images.mean((2, 3)) * self.weight
        return self.trick(features) if torch.compiler.is_exporting() else features


def pixels(trick: Any = lambda features: features) -> AttributeModel:
    schema = AttributeSchema((AttributeType("colour", "single", ("r", "g", "b")),))
    return AttributeModel(Pixels(trick), {"colour": torch.nn.Identity()}, schema, Preprocess(8, 8)).eval()


def test_the_model_stays_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = pixels().train()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    assert export(model, "torch").path == Path("model.pt2")
    assert model.training
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


class TestRefused:
    """Nothing is left behind, and a file that was there stays."""

    @pytest.mark.parametrize("to", ["onnx", "torch"])
    def test_a_file_with_other_scores(self, to, tmp_path):
        out = tmp_path / {"onnx": "model.onnx", "torch": "model.pt2"}[to]
        out.write_text("an older file")
        with pytest.raises(MtssZooError, match=r"was not written.*colour by"):
            export(pixels(lambda features: features * 1.01), to, out)
        assert [f.name for f in tmp_path.iterdir()] == [out.name]
        assert out.read_text() == "an older file"
        assert max(p.relative for p in export(pixels(), to, out).parity) < 1e-6

    def test_a_network_that_cannot_be_traced(self, tmp_path):
        with pytest.raises(MtssZooError, match=r"cannot be exported: torch says: \w"):
            export(pixels(lambda f: f if f.sum() > 0 else -f), "torch", tmp_path / "model.pt2")
        assert not list(tmp_path.iterdir())

    def test_a_network_that_is_too_large_for_onnx(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sys.modules["mtss_zoo.exporting.export"], "MAX_BYTES", 14)
        with pytest.raises(UsageError, match="15 bytes, but an ONNX file holds 14: export to torch"):
            export(pixels(abs), "onnx", tmp_path / "model.onnx")

    def test_an_unknown_format_and_a_wrong_suffix(self, model):
        with pytest.raises(UsageError, match="'tflite' is unknown; there are onnx, torch"):
            export(model, "tflite")  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=r"model.pt: a file for onnx ends in \.onnx"):
            export(model, "onnx", "model.pt")

    def test_a_missing_extra_is_named(self, model, monkeypatch):
        monkeypatch.setattr(onnx_file, "find_spec", lambda name: None if name == "onnxscript" else name)
        with pytest.raises(MtssZooError, match=r"onnxscript is not installed.* pip install 'mtss-zoo\[export\]'"):
            export(model)


def test_parity_is_relative_to_the_largest_score():
    scores = np.array([[8, -2, 1]], np.float32)
    found = parity("colour", scores, scores + np.array([0, 0, 0.5], np.float32))
    assert found == Parity("colour", difference=0.5, scale=8)
    assert found.relative == 0.0625


@pytest.mark.parametrize("value", [-np.inf, np.inf, np.nan, 1.0])
def test_what_is_no_finite_number_must_be_the_same_in_both(value):
    untrained, other = np.array([[3, -np.inf]], np.float32), np.array([[3, value]], np.float32)
    assert parity("colour", untrained, other).relative == (0 if value == -np.inf else np.inf)
    assert parity("colour", other, untrained).relative == (0 if value == -np.inf else np.inf)


def test_the_command_writes_beside_the_checkpoint_and_prints_the_parity(model, tmp_path):
    folder = mtss_zoo.save(model, tmp_path / "student")
    done = CliRunner().invoke(app, ["export", str(folder), "--to", "torch"])
    assert done.exit_code == 0, done.output
    assert "colour" in done.output and "relative" in done.output and "model.pt2" in done.output
    assert (folder / "model.pt2").is_file()


def test_the_command_speaks_json(tmp_path, monkeypatch):
    folder, out = str(tmp_path), tmp_path / "shop.onnx"

    def wrote(*asked: Any) -> Exported:
        assert asked == (folder, "onnx", out)
        return Exported(out, (Parity("colour", 0.5, 8),))

    monkeypatch.setattr(sys.modules["mtss_zoo.exporting.export"], "export", wrote)
    done = CliRunner().invoke(app, ["export", folder, "--out", str(out), "--json"])
    assert json.loads(done.output) == {
        "file": str(out),
        "parity": {"colour": {"difference": 0.5, "relative": 0.0625, "scale": 8}},
    }
