"""Corruptions: what they do to a picture, that a seed fixes them, and how far both variants are from ImageNet-C."""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image

from mtss_zoo import corruption
from mtss_zoo.corruption import CORRUPTIONS, GROUPS, SEVERITIES, corrupt, picture_seed, prepare
from mtss_zoo.errors import MtssZooError, UnknownNameError, UsageError

package = pytest.importorskip("imagecorruptions")

# Compiling glass blur takes seconds, once in a process.
every_name = pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n == "glass_blur" else n for n in CORRUPTIONS]
)
WITHOUT_CHANCE = {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"}


def noise(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, height, width), dtype=np.uint8))


@pytest.fixture(scope="module")
def astronaut() -> torch.Tensor:
    """The photo on which the reference values were measured, as ImageNet-C prepares one: 256, then the central 224."""
    photo = Image.fromarray(pytest.importorskip("skimage.data").astronaut()).resize((256, 256), Image.BILINEAR)
    return torch.from_numpy(np.array(photo.crop((16, 16, 240, 240)))).permute(2, 0, 1).contiguous()


def mean_change(photo: torch.Tensor, name: str, severity: int, variant: str = "imaug", seeds: int = 8) -> float:
    changes = [(corrupt(photo, name, severity, s, variant).int() - photo.int()).abs() for s in range(seeds)]
    return torch.stack(changes).float().mean().item()


def test_there_are_fifteen_in_four_groups() -> None:
    assert list(CORRUPTIONS) == package.get_corruption_names("common")
    assert {group: list(names) for group, names in GROUPS.items()} == {
        group: package.get_corruption_names(group) for group in GROUPS
    }


@every_name
def test_every_cell_keeps_size_and_type_and_changes_the_picture(name: str) -> None:
    for size in ((80, 60), (32, 24), (9, 40)):
        picture = noise(*size)
        before = picture.clone()
        for variant, severity in product(("imaug", "imagenet-c"), SEVERITIES):
            changed = corrupt(picture, name, severity, 0, variant)
            assert (changed.shape, changed.dtype) == (picture.shape, torch.uint8)
            assert not torch.equal(changed, picture)
        assert torch.equal(picture, before)


@every_name
def test_the_first_variant_is_the_package(name: str) -> None:
    pixels = noise(48, 40).permute(1, 2, 0).numpy()
    for severity in SEVERITIES:
        np.random.seed(5)
        seed = {"seed": 5} if name in ("glass_blur", "impulse_noise") else {}
        expected = package.corrupt(pixels, severity, name, **seed)
        assert np.array_equal(corrupt(Image.fromarray(pixels), name, severity, 5), expected)


@every_name
def test_the_second_variant_differs_in_frost_and_elastic_transform_alone(name: str) -> None:
    one, other = (corrupt(noise(40, 48), name, 3, 1, variant) for variant in ("imaug", "imagenet-c"))
    assert torch.equal(one, other) == (name not in ("frost", "elastic_transform"))


@every_name
def test_the_seed_alone_decides(name: str) -> None:
    picture = noise(40, 33)
    for variant in ("imaug", "imagenet-c"):
        first = corrupt(picture, name, 3, 2**32 - 1, variant)
        random.seed(7), np.random.seed(7), torch.manual_seed(7)
        assert torch.equal(corrupt(picture, name, 3, 2**32 - 1, variant), first)
        assert torch.equal(corrupt(picture, name, 3, 0, variant), first) == (name in WITHOUT_CHANCE)


@every_name
def test_global_generators_are_left_alone(name: str) -> None:
    picture = noise(40, 33)
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    expected = random.random(), np.random.random(), torch.rand(())
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    corrupt(picture, name, 1, 3)
    assert (random.random(), np.random.random(), torch.rand(())) == expected


