"""From a picture in any form to the tensor that a model sees: the same functions in training and in serving."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from mtss_zoo.errors import ImageError

if TYPE_CHECKING:
    from mtss_zoo.interfaces import ImageSource

# Pillow also reads formats that call other programs (EPS starts Ghostscript): only these are let in.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
MAX_PIXELS = 178_956_970
"""A picture with more pixels than this is refused before it is decoded (Pillow's own limit)."""


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
    if isinstance(source, str | Path) and str(source) != name:
        name = f"{name} ({source})"
    try:
        with warnings.catch_warnings():  # Pillow warns of odd metadata that has no influence on the pixels
            warnings.simplefilter("ignore")
            return _decode_pil(source) if isinstance(source, Image.Image) else _decode_encoded(source)
    except Exception as error:  # the decoders raise a dozen kinds of errors on damaged files
        raise ImageError(f"picture {name} cannot be used: it {_in_words(error)}.") from error


def crop(image: Tensor, bbox: tuple[float, float, float, float] | None) -> Tensor:
    """The part of a picture 3HW inside x1 y1 x2 y2 (pixels, half-open, rounded, clipped to the picture).

    A box of less than 2 pixels a side after clipping is taken for a fault and gives the whole picture.
    """
    if bbox is None:
        return image
    height, width = image.shape[-2:]
    x1, x2 = (min(max(round(x), 0), width) for x in bbox[0::2])
    y1, y2 = (min(max(round(y), 0), height) for y in bbox[1::2])
    return image if x2 - x1 < 2 or y2 - y1 < 2 else image[..., y1:y2, x1:x2]


@dataclass(frozen=True)
class Preprocess:
    """From a decoded picture of any size to a normalised one of ``height`` x ``width``.

    ``fit`` says what happens to another aspect ratio: ``squash`` distorts, ``crop`` keeps the largest centred part
    of the right ratio, ``pad`` keeps everything on a white ground. ``mean`` and ``std`` are for pixels in [0, 1].
    """

    height: int
    width: int
    fit: Literal["squash", "crop", "pad"] = "squash"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __call__(self, image: Tensor, bbox: tuple[float, float, float, float] | None = None) -> Tensor:
        """Uint8 3HW of any size to normalised floats 3HW."""
        return self.normalise(self.resize(image, bbox))

    def resize(self, image: Tensor, bbox: tuple[float, float, float, float] | None = None) -> Tensor:
        """Uint8 3HW of any size, cropped to ``bbox``, to uint8 3HW of this size; bilinear with antialiasing."""
        image = crop(image, bbox)
        if self.fit == "squash":
            return scale(image, self.height, self.width)
        height, width = image.shape[-2:]
        if self.fit == "crop":  # cropped first, so that a picture of 1 x 30000 pixels does not blow up
            h = min(height, _at_least_1(width * self.height / self.width))
            w = min(width, _at_least_1(height * self.width / self.height))
            top, left = (height - h) // 2, (width - w) // 2
            return scale(image[:, top : top + h, left : left + w], self.height, self.width)
        ratio = min(self.height / height, self.width / width)
        h, w = _at_least_1(height * ratio), _at_least_1(width * ratio)
        top, left = (self.height - h) // 2, (self.width - w) // 2
        canvas = image.new_full((3, self.height, self.width), 255)
        canvas[:, top : top + h, left : left + w] = scale(image, h, w)
        return canvas

    def normalise(self, images: Tensor) -> Tensor:
        """Uint8 3HW, or any number of them, to floats of the same shape: ``(pixel / 255 - mean) / std``."""
        mean, std = (
            torch.tensor(x, dtype=torch.float32, device=images.device).view(3, 1, 1) * 255
            for x in (self.mean, self.std)
        )
        return torch.sub(images, mean).div_(std)


def scale(image: Tensor, height: int, width: int) -> Tensor:
    """Uint8 3HW to uint8 3HW of this height and width; bilinear with antialiasing."""
    if tuple(image.shape[-2:]) == (height, width):
        return image
    return torch.nn.functional.interpolate(image[None], (height, width), mode="bilinear", antialias=True)[0]


def _at_least_1(length: float) -> int:
    return max(1, round(length))


def _checked_tensor(image: Tensor, name: str) -> Tensor:
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3 or not image.numel():
        have = f"{str(image.dtype).removeprefix('torch.')} of shape {tuple(image.shape)}"
        raise ImageError(f"picture {name} cannot be used: it is a tensor {have}, but uint8 (3, H, W) is needed.")
    return image


def _decode_encoded(source: str | Path | bytes) -> Tensor:
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    if not data:
        raise _Refused("is empty (0 bytes)")
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.format in ("JPEG", "MPO") and image.mode in ("RGB", "L"):
            _check_size(image)
            from torchvision.io import decode_jpeg

            try:
                encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
                decoded: Tensor = decode_jpeg(encoded, apply_exif_orientation=True)
                return decoded.expand(3, -1, -1)
            except RuntimeError:
                pass  # Pillow has the better words for what is wrong, or reads it
        return _decode_pil(image)


def _decode_pil(image: Image.Image) -> Tensor:
    _check_size(image)
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):  # 16 bit, which `convert` would clip at 255
        wide = np.asarray(upright).astype(np.int64).clip(0, 65535)
        rgb = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
    elif upright.mode == "F":
        raise _Refused("holds floating point numbers, whose white is not known; save it with 8 or 16 bit")
    elif upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        rgb = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    else:
        rgb = upright.convert("RGB")
    return torch.from_numpy(np.array(rgb)).permute(2, 0, 1)


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    if not image.width * image.height:
        raise _Refused("has no pixels")


class _Refused(Exception):
    """Why a picture is not used, as the end of a sentence that begins with "it"."""


def _in_words(error: Exception) -> str:
    match error:
        case _Refused():
            return str(error)
        case FileNotFoundError():
            return "does not exist"
        case IsADirectoryError():
            return "is a folder"
        case PermissionError():
            return "may not be read (permission denied)"
        case UnidentifiedImageError():
            return f"is not a picture in a format that is read here ({', '.join(FORMATS)})"
        case Image.DecompressionBombError():
            return f"has more than {MAX_PIXELS:,} pixels; make it smaller"
        case _ if "truncated" in str(error).lower():
            return "is cut off: the file ends before the picture does"
        case _:
            return f"is damaged ({type(error).__name__}: {str(error) or 'no details'})"
