"""From a picture in any form to the tensor that a model sees: the same functions in training and in serving."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mtss_zoo.errors import ImageError
from mtss_zoo.pil_images import (
    FORMATS,
    Fit,
    Interpolation,
    box_inside,
    check_size,
    explained,
    file_bytes,
    placement,
    upright_rgb,
)

if TYPE_CHECKING:
    from mtss_zoo.interfaces import ImageSource


def decode(source: ImageSource, name: str) -> Tensor:
    """A picture as RGB, uint8 3HW: upright (EXIF), the first frame, transparency over white, 16 bit scaled to 8.

    JPEG goes through torchvision (three times as fast), everything else through Pillow.

    Args:
        source: a file, an encoded file's bytes, a PIL image, or a uint8 tensor 3HW.
        name: what an error calls the picture; the path is added.

    Raises:
        ImageError: if the picture cannot be used.
    """
    if isinstance(source, Tensor):
        return _checked_tensor(source, name)
    with explained(source, name):
        return _tensor(upright_rgb(source)) if isinstance(source, Image.Image) else _decode(file_bytes(source))


def crop(image: Tensor, bbox: tuple[float, float, float, float] | None) -> Tensor:
    """The part of a picture 3HW inside x1 y1 x2 y2 (pixels, half-open, rounded, clipped to the picture).

    A box of less than 2 pixels a side after clipping is taken for a fault and gives the whole picture.
    """
    box = box_inside(bbox, *image.shape[-2:]) if bbox else None
    if box is None:
        return image
    x1, y1, x2, y2 = box
    return image[..., y1:y2, x1:x2]


@dataclass(frozen=True)
class Preprocess:
    """From a decoded picture of any size to a normalised one of ``height`` x ``width``.

    ``fit`` says what happens to another aspect ratio: ``squash`` distorts, ``crop`` keeps the largest centred part
    of the right ratio, ``pad`` keeps everything on a white ground. With ``crop_pct`` below 1, ``crop`` keeps that share
    of the part's sides: 0.875 is what resizing to 256 and cropping to 224 keeps. ``mean`` and ``std`` are for pixels in
    [0, 1].
    """

    height: int
    width: int
    fit: Fit = "squash"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Interpolation = "bilinear"
    crop_pct: float = 1.0

    def __call__(self, image: Tensor, bbox: tuple[float, float, float, float] | None = None) -> Tensor:
        """Uint8 3HW of any size to normalised floats 3HW."""
        return self.normalise(self.resize(image, bbox))

    def resize(self, image: Tensor, bbox: tuple[float, float, float, float] | None = None) -> Tensor:
        """Uint8 3HW of any size, cropped to ``bbox``, to uint8 3HW of this size; with antialiasing."""
        image = crop(image, bbox)
        height, width = image.shape[-2:]
        to = placement(self.fit, height, width, self.height, self.width, self.crop_pct)
        (top, left, bottom, right), (h, w) = to.part, to.size
        scaled = scale(image[:, top:bottom, left:right], h, w, self.interpolation)
        if (h, w) == (self.height, self.width):
            return scaled
        top, left = to.corner
        canvas = image.new_full((3, self.height, self.width), 255)
        canvas[:, top : top + h, left : left + w] = scaled
        return canvas

    def normalise(self, images: Tensor) -> Tensor:
        """Uint8 3HW, or any number of them, to floats of the same shape: ``(pixel / 255 - mean) / std``."""
        mean, std = (
            torch.tensor(x, dtype=torch.float32, device=images.device).view(3, 1, 1) * 255
            for x in (self.mean, self.std)
        )
        # Subtracting from integers would be a kernel of mixed types: the whole then took 1.6 times as long.
        return images.to(torch.float32, copy=True).sub_(mean).div_(std)


def scale(image: Tensor, height: int, width: int, interpolation: Interpolation = "bilinear") -> Tensor:
    """Uint8 3HW to uint8 3HW of this height and width; with antialiasing."""
    if tuple(image.shape[-2:]) == (height, width):
        return image
    return torch.nn.functional.interpolate(image[None], (height, width), mode=interpolation, antialias=True)[0]


def _checked_tensor(image: Tensor, name: str) -> Tensor:
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3 or not image.numel():
        have = f"{str(image.dtype).removeprefix('torch.')} of shape {tuple(image.shape)}"
        raise ImageError(f"picture {name} cannot be used: it is a tensor {have}, but uint8 (3, H, W) is needed.")
    return image


def _decode(data: bytes) -> Tensor:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
            check_size(image)
            from torchvision.io import decode_jpeg

            try:
                encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
                decoded: Tensor = decode_jpeg(encoded, apply_exif_orientation=True)
                return decoded.expand(3, -1, -1)
            except RuntimeError:
                pass  # Pillow has the better words for what is wrong, or reads it
        return _tensor(upright_rgb(image))


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)
