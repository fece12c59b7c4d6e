"""Pictures that are there twice: found when copied, saved anew or resized, and no others, in and across splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from mtss_zoo.build import build_dataset
from mtss_zoo.errors import UsageError
from mtss_zoo.interfaces import AttributeSchema, Sample
from mtss_zoo.recipe import DataSpec, Part
from mtss_zoo.trust import near_hashes
from mtss_zoo.trust.duplicates import find_duplicates
from mtss_zoo.trust.fingerprints import fingerprints
from mtss_zoo.trust.near_hashes import near_pairs

SCHEMA = AttributeSchema.from_dict(
    {
        "types": [
            {"name": "colour", "kind": "single", "classes": ["red", "blue"]},
            {"name": "trims", "kind": "multi", "classes": ["zip", "lace"]},
        ]
    }
)


class Pictures:
    """Samples as they are given."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> Sample:
        return self.samples[row]

    def label_pairs(self, type_name: str) -> Any:
        raise NotImplementedError


@pytest.fixture(scope="module")
def garments() -> list[Image.Image]:
    dataset = build_dataset(DataSpec(dataset=Part(name="garments", args={"n_train": 120, "image_size": 96})))
    train = dataset.split("train")
    return [train[row].image for row in range(120)]  # type: ignore[misc]


def found(report: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(group["kind"], [p["id"] for p in group["pictures"]]) for group in report["groups"]]


def test_planted_copies_are_found_and_nothing_else(garments: list[Image.Image], tmp_path: Path) -> None:
    garments[1].save(tmp_path / "1.png")
    garments[2].save(tmp_path / "2.jpg", quality=50)
    garments[3].resize((48, 48), Image.Resampling.BICUBIC).save(tmp_path / "3.png")
    garments[4].resize((150, 150)).save(tmp_path / "4.webp", quality=70)
    ImageOps.mirror(garments[5]).save(tmp_path / "5.png")
    garments[6].crop((12, 12, 96, 96)).save(tmp_path / "6.png")
    later = Pictures([Sample(f"test {i}", tmp_path / name) for i, name in enumerate(sorted(tmp_path.iterdir()))])
    train = Pictures([Sample(f"{i}", image) for i, image in enumerate(garments)])
    report = find_duplicates({"train": train, "test": later}, SCHEMA)
    assert found(report) == [
        ("identical", ["1", "test 0"]),
        ("similar", ["2", "test 1"]),
        ("similar", ["3", "test 2"]),
        ("similar", ["4", "test 3"]),
    ]
    assert report["crossing"] == {"train + test": 4}
    assert report["pictures"] == {"train": 120, "test": 6}


def test_the_same_pixels_are_one_picture_whatever_file_they_are_in(garments: list[Image.Image], tmp_path: Path) -> None:
    garments[0].save(tmp_path / "a.png")
    garments[0].save(tmp_path / "b.bmp")
    samples = [Sample(name, tmp_path / name) for name in ("a.png", "b.bmp")] + [Sample("c", garments[0])]
    assert found(find_duplicates({"train": Pictures(samples)}, SCHEMA)) == [("identical", ["a.png", "b.bmp", "c"])]


def test_a_picture_is_what_is_inside_its_box(garments: list[Image.Image]) -> None:
    both = Image.new("RGB", (192, 96))
    both.paste(garments[0], (0, 0))
    both.paste(garments[1], (96, 0))
    samples = [
        Sample("left", both, bbox=(0, 0, 96, 96)),
        Sample("right", both, bbox=(96, 0, 192, 96)),
        Sample("alone", garments[1]),
    ]
    assert found(find_duplicates({"train": Pictures(samples)}, SCHEMA)) == [("identical", ["right", "alone"])]


def test_labels_that_contradict_are_told(garments: list[Image.Image]) -> None:
    labels: list[dict[str, tuple[int, ...]]] = [
        {"colour": (0,), "trims": (0, 1)},
        {"colour": (1,), "trims": (1, 0)},
        {"colour": (0,)},
        {},
        {"trims": ()},
    ]
    samples = Pictures([Sample(str(i), garments[0], known) for i, known in enumerate(labels)])
    (group,) = find_duplicates({"train": samples}, SCHEMA)["groups"]
    assert group["conflicts"] == {
        "colour": {"red": ["0", "2"], "blue": ["1"]},
        "trims": {"zip|lace": ["0", "1"], "": ["4"]},
    }


