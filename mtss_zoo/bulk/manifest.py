"""Pictures listed in a manifest, CSV, JSONL or Parquet, read row by row."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mtss_zoo.bulk.sources import Box, Item, Survey, as_text
from mtss_zoo.errors import DataError

CORNERS = ("x1", "y1", "x2", "y2")
COLUMNS = ("image", "id", "bbox", *CORNERS)
_ADDRESS = re.compile(r"[a-z][a-z0-9]*://")
Rows: TypeAlias = Iterator[tuple[str, Mapping[str, Any]]]
"""Where a row is, for errors, and its cells."""


@dataclass(frozen=True)
class Manifest:
    """The rows of a manifest. Columns: ``image``, a path relative to the manifest's folder, and if wanted ``id``.

    ``bbox`` or ``x1 y1 x2 y2`` give the part of the picture to use, in pixels; empty is the whole. Other columns are
    not read. Without an id, the path is the id.
    """

    path: Path

    def survey(self) -> Survey:
        """Reads the manifest once.

        Raises:
            DataError: it is empty, or a row of it cannot be used; file and line are named.
        """
        total = sum(1 for _ in self)
        if not total:
            raise DataError(f"{self.path}: the manifest has no rows.")
        with self.path.open("rb") as file:
            return Survey(hashlib.file_digest(file, "sha256").hexdigest(), total)

    def __iter__(self) -> Iterator[Item]:
        rows = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}[self.path.suffix.lower()](self.path)
        folder = str(self.path.parent)
        for place, row in rows:
            if "image" not in row:
                raise DataError(f"{place}: there is no column 'image'; the columns are {', '.join(map(str, row))}.")
            image = str(_cell(row, "image") or "").strip()
            if not image or _ADDRESS.match(image):
                raise DataError(f"{place}, column image: the path of a file is needed, not {image or 'an empty cell'}.")
            name = str(image if _cell(row, "id") is None else row["id"]).strip()
            yield Item(as_text(name), os.path.join(folder, image), _box(row, place))


def _cell(row: Mapping[str, Any], column: str) -> Any:
    value = row.get(column)
    return None if value is None or value == "" or value != value else value


def _box(row: Mapping[str, Any], place: str) -> Box | None:
    cell = _cell(row, "bbox")
    if cell is None and "x1" not in row:
        return None
    given = [_cell(row, name) for name in CORNERS] if cell is None else cell
    if isinstance(given, str):
        given = re.split(r"[\s,|]+", given.strip())
    if cell is None and given == [None] * 4:
        return None
    try:
        x1, y1, x2, y2 = map(float, given)
    except (TypeError, ValueError):
        raise DataError(f"{place}: four numbers x1 y1 x2 y2 are expected as a box, not {given}.") from None
    if not (x1 < x2 and y1 < y2 and all(map(math.isfinite, (x1, y1, x2, y2)))):
        raise DataError(f"{place}: x1 < x2 and y1 < y2 are expected of a box, not {x1:g} {y1:g} {x2:g} {y2:g}.")
    return x1, y1, x2, y2


def _csv(path: Path) -> Rows:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for row in reader:
                place = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise DataError(f"{place}: this line has not as many cells as the header has columns.")
                yield place, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: this is not CSV in UTF-8: {error}.") from error


def _jsonl(path: Path) -> Rows:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                row = json.loads(line) if line.strip() else None
                if row is not None and not isinstance(row, dict):
                    raise DataError(f"{path}, line {number}: one object {{...}} a line is expected.")
                if row is not None:
                    yield f"{path}, line {number}", row
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: this is not JSON in UTF-8, one object a line: {error}.") from error


def _parquet(path: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            used = [name for name in names if name in COLUMNS]
            if "image" not in used:
                raise DataError(f"{path}: there is no column 'image'; the columns are {', '.join(names)}.")
            number = 0
            for batch in file.iter_batches(columns=used):
                for row in batch.to_pylist():
                    yield f"{path}, row {number}", row
                    number += 1
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: this is not a Parquet file: {error}") from error
