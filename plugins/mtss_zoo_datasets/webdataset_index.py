"""Where the pictures and labels of tar shards are: one pass over the headers, kept in flat arrays."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mtss_zoo.errors import DataError
from mtss_zoo.files.file_names import PICTURES, as_text
from mtss_zoo.files.tars import TarMember, tar_members
from mtss_zoo_datasets.labels import Integers, shortened

PICTURE, JSON, CLASS = "picture", "json", "class"
FILES = (PICTURE, JSON, CLASS)
"""The files that a key may have one of each."""


@dataclass(frozen=True)
class Place:
    """Files of R rows in tars: (R,) offsets, -1 where a row has none, and sizes."""

    offset: Integers
    size: Integers

    def take(self, rows: Integers) -> Place:
        """These rows, in this order."""
        return Place(self.offset[rows], self.size[rows])


@dataclass(frozen=True)
class ShardIndex:
    """R pictures: names, the number of each one's tar, and where the files of its key are."""

    ids: pa.Array
    tar: npt.NDArray[np.int32]
    places: Mapping[str, Place]
    split: npt.NDArray[np.int8]
    """(R,) the place of its split among those that were asked for."""


@dataclass
class Said:
    """What was found on the way: problems by kind, each with its number and the first few names."""

    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, name: str) -> None:
        """One more of a kind; ``what`` is the sentence after the number."""
        self.counts[what] += 1
        if len(names := self.examples.setdefault(what, [])) <= 5:
            names.append(name)

    def sentences(self) -> list[str]:
        """All of it."""
        return self.notes + [f"{n} {what}: {shortened(self.examples[what])}." for what, n in self.counts.items()]


def index_shards(
    root: Path, shards: Mapping[str, Sequence[Path]], class_ending: str, problems: Said, passed_over: Said
) -> ShardIndex:
    """Reads the headers of all tars, split after split.

    A key is the name up to the first dot after the last slash. Its files need not follow each other. The id of a
    picture is ``<tar>/<name>``.

    Args:
        class_ending: of the file that holds a class alone.
        problems: takes in what is damaged, repeated or lost.
        passed_over: takes in files that mean nothing here.
    """
    parts = []
    number = 0
    for code, paths in enumerate(shards.values()):
        for path in paths:
            name = os.path.relpath(path, root)
            parts.append(_Shard(path, name, class_ending, problems, passed_over).index(number, code))
            number += 1
    return ShardIndex(
        pa.concat_arrays([part.ids for part in parts]),
        np.concatenate([part.tar for part in parts]),
        {file: _joined([part.places[file] for part in parts]) for file in FILES},
        np.concatenate([part.split for part in parts]),
    )


class _Shard:
    """One tar: its keys in the order in which they come first."""

    def __init__(self, path: Path, name: str, class_ending: str, problems: Said, passed_over: Said) -> None:
        self.path, self.name, self.problems, self.passed_over = path, name, problems, passed_over
        self.kinds = {ending.removeprefix("."): PICTURE for ending in PICTURES} | {"json": JSON, class_ending: CLASS}
        self.rows: dict[str, int] = {}
        self.names: list[str] = []
        self.offsets = {file: array("q") for file in FILES}
        self.sizes = {file: array("q") for file in FILES}

    def index(self, number: int, split: int) -> ShardIndex:
        end = self.path.stat().st_size
        try:
            for member in tar_members(self.path):
                self._take_in(member, end)
        except DataError as error:
            self.problems.notes.append(str(error))
        places = {file: Place(np.array(self.offsets[file]), np.array(self.sizes[file])) for file in FILES}
        rows = np.flatnonzero(places[PICTURE].offset >= 0)
        for row in np.flatnonzero(places[PICTURE].offset < 0).tolist():
            self.problems.add("labels have no picture", self.names[row])
        return ShardIndex(
            pa.array([self.names[row] for row in rows.tolist()], pa.large_string()),
            np.full(len(rows), number, np.int32),
            {file: place.take(rows) for file, place in places.items()},
            np.full(len(rows), split, np.int8),
        )

    def _take_in(self, member: TarMember, end: int) -> None:
        name = as_text(f"{self.name}/{member.name}")
        key, kind = self._key(member)
        if kind is None:
            self.passed_over.add("files in tars are neither pictures nor labels, and are passed over", name)
            return
        if member.offset + member.size > end:
            self.problems.add("files are cut off", name)
            return
        row = self.rows.setdefault(key, len(self.names))
        if row == len(self.names):
            self.names.append(name)
            for file in FILES:
                self.offsets[file].append(-1)
                self.sizes[file].append(0)
        if self.offsets[kind][row] >= 0:
            self.problems.add("files repeat the key of an earlier one, which counts", name)
            return
        self.offsets[kind][row], self.sizes[kind][row] = member.offset, member.size
        if kind == PICTURE:
            self.names[row] = name

    def _key(self, member: TarMember) -> tuple[str, str | None]:
        folder, _, base = member.name.rpartition("/")
        stem, _, ending = base.partition(".")
        kind = self.kinds.get(ending.lower()) if stem and member.plain else None
        return f"{folder}/{stem}", kind


def _joined(places: list[Place]) -> Place:
    return Place(np.concatenate([p.offset for p in places]), np.concatenate([p.size for p in places]))
