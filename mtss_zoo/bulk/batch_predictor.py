"""Bulk prediction as a callable on batches of columns, as Ray Data's ``map_batches`` wants it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from PIL import Image

from mtss_zoo.bulk.answers import Answers
from mtss_zoo.bulk.engines import open_engine
from mtss_zoo.bulk.sources import Box, Item
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

        ``error`` says why a picture could not be used, and is null otherwise. A column ``bbox`` gives boxes
        x1 y1 x2 y2 in pixels; an empty one is the whole picture.

        Raises:
            UsageError: a column has the name of one of the answers.
        """
        images = batch[self.image]
        paths = all(isinstance(image, str) for image in images)
        kept = {name: values for name, values in batch.items() if paths or name != self.image}
        if both := kept.keys() & {*self.answers.schema.names} - {ID}:
            raise UsageError(f"the batch has a column {min(both)!r} already, as the answers have; leave it out.")
        names = batch.get(ID, batch.get("path", images))
        boxes = batch.get("bbox", [None] * len(images))
        items = [
            Item(_name(name, row), _source(image), _box(box))
            for row, (name, image, box) in enumerate(zip(names, images, boxes, strict=True))
        ]
        (answers,) = self.answers.tables([self.answers.engine.reader[items]])
        columns = {name: pa.array(values if values.ndim == 1 else values.tolist()) for name, values in kept.items()}
        own = {name: answers[name] for name in answers.column_names if name != ID}
        return pa.table(columns | own)


def _name(value: Any, row: int) -> str:
    return str(value) if isinstance(value, str) else f"picture {row}"


def _source(value: Any) -> ImageSource:
    return Image.fromarray(value) if isinstance(value, np.ndarray) else value


def _box(value: Any) -> Box | None:
    if value is None or not np.size(value) or np.isnan(np.asarray(value, float)).any():
        return None
    x1, y1, x2, y2 = np.asarray(value, float).tolist()
    return x1, y1, x2, y2
