"""Answers of several people become shares as targets; draws and ground truth stay what they are for labels."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mtss_zoo.batches import BatchReader, Request, labels_as_arrays
from mtss_zoo.errors import DataError
from mtss_zoo.evaluate import score
from mtss_zoo.images import Preprocess
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Batch, Draws, Sample
from mtss_zoo.recipe import AugmentSpec

NECK = AttributeType("neck", "single", ("v", "round", "crew"))
SIZE = AttributeType("size", "single", ("s", "m"))
PIXELS = torch.zeros(3, 4, 4, dtype=torch.uint8)


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
    reader = BatchReader(
        pictures,  # type: ignore[arg-type]
        AttributeSchema((NECK,)),
        {"view": AugmentSpec()},
        Preprocess(4, 4, mean=(0, 0, 0), std=(1, 1, 1)),
        seed=0,
    )
    rows = np.arange(2)
    answer: Any = reader[Request(2, Draws(rows, np.array([0, 0]), "neck"), rows, 0)]
    np.testing.assert_allclose(answer.targets["neck"], [[2 / 3, 1 / 3, 0], [1, 0, 1]], rtol=1e-6)
    assert answer.mask["neck"].tolist() == [[True, True, True], [True, True, False]]


@pytest.mark.parametrize("answer", [-1, 3])
def test_an_answer_outside_the_schema_is_named(answer: int) -> None:
    with pytest.raises(DataError, match=rf"picture asked has the classes \[0, {answer}\] of neck, which has 3 only"):
        labels_as_arrays([answered(0, answer)], NECK)


@pytest.mark.parametrize(
    ("answers", "truth"),
    [
        ((0, 0, 1), [True, False, False]),
        ((1, 1, 1), [False, True, False]),
        ((0, 1, 2), [False] * 3),
        ((0, 0, 1, 1), [False] * 3),
    ],
)
def test_ground_truth_is_what_more_than_half_answered(answers: tuple[int, ...], truth: list[bool]) -> None:
    """So a hold-out of pictures with answers is measured as with the rule of 2 of 3."""

    class Model(nn.Linear):
        schema = AttributeSchema((NECK,))

        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:  # type: ignore[override]
            return {"neck": torch.zeros(len(images), 3)}

    targets, mask = (torch.from_numpy(a) for a in labels_as_arrays([answered(*answers, label=answers[0])], NECK))
    batch = Batch({"view": PIXELS[None].float()}, {"neck": targets}, {"neck": mask}, torch.zeros(1), torch.zeros(1))
    assert score(Model(1, 1), [batch])["neck"].labels.tolist() == [truth]  # type: ignore[arg-type]
