"""Object detection models of the library transformers, such as YOLOS, DETR and RT-DETR."""

from __future__ import annotations

import hashlib
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from mtss_zoo.detection.contract import Found
from mtss_zoo.errors import CheckpointError, MtssZooError, UsageError

WEIGHTS = "model.safetensors"
_PINNED = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)@(?P<commit>[0-9a-f]{40})")


class TransformersDetector:
    """A model that ``AutoModelForObjectDetection`` reads, with safetensors only and no code of its own.

    Args:
        place: a folder, or ``owner/repo@commit`` on the Hub, fetched if it is not in the cache.
        device: where it runs.

    Raises:
        UsageError: it is neither, or names no whole commit.
        CheckpointError: it cannot be fetched or read.
        MtssZooError: transformers is not installed.
    """

    def __init__(self, place: str, device: torch.device) -> None:
        source, self.revision, options = _source(place)
        self.name, self.device = f"transformers:{source}", device
        if find_spec("transformers") is None:
            raise MtssZooError("transformers is not installed. Install it with: pip install 'mtss-zoo[detect]'")
        from transformers import AutoImageProcessor, AutoModelForObjectDetection

        safe = {**options, "trust_remote_code": False}
        try:
            self._processor: Any = AutoImageProcessor.from_pretrained(source, **safe)
            self._model: Any = AutoModelForObjectDetection.from_pretrained(source, use_safetensors=True, **safe)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{place} cannot be read as an object detection model in safetensors: {str(error).splitlines()[0]}"
            ) from error
        self._model.eval().to(device)
        self._names: dict[int, str] = self._model.config.id2label
        self.classes = tuple(self._names.values())

    @torch.inference_mode()
    def detect(self, pictures: list[Image.Image]) -> list[Found]:
        """As `Detector.detect`."""
        inputs = self._processor(images=pictures, return_tensors="pt").to(self.device)
        sizes = [(picture.height, picture.width) for picture in pictures]
        answers = self._processor.post_process_object_detection(self._model(**inputs), 0.0, target_sizes=sizes)
        return [
            Found(a["boxes"].cpu(), a["scores"].cpu(), [self._names[i] for i in a["labels"].tolist()]) for a in answers
        ]


def _source(place: str) -> tuple[str, str, dict[str, str]]:
    """What transformers is to read, its revision, and how transformers is told that."""
    folder = Path(place)
    if folder.is_dir():
        if not (folder / WEIGHTS).is_file():
            raise UsageError(f"transformers:{place}: this folder has no {WEIGHTS}; other formats may hold code.")
        with (folder / WEIGHTS).open("rb") as file:
            return place, f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}", {}
    if (match := _PINNED.fullmatch(place)) is None:
        raise UsageError(
            f"transformers:{place}: name a folder, or a repository with a whole commit, owner/repo@<40 characters>. "
            "A branch may change under the boxes."
        )
    return match["repo"], match["commit"], {"revision": match["commit"]}
