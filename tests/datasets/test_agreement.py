"""The agreement rule on the worked examples of crowd answers."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mtss_zoo_datasets.agreement import agree, normalised


def label_of(*answers: str | None, min_agree: int = 2) -> str | None:
    given_answers = [normalised(a) for a in answers if a]
    names = sorted(set(given_answers))
    codes = np.array([names.index(a) for a in given_answers], np.int64)
    label = agree(np.zeros(len(codes), np.int64), codes, 1, min_agree).labels[0]
    return None if label < 0 else names[label]


@pytest.mark.parametrize(
    ("answers", "label"),
    [
        (("v", "v", "round"), "v"),
        (("v", "round", "crew"), None),
        (("v", "V ", "x"), "v"),
        (("a", "a", "b", "b"), None),
        (("a", "a", None), "a"),
        (("a", None, None), None),
        (("a", "a", "b", "b", "a"), "a"),
        ((None, None), None),
    ],
)
def test_two_equal_answers_and_no_other_as_frequent(answers: tuple[str | None, ...], label: str | None) -> None:
    assert label_of(*answers) == label


def test_more_people_may_be_asked_to_agree() -> None:
    assert label_of("a", "a", "b", min_agree=3) is None
    assert label_of("a", "a", "a", min_agree=3) == "a"


def test_the_share_of_equal_answers_is_kept() -> None:
    result = agree(np.array([0, 0, 0, 2, 2]), np.array([1, 1, 0, 0, 0]), n_rows=3)
    assert result.labels.tolist() == [1, -1, 0]
    assert result.share[[0, 2]].tolist() == pytest.approx([2 / 3, 1])
    assert np.isnan(result.share[1])


@given(st.lists(st.lists(st.integers(0, 3), max_size=6), min_size=1, max_size=8), st.integers(1, 3))
def test_rows_do_not_influence_each_other(crowd: list[list[int]], min_agree: int) -> None:
    rows = np.repeat(np.arange(len(crowd)), [len(answers) for answers in crowd])
    together = agree(rows, np.array(list(chain.from_iterable(crowd)), np.int64), len(crowd), min_agree).labels
    alone = [agree(np.zeros(len(a), np.int64), np.array(a, np.int64), 1, min_agree).labels[0] for a in crowd]
    assert together.tolist() == alone