def test_threads_do_not_disturb_each_other() -> None:
    jobs = [(name, seed) for seed in range(6) for name in ("gaussian_noise", "motion_blur", "fog", "snow")]
    picture = noise(40, 33)

    def run(job: tuple[str, int]) -> bytes:
        return corrupt(picture, job[0], 2, job[1]).numpy().tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, jobs)) == [run(job) for job in jobs]


def test_a_pil_image_gives_the_pixels_of_a_tensor() -> None:
    pixels = noise(24, 40)
    image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    changed = corrupt(image, "fog", 4, 1)
    assert changed.size == (40, 24) and changed.mode == "RGB"
    assert np.array_equal(changed, corrupt(pixels, "fog", 4, 1).permute(1, 2, 0).numpy())
    assert corrupt(image.convert("L"), "fog", 4, 1).mode == "RGB"


def test_a_picture_of_the_smallest_size_is_not_resized() -> None:
    pixels = noise(32, 32).permute(1, 2, 0).numpy()
    assert np.array_equal(corrupt(Image.fromarray(pixels), "contrast", 1, 0), package.corrupt(pixels, 1, "contrast"))


def test_a_picture_may_go_through_a_jpeg_file_as_those_of_imagenet_c_did() -> None:
    picture, file = Image.fromarray(noise(40, 40).permute(1, 2, 0).numpy()), io.BytesIO()
    corrupt(picture, "fog", 1, 0).save(file, "JPEG", quality=85)
    assert np.array_equal(corrupt(picture, "fog", 1, 0, save_quality=85), Image.open(file))


# Mean absolute change in grey levels at severities 1, 3 and 5, as measured once on the same photo: with the authors'
# code for imagenet-c, with the package for imaug.
@pytest.mark.parametrize(
    "name, variant, expected",
    [
        ("elastic_transform", "imagenet-c", (55, 25, 27)),
        ("elastic_transform", "imaug", (12, 18, 22)),
        ("impulse_noise", "imaug", (3.75, 11.36, 34.3)),
    ],
)
def test_the_strength_is_that_of_the_reference(astronaut, name, variant, expected) -> None:
    assert [mean_change(astronaut, name, s, variant) for s in (1, 3, 5)] == pytest.approx(expected, rel=0.15)


def test_the_noise_of_imagenet_c_is_as_strong_as_its_table_says() -> None:
    grey = torch.full((3, 128, 128), 128, dtype=torch.uint8)
    for severity, sigma in zip(SEVERITIES[:3], (0.08, 0.12, 0.18), strict=True):  # stronger noise is clipped
        assert corrupt(grey, "gaussian_noise", severity, 0).float().std() / 255 == pytest.approx(sigma, rel=0.03)
    for severity, share in zip(SEVERITIES, (0.03, 0.06, 0.09, 0.17, 0.27), strict=True):
        hit = corrupt(grey, "impulse_noise", severity, 0) != 128
        assert hit.float().mean() == pytest.approx(share, rel=0.05)


class TestFrost:
    WEIGHTS = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))

    def test_it_is_a_part_of_one_of_five_overlays_at_its_own_scale(self) -> None:
        overlays = list(corruption._overlays())
        assert len(overlays) == 5 and np.array_equal(overlays[1], overlays[2])  # these two are one photo
        black = Image.new("RGB", (36, 33))
        used = [self.place(np.asarray(corrupt(black, "frost", 1, s, "imagenet-c")), overlays) for s in range(12)]
        assert {overlay for overlay, _, _ in used} == {0, 1, 3, 4}
        assert len(set(used)) == 12

    def place(self, part: np.ndarray, overlays: list[np.ndarray]) -> tuple[int, int, int]:
        """Overlay, row and column of a part that severity 1 laid on black."""
        for i, overlay in enumerate(overlays):
            faded = (np.float32(0.4) * overlay).astype(np.uint8)
            for top, left in np.argwhere((faded == part[0, 0]).all(-1)):
                if np.array_equal(faded[top : top + part.shape[0], left : left + part.shape[1]], part):
                    return i, int(top), int(left)
        raise AssertionError("this is no part of an overlay")

    @pytest.mark.parametrize("severity", SEVERITIES)
    def test_picture_and_frost_have_the_weights_of_the_table(self, severity: int) -> None:
        def values(grey: int) -> np.ndarray:
            picture = Image.new("RGB", (40, 40), (grey,) * 3)
            return np.asarray(corrupt(picture, "frost", severity, 4, "imagenet-c")).astype(float)

        keep, _ = self.WEIGHTS[severity - 1]
        unclipped = values(40) < 255
        assert unclipped.any()
        assert (values(40) - values(0))[unclipped] == pytest.approx(40 * keep, abs=1)

    def test_a_picture_larger_than_the_overlay_is_covered_whole(self) -> None:
        black = Image.new("RGB", (700, 400))
        assert all(np.asarray(corrupt(black, "frost", 5, s, "imagenet-c")).max(-1).all(0).any() for s in range(3))


