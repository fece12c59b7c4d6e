"""A model in an ONNX file that `mtss-zoo export` wrote, run by onnxruntime. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mtss_zoo.errors import CheckpointError, UsageError
from mtss_zoo.exporting.onnx_file import INPUT, first_line, output_name, read_file
from mtss_zoo.interfaces import AttributeSchema
from mtss_zoo.pil_images import decode
from mtss_zoo.prediction import Prediction, Scores, named_chunks, predictions

if TYPE_CHECKING:
    from mtss_zoo.interfaces import ImageSource


class OnnxModel:
    """Predicts like an `AttributeModel`, from an ONNX file alone.

    Args:
        path: the file. It is data: nothing outside it is read.
        providers: where onnxruntime may compute, by its own names, the preferred one first.

    Raises:
        CheckpointError: the file is missing, damaged, refers to other files, or is none of this package's.
        MtssZooError: onnx or onnxruntime is not installed.
    """

    def __init__(self, path: str | Path, providers: Sequence[str] = ("CPUExecutionProvider",)) -> None:
        self.path = Path(path)
        self.metadata, self._session = read_file(self.path, providers)
        try:
            self.schema = AttributeSchema.from_dict(self.metadata.schema_.model_dump())
        except UsageError as error:
            raise CheckpointError(f"{self.path} has bad metadata: {error}") from error
        self._check_signature()

    def scores(self, pictures: npt.NDArray[np.uint8]) -> Scores:
        """RGB pictures B3HW of the model's own size to ``{type: scores BN}``; an untrained class scores -inf.

        Raises:
            UsageError: the pictures have another shape or are not uint8.
            CheckpointError: the file does not compute what it announces.
        """
        size = (3, *self.metadata.image_size)
        if pictures.dtype != np.uint8 or pictures.shape[1:] != size or not len(pictures):
            raise UsageError(f"pictures are {pictures.dtype} {pictures.shape}, but uint8 {('B', *size)} is needed.")
        outputs = [output_name(t.name) for t in self.schema]
        try:
            found = dict(zip(self.schema.names, self._session.run(outputs, {INPUT: pictures}), strict=True))
        except Exception as error:  # onnxruntime's errors share no base class
            raise CheckpointError(f"{self.path} could not be run: {first_line(error)}") from error
        for t in self.schema:
            if found[t.name].shape != (len(pictures), len(t)):
                raise CheckpointError(f"{self.path} gives scores of {t.name} that do not fit its {len(t)} classes.")
        return found

    def predict(
        self, images: ImageSource | Iterable[ImageSource], top_k: int = 3, batch_size: int = 64
    ) -> list[Prediction]:
        """The best classes of every type, for each picture: ``[{type: [(class, score), ...]}, ...]``.

        Args:
            images: a path, a PIL image, encoded bytes, or an iterable of these.
            top_k: classes a type; untrained classes are left out.
            batch_size: pictures a forward pass.

        Raises:
            ImageError: a picture cannot be read; the message names it.
        """
        return predictions(self.schema, map(self.scores, self._batches(images, batch_size)), top_k)

    def _batches(self, images: Any, batch_size: int) -> Iterator[npt.NDArray[np.uint8]]:
        for chunk in named_chunks(images, batch_size):
            pictures = [np.asarray(self.metadata.resize(decode(source, name))) for source, name in chunk]
            yield np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2))

    def _check_signature(self) -> None:
        """The network takes and gives what the metadata promises."""
        ends = [self._session.get_inputs(), self._session.get_outputs()]
        takes, gives = ([(end.name, end.type, list(end.shape)[1:]) for end in side] for side in ends)
        wanted = [(output_name(t.name), "tensor(float)", [len(t)]) for t in self.schema]
        if takes != [(INPUT, "tensor(uint8)", [3, *self.metadata.image_size])] or gives != wanted:
            raise CheckpointError(f"{self.path}: its network does not fit its metadata. Export it again.")
