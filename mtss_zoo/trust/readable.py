"""Which pictures of a dataset can be decoded, in a pass over all of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

from mtss_zoo.errors import ImageError
from mtss_zoo.images import decode
from mtss_zoo.interfaces import Samples
from mtss_zoo.progress import PictureCount

BLOCK = 256
"""Pictures that are under way at once."""
NAMED = 1000
"""Faults that are kept, so that a folder of other files does not fill the memory."""


@dataclass
class Decoded:
    """What became of all pictures."""

    pictures: int = 0
    unreadable: int = 0
    faults: list[str] = field(default_factory=list)
    """A sentence for each of the first `NAMED` pictures that cannot be used."""

    def problems(self) -> list[str]:
        """A sentence if there are any."""
        if not self.unreadable:
            return []
        return [f"{self.unreadable:,} of all {self.pictures:,} pictures cannot be used: {self.faults[0]}"]


def decode_all(parts: Iterable[Samples]) -> Decoded:
    """Decodes every picture of these parts as a training does, in threads; shows how far it is."""
    parts = tuple(parts)
    done = Decoded()
    with (
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads,
        closing(PictureCount(sum(len(part) for part in parts))) as count,
    ):
        for part in parts:
            for start in range(0, len(part), BLOCK):
                rows = range(start, min(start + BLOCK, len(part)))
                faults = [fault for fault in threads.map(_fault, [part] * len(rows), rows) if fault]
                done.pictures += len(rows)
                done.unreadable += len(faults)
                done.faults += faults[: NAMED - len(done.faults)]
                count.add(len(rows))
    return done


def _fault(samples: Samples, row: int) -> str | None:
    try:
        sample = samples[row]
        decode(sample.image, sample.id)
    except ImageError as error:
        return str(error)
    return None
