"""What a picture looks like, in 216 bytes: enough to find it again after it was saved anew or resized.

Letters: N pictures.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from mtss_zoo.errors import ImageError
from mtss_zoo.images import crop, decode
from mtss_zoo.interfaces import Samples

SIDE, KEPT, THUMB = 32, 8, 8
"""Pixels a side of the picture that is hashed; its frequencies a side that are kept; pixels a side of the thumbnail."""
TOLERANCE = 0.06
BLOCK = 1024
"""Pictures that are under way at once."""
_COSINES = np.cos(np.pi * np.arange(KEPT)[:, None] * (2 * np.arange(SIDE) + 1) / (2 * SIDE))


@dataclass(frozen=True)
class Fingerprints:
    """Of N pictures in order; the rows of unreadable ones are zeros and mean nothing."""

    contents: npt.NDArray[np.uint64]
    """(N, 2) digests of the decoded pixels: equal for equal pictures, whatever their files are."""
    hashes: npt.NDArray[np.uint64]
    """(N,) perceptual hashes: few bits differ between pictures that look alike."""
    thumbnails: npt.NDArray[np.uint8]
    """(N, 192) tiny pictures in colour, by which `alike` decides."""
    readable: npt.NDArray[np.bool_]
    """(N,)"""

    def alike(self, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Whether the thumbnails of pictures ``a`` (P,) and ``b`` (P,) differ by little, for their contrast: (P,).

        A hash says nothing of colour and little of small things on a white ground. The mean difference must be at most
        `TOLERANCE` of the mean distance from the mean colour, of the flatter picture (of at least 4 of 255).

        When measured on 800 product photos of 60 x 80 pixels, 99 % of their copies of JPEG quality 60, 96 % of those of
        quality 30 and 97 % of those of half the size passed and had hashes with at most 4 different bits; of their
        mirrored copies none did. Of the 8 million pairs of 4,000 such photos 23 passed.
        """
        left, right = self.thumbnails[a].astype(np.float32), self.thumbnails[b].astype(np.float32)
        contrast = [np.abs(x - x.mean(1, keepdims=True)).mean(1) for x in (left, right)]
        return np.asarray(np.abs(left - right).mean(1) <= TOLERANCE * np.maximum(np.minimum(*contrast), 4))


def fingerprints(parts: Iterable[Samples]) -> Fingerprints:
    """Fingerprints of all pictures of these parts, one after the other; each is read once, and only inside its box.

    The hash is the 64-bit one of the discrete cosine transform: 32 x 32 grey pixels, of their frequencies the 8 x 8
    lowest, and a bit for each that is above their median.
    """
    parts = tuple(parts)
    total = sum(len(part) for part in parts)
    found = Fingerprints(
        np.zeros((total, 2), np.uint64),
        np.zeros(total, np.uint64),
        np.zeros((total, 3 * THUMB * THUMB), np.uint8),
        np.zeros(total, bool),
    )
    first = 0
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for part in parts:
            for start in range(0, len(part), BLOCK):
                rows = range(start, min(start + BLOCK, len(part)))
                for row, seen in zip(rows, threads.map(_seen, [part] * len(rows), rows), strict=True):
                    if seen:
                        i = first + row
                        found.contents[i], found.hashes[i], found.thumbnails[i], found.readable[i] = *seen, True
            first += len(part)
    return found


def _seen(samples: Samples, row: int) -> tuple[npt.NDArray[np.uint64], np.uint64, npt.NDArray[np.uint8]] | None:
    try:
        sample = samples[row]
        pixels = crop(decode(sample.image, sample.id), sample.bbox).permute(1, 2, 0).contiguous().numpy()
    except ImageError:
        return None
    digest = hashlib.blake2b(pixels.tobytes(), digest_size=16, salt=f"{pixels.shape[1]:x}".encode()).digest()
    small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    thumbnail = np.asarray(small.resize((THUMB, THUMB), Image.Resampling.LANCZOS))
    return np.frombuffer(digest, np.uint64), perceptual_hash(small), thumbnail.ravel()


def perceptual_hash(small: Image.Image) -> np.uint64:
    """The hash of a picture of 32 x 32 pixels."""
    grey = np.asarray(small.convert("L"), np.float64)
    low = (_COSINES @ grey @ _COSINES.T).round(6).ravel()  # rounded, as what is zero must not be a random bit
    return np.uint64(np.packbits(low > np.median(low[1:])).view(np.uint64)[0])
