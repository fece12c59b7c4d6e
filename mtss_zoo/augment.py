"""Random changes of training pictures, each a function of its seed alone: global generators are left as they were."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
import torchvision.transforms.v2.functional as F
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from mtss_zoo.corruption import CORRUPTIONS, SEVERITIES, corrupt
from mtss_zoo.images import Preprocess, scale
from mtss_zoo.recipe import AugmentSpec
from mtss_zoo.sampling import derived_seed

_CORRUPTION = 1  # keeps its draws apart from those of the other changes


def augment(image: Tensor, spec: AugmentSpec, preprocess: Preprocess, seed: int) -> Tensor:
    """Changes and resizes one picture; `erase` does the rest once it is normalised.

    Args:
        image: uint8 3HW of any size, cropped to its box.
        spec: which changes; they happen in the order of its fields.
        preprocess: the size to deliver, and how a picture that is not cropped at random fits into it.
        seed: in [0, 2^64); the same seed gives the same pixels.

    Returns:
        Uint8 3HW of the size of ``preprocess``.
    """
    with _seeded(seed):
        if spec.crop_scale:
            part = _random_part(image, spec.crop_scale, spec.crop_ratio)
            image = scale(part, preprocess.height, preprocess.width, preprocess.interpolation)
        else:
            image = preprocess.resize(image)
        if spec.shift:
            image = _shift(image, spec.shift)
        if spec.flip and torch.rand(()) < spec.flip:
            image = F.horizontal_flip(image)
        if spec.color_jitter:
            image = _color_jitter(spec.color_jitter)(image)
    if spec.randaugment:
        image = _rand_augment(image, spec.randaugment, preprocess, seed)
    return _corrupt_some(image, spec.corrupt, seed) if spec.corrupt else image


def erase(image: Tensor, spec: AugmentSpec, seed: int) -> Tensor:
    """Random erasing (Zhong et al. 2020): with the recipe's probability a box of the picture becomes N(0, 1) noise.

    The box has 2 to 33 % of the area and an aspect ratio of 0.3 to 3.3; ``image`` is normalised, 3HW.
    """
    if not spec.erase:
        return image
    with _seeded((seed + 1) % 2**64):
        return _eraser(spec.erase)(image)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    # The default generator alone: torch.manual_seed also seeds every accelerator, which costs more than a resize.
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)


def _random_part(image: Tensor, area: tuple[float, float], ratio: tuple[float, float]) -> Tensor:
    top, left, height, width = v2.RandomResizedCrop.get_params(image, list(area), list(ratio))
    return image[:, top : top + height, left : left + width]


def _shift(image: Tensor, limit: int) -> Tensor:
    """Moves the picture by up to ``limit`` pixels each way; what comes in at the edge repeats the edge."""
    height, width = image.shape[-2:]
    down, right = torch.randint(-limit, limit + 1, (2,))
    rows = (torch.arange(height) - down).clamp_(0, height - 1)
    columns = (torch.arange(width) - right).clamp_(0, width - 1)
    return image.index_select(1, rows).index_select(2, columns)


@cache
def _color_jitter(strength: float) -> Callable[[Tensor], Tensor]:
    jitter: Callable[[Tensor], Tensor] = v2.ColorJitter(brightness=strength, contrast=strength, saturation=strength)
    return jitter


@cache
def _eraser(probability: float) -> Callable[[Tensor], Tensor]:
    eraser: Callable[[Tensor], Tensor] = v2.RandomErasing(p=probability, value="random")
    return eraser


def _rand_augment(image: Tensor, magnitude: int, preprocess: Preprocess, seed: int) -> Tensor:
    python_state, numpy_state = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        changed: Tensor = F.pil_to_tensor(rand_augment_policy(magnitude, preprocess)(F.to_pil_image(image)))
        return changed
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)


def _corrupt_some(image: Tensor, share: float, seed: int) -> Tensor:
    """A share of all pictures with a corruption and a severity, drawn uniformly (MTSS, section 4, Table 7)."""
    draw = np.random.default_rng(derived_seed(seed, _CORRUPTION))
    if draw.random() >= share:
        return image
    name, severity = draw.choice(CORRUPTIONS), int(draw.choice(SEVERITIES))
    return corrupt(image, str(name), severity, seed=int(draw.integers(2**32)))


@cache
def rand_augment_policy(magnitude: int, preprocess: Preprocess) -> Callable[[Image.Image], Image.Image]:
    """RandAugment (Cubuk et al. 2020) as timm has it and as MAE and Semi-ViT use it, ``rand-m9-mstd0.5-inc1``.

    Two of 15 operations, each applied with probability 0.5 at a magnitude of N(``magnitude``, 0.5) cut to [0, 10];
    holes are filled with the mean colour. Imports timm on first use, which takes seconds.
    """
    from timm.data.auto_augment import rand_augment_transform

    settings = {
        "translate_const": int(min(preprocess.height, preprocess.width) * 0.45),
        "img_mean": tuple(round(255 * channel) for channel in preprocess.mean),
        "interpolation": Image.Resampling.BICUBIC,
    }
    policy: Callable[[Image.Image], Image.Image] = rand_augment_transform(f"rand-m{magnitude}-mstd0.5-inc1", settings)
    return policy