def test_photos_of_one_product_may_be_alike_within_a_split(garments: list[Image.Image]) -> None:
    def shown(name: str, product: str | None, colour: int = 0) -> Sample:
        number = int(name[0])
        return Sample(name, garments[number], {"colour": (colour,)}, {"item_id": product} if product else {})

    train = [shown("0a", "x"), shown("0b", "x"), shown("1a", "y"), shown("2a", None), shown("2b", None)]
    train += [shown("3a", "z"), shown("3b", "z", colour=1), shown("4a", "v"), shown("4b", "w")]
    report = find_duplicates({"train": Pictures(train), "val": Pictures([shown("1b", "y")])}, SCHEMA)
    # 0: left out; 1: in two splits; 2: nobody knows of which product; 3: other labels; 4: two products
    assert sorted(ids for _, ids in found(report)) == [["1a", "1b"], ["2a", "2b"], ["3a", "3b"], ["4a", "4b"]]
    assert found(report)[0] == ("identical", ["1a", "1b"])
    assert report["of_one_product"] == 1


def test_an_unreadable_picture_is_counted_and_like_no_other(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    samples = Pictures([Sample("a", tmp_path / "broken.jpg"), Sample("b", tmp_path / "nowhere.jpg")])
    report = find_duplicates({"train": samples}, SCHEMA)
    assert report["unreadable"] == 2 and report["groups"] == []


def test_a_chain_of_likenesses_is_no_group(garments: list[Image.Image]) -> None:
    """Each picture is a little darker than the one before, so the last is not like the first."""
    shades = [garments[0].point([round(v * (1 - 0.02 * i)) for v in range(256)] * 3) for i in range(10)]
    samples = Pictures([Sample(str(i), shade) for i, shade in enumerate(shades)])
    groups = [set(ids) for _, ids in found(find_duplicates({"train": samples}, SCHEMA))]
    assert {"0", "1"} in groups and {"1", "2"} in groups  # a picture may be in two groups
    assert not any({"0", "2"} <= ids for ids in groups)


@pytest.mark.parametrize("distance", [-1, 12])
def test_a_distance_outside_is_asked_wrongly(distance: int) -> None:
    with pytest.raises(UsageError, match=r"0 .* to 11 bits"):
        find_duplicates({}, SCHEMA, distance)


def test_blank_pictures_of_other_sizes_are_alike() -> None:
    samples = Pictures([Sample(str(size), Image.new("RGB", (size, size), "white")) for size in (40, 64, 101)])
    assert found(find_duplicates({"train": samples}, SCHEMA)) == [("similar", ["40", "64", "101"])]


hashes = st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=40)


@given(hashes, st.lists(st.tuples(st.integers(0, 39), st.sets(st.integers(0, 63), max_size=12))), st.integers(0, 11))
def test_all_near_hashes_are_found_and_no_others(start, flips, distance) -> None:  # type: ignore[no-untyped-def]
    values = start + [start[i % len(start)] ^ sum(1 << bit for bit in bits) for i, bits in flips]
    pairs = near_pairs(np.array(values, np.uint64), distance)
    got = {tuple(sorted(pair)) for a, b in pairs for pair in zip(a.tolist(), b.tolist(), strict=True)}
    n = len(values)
    assert got == {(i, j) for i in range(n) for j in range(i + 1, n) if (values[i] ^ values[j]).bit_count() <= distance}


def test_pairs_are_made_in_small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_hashes, "CHUNK", 100)
    same = np.zeros(60, np.uint64)
    sizes = [len(a) for a, _ in near_pairs(same, 0)]
    assert max(sizes) <= 100 and sum(sizes) == 4 * 60 * 59 // 2  # every band finds every pair


def test_fingerprints_are_in_the_order_of_the_parts(garments: list[Image.Image]) -> None:
    parts = [Pictures([Sample(str(i), garments[i]) for i in rows]) for rows in (range(3), range(3, 5))]
    together, alone = fingerprints(parts), fingerprints(parts[1:])
    assert together.hashes[3:].tolist() == alone.hashes.tolist()
    assert (together.contents[3:] == alone.contents).all() and together.readable.all()
