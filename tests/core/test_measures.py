"""From scores to a report: worked numbers by type, over types and by slice, and what happens where nothing is known."""

from __future__ import annotations

import json
import math

import pytest
import torch

from mtss_zoo.errors import UnknownNameError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Sample
from mtss_zoo.json_text import to_json
from mtss_zoo.measures import MISSING, Scored, measure, slice_values, wanted_slices

# Four pictures and five classes a to e; the numbers are those of the metrics' own tests.
SCORES = torch.tensor(
    [[0.9, 0.8, 0.1, 0.3, 0.2], [0.1, 0.7, 0.6, 0.5, 0.4], [0.2, 0.3, 0.9, 0.8, 0.7], [0.5, 0.4, 0.3, 0.2, 0.1]]
)
LABELS = torch.tensor([[1, 0, 0, 1, 0], [0, 0, 1, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]], dtype=torch.bool)
LETTERS = AttributeType("letters", "multi", tuple("abcde"))
NECK = AttributeType("neck", "single", ("v", "round", "other"))
NONE = AttributeType("none", "single", ("x", "y"))

# Three pictures with y = 0, 2, 2: CE .4076, 1.0986, 1.4076; the fourth picture's neck is unknown.
LOGITS = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 3.0, 2.0], [9.0, 0.0, 0.0]])
NECKS = torch.tensor([[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]], dtype=torch.bool)
ROWS = torch.arange(4)
SCORED = {
    "letters": Scored(SCORES, LABELS, ROWS),
    "neck": Scored(LOGITS, NECKS, ROWS),
    "none": Scored(torch.zeros(4, 2), torch.zeros(4, 2, dtype=torch.bool), ROWS),
}
SCHEMA = AttributeSchema((LETTERS, NECK, NONE))


def test_measure_gives_the_worked_numbers_and_leaves_out_what_has_no_truth() -> None:
    report = measure(SCORED, SCHEMA, ks=(1, 3))
    letters = report["types"]["letters"]
    assert (report["n"], letters["n"]) == (4, 3)
    assert letters["recall@1"] == pytest.approx(1 / 3)
    assert (letters["f1@1"], letters["f1@1_valid"]) == (pytest.approx(0.4), pytest.approx(4 / 9))
    assert letters["recall@3"] == pytest.approx(2 / 3)
    assert letters["mAP"] == pytest.approx(2 / 3, abs=1e-4)
    assert letters["classes"]["a"] == {"recall@1": 0.5, "n": 2} and "e" not in letters["classes"]
    assert math.isnan(report["types"]["none"]["f1@1"])
    assert report["macro_types"]["recall@3"] == pytest.approx((2 / 3 + 1) / 2)


def test_single_types_have_accuracy_and_cross_entropy_over_the_known() -> None:
    """Ties go to the first class, so the second picture is a miss; and with 3 classes, Acc@5 looks at all of them."""
    report = measure(SCORED, SCHEMA)
    neck, none = report["types"]["neck"], report["types"]["none"]
    assert (neck["acc@1"], neck["acc@5"]) == (pytest.approx(1 / 3), 1)
    assert neck["ce"] == pytest.approx(0.9713, abs=5e-5)
    assert (neck["n"], neck["ce_n"]) == (3, 3)
    assert math.isnan(none["acc@1"]) and math.isnan(none["ce"]) and none["ce_n"] == 0
    assert report["types"]["letters"].keys().isdisjoint({"acc@1", "acc@5", "ce", "ce_n"})


def test_means_over_types_are_of_those_that_have_the_metric() -> None:
    means = measure(SCORED, SCHEMA)["macro_types"]
    assert (means["acc@1"], means["ce"]) == (pytest.approx(1 / 3), pytest.approx(0.9713, abs=5e-5))
    assert means.keys().isdisjoint({"n", "ce_n", "classes"})


def test_cross_entropy_leaves_out_pictures_of_untrained_classes_and_says_how_many_count() -> None:
    """Class 2 was not trained: the first picture's softmax is over two classes, log(1 + e) - 1 = .3133."""
    scores = torch.where(torch.tensor([False, False, True]), -torch.inf, LOGITS)
    neck = measure({"neck": Scored(scores, NECKS, ROWS)}, SCHEMA)["types"]["neck"]
    assert (neck["n"], neck["ce_n"]) == (3, 1)
    assert neck["ce"] == pytest.approx(math.log(1 + math.e) - 1, abs=1e-6)
    assert neck["acc@1"] == pytest.approx(1 / 3)


def test_slices_count_every_value_those_without_one_and_mark_few() -> None:
    slices = measure(SCORED, SCHEMA, slices={"shop": ["us", MISSING, "us", "in"]})["slices"]["shop"]
    assert list(slices) == ["us", "in", MISSING]
    assert slices["us"]["neck"] == {"n": 2, "f1@1": 0.5, "acc@1": 0.5, "small": True}
    assert slices[MISSING]["neck"] == {"n": 1, "f1@1": 0, "acc@1": 0, "small": True}
    assert slices["in"]["neck"]["n"] == 0 and math.isnan(slices["in"]["neck"]["acc@1"])
    assert slices["us"]["letters"] == {"n": 2, "f1@1": pytest.approx(4 / 7), "small": True}


def test_a_slice_of_thirty_is_not_small() -> None:
    labels = torch.ones(59, 1, dtype=torch.bool)
    scored = {"one": Scored(torch.zeros(59, 1), labels, torch.arange(59))}
    schema = AttributeSchema((AttributeType("one", "single", ("x",)),))
    slices = measure(scored, schema, slices={"shop": ["in"] * 30 + ["us"] * 29})["slices"]["shop"]
    assert "small" not in slices["in"]["one"] and slices["us"]["one"]["small"]


def test_slices_follow_the_rows_of_what_could_be_read() -> None:
    """Picture 1 is missing from the scores, as an unreadable one is."""
    read = torch.tensor([0, 2])
    scored = {"neck": Scored(LOGITS[read], NECKS[read], read)}
    slices = measure(scored, SCHEMA, slices={"shop": ["in", "us", "in", "us"]})["slices"]["shop"]
    assert (slices["in"]["neck"]["n"], slices["us"]["neck"]["n"]) == (2, 0)


def test_slice_values_are_the_metadata_of_every_row() -> None:
    class Shop:
        def __len__(self) -> int:
            return 3

        def __getitem__(self, row: int) -> Sample:
            return Sample(str(row), b"not a picture", metadata=({"shop": "in"}, {"shop": ""}, {})[row])

    assert slice_values(Shop(), ["shop", "year"]) == {"shop": ["in", MISSING, MISSING], "year": [MISSING] * 3}  # type: ignore[arg-type]
    assert slice_values(Shop(), []) == {}  # type: ignore[arg-type]


def test_a_slice_that_was_asked_for_has_a_value_somewhere() -> None:
    class Shop:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, row: int) -> Sample:
            return Sample(str(row), b"", metadata={"shop": "in"} if row else {})

    assert wanted_slices(Shop(), ["shop"]) == {"shop": [MISSING, "in"]}  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match=r"'shopp'.*Did you mean shop"):
        wanted_slices(Shop(), ["shopp"])  # type: ignore[arg-type]


def test_a_report_is_json() -> None:
    report = json.loads(to_json(measure(SCORED, SCHEMA, slices={"shop": ["in"] * 4})))
    assert report["types"]["none"]["ce"] is None
    assert report["slices"]["shop"]["in"]["neck"]["n"] == 3
