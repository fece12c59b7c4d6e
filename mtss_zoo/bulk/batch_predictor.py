"""Bulk prediction as a callable on batches of columns, as Ray Data's ``map_batches`` wants it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
from PIL import Image

from mtss_zoo.bulk.answers import Answers
from mtss_zoo.bulk.engines import open_engine
from mtss_zoo.bulk.sources import Box, Item, Unusable
from mtss_zoo.bulk.table import ID
from mtss_zoo.errors import UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

    from mtss_zoo.exporting.onnx_model import OnnxModel
    from mtss_zoo.interfaces import ImageSource
    from mtss_zoo.model import AttributeModel


class BatchPredictor:
    """Opens a model once, then predicts batch after batch; each process or machine makes its own.

    Args:
        model: a folder, ``owner/repo@revision``, a pretrained recipe or an ``.onnx`` file that every machine can
            reach; or a model.
        image: the column of pictures: paths, encoded files' bytes, or arrays HW3.
        top_k: classes of each attribute type.
        embeddings: add a column of embeddings for each type that has them.
        device: ``auto``, ``cpu``, ``cuda`` ...

    Raises:
        UsageError: as `bulk_predict`.
    """

    def __init__(
        self,
        model: AttributeModel | OnnxModel | str,
        image: str = "image",
        top_k: int = 3,
        embeddings: bool = False,
        device: str = "auto",
    ) -> None:
        self.image = image
        self.answers = Answers(open_engine(model, device), top_k, embeddings)

    def __call__(self, batch: Mapping[str, npt.NDArray[Any]]) -> pa.Table:
        """Columns of equal length to the same columns and those of the answers; of the pictures, paths stay.

        ``error`` says why a row could not be used, and is null otherwise. A column ``bbox`` gives boxes
        x1 y1 x2 y2 in pixels; an empty one is the whole picture.

        Raises:
            UsageError: there is no column of pictures, or one has the name of one of the answers.
        """
        if self.image not in batch:
            raise UsageError(f"there is no column {self.image!r} of pictures; image= can be {', '.join(batch)}.")
        images = batch[self.image]
        paths = all(isinstance(image, str) for image in images)
        kept = {name: values for name, values in batch.items() if paths or name != self.image}
        if both := kept.keys() & {*self.answers.schema.names} - {ID}:
            raise UsageError(f"the batch has a column {min(both)!r} already, as the answers have; leave it out.")
        names = batch.get(ID, batch.get("path", images))
        boxes = batch.get("bbox", [None] * len(images))
        items = [
            _item(_name(name, row), image, box)
            for row, (name, image, box) in enumerate(zip(names, images, boxes, strict=True))
        ]
        (answers,) = self.answers.tables([self.answers.engine.reader[items]])
        columns = {name: pa.array(values if values.ndim == 1 else values.tolist()) for name, values in kept.items()}
        own = {name: answers[name] for name in answers.column_names if name != ID}
        return pa.table(columns | own)


def _name(value: Any, row: int) -> str:
    return str(value) if isinstance(value, str) else f"picture {row}"


def _item(name: str, image: Any, box: Any) -> Item:
    """A row that does not fit is a picture that cannot be used: it must not end the job of all others."""
    try:
        return Item(name, _source(image), _box(box))
    except _Refused as why:
        return Item(name, Unusable(f"picture {name} cannot be used: its {why}"))


class _Refused(Exception):
    """Why a row is not used, as the end of a sentence that begins with "its"."""


def _source(value: Any) -> ImageSource:
    if not isinstance(value, np.ndarray):
        return cast("ImageSource", value)
    try:
        return Image.fromarray(value)
    except (TypeError, ValueError) as error:
        sides = " x ".join(map(str, value.shape))
        raise _Refused(f"array is {sides} of {value.dtype}, but height x width x 3 of uint8 are needed") from error


def _box(value: Any) -> Box | None:
    try:
        numbers = np.asarray(() if value is None else value, float)
        if not numbers.size or np.isnan(numbers).any():
            return None
        x1, y1, x2, y2 = map(float, numbers.tolist())
    except (TypeError, ValueError) as error:
        raise _Refused(f"box is {value}, but four numbers x1 y1 x2 y2 are needed") from error
    if np.isinf(numbers).any():
        raise _Refused(f"box is {value}, which has no end")
    return x1, y1, x2, y2
