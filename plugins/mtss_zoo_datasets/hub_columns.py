"""Columns of Parquet files by name, also those inside another column: ``objects.category``."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mtss_zoo.errors import DataError
from mtss_zoo.registry import near_matches


def path_of(column: str, have: Sequence[str]) -> list[str]:
    """The steps to a column; a dot leads into another column, unless it is part of a name."""
    return [column] if column in have else column.split(".")


def outermost(columns: Sequence[str], have: Sequence[str]) -> list[str]:
    """The columns that have to be read for these, each once."""
    return list(dict.fromkeys(path_of(column, have)[0] for column in columns))


def kind_of(schema: pa.Schema, column: str, where: str) -> pa.DataType:
    """What a column holds; one inside a list holds a list for each row.

    Raises:
        DataError: there is none; the message names what was perhaps meant.
    """
    first, *inner = path_of(column, schema.names)
    if first not in schema.names:
        raise DataError(f"{where} has no column {column!r}. {near_matches(first, schema.names)}")
    kind, lists = schema.field(first).type, 0
    for step in inner:
        if is_list(kind):
            kind, lists = kind.value_type, lists + 1
        names = [kind.field(i).name for i in range(kind.num_fields)] if pa.types.is_struct(kind) else []
        if step not in names:
            raise DataError(f"{where} has no column {column!r}. {near_matches(step, names)}")
        kind = kind.field(step).type
    for _ in range(lists):
        kind = pa.list_(kind)
    return kind


def values_of(table: pa.Table, column: str) -> pa.ChunkedArray:
    """The cells of a column as `kind_of` says it."""
    first, *inner = path_of(column, table.schema.names)
    values = table[first]
    return pa.chunked_array([_inside(chunk, inner) for chunk in values.chunks]) if inner else values


def is_list(kind: pa.DataType) -> bool:
    """Whether a cell holds several values."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _inside(values: pa.Array, path: Sequence[str]) -> pa.Array:
    """Follows the path through structures, and through lists of structures, which stay lists."""
    if not path:
        return values
    if is_list(values.type):
        lengths = pc.fill_null(pc.list_value_length(values), 0)
        offsets = pc.cumulative_sum(pa.concat_arrays([pa.array([0], lengths.type), lengths]))
        return pa.LargeListArray.from_arrays(offsets.cast(pa.int64()), _inside(values.flatten(), path))
    return _inside(pc.struct_field(values, path[0]), path[1:])
