"""The manifest of a packed folder in flat arrays, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mtss_zoo.errors import DataError
from mtss_zoo.interfaces import AttributeSchema, AttributeType
from mtss_zoo.packing.layout import ANSWERS, BBOX, LABELS, METADATA, PLACES
from mtss_zoo_datasets.labels import Integers, Labels, TypeLabels, shortened
from mtss_zoo_datasets.manifest_columns import read_groups

TEXT, NUMBER, TEXTS = pa.large_string(), pa.int64(), pa.large_list(pa.large_string())


class PackedTable:
    """R rows: ids, splits, places in tars, labels and the rest; memory holds one column at a time beside them.

    Args:
        path: the Parquet file.
        schema: the classes of its labels.

    Raises:
        DataError: it is damaged, or does not fit the schema; column and row are named.
    """

    def __init__(self, path: Path, schema: AttributeSchema) -> None:
        self.path = path
        if not path.is_file():
            raise DataError(f"{path}: no such manifest; `mtss-zoo data pack` writes one.")
        try:
            with pq.ParquetFile(path) as self._file:
                self._names = self._file.schema_arrow.names
                self._read(schema)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: this is no manifest of a packed folder: {error}") from error
        del self._file

    def _read(self, schema: AttributeSchema) -> None:
        if lacking := [name for name in (*PLACES, *(LABELS + t.name for t in schema)) if name not in self._names]:
            raise DataError(f"{self.path}: there is no column {lacking[0]!r}; is {schema.names} its schema?")
        self.ids = self._column("id", TEXT, gaps=False)
        self.splits, self.split = self._codes("split")
        self.shards, self.shard = self._codes("shard")
        self.offset, self.size = self._numbers("offset"), self._numbers("size")
        self._boxes = self._read_boxes() if BBOX in self._names else None
        self.labels = Labels({t.name: self._classes(LABELS, t) for t in schema})
        for t in schema:
            if t.kind == "single" and len(many := np.flatnonzero(np.diff(self.labels.types[t.name].offsets) > 1)):
                raise self._fail(LABELS + t.name, int(many[0]), "several labels, but this type is single")
        answers = {t.name: self._classes(ANSWERS, t) for t in schema if ANSWERS + t.name in self._names}
        self.answers = Labels(answers)
        self._metadata = {n.removeprefix(METADATA): self._column(n, TEXT) for n in self._names if n[:9] == METADATA}
        self.groups = read_groups(self._metadata, len(self))
        if wrong := [name for name in self.shards if "/" in name or "\\" in name or name.startswith(".")]:
            raise DataError(f"{self.path}: the shard {wrong[0]!r} is not the name of a file in this folder.")

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, split: str) -> Integers:
        """The rows of one split, in order."""
        code = self.splits.index(split) if split in self.splits else -1
        return np.flatnonzero(self.split == code)

    def bbox(self, row: int) -> tuple[float, float, float, float] | None:
        """The box of one row; ``None``: the whole picture."""
        if self._boxes is None or np.isnan(self._boxes[row, 0]):
            return None
        x1, y1, x2, y2 = self._boxes[row].tolist()
        return x1, y1, x2, y2

    def metadata(self, row: int) -> dict[str, str]:
        """What else is known of one row."""
        return {key: text for key, values in self._metadata.items() if (text := values[row].as_py()) is not None}

    def beyond(self, tars: Sequence[Path]) -> list[str]:
        """Sentences about tars that are missing, or end before a picture does."""
        sizes = np.array([path.stat().st_size if path.is_file() else -1 for path in tars], np.int64)
        lost = self.offset + self.size > sizes[self.shard]
        here = np.unique(self.shard[lost])
        if not len(here):
            return []
        which = shortened([f"{self.shards[i]} {'is missing' if sizes[i] < 0 else 'is cut off'}" for i in here])
        return [f"{int(lost.sum())} of {len(self)} pictures are lost: {which}."]

    def _column(self, name: str, kind: pa.DataType, gaps: bool = True) -> pa.Array:
        """One column as an array of its own."""
        table = self._file.read(columns=[name])
        values = table[name].cast(kind).combine_chunks()
        if not gaps and values.null_count:
            raise self._fail(name, pc.index(pc.is_null(values), True).as_py(), "a value is needed")
        return values

    def _codes(self, name: str) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
        """The different texts of a column in the order of their first rows, and their places (R,)."""
        encoded = pc.dictionary_encode(self._column(name, TEXT, gaps=False))
        codes: npt.NDArray[np.int32] = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
        return tuple(encoded.dictionary.to_pylist()), codes

    def _numbers(self, name: str) -> Integers:
        return np.array(self._column(name, NUMBER, gaps=False), np.int64)

    def _read_boxes(self) -> npt.NDArray[np.float64]:
        lists = self._column(BBOX, pa.large_list(pa.float64()))
        some = lists.is_valid().to_numpy(zero_copy_only=False)
        boxes = np.full((len(lists), 4), np.nan)
        lengths = pc.list_value_length(lists.drop_null()).to_numpy(zero_copy_only=False)
        if len(wrong := np.flatnonzero(lengths != 4)):
            row = int(np.flatnonzero(some)[wrong[0]])
            raise self._fail(BBOX, row, f"four numbers x1 y1 x2 y2 are expected, not {lengths[wrong[0]]}")
        boxes[some] = lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, 4)
        return boxes

    def _classes(self, prefix: str, attribute_type: AttributeType) -> TypeLabels:
        """The labels or answers of one type as they are written, in their order."""
        name = prefix + attribute_type.name
        lists = self._column(name, TEXTS)
        counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        texts = lists.flatten()
        codes = pc.fill_null(pc.index_in(texts, value_set=pa.array(attribute_type.classes, texts.type)), -1).to_numpy()
        offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        if len(wrong := np.flatnonzero(codes < 0)):
            row = int(np.searchsorted(offsets, wrong[0], "right")) - 1
            raise self._fail(name, row, f"{texts[int(wrong[0])].as_py()!r} is none of the classes of the schema file")
        known = lists.is_valid().to_numpy(zero_copy_only=False)
        return TypeLabels(known, offsets, codes.astype(np.int32))

    def _fail(self, column: str, row: int, message: str) -> DataError:
        return DataError(f"{self.path}, row {row}, column {column}: {message}.")
