"""Labels of many pictures in flat arrays: for each attribute type what is known, and the classes row by row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mtss_zoo.errors import DataError, UnknownNameError, UsageError
from mtss_zoo.interfaces import AttributeSchema

Integers = npt.NDArray[np.int64]
NO_CLASSES = ("unknown",)
"""The classes of a type of which no picture has a label, as in a pool for pretraining: a type cannot have none."""


@dataclass(frozen=True)
class TypeLabels:
    """The labels of one attribute type for R rows.

    ``known`` (R,) booleans; ``classes`` (L,) int32, the labels row after row; those of row ``r`` are
    ``classes[offsets[r]:offsets[r + 1]]`` with ``offsets`` (R + 1,).
    """

    known: npt.NDArray[np.bool_]
    offsets: Integers
    classes: npt.NDArray[np.int32]

    @classmethod
    def from_codes(cls, codes: npt.NDArray[np.integer]) -> TypeLabels:
        """One label a row: class indices (R,), negative where the label is unknown."""
        known = codes >= 0
        return cls(known, _offsets(known), codes[known].astype(np.int32))

    @classmethod
    def from_pairs(
        cls, rows: npt.NDArray[np.integer], classes: npt.NDArray[np.integer], known: npt.NDArray[np.bool_]
    ) -> TypeLabels:
        """Any number of labels a row: pairs (L,), sorted here and kept once; ``known`` (R,)."""
        width = int(classes.max(initial=0)) + 1
        keys = np.sort(rows.astype(np.int64) * width + classes)
        keys = keys[np.diff(keys, prepend=-1) > 0]
        counts = np.bincount(keys // width, minlength=len(known))
        return cls(known, _offsets(counts), (keys % width).astype(np.int32))

    @classmethod
    def from_answers(cls, rows: npt.NDArray[np.integer], classes: npt.NDArray[np.integer], n_rows: int) -> TypeLabels:
        """Answers (A,), kept as often as they were given and in their order; a row without any is unknown."""
        counts = np.bincount(rows, minlength=n_rows)
        return cls(counts > 0, _offsets(counts), classes[np.argsort(rows, kind="stable")].astype(np.int32))

    @classmethod
    def unknown(cls, rows: int) -> TypeLabels:
        """Nothing is known of these rows."""
        return cls.from_codes(np.full(rows, -1, np.int8))

    def __len__(self) -> int:
        return len(self.known)

    def at(self, row: int) -> tuple[int, ...] | None:
        """The classes of one row; ``None`` where they are unknown."""
        if not self.known[row]:
            return None
        return tuple(self.classes[self.offsets[row] : self.offsets[row + 1]].tolist())

    def pairs(self) -> tuple[Integers, Integers]:
        """All labels as ``(rows, classes)``, sorted by row."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets)), self.classes.astype(np.int64)

    def first(self) -> npt.NDArray[np.int32]:
        """The first label of each row (R,), -1 where there is none."""
        codes = np.full(len(self), -1, np.int32)
        some = np.diff(self.offsets) > 0
        codes[some] = self.classes[self.offsets[:-1][some]]
        return codes

    def take(self, rows: npt.NDArray[np.integer]) -> TypeLabels:
        """These rows, in this order."""
        counts = np.diff(self.offsets)[rows]
        offsets = _offsets(counts)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][rows] - offsets[:-1], counts)
        return TypeLabels(self.known[rows], offsets, self.classes[places])


@dataclass(frozen=True)
class Labels:
    """The labels of R rows for every attribute type of a schema."""

    types: Mapping[str, TypeLabels]

    def at(self, row: int) -> dict[str, tuple[int, ...]]:
        """What is known of one row; an unknown type is absent."""
        found = {name: labels.at(row) for name, labels in self.types.items()}
        return {name: classes for name, classes in found.items() if classes is not None}

    def pairs(self, type_name: str) -> tuple[Integers, Integers]:
        """All labels of one type as ``(rows, classes)``, sorted by row."""
        if type_name not in self.types:
            raise UnknownNameError(f"no attribute type {type_name!r}; this dataset has {', '.join(self.types)}.")
        return self.types[type_name].pairs()

    def take(self, rows: npt.NDArray[np.integer]) -> Labels:
        """These rows, in this order."""
        return Labels({name: labels.take(rows) for name, labels in self.types.items()})

    @classmethod
    def unknown(cls, schema: AttributeSchema, rows: int) -> Labels:
        """Nothing is known of these rows."""
        nothing = TypeLabels.unknown(rows)
        return cls(dict.fromkeys(schema.names, nothing))


def _offsets(counts: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Integers:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def known_split(name: str, splits: Sequence[str]) -> str:
    """``name``, or an error that lists the splits there are."""
    if name not in splits:
        raise UnknownNameError(f"no split {name!r}; this dataset has {', '.join(splits)} (and unlabelled()).")
    return name


def in_range(row: int, rows: int) -> int:
    """A row counted from the start; negative ones count from the end as in a list."""
    if not -rows <= row < rows:
        raise IndexError(f"row {row} of {rows}")
    return row % rows


def shortened(names: Collection[str], limit: int = 5) -> str:
    """The first few of many names, for a message."""
    return ", ".join(islice(names, limit)) + (" ..." if len(names) > limit else "")


def folder(root: str | None, dataset: str, content: str) -> Path:
    """The folder of a dataset on disk, or an error that says how to name it."""
    if root is None:
        raise UsageError(
            f"{dataset} reads a folder with {content}; name it with --data-root or data.dataset.args.root."
        )
    path = Path(root).expanduser()
    if not path.is_dir():
        raise DataError(f"{path}: no such folder; {dataset} reads a folder with {content}.")
    return path
