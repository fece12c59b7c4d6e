"""From pictures that were read to tables of answers: the step that a command, a program and Ray Data have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mtss_zoo.bulk.table import answer_table, table_schema
from mtss_zoo.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from mtss_zoo.bulk.engines import Embeddings, Engine, Top
    from mtss_zoo.bulk.reading import Pictures

T = TypeVar("T")


class Answers:
    """Turns pictures into tables.

    Args:
        engine: the model.
        top_k: classes of each attribute type.
        embeddings: whether the tables have them.

    Raises:
        UsageError: ``top_k`` is not positive, or the model has no embeddings.
    """

    def __init__(self, engine: Engine, top_k: int, embeddings: bool = False) -> None:
        if top_k < 1:
            raise UsageError(f"top_k is {top_k}, but at least one class is needed.")
        if embeddings and not engine.embedding_sizes:
            raise UsageError("this model gives no embeddings: its heads have none, or it is an ONNX file.")
        self.engine, self.top_k = engine, top_k
        self.sizes = engine.embedding_sizes if embeddings else {}
        self.schema = table_schema(engine.schema, top_k, self.sizes)

    def tables(self, read: Iterable[Pictures]) -> Iterator[pa.Table]:
        """A table for each batch, in order. An accelerator works on the next batch while the last one is written."""
        started = ((pictures, self._start(pictures)) for pictures in read)
        for pictures, work in _one_behind(started):
            top, embeddings = self.engine.finish(work) if work is not None else self._nothing()
            yield answer_table(self.schema, self.engine.schema, pictures.ids, pictures.reasons, top, embeddings)

    def _start(self, pictures: Pictures) -> Any:
        if pictures.images is None:
            return None
        return self.engine.start(pictures.images, self.top_k, bool(self.sizes))

    def _nothing(self) -> tuple[Top, Embeddings]:
        none = np.empty((0, 1), np.int64), np.empty((0, 1), np.float32)
        embeddings = {name: np.empty((0, size), np.float16) for name, size in self.sizes.items()}
        return dict.fromkeys(self.engine.schema.names, none), embeddings


def _one_behind(items: Iterable[T]) -> Iterator[T]:
    """Each item once the next one is there."""
    waiting: list[T] = []
    for item in items:
        yield from waiting
        waiting = [item]
    yield from waiting
