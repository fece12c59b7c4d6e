"""The object detectors of torchvision."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torchvision.models import get_model, get_model_weights

from mtss_zoo.detection.contract import Found
from mtss_zoo.errors import CheckpointError, UnknownNameError, UsageError
from mtss_zoo.registry import near_matches

DEFAULT = "fasterrcnn_resnet50_fpn_v2"
MODELS = (
    DEFAULT,
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fcos_resnet50_fpn",
    "retinanet_resnet50_fpn_v2",
)
"""Not the first versions of two of them, whose weights want another epsilon than the model is built with."""
CLASSES = "classes"
"""The key of a safetensors file's metadata under which the names of the classes are, a JSON list."""


class TorchvisionDetector:
    """A detector of torchvision with its own weights, or those of a file.

    Args:
        model: one of `MODELS`; empty for the first.
        weights: a safetensors file of the model's ``state_dict``, whose metadata names the ``classes`` as a JSON list
            in the order of the labels, the background too; without them they are those of COCO. Empty: torchvision's
            own weights, which must be in its cache.
        device: where it runs.

    Raises:
        UnknownNameError: there is no such model.
        UsageError: the weights are not there.
        CheckpointError: they are damaged, or those of another model.
    """

    def __init__(self, model: str, weights: str, device: torch.device) -> None:
        model = model or DEFAULT
        if model not in MODELS:
            near = near_matches(model, MODELS)
            raise UnknownNameError(f"torchvision has no detector {model!r} that is used here. {near}")
        own: Any = get_model_weights(model)["DEFAULT"]
        path = Path(weights) if weights else _cached(own.url)
        state, classes = _safetensors(path) if weights else (_own_state(path), None)
        labels: list[str] = classes or own.meta["categories"]
        self.name, self.revision = f"torchvision:{model}", f"sha256:{_sha256(path)[:16]}"
        self.classes, self._labels, self.device = tuple(labels), labels, device
        self._model = get_model(model, weights=None, weights_backbone=None, num_classes=len(labels))
        _load(self._model, state, path)
        self._model.eval().to(device)

    @torch.inference_mode()
    def detect(self, pictures: list[Image.Image]) -> list[Found]:
        """As `Detector.detect`."""
        images = [torch.from_numpy(np.array(p)).permute(2, 0, 1).to(self.device) / 255 for p in pictures]
        return [
            Found(found["boxes"].cpu(), found["scores"].cpu(), [self._labels[i] for i in found["labels"].tolist()])
            for found in self._model(images)
        ]


def _cached(url: str) -> Path:
    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if not path.is_file():
        raise UsageError(f"torchvision's weights are not in its cache. Download {url} to {path}, and run this again.")
    return path


def _own_state(path: Path) -> dict[str, Tensor]:
    """Reads tensors only: a file of torch may hold code, which is not run."""
    if not _sha256(path).startswith(path.stem.rpartition("-")[2]):
        raise CheckpointError(f"{path} is damaged: its checksum is not that in its name. Download it again.")
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise CheckpointError(f"{path} holds more than tensors, which is not read. Download it again.") from error
    return state


def _safetensors(path: Path) -> tuple[dict[str, Tensor], list[str] | None]:
    try:
        with safe_open(path, "pt") as file:
            said = json.loads((file.metadata() or {}).get(CLASSES, "null"))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file: {error}.") from error
    if said is not None and not (isinstance(said, list) and all(isinstance(name, str) for name in said) and said):
        raise CheckpointError(f"{path}: its metadata {CLASSES!r} must be a JSON list of names.")
    return state, said


def _load(model: Any, state: dict[str, Tensor], path: Path) -> None:
    try:
        missing, surplus = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise CheckpointError(f"{path} does not fit this detector: {first}") from error
    # Trained from a frozen normalisation, which counts no batches and computes the same.
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if wrong := missing or surplus:
        what = "is missing" if missing else "belongs to another one"
        raise CheckpointError(f"{path} does not fit this detector: tensor {wrong[0]} {what}.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
