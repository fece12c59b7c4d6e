"""Splits: balanced test sets, groups that stay together."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from mtss_zoo_datasets.splitting import TEST, TRAIN, VAL, split_balanced, split_by_hash

classes_of_rows = st.lists(st.integers(-1, 4), min_size=1, max_size=120).map(np.array)
seeds = st.integers(0, 2**16)


def alone(classes: np.ndarray) -> np.ndarray:
    return np.arange(len(classes))


def test_the_worked_example() -> None:
    """100 pictures, 4 classes: the quota is round(0.10 * 100 / 4) = 2, but one of two pictures for the rare class."""
    classes = np.repeat([0, 1, 2, 3], [60, 30, 8, 2])
    split = split_balanced(classes, alone(classes), seed=0)
    assert np.bincount(classes[split == TEST]).tolist() == [2, 2, 2, 1]
    assert np.bincount(classes[split == VAL], minlength=4).tolist() == [10, 5, 1, 0]  # round((n - test) * 15 / 90)


@given(classes_of_rows, seeds)
def test_single_pictures_meet_the_quota_exactly(classes: np.ndarray, seed: int) -> None:
    split = split_balanced(classes, alone(classes), seed)
    labelled = classes[classes >= 0]
    quota = round(0.10 * len(labelled) / max(1, len(set(labelled.tolist()))))
    for one in set(labelled.tolist()):
        n = int((classes == one).sum())
        expected = max(1, min(quota, n // 2)) if n >= 2 else 0
        assert ((classes == one) & (split == TEST)).sum() == expected
        assert ((classes == one) & (split == TRAIN)).any()


@given(classes_of_rows, seeds, st.integers(1, 30))
def test_a_group_stays_together(classes: np.ndarray, seed: int, n_groups: int) -> None:
    groups = np.random.default_rng(seed).integers(0, n_groups, len(classes))
    split = split_balanced(classes, groups, seed)
    assert all(len(set(split[groups == group].tolist())) == 1 for group in set(groups.tolist()))


@given(classes_of_rows, seeds)
def test_the_same_seed_splits_the_same(classes: np.ndarray, seed: int) -> None:
    again = split_balanced(classes.copy(), alone(classes), seed)
    assert split_balanced(classes, alone(classes), seed).tolist() == again.tolist()


def test_another_seed_splits_differently_but_in_the_same_numbers() -> None:
    classes = np.arange(200) % 4
    one, other = (split_balanced(classes, alone(classes), seed) for seed in (0, 1))
    assert one.tolist() != other.tolist()
    assert (
        np.bincount(one).tolist() == np.bincount(other).tolist() == [148, 32, 20]
    )  # 5 of 50 to test, round(45 * 15 / 90) = 8 to val


def test_large_groups_are_not_torn_and_the_test_set_stays_near_its_quota() -> None:
    classes = np.repeat(np.arange(4), 500)
    split = split_balanced(classes, np.arange(2000) // 5, seed=3)
    assert np.bincount(classes[split == TEST]).tolist() == [50, 50, 50, 50]
    assert np.bincount(split).tolist() == [1500, 300, 200]


def test_the_hash_split_depends_on_the_key_alone_and_is_near_75_15_10() -> None:
    splits = [split_by_hash(str(key)) for key in range(4000)]
    assert splits[:8] == [split_by_hash(str(key)) for key in range(8)]
    shares = [splits.count(name) / 4000 for name in ("train", "val", "test")]
    assert np.allclose(shares, [0.75, 0.15, 0.10], atol=0.02)
