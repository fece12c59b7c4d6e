"""Every change is a function of its seed, and does what the recipe says."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mtss_zoo.augment import augment, erase, rand_augment_policy
from mtss_zoo.images import Preprocess
from mtss_zoo.recipe import AugmentSpec

PREPROCESS = Preprocess(16, 12)
SPECS = {
    "nothing": AugmentSpec(),
    "crop": AugmentSpec(crop_scale=(0.2, 0.8)),
    "shift": AugmentSpec(shift=3),
    "flip": AugmentSpec(flip=0.5),
    "colour": AugmentSpec(color_jitter=0.4),
    "randaugment": AugmentSpec(randaugment=9),
    "all": AugmentSpec(crop_scale=(0.2, 1), shift=2, flip=0.5, color_jitter=0.4, randaugment=9, erase=0.5),
}


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 30, 25), dtype=np.uint8))


def changed(picture: torch.Tensor, spec: AugmentSpec, seed: int) -> torch.Tensor:
    return erase(PREPROCESS.normalise(augment(picture, spec, PREPROCESS, seed)), spec, seed)


def different(picture: torch.Tensor, spec: AugmentSpec, seeds: int = 20) -> int:
    return len({changed(picture, spec, seed).numpy().tobytes() for seed in range(seeds)})


@pytest.mark.parametrize("name", SPECS)
def test_the_seed_alone_decides(name: str, picture: torch.Tensor) -> None:
    before = picture.clone()
    first = changed(picture, SPECS[name], 2**64 - 1)
    torch.manual_seed(7), random.seed(7), np.random.seed(7)
    assert torch.equal(changed(picture, SPECS[name], 2**64 - 1), first)
    assert first.shape == (3, 16, 12)
    assert torch.equal(picture, before)


@pytest.mark.parametrize("name", [name for name in SPECS if name != "nothing"])
def test_other_seeds_give_other_pictures(name: str, picture: torch.Tensor) -> None:
    assert different(picture, SPECS[name]) >= (2 if name == "flip" else 10)


@pytest.mark.parametrize("name", SPECS)
def test_global_generators_are_left_alone(name: str, picture: torch.Tensor) -> None:
    changed(picture, SPECS[name], 0)  # imports, too, may draw
    torch.manual_seed(7), random.seed(7), np.random.seed(7)
    expected = torch.rand(()), random.random(), np.random.random()
    torch.manual_seed(7), random.seed(7), np.random.seed(7)
    changed(picture, SPECS[name], 1)
    assert (torch.rand(()), random.random(), np.random.random()) == expected


def test_the_default_only_resizes(picture: torch.Tensor) -> None:
    assert torch.equal(augment(picture, AugmentSpec(), PREPROCESS, 3), PREPROCESS.resize(picture))


def test_a_flip_mirrors_with_its_probability(picture: torch.Tensor) -> None:
    resized = PREPROCESS.resize(picture)
    assert torch.equal(augment(picture, AugmentSpec(flip=1), PREPROCESS, 0), resized.flip(-1))
    flips = sum(
        torch.equal(augment(picture, AugmentSpec(flip=0.25), PREPROCESS, seed), resized.flip(-1)) for seed in range(400)
    )
    assert 70 <= flips <= 130


@given(st.integers(0, 2**64 - 1))
def test_a_shift_moves_the_picture_and_repeats_its_edge(seed: int) -> None:
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(12), indexing="ij")
    picture = torch.stack([rows, columns, rows]).to(torch.uint8) * 10
    shifted = augment(picture, AugmentSpec(shift=2), PREPROCESS, seed).int() // 10
    down, right = 8 - shifted[0, 8, 6].item(), 6 - shifted[1, 8, 6].item()
    assert max(abs(down), abs(right)) <= 2
    assert torch.equal(shifted[0], (rows - down).clamp(0, 15).int())
    assert torch.equal(shifted[1], (columns - right).clamp(0, 11).int())


def test_all_shifts_occur() -> None:
    picture = torch.zeros(3, 16, 12, dtype=torch.uint8)
    picture[:, 8, 6] = 1
    spots = {tuple(augment(picture, AugmentSpec(shift=1), PREPROCESS, s)[0].nonzero()[0].tolist()) for s in range(100)}
    assert spots == {(row, column) for row in (7, 8, 9) for column in (5, 6, 7)}


def test_a_random_crop_has_the_area_and_ratio_of_the_recipe() -> None:
    rows, columns = torch.meshgrid(torch.arange(200), torch.arange(200), indexing="ij")
    picture = torch.stack([rows, columns, rows]).to(torch.uint8)
    spec = AugmentSpec(crop_scale=(0.25, 0.25), crop_ratio=(1.0, 1.0))
    for seed in range(10):
        part = augment(picture, spec, Preprocess(100, 100, fit="pad"), seed)
        assert part[0, -1, 0] - part[0, 0, 0] == part[1, 0, -1] - part[1, 0, 0] == 99


def test_a_random_crop_is_resized_as_the_recipe_says() -> None:
    spec = AugmentSpec(crop_scale=(1, 1), crop_ratio=(1.0, 1.0))
    picture = torch.randint(0, 256, (3, 97, 97), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for how in ("bilinear", "bicubic"):
        found = augment(picture, spec, Preprocess(32, 32, interpolation=how), seed=0)
        expected = torch.nn.functional.interpolate(picture[None], (32, 32), mode=how, antialias=True)[0]
        assert torch.equal(found, expected)


def test_rand_augment_is_that_of_semi_vit() -> None:
    """``rand-m9-mstd0.5-inc1``: two layers of 15 operations that grow with their magnitude."""
    policy: Any = rand_augment_policy(9, Preprocess(224, 160, mean=(0.485, 0.456, 0.406)))
    assert (policy.num_layers, policy.choice_weights) == (2, None)
    assert {op.name for op in policy.ops} == {
        *("AutoContrast", "Equalize", "Invert", "Rotate", "PosterizeIncreasing", "SolarizeIncreasing", "SolarizeAdd"),
        *("ColorIncreasing", "ContrastIncreasing", "BrightnessIncreasing", "SharpnessIncreasing"),
        *("ShearX", "ShearY", "TranslateXRel", "TranslateYRel"),
    }
    assert len(policy.ops) == 15
    assert {(op.prob, op.magnitude, op.magnitude_std, op.magnitude_max) for op in policy.ops} == {(0.5, 9, 0.5, None)}
    fill = {op.kwargs["fillcolor"] for op in policy.ops}
    assert fill == {(124, 116, 104)}
    assert {op.kwargs["resample"] for op in policy.ops} == {Image.Resampling.BICUBIC}


def test_colour_jitter_leaves_shapes_alone() -> None:
    picture = torch.full((3, 16, 12), 100, dtype=torch.uint8)
    for seed in range(5):
        jittered = augment(picture, AugmentSpec(color_jitter=0.4), PREPROCESS, seed)
        assert len(jittered.unique()) == 1
        assert 30 <= jittered[0, 0, 0] <= 197  # brightness and contrast each by a factor of 0.6 to 1.4


def test_erasing_puts_noise_into_a_box_and_leaves_the_rest() -> None:
    image = torch.full((3, 16, 12), 9.0)
    noise = torch.cat([e[e != 9] for e in (erase(image, AugmentSpec(erase=1), seed) for seed in range(200))])
    assert noise.mean().abs() < 0.05
    assert noise.std() == pytest.approx(1, abs=0.05)
    for seed in range(20):
        erased = (erase(image, AugmentSpec(erase=1), seed) != 9)[0]
        height, width = erased.any(1).sum().item(), erased.any(0).sum().item()
        assert erased.sum() == height * width
        assert 0.01 <= height * width / (16 * 12) <= 0.4
    assert torch.equal(image, torch.full((3, 16, 12), 9.0))


def test_erasing_happens_with_its_probability() -> None:
    image = torch.zeros(3, 16, 12)
    assert torch.equal(erase(image, AugmentSpec(), 0), image)
    assert 40 <= sum(not torch.equal(erase(image, AugmentSpec(erase=0.3), seed), image) for seed in range(200)) <= 80
