"""Small pictures for a page: JPEG files as data URIs, without metadata."""

from __future__ import annotations

import base64
import io

from PIL import Image

from mtss_zoo.errors import MtssZooError
from mtss_zoo.images import crop, decode
from mtss_zoo.interfaces import Sample

SIDE = 96
"""Pixels of the longer side."""


def picture(sample: Sample) -> Image.Image:
    """What a model is shown of a sample: its box, or the whole picture, as RGB.

    Raises:
        ImageError: it cannot be read.
    """
    return Image.fromarray(crop(decode(sample.image, sample.id), sample.bbox).permute(1, 2, 0).numpy())


def thumbnail(sample: Sample) -> str | None:
    """A data URI; ``None`` if the picture cannot be read, which the evaluation has told already."""
    try:
        return data_uri(picture(sample))
    except (MtssZooError, OSError):
        return None


def data_uri(image: Image.Image) -> str:
    """A JPEG of at most 96 pixels a side, some 2 kB."""
    image = image.convert("RGB")
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=70, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
