"""The dataset `fashion_products`: the layout of the public Fashion Product Images set.

``images/<id>.jpg``, ``styles.csv`` with one row a picture, and perhaps ``splits.csv`` (``id,split``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mtss_zoo.errors import DataError, UsageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Sample
from mtss_zoo_datasets.fashion_table import COLUMNS, METADATA, pictures, read_splits, read_styles, value
from mtss_zoo_datasets.labels import Integers, Labels, TypeLabels, folder, in_range, known_split, shortened
from mtss_zoo_datasets.picture_files import sample_size, tried
from mtss_zoo_datasets.splitting import split_by_hash


class FashionProducts:
    """Product photos with category, colour, gender, season, usage, and the pattern where the product's name says it.

    A row without a picture is left out; a picture without a row is unlabelled. Without ``splits.csv`` the split is
    75/15/10 by a hash of the id. The classes are those of the train split by name, unless ``schema`` is given: a
    value that it lacks is then its ``other``, or unknown. `check` reports all of this.
    """

    def __init__(self, root: str | None = None, *, schema: AttributeSchema | None = None) -> None:
        self.root = folder(root, "fashion_products", "images/ and styles.csv")
        self._table = read_styles(self.root / "styles.csv")
        self._files = pictures(self.root / "images")
        self._split_of = read_splits(self.root / "splits.csv")
        self._ids = [key for key in self._table.rows if key in self._files]
        self._rows = self._rows_of_splits()
        values = {name: [value(name, self._table.rows[key]) for key in self._ids] for name in COLUMNS}
        self.schema = _checked(schema) if schema else self._own_schema(values)
        self._values = {name: values[name] for name in self.schema.names}
        self._labels = Labels({t.name: _encode(self._values[t.name], t) for t in self.schema})

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that splits.csv names, or train, val, test."""
        return tuple(self._rows)

    def split(self, name: str) -> FashionSamples:
        """The pictures of one split with their labels, in the order of styles.csv."""
        rows = self._rows[known_split(name, self.splits)]
        return FashionSamples(self, [self._ids[row] for row in rows], self._labels.take(rows))

    def unlabelled(self) -> FashionSamples:
        """The pictures that styles.csv does not list, by id."""
        ids = sorted(self._files.keys() - self._table.rows.keys() - (self._split_of or {}).keys())
        return FashionSamples(self, ids, Labels.unknown(self.schema, len(ids)))

    def picture(self, key: str) -> Path:
        """The file of one id."""
        return self.root / "images" / self._files[key]

    def metadata(self, key: str) -> dict[str, str]:
        """What else styles.csv says of one id."""
        row = self._table.rows.get(key, {})
        return {name: row[name] for name in METADATA if row.get(name, "")}

    def check(self) -> list[str]:
        """What is missing or was left out, in plain words; some pictures are decoded to see whether they can be."""
        table, split_of = self._table, self._split_of
        missing = [key for key in table.rows if key not in self._files]
        unsplit = [] if split_of is None else [key for key in self._ids if key not in split_of]
        unlisted = [key for key in split_of or {} if key not in table.rows]
        left_out = "and are left out: {some}."
        counted = {
            "styles.csv: {n} rows have commas without quotes in the product name, read as one: {some}.": table.joined,
            "styles.csv: {n} rows do not have the columns of the first line " + left_out: table.broken,
            "styles.csv: {n} ids occur again; only their first rows count: {some}.": table.repeated,
            "images: {n} rows of styles.csv have no picture " + left_out: missing,
            "splits.csv: {n} pictures of styles.csv are in no split " + left_out: unsplit,
            "splits.csv: {n} ids are not in styles.csv: {some}.": unlisted,
        }
        said = [text.format(n=len(keys), some=shortened(keys)) for text, keys in counted.items() if keys]
        keys = sorted(self._files)
        return said + list(self._foreign_values()) + tried(len(keys), lambda row: (self.picture(keys[row]), keys[row]))

    @property
    def tried(self) -> int:
        """How many pictures `check` decodes."""
        return sample_size(len(self._files))

    def _foreign_values(self) -> Iterator[str]:
        for attribute_type in (t for t in self.schema if t.other is None):
            values = Counter(self._values[attribute_type.name])
            lacking = {v: n for v, n in values.items() if v is not None and v not in attribute_type.classes}
            if lacking:
                yield (
                    f"{attribute_type.name}: {sum(lacking.values())} rows hold a value that the schema lacks, "
                    f"unknown: {shortened(lacking)}."
                )

    def _rows_of_splits(self) -> dict[str, Integers]:
        names = [split_by_hash(key) if self._split_of is None else self._split_of.get(key) for key in self._ids]
        order = {"train": 0, "val": 1, "test": 2}
        splits = sorted({name for name in names if name}, key=lambda name: (order.get(name, 3), name))
        if "train" not in splits:
            raise DataError(f"{self.root}: no picture with a row in styles.csv is in the split train.")
        where = np.array([splits.index(name) if name else -1 for name in names])
        return {name: np.flatnonzero(where == i) for i, name in enumerate(splits)}

    def _own_schema(self, values: dict[str, list[str | None]]) -> AttributeSchema:
        seen = {name: sorted({v for row in self._rows["train"] if (v := values[name][row])}) for name in COLUMNS}
        return AttributeSchema(
            tuple(AttributeType(name, "single", tuple(classes)) for name, classes in seen.items() if classes)
        )


class FashionSamples:
    """One split or the unlabelled pictures; files are opened by whoever decodes them."""

    def __init__(self, dataset: FashionProducts, ids: list[str], labels: Labels) -> None:
        self._dataset, self._ids, self._labels = dataset, ids, labels

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, row: int) -> Sample:
        row = in_range(row, len(self))
        key = self._ids[row]
        return Sample(key, self._dataset.picture(key), self._labels.at(row), self._dataset.metadata(key))

    def label_pairs(self, type_name: str) -> tuple[Integers, Integers]:
        """All labels of one type as ``(rows, classes)``."""
        return self._labels.pairs(type_name)


def _encode(values: list[str | None], attribute_type: AttributeType) -> TypeLabels:
    index = {name: i for i, name in enumerate(attribute_type.classes)}
    other = -1 if attribute_type.other is None else index[attribute_type.other]
    codes: npt.NDArray[np.int32] = np.array([index.get(v, other) if v else -1 for v in values], np.int32)
    return TypeLabels.from_codes(codes)


def _checked(schema: AttributeSchema) -> AttributeSchema:
    wrong = [t.name for t in schema if t.name not in COLUMNS or t.kind != "single"]
    if wrong:
        raise UsageError(
            f"fashion_products has no single-label type {', '.join(wrong)}; its types are {', '.join(COLUMNS)}."
        )
    return schema
