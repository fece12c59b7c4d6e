"""Reads a manifest, CSV, JSONL or Parquet, into Arrow columns; what is wrong is named by file, line and column."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from mtss_zoo.errors import DataError
from mtss_zoo_datasets.labels import Integers

JSON_LINES_SNIFFED = 1000


class ManifestTable:
    """The rows of a manifest as they are in the file, read column by column as they are needed."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DataError(f"{path}: no such manifest.")
        readers = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
        if path.suffix.lower() not in readers:
            raise DataError(f"{path}: a manifest is a .csv, .jsonl or .parquet file.")
        self.path = path
        self._table = readers[path.suffix.lower()](path)
        if not self._table.num_rows:
            raise DataError(f"{path}: the manifest has no rows.")

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self._table.column_names)

    def fail(self, row: int, column: str, message: str) -> DataError:
        """An error about one cell, for `raise`."""
        return DataError(f"{self.path}, {self._line(row)}, column {column}: {message}")

    def fail_file(self, message: str) -> DataError:
        """An error about the whole manifest, for `raise`."""
        return DataError(f"{self.path}: {message}.")

    def text(self, column: str) -> pa.Array:
        """A column as text without surrounding space; empty cells are null."""
        values = self._table[column]
        if _is_list(values.type) or pa.types.is_nested(values.type):
            row = int(np.flatnonzero(values.is_valid())[0])
            raise self.fail(row, column, "one text is expected here, not a list.")
        trimmed = pc.utf8_trim_whitespace(_as_text(values))
        return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.large_string()), trimmed)

    def several(self, column: str) -> tuple[Integers, pa.Array]:
        """A column of cells with several texts, lists or text with ``|`` between: rows (V,) and texts (V,)."""
        values = self._table[column]
        lists = values if _is_list(values.type) else pc.split_pattern(self.text(column), "|")
        lists = _joined(lists)
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        rows = np.repeat(np.arange(len(self)), lengths)
        texts = pc.utf8_trim_whitespace(_as_text(lists.flatten()))
        some = pc.fill_null(pc.not_equal(texts, ""), False)
        return rows[some.to_numpy(zero_copy_only=False)], texts.filter(some)

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """A column of numbers (R,), NaN where a cell is empty."""
        return self._floats(self.text(column), np.arange(len(self)), column)

    def boxes(self, column: str) -> npt.NDArray[np.float64]:
        """A column of four numbers, a list or text with space, comma or ``|`` between: (R, 4), NaN where empty."""
        values = self._table[column]
        if not _is_list(values.type):
            values = pc.split_pattern_regex(self.text(column), r"[\s,|]+")
        lists = _joined(values)
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        wrong = np.flatnonzero((lengths != 4) & (lengths != 0))
        if len(wrong):
            raise self.fail(int(wrong[0]), column, f"four numbers x1 y1 x2 y2 are expected, not {lengths[wrong[0]]}.")
        boxes = np.full((len(self), 4), np.nan)
        flat = lists.flatten()
        boxes[lengths == 4] = self._floats(_as_text(flat), np.repeat(np.arange(len(self)), lengths), column).reshape(
            -1, 4
        )
        return boxes

    def _floats(self, texts: pa.Array, rows: Integers, column: str) -> npt.NDArray[np.float64]:
        try:
            return np.asarray(pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False), np.float64)
        except pa.ArrowInvalid:
            for row, text in zip(rows, texts, strict=True):
                if text.is_valid and not _is_number(text.as_py()):
                    raise self.fail(int(row), column, f"{text.as_py()!r} is not a number.") from None
            raise

    def _line(self, row: int) -> str:
        if self.path.suffix.lower() == ".csv":
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file)
                filled = (reader.line_num for cells in reader if cells)
                return f"line {next(islice(filled, row + 1, None))}"
        if self.path.suffix.lower() == ".jsonl":
            with self.path.open(encoding="utf-8-sig") as lines:
                return f"line {next(islice((n for n, line in enumerate(lines, 1) if line.strip()), row, None))}"
        return f"row {row}"


def _read_csv(path: Path) -> pa.Table:
    wrong = False

    def note(row: Any) -> str:
        nonlocal wrong
        wrong = True
        return "skip"

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
        _check_header(path, header)
        table = pyarrow.csv.read_csv(
            path,
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
            convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string())),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise DataError(f"{path}: this is not CSV in UTF-8: {error}") from None
    if wrong:
        raise _csv_fault(path, len(header))
    return table


def _csv_fault(path: Path, columns: int) -> DataError:
    """The first row with another number of cells; looked for again, because Arrow does not count empty lines."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        line, cells = next((reader.line_num, len(c)) for c in reader if c and len(c) != columns)
    return DataError(f"{path}, line {line}: {cells} cells where the header has {columns} columns.")


def _read_jsonl(path: Path) -> pa.Table:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            first = [json.loads(line) for line in islice(lines, JSON_LINES_SNIFFED) if line.strip()]
        texts = {key for row in first for key, value in row.items() if isinstance(value, str)}
        # Declared, because texts that look like dates would be read as dates.
        schema = pa.schema([(key, pa.string()) for key in sorted(texts)])
        return pyarrow.json.read_json(path, parse_options=pyarrow.json.ParseOptions(explicit_schema=schema))
    except (pa.ArrowInvalid, ValueError, AttributeError) as error:
        raise _json_fault(path) or DataError(f"{path}: this is not JSON, one object a line: {error}") from None


def _json_fault(path: Path) -> DataError | None:
    """The first line that is not an object, or has another kind of value in a column than the lines before."""
    kinds: dict[str, str] = {}
    names = {str: "text", bool: "true or false", int: "number", float: "number", list: "list", dict: "object"}
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line) if line.strip() else {}
            except ValueError as error:
                return DataError(f"{path}, line {number}: this is not JSON: {error}")
            if not isinstance(row, dict):
                return DataError(f"{path}, line {number}: one object {{...}} a line is expected.")
            for key, value in row.items():
                kind = names.get(type(value))
                if kind and kinds.setdefault(key, kind) != kind:
                    message = f"{kind} where earlier lines have {kinds[key]}."
                    return DataError(f"{path}, line {number}, column {key}: {message}")
    return None


def _read_parquet(path: Path) -> pa.Table:
    try:
        return pyarrow.parquet.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: this is not a Parquet file: {error}") from None


def _check_header(path: Path, header: Sequence[str]) -> None:
    if not header:
        raise DataError(f"{path}: the manifest is empty.")
    if twice := [name for name, count in Counter(header).items() if count > 1]:
        raise DataError(f"{path}, line 1: column {twice[0]!r} occurs twice.")


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _as_text(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    return _joined(pc.cast(values, pa.large_string()))


def _joined(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
