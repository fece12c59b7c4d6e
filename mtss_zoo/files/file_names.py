"""What names of files say: which are pictures, and what a pattern for many files stands for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".avif")
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def is_picture(name: str) -> bool:
    """Whether a file name has the ending of a picture, and no leading dot (macOS leaves ``._1.jpg`` behind)."""
    return name.lower().endswith(PICTURES) and not name.rpartition("/")[2].startswith(".")


def as_text(name: str) -> str:
    """A file name that may be written as UTF-8; bytes that are none become question marks."""
    return os.fsencode(name).decode("utf-8", "replace")


def written_out(pattern: str) -> Iterator[str]:
    """``a{08..10}.tar`` to ``a08.tar``, ``a09.tar``, ``a10.tar``; several ranges give every combination."""
    found = _RANGE.search(pattern)
    if not found:
        yield pattern
        return
    first, last = found.groups()
    for number in range(int(first), int(last) + 1):
        text = str(number).zfill(len(first))
        yield from written_out(f"{pattern[: found.start()]}{text}{pattern[found.end() :]}")
