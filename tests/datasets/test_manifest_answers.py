"""A manifest of crowd answers, trained on what people agree on or on all answers; val and test stay the same."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mtss_zoo_datasets.agreement import agree, favourites
from mtss_zoo_datasets.manifest import Manifest
from mtss_zoo_datasets.row_samples import RowSamples
from typer.testing import CliRunner

from mtss_zoo.cli import app
from mtss_zoo.errors import DataError
from mtss_zoo.interfaces import Sample

VEST = "types: [{name: neck, kind: single, classes: [V, round, crew]}]"
ROWS = """
v2,train,v|V|round
torn,train,round|crew|V
one,train,crew||
unlisted,train,boat|boat|crew
nothing,train,
val2,val,V|V|crew
valtorn,val,V|round|crew
test2,test,crew|crew|crew
pool,unlabeled,V|V|V
"""


def vests(folder: Path, rows: str = ROWS, header: str = "image,split,answers", **args: Any) -> Manifest:
    (folder / "schema.yaml").write_text(VEST)
    (folder / "manifest.csv").write_text(f"{header}\n{rows.strip()}\n")
    return Manifest(str(folder), **args)


def by_id(samples: RowSamples) -> dict[str, Sample]:
    return {samples[row].id: samples[row] for row in range(len(samples))}


def test_all_answers_train_and_pictures_without_agreement_stay_in_train(tmp_path: Path) -> None:
    rows = ROWS.replace("boat|boat|crew", "boat|V|crew")
    agreed, every = (vests(tmp_path, rows, answers=rule) for rule in ("agreed", "all"))
    assert list(by_id(agreed.split("train"))) == ["v2"]
    assert list(by_id(agreed.unlabelled())) == ["torn", "one", "unlisted", "nothing", "pool"]
    assert agreed.split("train")[0].answers == {}
    train = by_id(every.split("train"))
    assert {name: sample.answers for name, sample in train.items()} == {
        "v2": {"neck": (0, 0, 1)},
        "torn": {"neck": (1, 2, 0)},
        "one": {"neck": (2,)},
        "unlisted": {"neck": (0, 2)},
    }
    assert list(by_id(every.unlabelled())) == ["nothing", "pool"]
    assert every.unlabelled()[1].answers == {}


def test_a_picture_is_drawn_for_its_most_frequent_answer_the_first_of_several(tmp_path: Path) -> None:
    rows = "a,train,V|round|round\nb,train,round|crew|V\nc,train,crew|V|round\nd,train,V|V|V\ne,train,V"
    train = vests(tmp_path, rows, answers="all").split("train")
    pairs = train.label_pairs("neck")
    assert [part.tolist() for part in pairs] == [[0, 1, 2, 3, 4], [1, 1, 2, 0, 0]]
    assert all(part.dtype == np.int64 for part in pairs)
    assert pickle.loads(pickle.dumps(train))[1] == train[1]


@pytest.mark.parametrize("min_agree", [1, 2, 3])
def test_its_labels_are_what_people_agree_on_whatever_trains(tmp_path: Path, min_agree: int) -> None:
    """Two of a, a, b, c are no majority, but more than any other; a lone answer is not enough."""
    rows = "a,train,V|V|round|crew\nb,train,round|crew|V\nc,train,V\nd,train,V|V|V\ne,train,V|V|crew|crew"
    train = vests(tmp_path, rows, answers="all", min_agree=min_agree).split("train")
    agreed = {1: "acd", 2: "ad", 3: "d"}[min_agree]
    assert {train[row].id: train[row].labels for row in range(5)} == {
        name: {"neck": (0,)} if name in agreed else {} for name in "abcde"
    }
    assert train.label_pairs("neck")[0].tolist() == list(range(5))


def test_the_order_of_numbered_answers_is_that_of_the_columns(tmp_path: Path) -> None:
    rows = "a,train,crew,,V\nb,train,V,crew,round\nc,train,V,V,"
    train = vests(tmp_path, rows, "image,split,answer_1,answer_2,answer_3", answers="all").split("train")
    assert [train[row].answers["neck"] for row in range(3)] == [(2, 0), (0, 2, 1), (0, 0)]


def test_val_and_test_follow_the_agreement_rule(tmp_path: Path) -> None:
    rows = ROWS.replace("boat|boat|crew", "boat|V|crew")
    agreed, every = (vests(tmp_path, rows, answers=rule) for rule in ("agreed", "all"))
    for name in ("val", "test"):
        assert by_id(every.split(name)) == by_id(agreed.split(name))
    val = by_id(every.split("val"))
    assert (val["val2"].labels, val["valtorn"].labels) == ({"neck": (0,)}, {})
    assert val["val2"].answers == {}


def test_assigned_val_and_test_are_the_same_under_both_rules(tmp_path: Path) -> None:
    """Of a group in val or test, pictures without agreement do not train either."""
    classes = ("V", "round", "crew")
    lines = [f"{n},item{n // 2},{'|'.join((classes[n % 3], classes[n % 3 - n % 2], 'crew'))}" for n in range(300)]
    agreed, every = (vests(tmp_path, "\n".join(lines), "image,group,answers", answers=r) for r in ("agreed", "all"))
    evaluated = set()
    for name in ("val", "test"):
        assert by_id(every.split(name)) == by_id(agreed.split(name))
        evaluated |= {int(key) // 2 for key in by_id(every.split(name))}
    before, after = (by_id(d.split("train")).keys() for d in (agreed, every))
    assert before < after
    assert not {int(key) // 2 for key in after} & evaluated
    left = by_id(every.unlabelled()).keys()
    assert {int(key) // 2 for key in left} <= evaluated
    assert every.check() == agreed.check()


def test_an_unlabelled_copy_of_a_test_picture_does_not_train(tmp_path: Path) -> None:
    rows = "a.jpg,1,train,V|V|V\nb.jpg,2,test,crew|crew|V\n./b.jpg,3,,V|round|crew"
    every = vests(tmp_path, rows, "image,id,split,answers", answers="all")
    assert list(by_id(every.split("train"))) == ["1"]
    assert len(every.unlabelled()) == 0


def test_a_label_column_goes_before_answers(tmp_path: Path) -> None:
    rows = "a,train,crew,V|V|round\nb,train,,V|V|round"
    train = vests(tmp_path, rows, "image,split,neck,answers", answers="all").split("train")
    assert [(train[row].labels["neck"], train[row].answers) for row in (0, 1)] == [
        ((2,), {}),
        ((0,), {"neck": (0, 0, 1)}),
    ]
    assert [part.tolist() for part in train.label_pairs("neck")] == [[0, 1], [2, 0]]


def test_classes_that_are_not_listed_are_those_that_people_agree_on(tmp_path: Path) -> None:
    (tmp_path / "schema.yaml").write_text("types: [{name: neck, kind: single}]")
    (tmp_path / "manifest.csv").write_text("image,split,answers\na,train,V|v|typo\nb,train,crew|Crew|v\n")
    train = Manifest(str(tmp_path), answers="all").split("train")
    assert [train[row].answers["neck"] for row in (0, 1)] == [(1, 1), (0, 0, 1)]


def test_data_check_says_how_many_pictures_each_rule_uses(tmp_path: Path) -> None:
    rows = ROWS.replace("boat|boat|crew", "boat|V|crew")
    dataset = vests(tmp_path, rows)
    said = "neck: 1 training pictures with `answers: agreed`, 4 with `answers: all`."
    assert dataset.remarks() == vests(tmp_path, rows, answers="all").remarks() == [said]
    result = CliRunner().invoke(app, ["data", "check", "manifest", "--root", str(tmp_path)])
    assert said in result.output.splitlines()


crowds = st.lists(st.lists(st.integers(0, 4), max_size=5), min_size=1, max_size=8)


@given(crowds)
def test_the_favourite_answer_is_the_agreed_one_where_there_is_agreement(crowd: list[list[int]]) -> None:
    rows = np.repeat(np.arange(len(crowd)), [len(said) for said in crowd])
    answers = np.array([a for said in crowd for a in said], np.int64)
    found = favourites(rows, answers, len(crowd))
    for said, favourite, agreed in zip(crowd, found, agree(rows, answers, len(crowd)).labels, strict=True):
        assert favourite == (max(said, key=lambda a: (said.count(a), -said.index(a))) if said else -1)
        assert agreed in (-1, favourite)


@pytest.mark.parametrize("answers", ["agreed", "all"])
def test_an_agreed_answer_beyond_the_schema_file_is_named(tmp_path: Path, answers: str) -> None:
    with pytest.raises(DataError, match="'boat' is not among the classes of the schema file"):
        vests(tmp_path, answers=answers)
