"""What a recipe trains on: nested and stratified shares of the labels, a pool without leaks, a holdout before both."""

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtss_zoo.errors import UsageError
from mtss_zoo.interfaces import AttributeSchema, Dataset, Sample, Samples
from mtss_zoo.recipe import DataSpec, Part
from mtss_zoo.regime import RecipeDataset, labelled_share
from mtss_zoo.sampling import WithoutLabels

SCHEMA = AttributeSchema.from_dict(
    {"types": [{"name": "colour", "kind": "single", "classes": 4}, {"name": "trims", "kind": "multi", "classes": 3}]}
)


@dataclass
class Rows:
    """Pictures with what is known of each; a file where there is a folder."""

    labels: list[dict[str, tuple[int, ...]]]
    prefix: str
    folder: Path | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Sample:
        name = f"{self.prefix}{row}"
        return Sample(
            name, self.folder / name if self.folder else name.encode(), self.labels[row], answers=self.labels[row]
        )

    def label_pairs(self, type_name: str) -> tuple[np.ndarray, np.ndarray]:
        pairs = [(row, c) for row, known in enumerate(self.labels) for c in known.get(type_name, ())]
        rows, classes = np.array(pairs, np.int64).reshape(-1, 2).T
        return rows, classes


@dataclass
class Shop:
    """A dataset with train, val and unlabelled pictures."""

    labels: list[dict[str, tuple[int, ...]]]
    folder: Path | None = None
    schema: AttributeSchema = SCHEMA
    splits: tuple[str, ...] = ("train", "val")
    asked: list[str] = field(default_factory=list)

    def split(self, name: str) -> Samples:
        self.asked.append(name)
        return Rows(self.labels, "t", self.folder) if name == "train" else Rows(self.labels[:3], "v", self.folder)

    def unlabelled(self) -> Samples:
        self.asked.append("unlabelled")
        return Rows([{}] * 40, "u", self.folder)

    def check(self) -> list[str]:
        return ["something is missing."]


def used(dataset: Dataset, seed: int = 0, **data: Any) -> RecipeDataset:
    return RecipeDataset(dataset, DataSpec(dataset=Part(name="shop"), **data), seed)


def ids(samples: Samples) -> list[str]:
    return [samples[row].id for row in range(len(samples))]


colours = st.one_of(st.just({}), st.builds(lambda c: {"colour": (c,)}, st.integers(0, 3)))
trims = st.one_of(st.just({}), st.builds(lambda c: {"trims": tuple(sorted(c))}, st.sets(st.integers(0, 2), max_size=2)))
labels_of_rows = st.lists(st.builds(lambda c, t: c | t, colours, trims), min_size=1, max_size=60)
seeds = st.integers(0, 2**16)
shares = st.floats(0.01, 1)


def kept(labels: list[dict[str, tuple[int, ...]]], share: float, seed: int, *types: str) -> np.ndarray:
    return labelled_share([Rows(labels, "").label_pairs(name) for name in types], len(labels), share, seed)


@given(labels_of_rows, seeds, shares, shares)
def test_a_smaller_share_lies_in_a_larger_one(labels, seed, one, other) -> None:  # type: ignore[no-untyped-def]
    small, large = (kept(labels, share, seed, "colour", "trims") for share in sorted((one, other)))
    assert not (small & ~large).any()


@given(labels_of_rows, seeds, shares)
def test_a_share_is_stratified_by_the_type(labels, seed, share) -> None:  # type: ignore[no-untyped-def]
    """Pictures of which the type is unknown are a class of their own."""
    keep = kept(labels, share, seed, "colour")
    classes = np.array([known.get("colour", (-1,))[0] for known in labels])
    for one in set(classes.tolist()):
        n = int((classes == one).sum())
        assert keep[classes == one].sum() == max(1, round(share * n))


@given(labels_of_rows, seeds, shares)
def test_every_class_of_every_type_keeps_a_picture_within_the_share(labels, seed, share) -> None:  # type: ignore[no-untyped-def]
    keep = kept(labels, share, seed, "colour", "trims")
    for name in ("colour", "trims"):
        before, after = (
            {c for known, k in zip(labels, keep, strict=True) if k or not only for c in known.get(name, ())}
            for only in (False, True)
        )
        assert before == after
    classes = np.array([known.get("colour", (-1,))[0] for known in labels])
    for one in set(classes.tolist()):
        n = int((classes == one).sum())
        assert max(1, round(share * n)) <= keep[classes == one].sum() <= max(1, round(share * n)) + 3  # trims has 3


TRAIN = [{"colour": (row % 4,)} for row in range(80)]


def test_dropped_pictures_join_the_pool_after_the_dataset_s_own_and_show_nothing() -> None:
    whole = used(Shop(TRAIN))
    quarter = used(Shop(TRAIN), label_share=0.25)
    train, pool = quarter.split("train"), quarter.unlabelled()
    assert (len(train), len(pool)) == (20, 40 + 60)
    assert ids(pool)[:40] == ids(whole.unlabelled()) == [f"u{row}" for row in range(40)]
    assert sorted(ids(pool)[40:] + ids(train)) == sorted(ids(whole.split("train")))
    assert all(not pool[row].labels and not pool[row].answers for row in range(100))
    assert len(pool.label_pairs("colour")[0]) == 0
    assert np.bincount(train.label_pairs("colour")[1]).tolist() == [5, 5, 5, 5]
    assert train[0].labels == TRAIN[int(train[0].id[1:])]
    assert len(used(Shop(TRAIN), label_share=0.25, dropped="ignore").unlabelled()) == 40


