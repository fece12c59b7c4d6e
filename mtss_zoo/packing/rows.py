"""Rows of the manifest of a packed folder, from samples to Arrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import pyarrow as pa

from mtss_zoo.errors import DataError
from mtss_zoo.files.file_names import as_text
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Sample
from mtss_zoo.packing.layout import ANSWERS, BBOX, LABELS, METADATA

REASON = "reason"
"""A column of the rows of one shard: why a picture could not be packed; null of those that were."""
Classes: TypeAlias = Callable[[Sample], Mapping[str, tuple[int, ...]]]
_TEXTS, _BOX = pa.list_(pa.string()), pa.list_(pa.float64())


class Row(NamedTuple):
    """One picture: where its bytes are, or why they are nowhere."""

    split: str
    sample: Sample
    offset: int
    size: int
    reason: str


def as_table(rows: Sequence[Row], shard: str, schema: AttributeSchema) -> pa.Table:
    """Some rows of one shard; columns of boxes, answers and metadata that would be empty are left out.

    Raises:
        DataError: a label is none of the schema's classes.
    """
    samples = [row.sample for row in rows]
    columns = {
        "id": pa.array([as_text(s.id) for s in samples], pa.string()),
        "split": pa.array([row.split for row in rows], pa.string()),
        "shard": pa.array([shard] * len(rows), pa.string()),
        "offset": pa.array([row.offset for row in rows], pa.int64()),
        "size": pa.array([row.size for row in rows], pa.int64()),
        REASON: pa.array([row.reason or None for row in rows], pa.string()),
    }
    for t in schema:
        columns[LABELS + t.name] = _names(samples, t, lambda s: s.labels)
    optional = {BBOX: pa.array([s.bbox for s in samples], _BOX)}
    optional |= {ANSWERS + t.name: _names(samples, t, lambda s: s.answers) for t in schema}
    for key in sorted({key for s in samples for key in s.metadata}):
        optional[METADATA + key] = pa.array([s.metadata.get(key) for s in samples], pa.string())
    return pa.table(columns | {name: values for name, values in optional.items() if values.null_count < len(rows)})


def _names(samples: Sequence[Sample], attribute_type: AttributeType, of: Classes) -> pa.Array:
    found = []
    for sample in samples:
        codes = of(sample).get(attribute_type.name)
        if codes and not 0 <= min(codes) <= max(codes) < len(attribute_type):
            raise DataError(
                f"picture {sample.id} has the classes {list(codes)} of {attribute_type.name}, which has "
                f"{len(attribute_type)} only."
            )
        found.append(None if codes is None else [attribute_type.classes[code] for code in codes])
    return pa.array(found, _TEXTS)
