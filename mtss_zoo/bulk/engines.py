"""A model as bulk prediction uses it: how pictures are read for it, and what it answers. ONNX needs no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mtss_zoo.bulk.reading import Pictures, Pixels, Reader, read_in_threads
from mtss_zoo.bulk.sources import Box, Item
from mtss_zoo.errors import UsageError
from mtss_zoo.exporting.onnx_file import Metadata, require_packages
from mtss_zoo.exporting.onnx_model import OnnxModel
from mtss_zoo.pil_images import box_inside, decode
from mtss_zoo.prediction import best_classes

if TYPE_CHECKING:
    from mtss_zoo.interfaces import AttributeSchema, ImageSource
    from mtss_zoo.model import AttributeModel

Top: TypeAlias = Mapping[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]
"""Attribute type to its best classes BK, the best first, and their scores BK; -inf is a class never predicted."""
Embeddings: TypeAlias = Mapping[str, npt.NDArray[np.float16]]
"""Attribute type to embeddings BD."""


class Engine(Protocol):
    """What bulk prediction asks of a model."""

    schema: AttributeSchema
    embedding_sizes: Mapping[str, int]
    """Attribute type to D, where the model gives embeddings."""
    reader: Reader

    def fingerprint(self) -> str:
        """The same for the same weights, classes and preprocessing."""
        ...

    def read(self, batches: Iterable[list[Item]], workers: int) -> Generator[Pictures, None, None]:
        """Reads batches, ``workers`` at a time, in order."""
        ...

    def start(self, images: Any, top_k: int, embeddings: bool) -> Any:
        """Begins to predict B3HW, uint8, and returns without waiting for an accelerator; `finish` takes the result."""
        ...

    def finish(self, started: Any) -> tuple[Top, Embeddings]:
        """Waits for what was started."""
        ...


class OnnxEngine:
    """An ONNX file, run by onnxruntime; pictures are read in threads."""

    embedding_sizes: Mapping[str, int] = {}

    def __init__(self, model: OnnxModel) -> None:
        self.model, self.schema = model, model.schema
        self.reader = Reader(PillowDecode(model.metadata))

    def fingerprint(self) -> str:
        """The checksum of the file."""
        with self.model.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read(self, batches: Iterable[list[Item]], workers: int) -> Generator[Pictures, None, None]:
        """As `Engine.read`."""
        return read_in_threads(self.reader, batches, workers)

    def start(self, images: Pixels, top_k: int, embeddings: bool) -> Top:
        """Predicts B3HW."""
        scores = self.model.scores(images)
        return {name: best_classes(name, values, top_k) for name, values in scores.items()}

    def finish(self, started: Top) -> tuple[Top, Embeddings]:
        """What `start` gave; an ONNX file has no embeddings."""
        return started, {}


class PillowDecode:
    """`mtss_zoo.images.decode` and `Preprocess.resize` without torch."""

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata

    def __call__(self, source: ImageSource, name: str, bbox: Box | None) -> Pixels:
        image = decode(source, name)
        if bbox and (box := box_inside(bbox, image.height, image.width)):
            image = image.crop(box)
        return np.asarray(self.metadata.resize(image)).transpose(2, 0, 1)


def open_engine(model: AttributeModel | OnnxModel | str, device: str = "auto") -> Engine:
    """The engine of a model, or of what names one (`load_model`, or an ``.onnx`` file).

    Args:
        model: one that is open already computes where it is; it is put into eval mode.
        device: ``cpu``, ``cuda``, ``cuda:1`` ...; ``auto`` is a GPU if there is one that this installation can use.

    Raises:
        UsageError: there is no such device.
    """
    if isinstance(model, str) and model.endswith(".onnx"):
        model = OnnxModel(model, _providers(device))
    if isinstance(model, OnnxModel):
        return OnnxEngine(model)
    from mtss_zoo.bulk.torch_engine import TorchEngine, find_device
    from mtss_zoo.named_model import load_model

    if isinstance(model, str):
        place = find_device(device)
        model = load_model(model).to(place)
    return TorchEngine(model)


def _providers(device: str) -> list[str]:
    """Where onnxruntime computes, by its own names."""
    cpu, cuda = "CPUExecutionProvider", "CUDAExecutionProvider"
    if device == "cpu":
        return [cpu]
    require_packages("onnxruntime")
    import onnxruntime

    there = cuda in onnxruntime.get_available_providers()
    if device != "auto" and not (device == "cuda" and there):
        raise UsageError(f"device {device}: onnxruntime has {'cuda' if there else 'no GPU here'} and cpu; or say auto.")
    return [cuda, cpu] if there else [cpu]
