"""Pictures that a training must not see, because a split on which it is measured holds them too."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from mtss_zoo.interfaces import Sample, Samples

Encoded: TypeAlias = str | Path | bytes


class EvaluatedPictures:
    """The ids and bytes of pictures that are measured on, to find them among others.

    Two pictures are one if their encoded bytes are equal, so a path written in two ways and a copy under another name
    are found too, also between files and shards; a copy that was saved anew is not. Only files whose size occurs on
    both sides are read. Pictures that come as neither files nor bytes, such as generated ones, are not looked at:
    making one may cost as much as training on it.

    Args:
        parts: the splits that are measured on.
    """

    def __init__(self, parts: Iterable[Samples]) -> None:
        self._ids: set[str] = set()
        self._unread: dict[int, list[tuple[str, Encoded]]] = {}
        self._digests: dict[int, dict[bytes, str]] = {}
        for part in parts:
            for _, sample, image in _encoded(part):
                self._ids.add(sample.id)
                if isinstance(image, bytes):
                    self._digests.setdefault(len(image), {})[_digest(image)] = sample.id
                elif (size := _size(image)) is not None:
                    self._unread.setdefault(size, []).append((sample.id, image))

    def among(self, samples: Samples) -> dict[int, str]:
        """Rows of ``samples`` that hold a measured picture, with that picture's id.

        Memory grows with the measured pictures and with what is found, not with ``samples``.
        """
        if not self._ids:
            return {}
        return {
            row: twin for row, sample, image in _encoded(samples) if (twin := self._twin(sample, image)) is not None
        }

    def _twin(self, sample: Sample, image: Encoded) -> str | None:
        if sample.id in self._ids:
            return sample.id
        size = _size(image)
        if size is None or (size not in self._unread and size not in self._digests):
            return None
        digests = self._digests.setdefault(size, {})
        digests.update((_digest(file), name) for name, file in self._unread.pop(size, []))
        return digests.get(_digest(image))


def _encoded(samples: Samples) -> Iterator[tuple[int, Sample, Encoded]]:
    """All rows with their samples and pictures, if the first one is a file or bytes; a collection is of one kind."""
    if len(samples) and isinstance(samples[0].image, Encoded):
        for row in range(len(samples)):
            sample = samples[row]
            if isinstance(sample.image, Encoded):
                yield row, sample, sample.image


def _size(image: Encoded) -> int | None:
    """Bytes of a picture; ``None`` where there is none, which `Dataset.check` reports."""
    try:
        return len(image) if isinstance(image, bytes) else os.stat(image).st_size
    except OSError:
        return None


def _digest(image: Encoded) -> bytes:
    content = image if isinstance(image, bytes) else Path(image).read_bytes()
    return hashlib.blake2b(content, digest_size=16).digest()
