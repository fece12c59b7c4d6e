"""Rows of Parquet files: label columns are read once, pictures when they are asked for, a row group at a time."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mtss_zoo.errors import DataError
from mtss_zoo_datasets.hub_columns import kind_of, outermost
from mtss_zoo_datasets.hub_files import Files, explained
from mtss_zoo_datasets.labels import Integers

OPEN_FILES = 16
CACHED_BYTES = 256 << 20
"""Pictures of the row groups that were used last stay in memory up to this size, and at least one row group."""


def read_columns(files: Files, name: str, image: str, columns: Sequence[str]) -> tuple[pa.Table, list[int]]:
    """Some columns of one file, without its pictures, and the number of rows of each row group.

    Raises:
        DataError: a column is missing, or ``image`` holds no pictures.
    """
    with explained(files, name), pq.ParquetFile(files.open(name), pre_buffer=True) as file:
        have = file.schema_arrow
        for column in (image, *columns):
            kind_of(have, column, f"{files.name}/{name}")
        _leaf(have.field(image), f"{files.name}/{name}")
        table = file.read(outermost(columns, have.names), use_threads=False)
        return table, [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]


def read_schema(files: Files, name: str) -> pa.Schema:
    """The columns of one file, with the metadata that the datasets library wrote."""
    with explained(files, name), pq.ParquetFile(files.open(name)) as file:
        return file.schema_arrow


class Pictures:
    """The encoded pictures of R rows in several files.

    Args:
        files: where they are.
        names: of the files.
        groups: of each file, the rows of its row groups.
        image: the column, ``{bytes, path}`` as the datasets library writes it, or binary.
    """

    def __init__(self, files: Files, names: Sequence[str], groups: Sequence[Sequence[int]], image: str) -> None:
        self.files, self.names, self.image = files, tuple(names), image
        sizes = np.array([rows for file in groups for rows in file], np.int64)
        self._starts: Integers = np.concatenate([[0], np.cumsum(sizes)])
        self._file = np.repeat(np.arange(len(groups)), [len(file) for file in groups])
        self._number = np.array([g for file in groups for g in range(len(file))], np.int64)
        self._forget()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_open", "_cached", "_process")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __getitem__(self, row: int) -> bytes:
        """One encoded picture; no bytes where the cell is empty."""
        group = int(np.searchsorted(self._starts, row, "right")) - 1
        cell = self._column(group)[row - int(self._starts[group])].as_py()
        content = cell["bytes"] if isinstance(cell, dict) else cell
        return content or b""

    def spread(self, groups: int, each: int) -> list[int]:
        """Rows to try: ``each`` of several row groups, evenly spread over all."""
        chosen = np.unique(np.linspace(0, len(self._number) - 1, min(groups, len(self._number))).astype(np.int64))
        bounds = [(self._starts[g], self._starts[g + 1]) for g in chosen]
        rows = [np.linspace(first, end - 1, min(each, end - first)).astype(np.int64) for first, end in bounds]
        return np.unique(np.concatenate(rows)).tolist() if rows else []

    def _column(self, group: int) -> pa.ChunkedArray:
        if self._process != os.getpid():  # what a parent has open is not a child's to read
            self._forget()
        if group in self._cached:
            self._cached.move_to_end(group)
            return self._cached[group]
        name = self.names[self._file[group]]
        with explained(self.files, name):
            file = self._opened(int(self._file[group]))
            leaf = _leaf(file.schema_arrow.field(self.image), name)
            column = file.read_row_group(int(self._number[group]), [leaf], use_threads=False).column(0)
        self._cached[group] = column
        while len(self._cached) > 1 and sum(c.nbytes for c in self._cached.values()) > CACHED_BYTES:
            self._cached.popitem(last=False)
        return column

    def _opened(self, number: int) -> pq.ParquetFile:
        if number in self._open:
            self._open.move_to_end(number)
        else:
            self._open[number] = pq.ParquetFile(self.files.open(self.names[number]))
            if len(self._open) > OPEN_FILES:
                self._open.popitem(last=False)[1].close(force=True)
        return self._open[number]

    def _forget(self) -> None:
        self._process = os.getpid()
        self._open: OrderedDict[int, pq.ParquetFile] = OrderedDict()
        self._cached: OrderedDict[int, pa.ChunkedArray] = OrderedDict()


def _leaf(field: pa.Field, where: str) -> str:
    """The Parquet column in which the bytes of pictures are."""
    kind = field.type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return f"{field.name}.bytes"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return str(field.name)
    hint = " Fetch addresses with `mtss-zoo data fetch-urls`." if pa.types.is_string(kind) else ""
    raise DataError(f"{where}: the column {field.name!r} holds {kind}, not pictures.{hint}")
