"""An `AttributeModel` in bulk: pictures are read by worker processes, the network runs in this one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from mtss_zoo.bulk.reading import Pictures, Reader
from mtss_zoo.bulk.sources import Box, Item
from mtss_zoo.errors import UsageError
from mtss_zoo.images import Preprocess, decode
from mtss_zoo.interfaces import EmbeddingHead
from mtss_zoo.model import AttributeModel
from mtss_zoo.prediction import check_numbers
from mtss_zoo.weights import digest
from mtss_zoo.workers import read_ahead

if TYPE_CHECKING:
    from mtss_zoo.bulk.engines import Embeddings, Top
    from mtss_zoo.interfaces import ImageSource


class Started(NamedTuple):
    """What an accelerator is still working on."""

    top: dict[str, tuple[Tensor, Tensor]]
    """Attribute type to the best classes BK and their scores BK."""
    embeddings: dict[str, Tensor]


class TorchEngine:
    """Runs a model on the device where it is. The model is put into eval mode."""

    def __init__(self, model: AttributeModel) -> None:
        self.model, self.schema = model.eval(), model.schema
        self.device = next(model.parameters()).device
        heads = {name: model.head(name) for name in model.schema.names}
        self.embedding_sizes: Mapping[str, int] = {
            n: h.dictionary.shape[1] for n, h in heads.items() if isinstance(h, EmbeddingHead)
        }
        self.reader = Reader(TorchDecode(model.preprocess), torch.stack)  # type: ignore[arg-type]

    def fingerprint(self) -> str:
        """The checksum of every tensor, the classes and the preprocessing."""
        about = json.dumps([self.schema.to_dict(), repr(self.model.preprocess)])
        return hashlib.sha256(f"{about} {digest(self.model.state_dict())}".encode()).hexdigest()

    def read(self, batches: Iterable[list[Item]], workers: int) -> Generator[Pictures, None, None]:
        """As `Engine.read`, by processes."""
        yield from read_ahead(self.reader, batches, workers, pin_memory=self.device.type == "cuda")

    @torch.inference_mode()
    def start(self, images: Tensor, top_k: int, embeddings: bool) -> Started:
        """Predicts B3HW; on a GPU it is not waited for."""
        pixels = images.to(self.device, non_blocking=True)
        features = self.model.features(self.model.preprocess.normalise(pixels))
        top = {}
        for name, scores in self.model.scores(features).items():
            ordered, classes = torch.sort(scores.float(), dim=1, descending=True, stable=True)
            top[name] = (classes[:, :top_k], ordered[:, :top_k])
        return Started(top, self.model.embeddings(features) if embeddings else {})

    def finish(self, started: Started) -> tuple[Top, Embeddings]:
        """As `Engine.finish`.

        Raises:
            MtssZooError: a score is not a number.
        """
        top = {name: (classes.cpu().numpy(), scores.cpu().numpy()) for name, (classes, scores) in started.top.items()}
        for name, (_, scores) in top.items():
            check_numbers(name, scores)  # NaN is sorted before every number
        return top, {name: e.half().cpu().numpy() for name, e in started.embeddings.items()}


class TorchDecode:
    """A picture to a uint8 tensor 3HW of the model's size."""

    def __init__(self, preprocess: Preprocess) -> None:
        self.preprocess = preprocess

    def __call__(self, source: ImageSource, name: str, bbox: Box | None) -> Tensor:
        return self.preprocess.resize(decode(source, name), bbox)


def find_device(name: str) -> torch.device:
    """``auto`` is a GPU if there is one.

    Raises:
        UsageError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # a torch without CUDA asserts
        raise UsageError(f"device {name!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return device
