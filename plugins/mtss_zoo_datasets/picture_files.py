"""Listed paths and the files on disk: which there are, under which spelling, and the samples made of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mtss_zoo.errors import ImageError
from mtss_zoo.interfaces import ImageSource, Sample
from mtss_zoo.pil_images import decode
from mtss_zoo_datasets.labels import Integers, Labels, in_range, shortened

TRIED = 50
"""How many pictures `unreadable` opens: enough to find an unpacking that went wrong, in a second."""


def paths_array(paths: list[bytes]) -> pa.Array:
    """Paths as one flat array; they are bytes, because names on disk need not be UTF-8."""
    return pa.array(paths, pa.large_binary())


def locate(folder: Path, listed: pa.Array) -> pa.Array:
    """The file of every listed path, relative to ``folder``; null where there is none.

    Each folder is looked through once. Where no file is spelt like the path, one that differs in case only is taken.
    """
    folders: dict[bytes, _Folder] = {}
    found: list[bytes | None] = []
    for path in listed.to_pylist():
        parent, _, name = path.rpartition(b"/")
        if parent not in folders:
            folders[parent] = _folder(os.fsencode(folder), parent)
        found.append(folders[parent].file(name))
    return pa.array(found, pa.large_binary())


def named(paths: pa.Array, rows: npt.NDArray[np.integer]) -> str:
    """The first few of some rows, for a message."""
    return shortened([text(path.as_py()) for path in paths.take(pa.array(rows[:6]))])


def text(path: bytes) -> str:
    """A path as it is printed."""
    return path.decode("utf-8", "backslashreplace")


def unreadable(folder: Path, files: pa.Array) -> list[str]:
    """`tried` for pictures in files."""

    def picture(row: int) -> tuple[Path, str]:
        path = files[row].as_py()
        return folder / os.fsdecode(path), text(path)

    return tried(len(files), picture)


def sample_size(rows: int) -> int:
    """How many of some pictures `tried` opens."""
    return min(TRIED, rows)


def tried(rows: int, picture: Callable[[int], tuple[ImageSource, str]]) -> list[str]:
    """A sentence if some of `TRIED` pictures, evenly spread over all, cannot be decoded.

    Args:
        picture: gives the picture of a row, and its name.
    """
    chosen = np.unique(np.linspace(0, rows - 1, sample_size(rows)).astype(np.int64)).tolist()
    faults = []
    for row in chosen:
        try:
            decode(*picture(row))
        except ImageError as error:
            faults.append(str(error))
    return [f"{len(faults)} of {len(chosen)} pictures that were tried cannot be used: {faults[0]}"] if faults else []


class FileSamples:
    """Pictures in files with their labels, in flat arrays.

    Args:
        folder: what the files are relative to.
        ids: (R,) the listed paths.
        files: (R,) the files, as `locate` gives them.
        boxes: (R, 4) x1 y1 x2 y2 in pixels, NaN for the whole picture; ``None``: all are whole.
    """

    def __init__(
        self,
        folder: Path,
        ids: pa.Array,
        files: pa.Array,
        labels: Labels,
        boxes: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self._folder, self._ids, self._files, self._labels, self._boxes = folder, ids, files, labels, boxes

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, row: int) -> Sample:
        row = in_range(row, len(self))
        bbox = None
        if self._boxes is not None and not np.isnan(self._boxes[row, 0]):
            x1, y1, x2, y2 = self._boxes[row].tolist()
            bbox = (x1, y1, x2, y2)
        image = self._folder / os.fsdecode(self._files[row].as_py())
        return Sample(text(self._ids[row].as_py()), image, self._labels.at(row), {}, bbox)

    def label_pairs(self, type_name: str) -> tuple[Integers, Integers]:
        """All labels of one type as ``(rows, classes)``."""
        return self._labels.pairs(type_name)


@dataclass(frozen=True)
class _Folder:
    """What one folder holds; ``prefix`` is its path as it is on disk, with a slash."""

    prefix: bytes = b""
    names: frozenset[bytes] = field(default_factory=frozenset)

    def file(self, name: bytes) -> bytes | None:
        spelt = name if name in self.names else self.by_lower_case.get(name.lower())
        return None if spelt is None else self.prefix + spelt

    @cached_property
    def by_lower_case(self) -> dict[bytes, bytes]:
        return {name.lower(): name for name in sorted(self.names, reverse=True)}


def _folder(base: bytes, listed: bytes) -> _Folder:
    real = b""
    for part in listed.split(b"/") if listed else ():
        if os.path.isdir(os.path.join(base, real, part)):
            real = os.path.join(real, part)
            continue
        same = [n for n in sorted(os.listdir(os.path.join(base, real))) if n.lower() == part.lower()]
        if not same:
            return _Folder()
        real = os.path.join(real, same[0])
    place = os.path.join(base, real)
    names = frozenset(os.listdir(place)) if os.path.isdir(place) else frozenset[bytes]()
    return _Folder(os.path.join(real, b"") if real else b"", names)
