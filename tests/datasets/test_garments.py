"""Generated garments: the same everywhere, sparse and long-tailed labels, pictures that show what the labels say."""

import subprocess
import sys

import numpy as np
import pytest
from mtss_zoo_datasets.garment_fabric import COLOURS
from mtss_zoo_datasets.garments import CATEGORIES, NECKLINES, SCHEMA, SLEEVES, WORN_NECKLINES, WORN_SLEEVES, Garments
from PIL import Image

from mtss_zoo.errors import UnknownNameError, UsageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Dataset

SMALL = {"n_train": 400, "n_val": 50, "n_test": 50, "n_unlabelled": 60, "image_size": 32}
DIGEST = """
import hashlib
from mtss_zoo_datasets.garments import Garments
for domain in ("studio", "street"):
    dataset = Garments(n_train=9, image_size=48, domain=domain)
    samples = [dataset.split("train")[row] for row in (8, 0, 3)] + [dataset.unlabelled()[5]]
    print([(hashlib.sha256(s.image.tobytes()).hexdigest(), s.id, sorted(s.labels.items())) for s in samples])
"""


def digest() -> str:
    return subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True).stdout


def test_it_is_a_dataset() -> None:
    dataset = Garments(**SMALL)
    assert isinstance(dataset, Dataset)
    assert dataset.schema is SCHEMA
    assert dataset.splits == ("train", "val", "test")
    assert [len(dataset.split(name)) for name in dataset.splits] == [400, 50, 50]
    assert len(dataset.unlabelled()) == 60
    assert dataset.check() == []


def test_two_processes_draw_the_same_pictures() -> None:
    assert digest() == digest()


def test_a_row_does_not_depend_on_the_number_of_rows() -> None:
    few, many = Garments(n_train=5).split("train"), Garments(n_train=500).split("train")
    assert few[4].labels == many[4].labels
    assert few[4].image.tobytes() == many[4].image.tobytes()


def test_seed_split_and_domain_each_change_the_picture() -> None:
    one = Garments(**SMALL)
    others = [Garments(**SMALL, seed=1).split("val"), one.split("test"), one.unlabelled()]
    others.append(Garments(**SMALL, domain="street").split("val"))
    pictures = {samples[0].image.tobytes() for samples in [one.split("val"), *others]}
    assert len(pictures) == 5


@pytest.mark.parametrize("size", [16, 32, 100, 300])
def test_pictures_have_the_size_that_was_asked_for(size: int) -> None:
    image = Garments(n_train=1, image_size=size).split("train")[0].image
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size) == ("RGB", (size, size))


def test_label_pairs_and_samples_agree() -> None:
    samples = Garments(**SMALL).split("train")
    for attribute_type in SCHEMA:
        listed = [(row, c) for row in range(40) for c in samples[row].labels.get(attribute_type.name, ())]
        rows, classes = samples.label_pairs(attribute_type.name)
        assert list(zip(rows[rows < 40].tolist(), classes[rows < 40].tolist(), strict=True)) == listed
        assert classes.max() < len(attribute_type)


def test_classes_have_a_long_tail() -> None:
    samples = Garments(n_train=40_000, label_share=1.0, long_tail=1.0).split("train")
    counts = np.bincount(samples.label_pairs("category")[1])
    assert counts / 40_000 == pytest.approx((1 / np.arange(1, 11)) / (1 / np.arange(1, 11)).sum(), abs=0.01)


def test_without_a_tail_all_classes_are_equally_frequent() -> None:
    counts = np.bincount(
        Garments(n_train=40_000, label_share=1.0, long_tail=0.0).split("train").label_pairs("colour")[1]
    )
    assert counts / 40_000 == pytest.approx([0.1] * 10, abs=0.01)


def test_labels_are_sparse_in_train_type_by_type_and_complete_in_val() -> None:
    dataset = Garments(n_train=4000, n_val=300, label_share=0.3, image_size=16)
    known = {name: set(dataset.split("train").label_pairs(name)[0].tolist()) for name in ("category", "colour")}
    assert len(known["category"]) / 4000 == pytest.approx(0.3, abs=0.03)
    assert len(known["category"] & known["colour"]) / 4000 == pytest.approx(0.09, abs=0.02)
    assert len(dataset.split("val").label_pairs("category")[0]) == 300


