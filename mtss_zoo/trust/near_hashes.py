"""Which of a million 64-bit hashes are near each other, in flat memory (Norouzi, Punjani and Fleet, CVPR 2012).

Hashes that differ in at most d bits differ in at most d // 4 bits in one of four bands of 16 bits. So only hashes are
compared that share a band, or a band with that many bits flipped. Letters: N hashes, P pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
BANDS, BITS = 4, 16
MAX_DISTANCE = 11
"""Bits; beyond it, so many bands are flipped that comparing everything with everything is as fast."""
CHUNK = 1 << 20
"""Pairs that are compared at once: some 50 MB."""
_COUNTS = np.array([i.bit_count() for i in range(1 << BITS)], np.uint8)


def near_pairs(hashes: npt.NDArray[np.uint64], distance: int) -> Iterator[tuple[Indices, Indices]]:
    """Pairs of different indices (P,) and (P,) whose hashes differ in at most ``distance`` bits; some come twice.

    Args:
        hashes: (N,).
        distance: 0 to 11.
    """
    halves = _bands(hashes)
    for band in halves.T:
        order = np.argsort(band, kind="stable")
        ordered = band[order].astype(np.int64)
        starts = np.searchsorted(ordered, np.arange((1 << BITS) + 1))
        sorted_hashes = hashes[order]  # neighbours are compared with neighbours, which lie together in memory then
        for mask in _masks(distance // BANDS):
            for left, right in _candidates(ordered, starts, mask):
                near = distances(sorted_hashes[left], sorted_hashes[right]) <= distance
                yield order[left[near]], order[right[near]]


def distances(a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Bits in which hashes (P,) and (P,) differ: (P,)."""
    if hasattr(np, "bitwise_count"):  # numpy 2
        return np.asarray(np.bitwise_count(a ^ b), np.uint8)
    return np.asarray(_COUNTS[_bands(a ^ b)].sum(1), np.uint8)


def _bands(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint16]:
    return np.ascontiguousarray(hashes).view(np.uint16).reshape(-1, BANDS)


def _masks(flips: int) -> Iterator[int]:
    for n in range(flips + 1):
        yield from (sum(1 << bit for bit in bits) for bits in combinations(range(BITS), n))


def _candidates(ordered: Indices, starts: Indices, mask: int) -> Iterator[tuple[Indices, Indices]]:
    """Places in the sorted band whose values differ by the mask, each pair once."""
    others = ordered ^ mask
    first = starts[others] if mask else np.arange(1, len(ordered) + 1)
    counts = np.where((others > ordered) | (mask == 0), starts[others + 1] - first, 0)
    ends = np.cumsum(counts)
    row = 0
    while row < len(ordered):
        done = ends[row - 1] if row else 0
        stop = max(row + 1, int(np.searchsorted(ends, done + CHUNK, side="right")))
        here = counts[row:stop]
        left = np.repeat(np.arange(row, stop), here)
        within = np.arange(len(left)) - np.repeat(np.cumsum(here) - here, here)
        if len(left):
            yield left, np.repeat(first[row:stop], here) + within
        row = stop
