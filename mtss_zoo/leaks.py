"""Pictures that a training must not see, because a split on which it is measured holds them too."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from mtss_zoo.interfaces import ImageSource, Sample, Samples


class EvaluatedPictures:
    """The ids and files of pictures that are measured on, to find them among others.

    Two files are one picture if their bytes are equal, so a path written in two ways and a copy under another name are
    found too; a copy that was saved anew is not. Only files whose size occurs on both sides are read. Pictures that
    are no files on disk, such as generated ones, are not looked at: making one may cost as much as training on it.

    Args:
        parts: the splits that are measured on.
    """

    def __init__(self, parts: Iterable[Samples]) -> None:
        self._ids: set[str] = set()
        self._by_size: dict[int, list[tuple[str, Path]]] = {}
        self._digests: dict[int, dict[bytes, str]] = {}
        for part in parts:
            for _, sample in _on_disk(part):
                self._ids.add(sample.id)
                if (size := _size(sample.image)) is not None:
                    self._by_size.setdefault(size, []).append((sample.id, Path(sample.image)))  # type: ignore[arg-type]

    def among(self, samples: Samples) -> dict[int, str]:
        """Rows of ``samples`` that hold a measured picture, with that picture's id.

        Memory grows with the measured pictures and with what is found, not with ``samples``.
        """
        if not self._ids:
            return {}
        return {row: twin for row, sample in _on_disk(samples) if (twin := self._twin(sample)) is not None}

    def _twin(self, sample: Sample) -> str | None:
        if sample.id in self._ids:
            return sample.id
        size = _size(sample.image)
        if size not in self._by_size:
            return None
        if size not in self._digests:
            self._digests[size] = {_digest(path): name for name, path in self._by_size[size]}
        return self._digests[size].get(_digest(Path(sample.image)))  # type: ignore[arg-type]


def _on_disk(samples: Samples) -> Iterator[tuple[int, Sample]]:
    """All rows with their samples, if the first one is a file; a collection is of one kind."""
    if len(samples) and isinstance(samples[0].image, str | Path):
        for row in range(len(samples)):
            yield row, samples[row]


def _size(image: ImageSource) -> int | None:
    """Bytes of a file; ``None`` where there is none, which `Dataset.check` reports."""
    try:
        return os.stat(image).st_size if isinstance(image, str | Path) else None
    except OSError:
        return None


def _digest(path: Path) -> bytes:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
