"""Detectors by name: what runs, what is refused, and that nothing from a downloaded file is executed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision.models import get_model

from mtss_zoo.detection.choice import Choice, choose
from mtss_zoo.detection.contract import Found
from mtss_zoo.detection.named import open_detector
from mtss_zoo.errors import CheckpointError, MtssZooError, UnknownNameError, UsageError

SMALL = "fasterrcnn_mobilenet_v3_large_320_fpn"
PINNED = "acme/garments@" + "0123456789" * 4


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """An untrained network of torchvision, for two classes and the background."""
    torch.manual_seed(0)
    state = get_model(SMALL, weights=None, weights_backbone=None, num_classes=3).state_dict()
    # As trained from torchvision's backbone, whose normalisation is frozen.
    state = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    path = tmp_path_factory.mktemp("weights") / "garments.safetensors"
    save_file(state, path, metadata={"classes": json.dumps(["__background__", "dress", "coat"])})
    return path


def test_a_network_of_torchvision_answers_in_pixels_and_names(weights):
    detector = open_detector(f"torchvision:{SMALL}:{weights}", "cpu")
    assert detector.name == f"torchvision:{SMALL}" and detector.revision.startswith("sha256:")
    assert detector.classes == ("__background__", "dress", "coat")
    picture = Image.effect_noise((60, 90), 80).convert("RGB")
    (one,) = detector.detect([picture])
    boxes = torch.as_tensor(one.boxes)
    assert len(boxes) == len(one.scores) == len(one.names) > 0
    assert set(one.names) <= {"dress", "coat"}
    assert bool((boxes >= 0).all() and (boxes <= torch.tensor([60, 90, 60, 90])).all())
    assert choose(Found(*one), 90, 60, Choice(min_score=0)).label in ("dress", "coat")
    _, again = detector.detect([Image.new("RGB", (60, 90)), picture])
    assert torch.allclose(torch.as_tensor(again.boxes), boxes, atol=0.01)


def test_weights_that_do_not_fit_or_are_damaged_are_named(weights, tmp_path):
    other = tmp_path / "other.safetensors"
    wide = load_file(weights)
    wide["roi_heads.box_predictor.cls_score.bias"] = torch.zeros(5)
    for state, said in (({"x": torch.zeros(1)}, "tensor .* is missing"), (wide, "size mismatch")):
        save_file(state, other, metadata={"classes": json.dumps(["dress", "coat", "cape"])})
        with pytest.raises(CheckpointError, match=rf"other\.safetensors does not fit this detector: {said}"):
            open_detector(f"torchvision:{SMALL}:{other}", "cpu")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(weights.read_bytes()[:1000])
    for path in (broken, tmp_path / "gone.safetensors"):
        with pytest.raises(CheckpointError, match=f"{path.name} is not a whole safetensors file"):
            open_detector(f"torchvision:{SMALL}:{path}", "cpu")


class Attack:
    """Writes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_no_pickle_is_executed(tmp_path, monkeypatch):
    """Neither one that is named, nor one that has the place of torchvision's own weights."""
    trace, file = tmp_path / "executed", tmp_path / "weights.pth"
    torch.save({"weight": Attack(trace)}, file)
    with pytest.raises(CheckpointError, match=r"weights\.pth is not a whole safetensors file"):
        open_detector(f"torchvision:{SMALL}:{file}", "cpu")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    cached = tmp_path / "checkpoints" / "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth"
    cached.parent.mkdir()
    cached.write_bytes(file.read_bytes())
    with pytest.raises(CheckpointError, match="is damaged: its checksum is not that in its name"):
        open_detector(f"torchvision:{SMALL}", "cpu")
    monkeypatch.setattr("mtss_zoo.detection.torchvision_detector._sha256", lambda path: "907ea3f9")
    with pytest.raises(CheckpointError, match="holds more than tensors, which is not read"):
        open_detector(f"torchvision:{SMALL}", "cpu")
    assert not trace.exists()


def test_weights_that_are_not_in_the_cache_are_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UsageError, match=r"not in its cache\. Download http.*fcos.*\.pth to .*checkpoints"):
        open_detector("torchvision:fcos_resnet50_fpn", "cpu")