def test_shares_of_the_labels_and_of_the_pool_are_nested_and_follow_the_seed() -> None:
    trains, pools = (
        [set(ids(part(used(Shop(TRAIN), label_share=s, unlabelled_share=s, dropped="ignore")))) for s in (0.25, 0.5, 1)]
        for part in (lambda d: d.split("train"), lambda d: d.unlabelled())
    )
    assert trains[0] < trains[1] < trains[2] and [len(t) for t in trains] == [20, 40, 80]
    assert pools[0] < pools[1] < pools[2] and [len(p) for p in pools] == [10, 20, 40]
    again, other = (used(Shop(TRAIN), seed, label_share=0.25, unlabelled_share=0.25) for seed in (0, 1))
    assert set(ids(again.split("train"))) == trains[0] != set(ids(other.split("train")))
    assert set(ids(again.unlabelled())) > pools[0]
    assert not set(ids(other.unlabelled())) > pools[0]


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_holdout_is_set_aside_first_and_is_the_same_for_every_share(share: float) -> None:
    dataset = used(Shop(TRAIN), holdout=0.1, label_share=share)
    assert dataset.splits == ("train", "val", "holdout") and dataset.measured == ("val", "holdout")
    held = ids(dataset.split("holdout"))
    assert held == ids(used(Shop(TRAIN), holdout=0.1).split("holdout")) and len(held) == 8
    seen = ids(dataset.split("train")) + ids(dataset.unlabelled())
    assert not set(seen) & set(held)
    assert len(seen) == len(set(seen)) == 72 + 40


def test_the_holdout_is_stratified_by_the_first_type_of_the_recipe() -> None:
    labels = [{"colour": (row % 4,), "trims": (0 if row < 76 else 1,)} for row in range(80)]
    for name, counts in (("colour", [2, 2, 2, 2]), ("trims", [8, 1])):
        dataset = RecipeDataset(
            Shop(labels), DataSpec(dataset=Part(name="shop"), holdout=0.1), 0, SCHEMA.select([name])
        )
        assert np.bincount(dataset.split("holdout").label_pairs(name)[1]).tolist() == counts


def test_without_a_holdout_there_is_no_such_split() -> None:
    with pytest.raises(UsageError, match=r"data\.holdout"):
        used(Shop(TRAIN)).split("holdout")


def on_disk(folder: Path) -> Shop:
    """All pictures differ, but t5 is v0 again, and u7 and u8 are v1 and t9."""
    contents = {f"{p}{row}": f"{p}{row}" for p, n in (("t", 80), ("v", 3), ("u", 40)) for row in range(n)}
    for name, content in (contents | {"t5": "v0", "u7": "v1", "u8": "t9"}).items():
        (folder / name).write_text(content)
    return Shop(TRAIN, folder)


def test_an_unlabelled_picture_that_is_measured_on_is_left_out_and_counted(tmp_path: Path) -> None:
    dataset = used(on_disk(tmp_path))
    assert ids(dataset.unlabelled()) == [f"u{row}" for row in range(40) if row != 7]
    assert len(dataset.left_out) == 1
    assert "t5" in ids(dataset.split("train"))
    assert dataset.repeated == {"train": {"t5": "v0"}, "unlabelled": {"u7": "v1"}}
    assert dataset.check() == [
        "something is missing.",
        "1 pictures of train are also in val: t5 (there v0).",
        "1 pictures of unlabelled are also in val and are left out of every training: u7 (there v1).",
    ]


@given(seed=seeds, share=shares)
def test_nothing_unlabelled_is_in_a_split_that_is_measured_on(tmp_path_factory, seed: int, share: float) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.getbasetemp() / "shop"
    if not folder.exists():
        folder.mkdir()
        on_disk(folder)
    dataset = used(Shop(TRAIN, folder), seed, holdout=0.2, label_share=share, unlabelled_share=share)

    def contents(samples: Samples) -> set[str]:
        return {Path(samples[row].image).read_text() for row in range(len(samples))}  # type: ignore[arg-type]

    measured = contents(dataset.split("val")) | contents(dataset.split("holdout"))
    assert not contents(dataset.unlabelled()) & measured


def test_what_nobody_asks_for_is_not_read(tmp_path: Path) -> None:
    shop = on_disk(tmp_path)
    used(shop).split("train")
    assert shop.asked == ["train"]


def test_samples_can_be_sent_to_worker_processes(tmp_path: Path) -> None:
    dataset = used(on_disk(tmp_path), label_share=0.5)
    pool = dataset.unlabelled()
    assert ids(pickle.loads(pickle.dumps(pool))) == ids(pool)
    assert isinstance(dataset, Dataset)


def test_a_row_outside_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        WithoutLabels(Rows([{}], "a"))[1]
