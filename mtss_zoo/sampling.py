"""Which pictures an epoch reads, and collections of samples made from others.

Everything here is a pure function of its arguments: the same seed and epoch give the same draws on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mtss_zoo.errors import DataError, UsageError
from mtss_zoo.interfaces import Draws, GroupedSamples, Sample, Samples

Integers: TypeAlias = npt.NDArray[np.int64]
Pairs: TypeAlias = tuple[Integers, Integers]
"""``(rows, classes)`` as `Samples.label_pairs` gives them: one entry a label."""
Sampling: TypeAlias = Literal["natural", "sqrt", "balanced"]


@dataclass
class SampleStream:
    """A `Stream` made of its parts; ``draw`` maps an epoch to the draws of that epoch."""

    samples: Samples
    batch_size: int
    views: tuple[str, ...]
    draw: Callable[[int], Draws]

    def draws(self, epoch: int) -> Draws:
        """What this epoch reads, in order."""
        return self.draw(epoch)


def derived_seed(*key: int) -> int:
    """A seed in [0, 2^64) made of whole numbers; other numbers, or another order, give an unrelated one."""
    # Each number in two words and their count in front: numpy itself takes (0,) and (0, 0) for the same.
    words = np.array([len(key), *(k % 2**64 for k in key)], np.uint64).view(np.uint32)
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])


def take(draws: Draws, positions: Integers) -> Draws:
    """Some draws of an epoch, in this order."""
    classes, views = (None if x is None else x[positions] for x in (draws.classes, draws.views))
    return Draws(draws.rows[positions], classes, draws.type_name, views)


def shuffled(n: int, seed: int, epoch: int) -> Draws:
    """Each of ``n`` rows once, in the random order of this epoch."""
    return Draws(rows=np.random.default_rng(derived_seed(seed, epoch)).permutation(n))


def by_class(
    pairs: Pairs,
    num_classes: int,
    how: Sampling,
    length: int | None,
    seed: int,
    epoch: int,
    classes: Sequence[int] | Integers | None = None,
    type_name: str | None = None,
) -> Draws:
    """Draws M labels of one type, each with a picture that carries it.

    ``natural``: labels uniformly and without repetition until all were drawn. ``balanced``: a class uniformly, then
    one of its pictures uniformly. ``sqrt``: a class in proportion to the root of its pictures' number, then the same.

    Args:
        pairs: the labels of the type; those outside ``classes`` are never drawn.
        length: M; ``None`` takes the number of labels that can be drawn.
        classes: the classes that are trained; ``None`` takes all. A class without a picture is never drawn.
        type_name: what the draws say they were drawn for.

    Raises:
        DataError: if no picture has a label of these classes.
    """
    rows, labels = _only(pairs, classes)
    if not len(rows):
        raise DataError(f"no picture has a label of the trained classes{f' of {type_name}' if type_name else ''}.")
    length = len(rows) if length is None else length
    generator = np.random.default_rng(derived_seed(seed, epoch))
    if how == "natural":
        rounds = -(-length // len(rows))
        drawn = np.concatenate([generator.permutation(len(rows)) for _ in range(rounds)])[:length]
        return Draws(rows[drawn], labels[drawn], type_name)
    counts = np.bincount(labels, minlength=num_classes)
    weights = np.sqrt(counts) if how == "sqrt" else (counts > 0).astype(float)
    drawn_classes = generator.choice(len(counts), size=length, p=weights / weights.sum())
    first = np.cumsum(counts) - counts
    within = generator.integers(0, counts[drawn_classes])
    by_label = np.argsort(labels, kind="stable")
    return Draws(rows[by_label[first[drawn_classes] + within]], drawn_classes, type_name)


def largest_classes(pairs: Pairs, num_classes: int, max_classes: int | None) -> Integers:
    """The classes with the most labels, largest first, ties by class index; those without a label are left out."""
    counts = np.bincount(pairs[1], minlength=num_classes)
    order = np.argsort(-counts, kind="stable")
    return order[counts[order] > 0][:max_classes]


class ConcatSamples:
    """Several collections one after the other, as one."""

    def __init__(self, parts: Sequence[Samples]) -> None:
        self.parts = tuple(parts)
        self._ends = np.cumsum([len(part) for part in self.parts], dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, row: int) -> Sample:
        if not 0 <= row < len(self):
            raise IndexError(row)
        part = int(np.searchsorted(self._ends, row, side="right"))
        return self.parts[part][int(row - self._ends[part] + len(self.parts[part]))]

    def label_pairs(self, type_name: str) -> Pairs:
        """The labels of all parts, rows counted through."""
        pairs = [part.label_pairs(type_name) for part in self.parts]
        starts = self._ends - [len(part) for part in self.parts]
        nothing = [np.empty(0, np.int64)]
        rows = [part_rows + start for (part_rows, _), start in zip(pairs, starts, strict=True)]
        return np.concatenate(rows or nothing), np.concatenate([labels for _, labels in pairs] or nothing)


class SubsetSamples:
    """Some rows of a collection, in the given order."""

    def __init__(self, samples: Samples, rows: Sequence[int] | Integers) -> None:
        self.samples = samples
        self.rows = np.asarray(rows, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Sample:
        if not 0 <= row < len(self):
            raise IndexError(row)
        return self.samples[int(self.rows[row])]

    def label_pairs(self, type_name: str) -> Pairs:
        """The labels of these rows, rows counted in the subset."""
        rows, labels = self.samples.label_pairs(type_name)
        start = np.searchsorted(rows, self.rows, side="left")
        count = np.searchsorted(rows, self.rows, side="right") - start
        new_rows = np.repeat(np.arange(len(self.rows)), count)
        within = np.arange(len(new_rows)) - np.repeat(np.cumsum(count) - count, count)
        return new_rows, labels[np.repeat(start, count) + within]


class WithoutLabels:
    """The same pictures with nothing known of them; ``prefix`` keeps their ids apart from those of other pictures."""

    def __init__(self, samples: Samples, prefix: str = "") -> None:
        self.samples, self.prefix = samples, prefix

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> Sample:
        sample = self.samples[row]
        return replace(sample, id=self.prefix + sample.id, labels={}, answers={})

    def label_pairs(self, type_name: str) -> Pairs:
        """None."""
        return np.empty(0, np.int64), np.empty(0, np.int64)


def holdout_split(samples: Samples, share: float, seed: int, type_name: str) -> tuple[SubsetSamples, SubsetSamples]:
    """Two disjoint random parts: what stays for training, and about ``share`` of the rows held out.

    Groups (`GroupedSamples`) stay whole. ``share`` of every class of the type is held out, as near as groups come, and
    at least one group, but never all; those without a label count as one class. A group has its first label's class.

    Raises:
        UsageError: if nothing can be held out, as no class has two groups.
    """
    member, sizes = _groups(samples)
    rows, labels = samples.label_pairs(type_name)
    kinds = np.full(len(sizes), -1, np.int64)
    kinds[member[rows[::-1]]] = labels[::-1]  # of equal groups, the one written last stays
    held, seen = np.zeros(len(sizes), bool), 0
    for here in positions_by_class(kinds, np.random.default_rng(derived_seed(seed)).permutation(len(sizes))):
        before, seen = seen, seen + int(sizes[here].sum())
        wanted = round(share * seen) - round(share * before)  # so that what is rounded off adds up to no more than one
        fitting = here[sizes[here] <= max(wanted, sizes[here].min())]
        middles = np.cumsum(sizes[fitting]) - sizes[fitting] / 2
        held[fitting[: min(max(1, int((middles <= wanted).sum())), len(here) - 1)]] = True
    if not held.any():
        raise UsageError(
            f"a holdout of {share} of {len(samples)} pictures cannot be: no class of {type_name} has two pictures, or "
            "two groups of them, one to train on and one to hold out."
        )
    return SubsetSamples(samples, np.flatnonzero(~held[member])), SubsetSamples(samples, np.flatnonzero(held[member]))


def positions_by_class(classes: Integers, order: Integers) -> list[Integers]:
    """The positions of each class (N,), in the given order."""
    ordered = order[np.argsort(classes[order], kind="stable")]
    return np.split(ordered, np.flatnonzero(np.diff(classes[ordered])) + 1) if len(ordered) else []


def _groups(samples: Samples) -> Pairs:
    """The group of each row (R,), numbered as they begin, and the rows of each (G,)."""
    groups = samples.groups() if isinstance(samples, GroupedSamples) else np.arange(len(samples))
    _, first, member, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    return np.argsort(order)[member], sizes[order]


def _only(pairs: Pairs, classes: Sequence[int] | Integers | None) -> Pairs:
    rows, labels = pairs
    if classes is None:
        return rows, labels
    keep = np.isin(labels, np.asarray(classes))
    return rows[keep], labels[keep]
