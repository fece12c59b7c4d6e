"""Labels in flat arrays say the same as lists of lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mtss_zoo_datasets.labels import Labels, TypeLabels, in_range

from mtss_zoo.errors import UnknownNameError

rows_of_labels = st.lists(st.none() | st.sets(st.integers(0, 6)).map(sorted).map(tuple), max_size=12)


def type_labels(cells: list[tuple[int, ...] | None]) -> TypeLabels:
    pairs = [(row, label) for row, cell in enumerate(cells) for label in cell or ()]
    rows, classes = np.array(pairs, np.int64).reshape(-1, 2).T
    return TypeLabels.from_pairs(rows, classes, np.array([cell is not None for cell in cells], bool))


@given(rows_of_labels)
def test_every_row_comes_back(cells: list[tuple[int, ...] | None]) -> None:
    labels = type_labels(cells)
    assert [labels.at(row) for row in range(len(cells))] == cells


@given(rows_of_labels, st.randoms(use_true_random=False))
def test_taking_rows_takes_their_labels(cells: list[tuple[int, ...] | None], random) -> None:
    rows = [random.randrange(len(cells)) for _ in range(5)] if cells else []
    taken = type_labels(cells).take(np.array(rows, np.int64))
    assert [taken.at(i) for i in range(len(rows))] == [cells[row] for row in rows]


def test_pairs_are_sorted_by_row_and_a_row_with_two_labels_occurs_twice() -> None:
    labels = TypeLabels.from_pairs(np.array([2, 0, 2, 2]), np.array([1, 3, 0, 1]), np.array([True, False, True]))
    rows, classes = labels.pairs()
    assert rows.tolist() == [0, 2, 2]
    assert classes.tolist() == [3, 0, 1]
    assert rows.dtype == classes.dtype == np.int64


def test_unknown_is_not_the_same_as_none_of_the_classes() -> None:
    labels = Labels({"trims": type_labels([None, ()]), "colour": TypeLabels.from_codes(np.array([1, -1]))})
    assert labels.at(0) == {"colour": (1,)}
    assert labels.at(1) == {"trims": ()}


def test_the_first_label_of_each_row() -> None:
    assert type_labels([(3, 5), None, (), (0,)]).first().tolist() == [3, -1, -1, 0]


def test_an_unknown_type_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="'color'; this dataset has colour"):
        Labels({"colour": TypeLabels.unknown(2)}).pairs("color")


def test_rows_count_from_the_end_as_in_a_list() -> None:
    assert in_range(-1, 3) == 2
    with pytest.raises(IndexError):
        in_range(3, 3)
