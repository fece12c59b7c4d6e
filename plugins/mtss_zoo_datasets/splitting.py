"""Who trains and who tests: pure functions from labels, groups and a seed to splits."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import numpy.typing as npt

SPLITS = ("train", "val", "test")
TRAIN, VAL, TEST = range(3)
VAL_SHARE, TEST_SHARE = 0.15, 0.10
MOST_TESTED = 0.5
"""No class gives more than this share of its pictures to test, so that a rare class keeps some for training."""

Codes = npt.NDArray[np.integer]


def split_by_hash(key: str, val: float = VAL_SHARE, test: float = TEST_SHARE, seed: int = 0) -> str:
    """Train, val or test with these probabilities, decided by the key and the seed alone."""
    digest = blake2b(key.encode(), digest_size=8, salt=seed.to_bytes(16, "little")).digest()
    place = int.from_bytes(digest, "big") / 2**64
    return "train" if place < 1 - val - test else "val" if place < 1 - test else "test"


def split_balanced(classes: Codes, groups: Codes, seed: int) -> npt.NDArray[np.int8]:
    """Splits about 75/15/10 with a class-balanced test set; pictures of one group stay together.

    Every class gives ``round(0.10 N / C)`` pictures to test, at most half of what it has and at least one if it
    has two. What remains goes 75:15 to train and val, class by class. With groups larger than one picture the
    numbers are upper bounds, except that a class of several groups never gives less than its smallest one to test.

    Args:
        classes: (N,) the class of each picture, -1 for none; those are split in proportion.
        groups: (N,) the same number for pictures that belong together.

    Returns:
        (N,) TRAIN, VAL or TEST. A group takes the class of its first labelled picture.
    """
    _, first, member, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    kind = _class_of_groups(classes, member, len(first))
    order = np.random.default_rng(seed).permutation(len(first))
    split = np.full(len(first), TRAIN, np.int8)
    counts = np.bincount(kind[kind >= 0], sizes[kind >= 0]) if (kind >= 0).any() else np.zeros(0)
    quota = round(TEST_SHARE * counts.sum() / max(1, np.count_nonzero(counts)))
    for here in _by_class(kind, order):
        mine, total = kind[here[0]], int(sizes[here].sum())
        wanted = min(quota, int(MOST_TESTED * total)) if mine >= 0 else round(TEST_SHARE * total)
        tested = _taken(sizes[here], max(1, wanted) if mine >= 0 and len(here) > 1 else wanted)
        rest = here[~tested]
        validated = _taken(sizes[rest], round(int(sizes[rest].sum()) * VAL_SHARE / (1 - TEST_SHARE)))
        split[here[tested]], split[rest[validated]] = TEST, VAL
    return split[member]


def _class_of_groups(classes: Codes, member: Codes, groups: int) -> npt.NDArray[np.int64]:
    kind = np.full(groups, -1, np.int64)
    labelled = np.flatnonzero(classes >= 0)[::-1]
    kind[member[labelled]] = classes[labelled]
    return kind


def _by_class(classes: Codes, order: Codes) -> list[npt.NDArray[np.int64]]:
    """The positions of each class, in the given order."""
    if not len(order):
        return []
    ordered = order[np.argsort(classes[order], kind="stable")]
    return np.split(ordered, np.flatnonzero(np.diff(classes[ordered])) + 1)


def _taken(sizes: Codes, wanted: int) -> npt.NDArray[np.bool_]:
    """Groups from the front that fill ``wanted`` pictures without exceeding it; the smallest if none fits."""
    if wanted <= 0 or not len(sizes):
        return np.zeros(len(sizes), bool)
    taken = np.cumsum(sizes) <= wanted
    if not taken.any() and len(sizes) > 1:
        taken[np.argmin(sizes)] = True
    return taken
