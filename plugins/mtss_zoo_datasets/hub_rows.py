"""All rows of the chosen Parquet files: ids, splits and labels in flat arrays; pictures stay where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mtss_zoo.errors import DataError, UsageError
from mtss_zoo_datasets.hub_columns import kind_of, values_of
from mtss_zoo_datasets.hub_files import INFOS, Files
from mtss_zoo_datasets.hub_labels import LabelColumn
from mtss_zoo_datasets.hub_names import class_names, class_names_beside
from mtss_zoo_datasets.hub_splits import ChosenSplits
from mtss_zoo_datasets.labels import Integers, Labels
from mtss_zoo_datasets.parquet_pictures import read_columns, read_schema

POOL = -1


@dataclass
class HubRows:
    """R rows of several files. What is by type has the types in the order in which they were asked for."""

    names: list[str] = field(default_factory=list)
    """Of the files."""
    groups: list[list[int]] = field(default_factory=list)
    """Rows of each row group of each file."""
    ids: pa.Array = field(default_factory=lambda: pa.array([], pa.large_string()))
    """(R,) texts, all different."""
    splits: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    """(R,) the number of each row's split, `POOL` in the one without labels."""
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    several: dict[str, bool] = field(default_factory=dict)
    """Whether the column holds several classes a row."""
    declared: dict[str, bool] = field(default_factory=dict)
    """Whether the class names came with the column."""
    labels: Labels = field(default_factory=lambda: Labels({}))

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(R,) whether any label is known."""
        known: npt.NDArray[np.bool_] = np.logical_or.reduce([t.known for t in self.labels.types.values()])
        return known


def read_rows(
    files: Files,
    theirs: Mapping[str, list[str]],
    chosen: ChosenSplits,
    image: str,
    types: Mapping[str, str] | None,
    id: str | None,
    separator: str | None,
) -> HubRows:
    """Reads the label columns and ids of the chosen splits. The split without labels need not have the former.

    Args: see `mtss_zoo_datasets.huggingface.HuggingFace`; ``theirs``: the files of each of their splits.

    Raises:
        DataError: a column is missing, holds something else, or an id occurs twice.
        UsageError: no type is named, and no column has named numbers.
    """
    schema = read_schema(files, theirs[chosen.labelled["train"]][0])
    named = class_names(schema) or class_names_beside(files.text(INFOS))
    columns = _columns(schema, named, types, separator, files.name)
    read, ids, splits = HubRows(), [], []
    numbers = [*enumerate(chosen.labelled.values()), *([(POOL, chosen.unlabelled)] if chosen.unlabelled else [])]
    for number, split in numbers:
        before = 0
        for name in theirs[split]:
            wanted = [c.column for c in columns.values()] if number != POOL else []
            table, sizes = read_columns(files, name, image, [*wanted, *([id] if id else [])])
            rows = sum(sizes)
            for column in columns.values():
                if wanted:
                    column.add(values_of(table, column.column), f"{files.name}/{name}")
                else:
                    column.skip(rows)
            read.names.append(name)
            read.groups.append(sizes)
            splits.append(np.full(rows, number, np.int64))
            ids.append(_ids(values_of(table, id), id, f"{files.name}/{name}") if id else _numbered(split, before, rows))
            before += rows
    read.ids, read.splits = pa.concat_arrays(ids), np.concatenate(splits)
    _refuse_repeated(read.ids, id, files.name)
    found = {name: column.finish() for name, column in columns.items()}
    read.classes = {name: classes for name, (classes, _) in found.items()}
    read.labels = Labels({name: labels for name, (_, labels) in found.items()})
    read.several = {name: column.several for name, column in columns.items()}
    read.declared = {name: bool(column.names) for name, column in columns.items()}
    return read


def _columns(
    schema: pa.Schema,
    named: Mapping[str, tuple[str, ...]],
    types: Mapping[str, str] | None,
    separator: str | None,
    where: str,
) -> dict[str, LabelColumn]:
    chosen = types or {column: column for column in named if column in schema.names}
    if not chosen:
        raise UsageError(
            f"{where}: say which columns are labels, such as data.dataset.args.types: {{colour: baseColour}}. "
            f"There are {', '.join(schema.names)}."
        )
    return {t: LabelColumn(c, kind_of(schema, c, where), named.get(c), separator) for t, c in chosen.items()}


def _ids(values: pa.ChunkedArray, column: str, where: str) -> pa.Array:
    ids = pc.cast(values, pa.large_string()).combine_chunks()
    if ids.null_count:
        raise DataError(f"{where}: the column {column!r} is empty in {ids.null_count} rows, so it names no pictures.")
    return ids


def _numbered(split: str, first: int, rows: int) -> pa.Array:
    numbers = pc.cast(pa.array(np.arange(first, first + rows)), pa.large_string())
    return pc.binary_join_element_wise(pa.scalar(split, pa.large_string()), numbers, pa.scalar("/", pa.large_string()))


def _refuse_repeated(ids: pa.Array, column: str | None, where: str) -> None:
    counts = pc.value_counts(ids)
    again = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(again):
        raise DataError(
            f"{where}: the column {column!r} names {len(again)} pictures twice, such as {again[0]['values'].as_py()}. "
            "Name another column as `id`, or leave `id` out: pictures are then named by their row."
        )
