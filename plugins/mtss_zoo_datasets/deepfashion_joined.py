"""What the lists of DeepFashion have in common in both variants: pictures, numbers, and labels made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mtss_zoo.errors import DataError
from mtss_zoo.interfaces import AttributeSchema, AttributeType
from mtss_zoo_datasets.deepfashion_attributes import Signs, Vocabulary, attribute_labels
from mtss_zoo_datasets.given_schema import distinct
from mtss_zoo_datasets.labels import Integers, Labels, TypeLabels
from mtss_zoo_datasets.padded_lists import check_count, read_head, read_names, read_rows
from mtss_zoo_datasets.picture_files import named, paths_array, text

SPLITS = ("train", "val", "test")
Splits = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Annotated:
    """What the lists say of N pictures, and in plain words what could not be used of them."""

    paths: pa.Array
    """(N,) paths as they are listed."""
    split: Splits
    """(N,) which of `SPLITS`."""
    schema: AttributeSchema
    labels: Labels
    boxes: npt.NDArray[np.float32]
    """(N, 4) x1 y1 x2 y2 in pixels, NaN where there is none."""
    notes: list[str]


@dataclass(frozen=True)
class Listed:
    """The lists, brought to the same N pictures."""

    paths: pa.Array
    split: Splits
    categories: Integers
    """(N,) the category from 0, -1 where it is unknown."""
    boxes: npt.NDArray[np.float32]
    signs: Signs
    place: Integers
    """Which picture each row of ``signs`` is of, -1 for none."""
    notes: list[str]

    def labelled(self, category: AttributeType, vocabulary: Vocabulary) -> Annotated:
        """The same with labels of all types, and without boxes that hold nothing."""
        attributes, said = attribute_labels(vocabulary, self.signs, self.place, len(self.paths))
        labels = Labels({"category": TypeLabels.from_codes(self.categories), **attributes})
        small = np.flatnonzero(((self.boxes[:, 2:] - self.boxes[:, :2]) < 2).any(1))
        boxes = self.boxes.copy()
        boxes[small] = np.nan
        if len(small):
            said.append(f"{len(small)} boxes are less than 2 pixels high or wide, unused: {named(self.paths, small)}.")
        schema = AttributeSchema((category, *vocabulary.types))
        return Annotated(self.paths, self.split, schema, labels, boxes, self.notes + said)


def read_category(path: Path) -> AttributeType:
    """All 50 categories, though some never occur: a label is the row of its category, from 1."""
    names = [name for name, _ in read_names(path)]
    if not names:
        raise DataError(f"{path} names no category.")
    return AttributeType("category", "single", distinct(names, range(1, len(names) + 1)))


def read_numbers(
    path: Path, columns: int, with_paths: bool, largest: int | None = None
) -> tuple[list[bytes], Integers]:
    """The paths of a list, if it has them (and then a head), and its numbers (R, columns).

    Raises:
        DataError: the first number is not one of 1 to ``largest``.
    """
    paths: list[bytes] = []
    numbers = [np.empty((0, columns), np.int64)]
    for rows in read_rows(path, columns + with_paths, skip=2 * with_paths):
        block = np.stack([rows.integers(with_paths + i) for i in range(columns)], 1)
        if largest is not None and (wrong := np.flatnonzero((block[:, 0] < 1) | (block[:, 0] > largest))).size:
            raise rows.fail(wrong[0], f"category {block[wrong[0], 0]} is not one of 1 to {largest}.")
        numbers.append(block)
        paths += rows.words(0) if with_paths else []
    joined = np.concatenate(numbers)
    if with_paths:
        check_count(path, read_head(path), len(joined))
    return paths, joined


def unique(
    listed: list[bytes], split: Splits, where: Callable[[int], str], name: str
) -> tuple[pa.Array, Integers, list[str]]:
    """The different paths in their order, the rows where each stands first, and a note on the other rows.

    Raises:
        DataError: a picture is in two splits.
    """
    paths = paths_array(listed)
    first = pc.index_in(paths, value_set=paths).to_numpy(zero_copy_only=False).astype(np.int64)
    repeats = first != np.arange(len(first))
    again = np.flatnonzero(repeats)
    if (torn := again[split[again] != split[first[again]]]).size:
        row = int(torn[0])
        both = f"{SPLITS[split[first[row]]]} and in {SPLITS[split[row]]}"
        raise DataError(f"{where(row)}: {text(listed[row])} is in {both}.")
    kept = np.flatnonzero(~repeats)
    return paths.take(pa.array(kept)), kept, noted(name, again, paths, "rows repeat a picture")


def noted(name: str, rows: Integers, paths: pa.Array, what: str) -> list[str]:
    """A sentence about some rows of a list, if there are any."""
    return [f"{name}: {len(rows)} {what}: {named(paths, rows)}."] if len(rows) else []
