"""Draws are pure functions of seed and epoch, and collections count their rows right."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtss_zoo.errors import DataError, UsageError
from mtss_zoo.interfaces import Draws, Sample, Samples, Stream
from mtss_zoo.sampling import (
    ConcatSamples,
    SampleStream,
    SubsetSamples,
    by_class,
    derived_seed,
    holdout_split,
    largest_classes,
    shuffled,
    take,
)


@dataclass
class Listed:
    """Samples of one type ``colour`` with the given labels; ``None``: unknown."""

    labels: list[tuple[int, ...] | None]
    prefix: str = "s"
    products: list[int] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Sample:
        labels = self.labels[row]
        return Sample(f"{self.prefix}{row}", b"", {} if labels is None else {"colour": labels})

    def label_pairs(self, type_name: str) -> tuple[np.ndarray, np.ndarray]:
        pairs = [(row, c) for row, labels in enumerate(self.labels) for c in labels or ()]
        rows, classes = np.array(pairs, np.int64).reshape(-1, 2).T
        return rows, classes

    def groups(self) -> np.ndarray:
        return np.arange(len(self)) if self.products is None else np.array(self.products)


def pairs(*labels: tuple[int, ...] | None) -> tuple[np.ndarray, np.ndarray]:
    return Listed(list(labels)).label_pairs("colour")


def drawn(draws: Draws) -> list[tuple[int, int]]:
    assert draws.classes is not None
    return list(zip(draws.rows.tolist(), draws.classes.tolist(), strict=True))


def shares(draws: Draws) -> dict[int, float]:
    assert draws.classes is not None
    return {c: n / len(draws.rows) for c, n in sorted(Counter(draws.classes.tolist()).items())}


def test_shuffled_is_a_permutation_that_changes_with_the_epoch() -> None:
    first, again, later = shuffled(50, seed=3, epoch=0), shuffled(50, 3, 0), shuffled(50, 3, 1)
    assert sorted(first.rows) == list(range(50))
    assert first.rows.tolist() == again.rows.tolist() != later.rows.tolist()
    assert first.rows.tolist() != shuffled(50, 4, 0).rows.tolist()


# Class 0 has 16 pictures, class 1 four, class 2 one, class 3 none.
LONG_TAIL = pairs(*[(0,)] * 16, *[(1,)] * 4, (2,))


def test_a_natural_epoch_has_every_label_once() -> None:
    several = pairs((0, 1), None, (2,), (), (1,))
    assert sorted(drawn(by_class(several, 4, "natural", None, seed=0, epoch=0))) == [(0, 0), (0, 1), (2, 2), (4, 1)]


def test_a_longer_natural_epoch_repeats_only_after_all_were_drawn() -> None:
    draws = drawn(by_class(LONG_TAIL, 4, "natural", 50, seed=0, epoch=0))
    assert len(draws) == 50
    assert set(draws[:21]) == set(draws[21:42])
    assert set(Counter(draws).values()) == {2, 3}


def test_balanced_draws_every_class_alike() -> None:
    draws = by_class(LONG_TAIL, 4, "balanced", 30000, seed=0, epoch=0)
    assert shares(draws) == pytest.approx({0: 1 / 3, 1: 1 / 3, 2: 1 / 3}, abs=0.01)
    of_class_0 = Counter(row for row, c in drawn(draws) if c == 0)
    assert set(of_class_0) == set(range(16))
    assert max(of_class_0.values()) < 1.3 * min(of_class_0.values())


def test_sqrt_draws_classes_by_the_root_of_their_count() -> None:
    draws = by_class(LONG_TAIL, 4, "sqrt", 30000, seed=0, epoch=0)
    assert shares(draws) == pytest.approx({0: 4 / 7, 1: 2 / 7, 2: 1 / 7}, abs=0.01)


@given(
    st.lists(st.one_of(st.none(), st.lists(st.integers(0, 4), unique=True, max_size=3).map(tuple)), max_size=12),
    st.sampled_from(["natural", "sqrt", "balanced"]),
    st.lists(st.integers(0, 4), unique=True, min_size=1),
    st.one_of(st.none(), st.integers(1, 30)),
    st.integers(-5, 5),
)
def test_only_labels_of_the_trained_classes_are_drawn(labels, how, trained, length, seed) -> None:  # type: ignore[no-untyped-def]
    known = [(row, c) for row, classes in enumerate(labels) for c in classes or () if c in trained]
    if not known:
        with pytest.raises(DataError, match="no picture has a label of the trained classes of colour"):
            by_class(pairs(*labels), 5, how, length, seed, 0, trained, "colour")
        return
    draws = by_class(pairs(*labels), 5, how, length, seed, 0, trained, "colour")
    assert set(drawn(draws)) <= set(known)
    assert len(draws.rows) == (length or len(known))
    assert draws.type_name == "colour"
    assert drawn(draws) == drawn(by_class(pairs(*labels), 5, how, length, seed, 0, trained, "colour"))


@pytest.mark.parametrize("how", ["natural", "sqrt", "balanced"])
def test_every_epoch_is_drawn_anew(how: str) -> None:
    first, second = (drawn(by_class(LONG_TAIL, 4, how, None, 0, epoch)) for epoch in (0, 1))  # type: ignore[arg-type]
    assert first != second


def test_the_largest_classes_come_first_and_ties_go_by_index() -> None:
    counts = pairs((3,), (3,), (1,), (4,), (4,), (2,))
    assert largest_classes(counts, 6, 3).tolist() == [3, 4, 1]
    assert largest_classes(counts, 6, 40).tolist() == [3, 4, 1, 2]
    assert largest_classes(counts, 6, None).tolist() == [3, 4, 1, 2]


def test_taking_some_draws_takes_all_that_belongs_to_them() -> None:
    draws = Draws(np.array([7, 8, 9]), np.array([0, 1, 2]), "colour", np.array([4, 5, 6]))
    some = take(draws, np.array([2, 0]))
    assert (some.rows.tolist(), some.classes.tolist(), some.views.tolist()) == ([9, 7], [2, 0], [6, 4])  # type: ignore[union-attr]
    assert some.type_name == "colour"
    assert take(Draws(np.array([7, 8])), np.array([1])).classes is None


def test_derived_seeds_differ_with_every_number_and_its_place() -> None:
    keys = [(0,), (0, 0), (0, 1), (1, 0), (-1, 0), (2**64 - 2, 0), (2**32,), (2**32, 0)]
    assert len({derived_seed(*key) for key in keys}) == len(keys)
    assert 0 <= derived_seed(5) < 2**64


def test_a_sample_stream_is_a_stream() -> None:
    stream: Stream = SampleStream(Listed([None] * 9), 4, ("train",), lambda epoch: shuffled(9, 0, epoch))
    assert stream.draws(2).rows.tolist() == shuffled(9, 0, 2).rows.tolist()


FIRST, SECOND = Listed([(0,), None, (1, 2)], "a"), Listed([(3,), ()], "b")


def ids(samples: Samples) -> list[str]:
    return [samples[row].id for row in range(len(samples))]


def agrees_with_rows(samples: Samples) -> bool:
    expected = [(row, c) for row in range(len(samples)) for c in samples[row].labels.get("colour", ())]
    rows, classes = samples.label_pairs("colour")
    return list(zip(rows.tolist(), classes.tolist(), strict=True)) == expected


def test_concatenated_samples_count_through() -> None:
    both = ConcatSamples([FIRST, Listed([]), SECOND])
    assert ids(both) == ["a0", "a1", "a2", "b0", "b1"]
    assert agrees_with_rows(both)
    assert len(ConcatSamples([])) == len(ConcatSamples([]).label_pairs("colour")[0]) == 0


@given(st.lists(st.integers(0, 4), max_size=8))
def test_a_subset_has_its_rows_in_the_given_order(rows: list[int]) -> None:
    both = ConcatSamples([FIRST, SECOND])
    subset = SubsetSamples(both, rows)
    assert ids(subset) == [both[row].id for row in rows]
    assert agrees_with_rows(subset)


@pytest.mark.parametrize("samples", [ConcatSamples([FIRST, SECOND]), SubsetSamples(FIRST, [2, 0])])
@pytest.mark.parametrize("row", [-1, 5])
def test_a_row_outside_is_an_index_error(samples: Samples, row: int) -> None:
    with pytest.raises(IndexError):
        samples[row]


def test_a_holdout_is_random_disjoint_and_repeatable() -> None:
    samples = Listed([(row % 3,) for row in range(100)])
    kept, held = holdout_split(samples, 0.2, 1, "colour")
    assert (len(kept), len(held)) == (80, 20)
    assert sorted(ids(kept) + ids(held)) == sorted(ids(samples))
    again, other = (holdout_split(samples, 0.2, seed, "colour")[1] for seed in (1, 2))
    assert ids(held) == ids(again) != ids(other)
    assert agrees_with_rows(held)
    assert len(holdout_split(Listed([None] * 3), 0.01, 0, "colour")[1]) == 1


def counts(samples: Samples) -> list[int]:
    return np.bincount(samples.label_pairs("colour")[1], minlength=4).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_a_holdout_has_its_share_of_every_class_and_some_of_the_rarest(seed: int) -> None:
    samples = Listed([(0,)] * 60 + [(1,)] * 34 + [(2,)] * 2 + [(3,)] + [None] * 20)
    kept, held = holdout_split(samples, 0.1, seed, "colour")
    assert counts(held) in ([6, 3, 1, 0], [6, 4, 1, 0]) and counts(kept)[2:] == [1, 1]
    assert len(held) - sum(counts(held)) == 2


@given(
    st.lists(st.tuples(st.integers(0, 12), st.one_of(st.none(), st.integers(0, 3))), min_size=2, max_size=60),
    st.floats(0.01, 0.9),
    st.integers(0, 99),
)
def test_a_holdout_takes_whole_groups_whatever_their_numbers(rows, share, seed) -> None:  # type: ignore[no-untyped-def]
    labels = [None if c is None else (c,) for _, c in rows]
    samples = Listed(labels, products=[group for group, _ in rows])
    try:
        kept, held = holdout_split(samples, share, seed, "colour")
    except UsageError:
        return
    products = [{rows[row][0] for row in part.rows} for part in (kept, held)]
    assert products[0] and products[1] and not products[0] & products[1]
    renamed = Listed(labels, products=[7 * (20 - group) for group, _ in rows])
    assert holdout_split(renamed, share, seed, "colour")[1].rows.tolist() == held.rows.tolist()


def test_a_group_larger_than_the_share_stays_for_training() -> None:
    samples = Listed([(0,)] * 60, products=[0] * 40 + [n // 4 for n in range(40, 60)])
    for seed in range(5):
        held = holdout_split(samples, 0.15, seed, "colour")[1]
        assert len(held) == 8 and held.rows.min() >= 40


def test_a_holdout_that_leaves_nothing_is_refused() -> None:
    one_product = Listed([None, None], products=[5, 5])
    for samples in (Listed([None]), Listed([]), Listed([(0,), (1,)]), one_product):
        with pytest.raises(UsageError, match=r"a holdout of 0\.9 of . pictures cannot be: no class of colour has two"):
            holdout_split(samples, 0.9, 0, "colour")