@pytest.mark.parametrize(
    "name, said",
    [
        ("torchvison:fcos_resnet50_fpn", "no kind of detector 'torchvison'.*torchvision"),
        ("torchvision:fcos_resnet50", "torchvision has no detector 'fcos_resnet50'.*fcos_resnet50_fpn"),
        ("callable:os", "write callable:package.module:function"),
        ("callable:no_such_module:detect", "no_such_module cannot be imported"),
        ("callable:os.path:detect", "os.path has no function 'detect'"),
        ("callable:os.path:sep", "os.path has no function 'sep'"),
        ("transformers:acme/garments", "owner/repo@<40 characters>. A branch may change"),
        ("transformers:acme/garments@main", "owner/repo@<40 characters>"),
    ],
)
def test_what_cannot_be_is_refused(name, said):
    with pytest.raises((UsageError, UnknownNameError), match=said):
        open_detector(name, "cpu")


def test_a_function_in_the_working_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "def detect(pictures):\n    return [([], [], [])] * len(pictures)\ndetect.revision = 3\n"
    (tmp_path / "the_callers_own.py").write_text(code)
    detector = open_detector("callable:the_callers_own:detect")
    assert (detector.name, detector.revision, detector.classes) == ("callable:the_callers_own:detect", "3", ())
    assert list(detector.detect([Image.new("RGB", (9, 9))])) == [([], [], [])]


TRANSFORMERS = """
import torch

calls = []

class Inputs(dict):
    def to(self, device):
        return self

class Processor:
    def __call__(self, images, return_tensors):
        return Inputs(pixel_values=torch.zeros(len(images), 3, 8, 8))

    def post_process_object_detection(self, outputs, threshold, target_sizes):
        boxes = [torch.tensor([[0.0, 0.0, width / 2, height / 2]]) for height, width in target_sizes]
        return [{"boxes": b, "scores": torch.tensor([0.9]), "labels": torch.tensor([1])} for b in boxes]

class Model(torch.nn.Module):
    class config:
        id2label = {0: "shirt, blouse", 1: "dress"}

    def forward(self, pixel_values):
        return pixel_values

def opened(kind):
    def from_pretrained(place, **options):
        calls.append((place, options))
        if place == "acme/broken":
            raise OSError("acme/broken does not appear to have a file named model.safetensors.\\nSee the docs.")
        return kind()
    return from_pretrained

class AutoImageProcessor:
    from_pretrained = staticmethod(opened(Processor))

class AutoModelForObjectDetection:
    from_pretrained = staticmethod(opened(Model))
"""


@pytest.fixture
def transformers(tmp_path, monkeypatch):
    """A stand-in for the library, which alone takes 140 MB: it records how it is asked."""
    import importlib
    import sys

    monkeypatch.delitem(sys.modules, "transformers", raising=False)
    (tmp_path / "site").mkdir()
    (tmp_path / "site/transformers.py").write_text(TRANSFORMERS)
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield importlib.import_module("transformers")
    sys.modules.pop("transformers")


def test_a_model_of_transformers_is_pinned_and_read_from_safetensors_without_code(transformers):
    detector = open_detector(f"transformers:{PINNED}", "cpu")
    assert (detector.name, detector.revision) == ("transformers:acme/garments", "0123456789" * 4)
    assert [place for place, _ in transformers.calls] == ["acme/garments"] * 2
    assert all(o["revision"] == detector.revision for _, o in transformers.calls)
    assert all(o["trust_remote_code"] is False for _, o in transformers.calls)
    assert transformers.calls[1][1]["use_safetensors"] is True
    assert detector.classes == ("shirt, blouse", "dress")
    found = detector.detect([Image.new("RGB", (40, 60))] * 2)
    dress = ((0, 0, 20, 30), pytest.approx(0.9), "dress")
    assert [choose(Found(*one), 60, 40, Choice(pad=0)) for one in found] == [dress, dress]


def test_a_folder_needs_safetensors(transformers, tmp_path, weights):
    with pytest.raises(UsageError, match=r"has no model\.safetensors; other formats may hold code"):
        open_detector(f"transformers:{tmp_path}", "cpu")
    (tmp_path / "model.safetensors").write_bytes(weights.read_bytes())
    assert open_detector(f"transformers:{tmp_path}", "cpu").revision.startswith("sha256:")


def test_what_transformers_cannot_read_is_said_in_one_line(transformers):
    with pytest.raises(CheckpointError, match=r"in safetensors: acme/broken .*safetensors\.$"):
        open_detector(f"transformers:{PINNED.replace('garments', 'broken')}", "cpu")


def test_without_transformers_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("mtss_zoo.detection.transformers_detector.find_spec", lambda name: None)
    with pytest.raises(MtssZooError, match=r"pip install 'mtss-zoo\[detect\]'"):
        open_detector(f"transformers:{PINNED}", "cpu")
