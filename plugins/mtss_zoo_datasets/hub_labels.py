"""Label columns of Parquet files, file after file, to class names and flat arrays of labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mtss_zoo.errors import DataError
from mtss_zoo_datasets.hub_columns import is_list
from mtss_zoo_datasets.labels import TypeLabels

UNKNOWN = {"", "na", "nan", "none", "null"}
"""Texts, in any case, that say nothing."""


class LabelColumn:
    """Takes in one column part by part.

    Text is a class; a whole number is one too, by the name that the datasets library recorded for it if it did; a
    list, or text with ``separator``, is several. Null, NaN, -1 of a named class, an empty list and the texts of
    `UNKNOWN` are unknown.

    Args:
        column: its name.
        kind: what it holds.
        names: of the numbers, if they have names.
        separator: between the classes in one text; ``None``: a text is one class.
    """

    def __init__(self, column: str, kind: pa.DataType, names: tuple[str, ...] | None, separator: str | None) -> None:
        self.column, self.names, self.separator = column, names, separator
        self.several = is_list(kind) or (separator is not None and _is_text(kind))
        value = kind.value_type if is_list(kind) else kind
        if not (_is_text(value) or pa.types.is_integer(value) or pa.types.is_floating(value) or value == pa.bool_()):
            raise DataError(f"the column {column!r} holds {kind}, but labels are text, numbers, or lists of them.")
        self._index: dict[str, int] = {name: i for i, name in enumerate(names or ())}
        self._rows: list[npt.NDArray[np.int64]] = []
        self._codes: list[npt.NDArray[np.int32]] = []
        self._length = 0

    def add(self, values: pa.ChunkedArray, where: str) -> None:
        """Takes in the next rows, from the file that messages call ``where``."""
        for chunk in values.chunks:
            cells = chunk
            if self.several and not is_list(chunk.type):
                cells = pc.split_pattern(chunk.cast(pa.large_string()), self.separator)
            rows = np.arange(len(cells))
            if self.several:
                lengths = pc.fill_null(pc.list_value_length(cells), 0).to_numpy(zero_copy_only=False)
                rows, cells = np.repeat(rows, lengths), cells.flatten()
            codes = self._numbered(cells, where) if self.names else self._named(cells)
            self._rows.append(self._length + rows[codes >= 0])
            self._codes.append(codes[codes >= 0])
            self._length += len(chunk)

    def skip(self, rows: int) -> None:
        """Takes in rows of which nothing is known."""
        self._length += rows

    def finish(self) -> tuple[tuple[str, ...], TypeLabels]:
        """The class names, those without numbers sorted, and the labels of all rows."""
        names = tuple(self._index)
        order = np.arange(len(names)) if self.names else np.argsort(np.array(names, object), kind="stable")
        place = np.empty(len(names), np.int32)
        place[order] = np.arange(len(names))
        rows = np.concatenate([np.empty(0, np.int64), *self._rows])
        codes = place[np.concatenate([np.empty(0, np.int32), *self._codes])]
        known = np.zeros(self._length, bool)
        known[rows] = True
        return tuple(names[i] for i in order), TypeLabels.from_pairs(rows, codes, known)

    def _named(self, cells: pa.Array) -> npt.NDArray[np.int32]:
        encoded = cells if pa.types.is_dictionary(cells.type) else pc.dictionary_encode(cells)
        texts = [_text(value) for value in encoded.dictionary.to_pylist()]
        local = [-1 if text is None else self._index.setdefault(text, len(self._index)) for text in texts]
        places = pc.fill_null(encoded.indices.cast(pa.int64()), len(local)).to_numpy(zero_copy_only=False)
        codes: npt.NDArray[np.int32] = np.array([*local, -1], np.int32)[places]
        return codes

    def _numbered(self, cells: pa.Array, where: str) -> npt.NDArray[np.int32]:
        codes: npt.NDArray[np.int64] = pc.fill_null(cells.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
        wrong = codes[(codes < -1) | (codes >= len(self._index))]
        if len(wrong):
            raise DataError(
                f"{where}: the column {self.column!r} holds {wrong[0]}, but has names for 0 to {len(self._index) - 1}."
            )
        return codes.astype(np.int32)


def _text(value: Any) -> str | None:
    """A cell as the name of a class; ``None`` where it says nothing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
    return None if text.lower() in UNKNOWN else text


def _is_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value))
