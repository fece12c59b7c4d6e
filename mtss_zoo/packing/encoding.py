"""A picture of any source as the bytes that are stored for it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from mtss_zoo.images import decode
from mtss_zoo.pil_images import FORMATS, explained, file_bytes

if TYPE_CHECKING:
    from mtss_zoo.interfaces import ImageSource

_ENDINGS = {"JPEG": "jpg", "MPO": "jpg", "TIFF": "tif"}


class Encoded(NamedTuple):
    """The bytes of a picture file, and the ending that its name should have, without a dot."""

    data: bytes
    ending: str


def encoded(image: ImageSource, name: str) -> Encoded:
    """A file's bytes as they are, whatever its name says of them; a generated picture as PNG. Both decode the same.

    Raises:
        ImageError: the picture cannot be used; all of it is decoded to find out.
    """
    if not isinstance(image, str | Path | bytes):
        pixels = decode(image, name)
        file = io.BytesIO()
        Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()).save(file, "PNG")
        return Encoded(file.getvalue(), "png")
    with explained(image, name):
        data = file_bytes(image)
    decode(data, name)
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        kind = str(opened.format)
    return Encoded(data, _ENDINGS.get(kind, kind.lower()))