class TestElasticTransform:
    def test_it_moves_more_at_the_first_severity_than_at_the_third(self, astronaut) -> None:
        assert mean_change(astronaut, "elastic_transform", 2, "imagenet-c") > 2 * mean_change(
            astronaut, "elastic_transform", 3, "imagenet-c"
        )

    def test_it_follows_the_size_of_the_picture(self, astronaut) -> None:
        half = torch.nn.functional.avg_pool2d(astronaut.float(), 2).to(torch.uint8)
        whole, smaller = (mean_change(p, "elastic_transform", 1, "imagenet-c") for p in (astronaut, half))
        assert smaller == pytest.approx(whole, rel=0.15)

    def test_a_plain_picture_stays_plain(self) -> None:
        plain = torch.full((3, 40, 64), 77, dtype=torch.uint8)
        for severity in SEVERITIES:
            assert torch.equal(corrupt(plain, "elastic_transform", severity, 0, "imagenet-c"), plain)


class TestPictureSeed:
    def test_it_depends_on_everything_that_names_the_cell(self) -> None:
        keys = [("1", "fog", 1, 0), ("2", "fog", 1, 0), ("1", "snow", 1, 0), ("1", "fog", 2, 0), ("1", "fog", 1, 1)]
        seeds = [picture_seed(*key) for key in keys]
        assert len(set(seeds)) == len(keys) and all(0 <= s < 2**32 for s in seeds)

    def test_it_stays_the_same_for_ever(self) -> None:
        assert picture_seed("photos/1.jpg", "fog", 3) == 1064287399

    def test_an_id_may_hold_any_bytes_of_a_file_name(self) -> None:
        assert picture_seed("caf\udce9.jpg", "fog", 1) != picture_seed("cafe.jpg", "fog", 1)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (("frsot", 1), UnknownNameError, "no corruption 'frsot'. Did you mean frost"),
        (("fog", 0), UsageError, "severity 0 does not exist; it is 1, 2, 3, 4 or 5"),
        (("fog", 1, 0, "hendrycks"), UsageError, "there are imaug and imagenet-c"),
    ],
)
def test_what_does_not_exist_is_refused_in_words(arguments, error, words) -> None:
    name, severity, *rest = arguments
    with pytest.raises(error, match=words):
        corrupt(noise(32, 32), name, severity, *(rest or [0]))


@pytest.fixture
def fresh() -> Iterator[None]:
    corruption._package.cache_clear()
    yield
    corruption._package.cache_clear()


def test_without_the_extra_one_sentence_says_how_to_get_it(fresh, monkeypatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(corruption, "version", missing)
    with pytest.raises(MtssZooError, match=r"pip install 'mtss-zoo\[corruptions\]'"):
        prepare(())


def test_opencv_without_a_desktop_is_explained(fresh, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MtssZooError, match="pip install opencv-python-headless"):
        prepare(())
