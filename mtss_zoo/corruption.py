"""The 15 corruptions of ImageNet-C in five severities each, as functions of a seed. They need the extra `corruptions`.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
ICLR 2019. The package ``imagecorruptions-imaug`` computes them: ten pixel for pixel as the authors' own code does,
three nearly so. Its frost and its elastic transform differ; variant ``imagenet-c`` takes ours, which follow the
published parameters. Numbers are comparable within one variant only.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mtss_zoo.errors import MtssZooError, UnknownNameError, UsageError
from mtss_zoo.frost_elastic import Pixels, elastic_transform, frost
from mtss_zoo.registry import near_matches

GROUPS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
CORRUPTIONS = tuple(name for names in GROUPS.values() for name in names)
SEVERITIES = (1, 2, 3, 4, 5)
Variant = Literal["imaug", "imagenet-c"]
SMALLEST = 32
"""The package takes no picture with a side shorter than this, in pixels."""
PACKAGE = "imagecorruptions-imaug"

_OWN_GENERATOR = ("glass_blur", "impulse_noise")  # numpy's global generator has no influence on these two
_LOCK = threading.Lock()  # the others draw from that generator, of which a process has one
Picture = TypeVar("Picture", Tensor, Image.Image)


def corrupt(
    image: Picture, name: str, severity: int, seed: int, variant: Variant = "imaug", save_quality: int | None = None
) -> Picture:
    """One picture corrupted; its size stays.

    A picture with a side below 32 pixels is enlarged to that, bilinear, and made as small again afterwards. What the
    corruptions measure in pixels was chosen for pictures of 224 x 224: a small one suffers more.

    Args:
        image: uint8 3HW on the CPU, or a PIL image. In a pipeline: after cropping and resizing, before normalisation.
        name: one of `CORRUPTIONS`.
        severity: 1 to 5.
        seed: in [0, 2^32); the same seed gives the same pixels, in any thread. numpy's generator stays as it was.
        variant: ``imaug`` takes all from the package, ``imagenet-c`` all but frost and elastic transform.
        save_quality: also go through a JPEG file of this quality; that of the published ImageNet-C is 85.

    Returns:
        The same kind of picture, RGB.

    Raises:
        UsageError: there is no such corruption, severity or variant.
        MtssZooError: the extra is not installed.
    """
    check(name, severity, variant)
    if isinstance(image, Image.Image):
        return Image.fromarray(
            _corrupted(np.asarray(image.convert("RGB")), name, severity, seed, variant, save_quality)
        )
    pixels = image.permute(1, 2, 0).numpy()
    changed = _corrupted(pixels, name, severity, seed, variant, save_quality)
    return torch.from_numpy(np.moveaxis(changed, -1, 0).copy())


def picture_seed(picture_id: str, name: str, severity: int, seed: int = 0) -> int:
    """The seed, in [0, 2^32), of one corruption of one picture, whatever else is corrupted before or beside it."""
    key = f"{seed}/{name}/{severity}/{picture_id}"
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:4], "big")


def check(name: str, severity: int = 1, variant: str = "imaug") -> None:
    """Refuses, in words, what `corrupt` does not know."""
    if name not in CORRUPTIONS:
        raise UnknownNameError(f"no corruption {name!r}. {near_matches(name, CORRUPTIONS)}")
    if severity not in SEVERITIES:
        raise UsageError(f"severity {severity!r} does not exist; it is 1, 2, 3, 4 or 5.")
    if variant not in get_args(Variant):
        raise UsageError(f"no variant {variant!r} of the corruptions; there are {' and '.join(get_args(Variant))}.")


def prepare(names: Iterable[str] = CORRUPTIONS) -> None:
    """Imports the package and compiles what it compiles, which takes seconds, before worker processes are started.

    Raises:
        MtssZooError: the extra is not installed.
    """
    _package()
    if "glass_blur" in names:
        blank = torch.zeros(3, SMALLEST, SMALLEST, dtype=torch.uint8)
        for severity in (1, 3):  # of all severities, the parameters have these two combinations of types
            corrupt(blank, "glass_blur", severity, seed=0)


def package_version() -> str:
    """Of the package that computes the corruptions.

    Raises:
        MtssZooError: it is not installed.
    """
    try:
        return version(PACKAGE)
    except PackageNotFoundError as error:
        raise MtssZooError(
            "corruptions need the extra of that name: pip install 'mtss-zoo[corruptions]'. (It does not go together "
            "with the older package imagecorruptions.)"
        ) from error


@cache
def _package() -> ModuleType:
    package_version()
    try:
        import cv2
        import imagecorruptions
    except ImportError as error:  # opencv-python is linked to libraries of a desktop
        raise MtssZooError(
            f"{PACKAGE} cannot be loaded ({error}). On a machine without a display, put OpenCV's other build in its "
            "place: pip uninstall opencv-python, then pip install opencv-python-headless."
        ) from error
    cv2.setNumThreads(0)  # its threads do not survive the fork into worker processes, and those use all cores already
    package: ModuleType = imagecorruptions
    return package


def _corrupted(
    pixels: Pixels, name: str, severity: int, seed: int, variant: Variant, save_quality: int | None
) -> Pixels:
    package = _package()
    height, width = pixels.shape[:2]
    factor = SMALLEST / min(height, width)
    if factor > 1:
        pixels = _resized(pixels, *(max(SMALLEST, round(side * factor)) for side in (height, width)))
    if variant == "imagenet-c" and name in _OURS:
        changed = _OURS[name](pixels, severity, np.random.default_rng(seed))
    else:
        changed = _by_package(package, pixels, name, severity, seed)
    changed = _resized(changed, height, width)
    return changed if save_quality is None else _through_jpeg(changed, save_quality)


def _by_package(package: ModuleType, pixels: Pixels, name: str, severity: int, seed: int) -> Pixels:
    own: dict[str, Any] = {"seed": seed} if name in _OWN_GENERATOR else {}
    with _LOCK:
        state = np.random.get_state()
        np.random.seed(seed)
        try:
            changed: Pixels = package.corrupt(pixels, severity, name, **own)
            return changed
        finally:
            np.random.set_state(state)


def _frost(pixels: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    return frost(pixels, severity, rng, _overlays())


_OURS = {"frost": _frost, "elastic_transform": elastic_transform}


@cache
def _overlays() -> tuple[Pixels, ...]:
    """The first five of the package's six photos of frost: the authors' code never draws the sixth."""
    folder = Path(_package().__path__[0]) / "frost"
    return tuple(np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("frost[1-5].*")))


def _resized(pixels: Pixels, height: int, width: int) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def _through_jpeg(pixels: Pixels, quality: int) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))
