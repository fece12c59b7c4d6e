"""A file that a stranger uploaded, decoded as everywhere in the zoo, but within the limits of a page."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mtss_zoo.errors import ImageError
from mtss_zoo.pil_images import FORMATS, decode, explained, file_bytes

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 50_000_000
"""More than most phones take; the memory for one picture stays below 1 GB."""
SMALLEST = 8
"""Pixels of the shorter side; a smaller picture shows nothing that could be told."""


@dataclass(frozen=True)
class Photo:
    """``picture`` is upright RGB; ``note`` says what of the file was left out, or is empty."""

    picture: Image.Image
    note: str = ""


def read_photo(path: str | Path) -> Photo:
    """Reads an uploaded file. Its size is known before a pixel of it is decoded.

    Raises:
        ImageError: it is too large, too small, damaged, or no picture. The message names it without its folder.
    """
    path = Path(path)
    name = path.name
    if path.stat().st_size > MAX_BYTES:
        raise ImageError(f"picture {name} has more than {MAX_BYTES // 2**20} MB; make it smaller.")
    data = path.read_bytes()
    with explained(data, name), Image.open(io.BytesIO(file_bytes(data)), formats=FORMATS) as image:
        width, height = image.size
        # A phone's JPEG may carry a second picture, for depth; only the others move.
        moves = image.format != "MPO" and getattr(image, "is_animated", False)
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 1_000_000
        raise ImageError(f"picture {name} has {width} x {height} pixels, and {limit} million are the limit here.")
    if min(width, height) < SMALLEST:
        raise ImageError(f"picture {name} has {width} x {height} pixels, too few to show anything.")
    return Photo(decode(data, name), "Only the first picture of the file was looked at." if moves else "")