def test_a_garment_has_only_what_can_be_worn_on_it() -> None:
    samples = Garments(n_train=1, n_val=1500).split("val")
    for row in range(1500):
        garment = samples.garment(row)
        assert (garment.neckline is None) == (garment.sleeve is None) == (garment.category not in WORN_NECKLINES)
        assert garment.neckline is None or garment.neckline in WORN_NECKLINES[garment.category]
        assert garment.sleeve is None or garment.sleeve in WORN_SLEEVES[garment.category]


def test_neckline_and_sleeve_of_trousers_are_unknown() -> None:
    samples = Garments(n_train=1, n_val=300, image_size=16).split("val")
    trousers = next(row for row in range(300) if samples.garment(row).category == "trousers")
    assert samples[trousers].labels.keys() == {"category", "colour", "pattern", "details"}


def test_details_are_several_one_or_known_to_be_none() -> None:
    samples = Garments(n_train=1, n_val=200, image_size=16).split("val")
    numbers = {len(samples[row].labels["details"]) for row in range(200)}
    assert {0, 1, 2} <= numbers


def test_every_class_occurs() -> None:
    samples = Garments(n_train=20_000, label_share=1.0).split("train")
    for attribute_type in SCHEMA:
        assert set(samples.label_pairs(attribute_type.name)[1].tolist()) == set(range(len(attribute_type)))
    assert set(WORN_NECKLINES) == set(WORN_SLEEVES) <= set(CATEGORIES)
    assert {n for worn in WORN_NECKLINES.values() for n in worn} == set(NECKLINES)
    assert {n for worn in WORN_SLEEVES.values() for n in worn} == set(SLEEVES)


def test_the_colour_label_is_the_colour_in_the_picture() -> None:
    samples = Garments(n_train=1, n_val=1200, image_size=32).split("val")
    names, prototypes = list(COLOURS), np.array(list(COLOURS.values()), float)
    plain = [r for r in range(1200) if samples.garment(r).pattern == "solid" and not samples.garment(r).details]
    right = 0
    for row in plain:
        # A strip beside the middle, where seams and the gap between two legs are; folds leave 0.87 of the light.
        strip = np.asarray(samples[row].image, float)[12:18, 11:21].reshape(-1, 3)
        seen = np.median(strip, axis=0) / 0.87
        right += names[np.abs(prototypes - seen).sum(1).argmin()] == samples.garment(row).colour
    assert len(plain) > 70
    assert right / len(plain) > 0.8


def test_unlabelled_pictures_have_no_labels() -> None:
    pool = Garments(**SMALL).unlabelled()
    assert pool[0].labels == {}
    assert all(len(pool.label_pairs(name)[0]) == 0 for name in SCHEMA.names)


def test_the_street_is_another_background() -> None:
    corners = {}
    for domain in ("studio", "street"):
        samples = Garments(**SMALL, domain=domain).split("train")
        corners[domain] = np.mean([np.asarray(samples[row].image)[:4, :4] for row in range(40)])
        assert samples[0].metadata == {"domain": domain}
    assert corners["studio"] > 190
    assert corners["street"] < 160


def test_a_part_of_the_schema_may_be_asked_for() -> None:
    dataset = Garments(**SMALL, schema=SCHEMA.select(["sleeve", "colour"]))
    assert dataset.schema.names == ("sleeve", "colour")
    assert dataset.split("val")[0].labels.keys() <= {"sleeve", "colour"}


def test_another_schema_is_refused() -> None:
    other = AttributeSchema((AttributeType("colour", "single", ("red", "blue")),))
    with pytest.raises(UsageError, match="garments draws colour as single of black, blue"):
        Garments(schema=other)
    with pytest.raises(UnknownNameError, match="no attribute type 'fabric'"):
        Garments(schema=AttributeSchema((AttributeType("fabric", "single", ("silk",)),)))


def test_an_unknown_split_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="no split 'dev'; this dataset has train, val, test"):
        Garments().split("dev")


def test_rows_end() -> None:
    samples = Garments(**SMALL).split("val")
    assert samples[-1].id == "val-49"
    with pytest.raises(IndexError):
        samples[50]
