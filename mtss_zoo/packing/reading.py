"""The pictures of a dataset one after the other, as they are stored, read by worker processes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from mtss_zoo.errors import ImageError, MtssZooError
from mtss_zoo.interfaces import Dataset, Sample, Samples
from mtss_zoo.packing.encoding import Encoded, encoded
from mtss_zoo.packing.layout import UNLABELLED
from mtss_zoo.workers import read_ahead

AT_ONCE = 32
"""Pictures that a worker delivers together."""


class Picture(NamedTuple):
    """One row of the source: what is known of a picture, and its bytes or why there are none."""

    split: str
    sample: Sample
    """Without its image."""
    encoded: Encoded | None
    reason: str = ""


class Part(NamedTuple):
    """A split, or the unlabelled pictures."""

    split: str
    samples: Samples


def parts_of(dataset: Dataset) -> list[Part]:
    """Everything that a dataset has, in the order in which it is packed."""
    labelled = [Part(name, dataset.split(name)) for name in dataset.splits]
    return [*labelled, Part(UNLABELLED, dataset.unlabelled())]


def read_pictures(parts: Sequence[Part], start: int, workers: int) -> Generator[Picture, None, None]:
    """The pictures of all parts, counted through, from the one at ``start``; ``workers`` 0 reads in this process.

    Raises:
        MtssZooError: what the dataset raises, other than that a picture cannot be used.
    """
    answers: Iterable[list[Picture] | MtssZooError]
    answers = read_ahead(_Reader(parts), _requests(parts, start), workers, pin_memory=False)
    for answer in answers:
        if isinstance(answer, MtssZooError):
            raise answer
        yield from answer


def _requests(parts: Sequence[Part], start: int) -> Iterator[tuple[int, range]]:
    for number, part in enumerate(parts):
        rows = range(len(part.samples))
        for first in range(min(start, len(rows)), len(rows), AT_ONCE):
            yield number, rows[first : first + AT_ONCE]
        start = max(0, start - len(rows))


@dataclass(frozen=True)
class _Reader:
    """Is copied into the workers. Faults are returned: raised, they would leave a worker as a traceback."""

    parts: Sequence[Part]

    def __getitem__(self, request: tuple[int, range]) -> list[Picture] | MtssZooError:
        part = self.parts[request[0]]
        try:
            return [_read(part, row) for row in request[1]]
        except MtssZooError as error:
            return error


def _read(part: Part, row: int) -> Picture:
    sample = Sample(f"{part.split} row {row}", b"")
    try:
        sample = part.samples[row]
        found = encoded(sample.image, sample.id)
    except ImageError as error:
        return Picture(part.split, replace(sample, image=b""), None, str(error))
    return Picture(part.split, replace(sample, image=b""), found)
