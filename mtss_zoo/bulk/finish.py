"""The parts of a run as one file, Parquet or JSONL, and the list of the pictures that could not be used."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mtss_zoo.bulk.parts import Parts
from mtss_zoo.bulk.table import ERROR, ID
from mtss_zoo.files.whole_files import drop_parts, synced_file

FORMATS = (".parquet", ".jsonl")
GROUP_BYTES = 64_000_000
"""Rows of this many bytes, in memory, become one row group of Parquet."""


class Writer(Protocol):
    """Takes tables one after the other."""

    def write(self, table: pa.Table) -> None:
        """The next rows."""
        ...


def bad_list(out: Path) -> Path:
    """Where the unusable pictures of a run are listed."""
    return out.with_name(f"{out.name}.bad.csv")


def finish(parts: Parts, schema: pa.Schema, about: str) -> int:
    """Writes what the parts hold, in order, into their file, and removes them. Memory is that of one row group.

    Args:
        parts: all of a run's.
        schema: of the parts.
        about: the run, as text for the metadata of a Parquet file.

    Returns:
        How many pictures could not be used. If any, `bad_list` names them.
    """
    for path in (parts.out, bad_list(parts.out)):
        drop_parts(path.parent, path.name)
    bad = 0
    final = schema.remove(schema.get_field_index(ERROR)).with_metadata({"mtss_zoo": about})
    with (
        synced_file(bad_list(parts.out)) as encoded,
        synced_file(parts.out) as file,
        _writer(parts.out, file, final) as writer,
    ):
        faults = io.TextIOWrapper(encoded, "utf-8", newline="", write_through=True)
        listed = csv.writer(faults, lineterminator="\n")
        listed.writerow([ID, "reason"])
        for table in parts.tables():
            unusable = table.filter(pc.is_valid(table[ERROR]))
            bad += unusable.num_rows
            listed.writerows(zip(unusable[ID].to_pylist(), unusable[ERROR].to_pylist(), strict=True))
            writer.write(table.filter(pc.is_null(table[ERROR])).drop_columns([ERROR]))
        faults.detach()
    if not bad:
        bad_list(parts.out).unlink()
    parts.remove()
    return bad


@contextmanager
def _writer(path: Path, file: IO[bytes], schema: pa.Schema) -> Iterator[Writer]:
    if path.suffix == ".jsonl":
        yield _JsonLines(file)
        return
    with pq.ParquetWriter(file, schema, compression="zstd") as parquet:
        groups = _RowGroups(parquet, schema)
        yield groups
        groups.flush()


class _JsonLines:
    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def write(self, table: pa.Table) -> None:
        """A line for each row."""
        for row in table.to_pylist():
            self.file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


class _RowGroups:
    """Gathers small tables into large row groups."""

    def __init__(self, parquet: Any, schema: pa.Schema) -> None:
        self.parquet, self.schema = parquet, schema
        self.waiting: list[pa.Table] = []

    def write(self, table: pa.Table) -> None:
        """Keeps the rows until they fill a group."""
        self.waiting.append(table)
        if sum(t.nbytes for t in self.waiting) >= GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what is waiting as one group."""
        rows = pa.concat_tables(self.waiting) if self.waiting else self.schema.empty_table()
        self.parquet.write_table(rows.replace_schema_metadata(self.schema.metadata))
        self.waiting = []
