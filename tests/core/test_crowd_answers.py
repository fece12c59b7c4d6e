"""Answers of several people become shares as targets; draws and ground truth stay what they are for labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mtss_zoo.batches import BatchReader, Request, labels_as_arrays
from mtss_zoo.errors import DataError
from mtss_zoo.evaluate import score
from mtss_zoo.images import Preprocess
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Draws, Sample
from mtss_zoo.recipe import AugmentSpec
from mtss_zoo.streams import BadImages, evaluation_batches

NECK = AttributeType("neck", "single", ("v", "round", "crew"))
SIZE = AttributeType("size", "single", ("s", "m"))
PIXELS = torch.zeros(3, 4, 4, dtype=torch.uint8)
PREPROCESS = Preprocess(4, 4, mean=(0, 0, 0), std=(1, 1, 1))


class Listed(list[Sample]):
    """Samples that nothing is drawn from by their labels."""

    def label_pairs(self, type_name: str) -> Any:
        raise NotImplementedError


def reader_of(pictures: Sequence[Sample]) -> BatchReader:
    return BatchReader(Listed(pictures), AttributeSchema((NECK,)), {"view": AugmentSpec()}, PREPROCESS, seed=0)


def answered(*answers: int, label: int = 0) -> Sample:
    return Sample("asked", PIXELS, {"neck": (label,), "size": (1,)}, answers={"neck": answers})


@pytest.mark.parametrize(
    ("answers", "shares"),
    [
        ((0, 0, 1), [2 / 3, 1 / 3, 0]),
        ((0, 1, 2), [1 / 3, 1 / 3, 1 / 3]),
        ((2, 2, 2), [0, 0, 1]),
        ((1,), [0, 1, 0]),
        ((0, 1), [0.5, 0.5, 0]),
    ],
)
def test_targets_are_the_shares_of_the_answers(answers: tuple[int, ...], shares: list[float]) -> None:
    targets, mask = labels_as_arrays([answered(*answers, label=answers[0])], NECK)
    assert targets[0].tolist() == pytest.approx(shares)
    assert targets.sum() == pytest.approx(1)
    assert mask.all()


def test_answers_of_one_type_say_nothing_of_another() -> None:
    targets, mask = labels_as_arrays([answered(0, 0, 1)], SIZE)
    assert targets.tolist() == [[0, 1]]
    assert mask.all()


def test_answered_and_labelled_pictures_stand_in_one_batch() -> None:
    pictures = [answered(0, 0, 1), Sample("labelled", PIXELS, {"neck": (2,)}), Sample("unknown", PIXELS)]
    targets, mask = labels_as_arrays(pictures, NECK)
    np.testing.assert_allclose(targets, [[2 / 3, 1 / 3, 0], [0, 0, 1], [0, 0, 0]], rtol=1e-6)
    assert mask.all(1).tolist() == [True, True, False]


def test_a_picture_drawn_for_a_class_keeps_all_its_answers() -> None:
    """Masking the other answers, as for other labels, would make the answers agree."""
    pictures = [answered(0, 0, 1), Sample("labelled", PIXELS, {"neck": (0, 2)})]
    rows = np.arange(2)
    answer: Any = reader_of(pictures)[Request(2, Draws(rows, np.array([0, 0]), "neck"), rows, 0)]
    np.testing.assert_allclose(answer.targets["neck"], [[2 / 3, 1 / 3, 0], [1, 0, 1]], rtol=1e-6)
    assert answer.mask["neck"].tolist() == [[True, True, True], [True, True, False]]


@pytest.mark.parametrize("answer", [-1, 3])
def test_an_answer_outside_the_schema_is_named(answer: int) -> None:
    with pytest.raises(DataError, match=rf"picture asked has the classes \[0, {answer}\] of neck, which has 3 only"):
        labels_as_arrays([answered(0, answer)], NECK)


def test_the_number_of_answers_goes_with_the_batch() -> None:
    """A label is nobody's answer, and neither is what is not known."""
    pictures = [answered(0, 0, 1), answered(1), Sample("labelled", PIXELS, {"neck": (2,)}), Sample("unknown", PIXELS)]
    rows = np.arange(4)
    answer: Any = reader_of(pictures)[Request(4, Draws(rows), rows, 0)]
    assert answer.batch().answers["neck"].tolist() == [3, 1, 0, 0]


class Model(nn.Linear):
    schema = AttributeSchema((NECK,))

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:  # type: ignore[override]
        return {"neck": torch.zeros(len(images), 3)}


def test_ground_truth_is_what_people_agree_on() -> None:
    """So a hold-out of pictures with answers is measured with the rule of its dataset, not by their shares."""
    pictures = [
        answered(0, 0, 1),
        answered(0, 0, 1, 2),
        Sample("lone", PIXELS, {}, answers={"neck": (0,)}),
        Sample("torn", PIXELS, {}, answers={"neck": (0, 1, 2)}),
        Sample("labelled", PIXELS, {"neck": (2,)}),
    ]
    batches = evaluation_batches(Listed(pictures), Model.schema, PREPROCESS, 8, 0, BadImages(0))
    found = score(Model(1, 1), batches)["neck"].labels  # type: ignore[arg-type]
    assert found.tolist() == [[True, False, False]] * 2 + [[False] * 3] * 2 + [[False, False, True]]
