"""Answers as Arrow columns: ``id``, and for each attribute type its best class, its score, and the next best ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mtss_zoo.errors import UsageError

if TYPE_CHECKING:
    from mtss_zoo.bulk.engines import Embeddings, Top
    from mtss_zoo.interfaces import AttributeSchema

ID, ERROR = "id", "error"
Number = TypeVar("Number", bound=np.generic)


def table_schema(types: AttributeSchema, top_k: int, embedding_sizes: Mapping[str, int]) -> pa.Schema:
    """The columns of a table of answers.

    ``id`` and ``error`` (why the picture could not be used, else null); for each attribute type such as ``colour``:
    ``colour``, the best class; ``colour_score``; with ``top_k`` above 1 ``colour_top``, a list of ``class`` and
    ``score``, the best first; and ``colour_embedding``, where embeddings are asked for.

    Raises:
        UsageError: two columns would have the same name.
    """
    one = pa.struct([("class", pa.string()), ("score", pa.float32())])
    fields = [pa.field(ID, pa.string()), pa.field(ERROR, pa.string())]
    for t in types:
        fields += [pa.field(t.name, pa.string()), pa.field(f"{t.name}_score", pa.float32())]
        if top_k > 1:
            fields.append(pa.field(f"{t.name}_top", pa.list_(one)))
        if t.name in embedding_sizes:
            fields.append(pa.field(f"{t.name}_embedding", pa.list_(pa.float16(), embedding_sizes[t.name])))
    names = [field.name for field in fields]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"two columns would have the name {twice[0]!r}: an attribute type has it already.")
    return pa.schema(fields)


def answer_table(
    schema: pa.Schema,
    types: AttributeSchema,
    ids: list[str],
    reasons: list[str | None],
    top: Top,
    embeddings: Embeddings,
) -> pa.Table:
    """One row for each of R pictures, in order.

    Args:
        schema: of `table_schema`.
        reasons: R; where one is given, the picture has no answer.
        top, embeddings: of the B pictures without a reason.
    """
    rows = np.flatnonzero([reason is None for reason in reasons])
    columns: dict[str, pa.Array] = {ID: pa.array(ids, pa.string()), ERROR: pa.array(reasons, pa.string())}
    for t in types:
        names = pa.array(t.classes, pa.string())
        classes, scores = _spread(top[t.name][0], rows, len(ids), 0), _spread(top[t.name][1], rows, len(ids), -np.inf)
        known = scores > -np.inf
        columns[t.name] = names.take(pa.array(classes[:, 0], mask=~known[:, 0]))
        columns[f"{t.name}_score"] = pa.array(scores[:, 0], mask=~known[:, 0])
        ends = np.concatenate([[0], np.cumsum(known.sum(1))])
        best = [names.take(pa.array(classes[known])), pa.array(scores[known])]
        best = pa.StructArray.from_arrays(best, ["class", "score"])
        columns[f"{t.name}_top"] = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), best)
    for name, values in embeddings.items():
        spread = _spread(values, rows, len(ids), 0)
        columns[f"{name}_embedding"] = pa.FixedSizeListArray.from_arrays(pa.array(spread.reshape(-1)), values.shape[1])
    return pa.table([columns[field.name] for field in schema], schema=schema)


def _spread(values: npt.NDArray[Number], rows: npt.NDArray[np.int64], total: int, empty: float) -> npt.NDArray[Number]:
    """Values BK to their ``rows`` of ``total``; the other rows are ``empty``."""
    spread = np.full((total, values.shape[1]), empty, values.dtype)
    spread[rows] = values
    return spread
