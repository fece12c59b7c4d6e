"""A dataset gives samples whose labels fit its schema, the same every time, and says what is wrong on disk."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from mtss_zoo.errors import DataError, UnknownNameError
from mtss_zoo.images import decode
from mtss_zoo.interfaces import AttributeSchema, Component, Dataset, Sample, Samples

ROWS, PICTURES = 200, 6
"""How many samples of a split are looked at, and how many of their pictures."""


@pytest.fixture
def dataset(component: Component, make: Callable[..., Any]) -> Dataset:
    """The example, under its own schema."""
    built = make(schema=None)
    lacking = [name for name in ("schema", "splits", "split", "unlabelled", "check") if not hasattr(built, name)]
    assert not lacking, f"{component.target} has no {', '.join(lacking)}, which a Dataset needs."
    assert isinstance(built, Dataset)
    return built


def collections(dataset: Dataset) -> dict[str, Samples]:
    """Every split, and the unlabelled samples."""
    return {name: dataset.split(name) for name in dataset.splits} | {"unlabelled": dataset.unlabelled()}


def first_rows(dataset: Dataset) -> Iterator[tuple[str, int, Sample]]:
    """The first samples of each collection, with its name and their row."""
    for name, samples in collections(dataset).items():
        for row in range(min(len(samples), ROWS)):
            yield name, row, samples[row]


def same(one: Sample, other: Sample) -> bool:
    """Whether two samples are equal in labels and pixels."""
    said = [(s.id, dict(s.labels), dict(s.answers), dict(s.metadata), s.bbox) for s in (one, other)]
    return said[0] == said[1] and torch.equal(decode(one.image, one.id), decode(other.image, other.id))


def assert_same(one: Dataset, other: Dataset, advice: str) -> None:
    """Schema, splits, samples and pictures are equal."""
    assert one.schema == other.schema, f"the schema differs: {advice}"
    assert one.splits == other.splits, f"the splits differ: {advice}"
    others = collections(other)
    for name, samples in collections(one).items():
        assert len(samples) == len(others[name]), f"{name} has another length: {advice}"
        for row in range(min(len(samples), PICTURES)):
            assert same(samples[row], others[name][row]), f"row {row} of {name} differs: {advice}"


def test_its_splits_have_names_and_samples(dataset: Dataset) -> None:
    """``train`` among them."""
    assert isinstance(dataset.schema, AttributeSchema), "schema is no mtss_zoo.AttributeSchema."
    splits = dataset.splits
    assert isinstance(splits, tuple) and all(isinstance(name, str) for name in splits), "splits is a tuple of names."
    assert "train" in splits and len(set(splits)) == len(splits), (
        f"splits is {splits}: each once, and `train` is needed."
    )
    assert "holdout" not in splits, "the name `holdout` is taken: a recipe makes it from train with data.holdout."
    empty = [name for name in splits if not len(dataset.split(name))]
    assert not empty, f"the example has no sample in {', '.join(empty)}."


def test_its_labels_fit_its_schema(dataset: Dataset) -> None:
    """Class indices in range, each once, and at most one where the type is single."""
    for name, row, sample in first_rows(dataset):
        where = f"row {row} of {name} ({sample.id})"
        for type_name, labels in sample.labels.items():
            assert type_name in dataset.schema.names, f"{where} has labels of {type_name!r}, which the schema lacks."
            attribute_type = dataset.schema[type_name]
            assert isinstance(labels, tuple) and len(set(labels)) == len(labels), (
                f"{where}: {type_name} is {labels!r}, but labels are a tuple of class indices, each once."
            )
            wrong = [c for c in labels if not 0 <= c < len(attribute_type)]
            assert not wrong, (
                f"{where}: {type_name} has the class {wrong[0]}, but the schema has 0 to {len(attribute_type) - 1}."
            )
            assert attribute_type.kind == "multi" or len(labels) <= 1, (
                f"{where}: {type_name} has {len(labels)} labels, but its kind is single; use multi."
            )


def test_its_answers_fit_its_labels(dataset: Dataset) -> None:
    """Class indices in range; labels are among the answers, and without agreement a picture is drawn for one."""
    for name, row, sample in first_rows(dataset):
        where = f"row {row} of {name} ({sample.id})"
        for type_name, answers in sample.answers.items():
            assert type_name in dataset.schema.names, f"{where} has answers of {type_name!r}, which the schema lacks."
            wrong = [c for c in answers if not 0 <= c < len(dataset.schema[type_name])]
            assert not wrong, f"{where}: {type_name} was answered with the class {wrong[0]}, which the schema lacks."
            labels = sample.labels.get(type_name, ())
            assert set(labels) <= set(answers), (
                f"{where}: the labels of {type_name} are {labels}, but where people answered, they are what these "
                f"agree on, among {answers}, or none."
            )
            rows, classes = collections(dataset)[name].label_pairs(type_name)
            drawn = classes[rows == row].tolist()
            assert drawn and set(drawn) <= set(answers), (
                f"{where}: label_pairs({type_name!r}) has {drawn} for it, but give at least one of its answers "
                f"{answers}, so that the picture can be drawn."
            )


def test_its_label_pairs_are_those_of_its_samples(dataset: Dataset) -> None:
    """``(rows, classes)``, sorted by row; where people do not agree, one of their answers."""
    for name, samples in collections(dataset).items():
        first = [samples[row] for row in range(min(len(samples), ROWS))]
        for type_name in dataset.schema.names:
            rows, classes = samples.label_pairs(type_name)
            for part in (rows, classes):
                assert part.dtype == np.int64 and part.shape == (len(rows),), (
                    f"label_pairs({type_name!r}) of {name}: two int64 arrays of one length are needed."
                )
            assert (np.diff(rows) >= 0).all(), f"label_pairs({type_name!r}) of {name} is not sorted by row."
            torn = {row for row, s in enumerate(first) if type_name in s.answers.keys() - s.labels.keys()}
            seen = {(row, c) for row, s in enumerate(first) for c in s.labels.get(type_name, ())}
            told = {(row, c) for row, c in zip(rows.tolist(), classes.tolist(), strict=True) if row < ROWS}
            differ = sorted((row, c) for row, c in seen ^ told if row not in torn)
            assert not differ, (
                f"label_pairs({type_name!r}) of {name} and the labels of its samples differ, first at (row, class) "
                f"{differ[0]}."
            )


def test_its_ids_are_unique(dataset: Dataset) -> None:
    """Over all splits: an id names one picture in messages, and a picture in two splits is a leak."""
    found: dict[str, str] = {}
    for name, row, sample in first_rows(dataset):
        here = f"row {row} of {name}"
        assert found.setdefault(sample.id, here) == here, f"{found[sample.id]} and {here} have the id {sample.id!r}."


def test_its_pictures_can_be_decoded(dataset: Dataset) -> None:
    """By the decoder of the zoo, with a box inside the picture."""
    for name, row, sample in first_rows(dataset):
        if row >= PICTURES:
            continue
        height, width = decode(sample.image, sample.id).shape[1:]
        if sample.bbox is not None:
            x1, y1, x2, y2 = sample.bbox
            inside = 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
            assert inside, f"row {row} of {name}: the box {sample.bbox} is not x1 y1 x2 y2 within {width} x {height}."


def test_unlabelled_samples_have_no_labels(dataset: Dataset) -> None:
    """Not even an empty tuple, which says that none of the classes fits."""
    samples = dataset.unlabelled()
    for row in range(min(len(samples), ROWS)):
        sample = samples[row]
        assert not sample.labels, f"row {row} of unlabelled() has labels {dict(sample.labels)}."
        assert not sample.answers, f"row {row} of unlabelled() has answers {dict(sample.answers)}."


def test_two_constructions_are_equal(dataset: Dataset, make: Callable[..., Any]) -> None:
    """Every process of a run builds the dataset anew."""
    torch.manual_seed(1)
    np.random.seed(1)
    advice = "sort what a folder lists, and draw from a generator with a fixed seed."
    assert_same(dataset, make(schema=None), advice)


def test_it_can_be_read_under_a_given_schema(dataset: Dataset, make: Callable[..., Any]) -> None:
    """As a checkpoint does, whose classes are those it was trained on."""
    assert_same(dataset, make(schema=dataset.schema), "it was constructed with schema=dataset.schema.")


def test_it_can_be_sent_to_worker_processes(dataset: Dataset) -> None:
    """Samples are pickled there, and read the same."""
    for name, samples in collections(dataset).items():
        try:
            copy = pickle.loads(pickle.dumps(samples))
        except Exception as error:
            pytest.fail(f"{name} cannot be pickled ({error}): keep no lambdas, open files or locks in it.")
        assert not len(samples) or same(samples[0], copy[0]), f"a pickled copy of {name} gives another sample."


def test_a_split_that_does_not_exist_is_refused_by_name(dataset: Dataset) -> None:
    """With the names that do."""
    try:
        dataset.split("no_such_split")
    except UnknownNameError as error:
        lacking = [name for name in dataset.splits if name not in str(error)]
        assert not lacking, f"the error for an unknown split does not name {', '.join(lacking)}: {error}"
    except Exception as error:
        pytest.fail(
            f"split('no_such_split') raises {type(error).__name__}, but mtss_zoo.errors.UnknownNameError is needed."
        )
    else:
        pytest.fail("split('no_such_split') gives samples, but mtss_zoo.errors.UnknownNameError is needed.")


def test_its_check_finds_nothing_wrong_with_its_example(dataset: Dataset) -> None:
    """``check()`` is a list of sentences; every one says what is wrong."""
    problems = dataset.check()
    assert isinstance(problems, list), f"check() gives {type(problems).__name__}, but a list of sentences is needed."
    assert problems == [], f"check() finds in the example: {' '.join(map(str, problems))}"


def test_a_folder_that_does_not_exist_is_refused_by_name(
    component: Component, args: dict[str, Any], make: Callable[..., Any]
) -> None:
    """Of a dataset on disk, which takes ``root``."""
    if "root" not in args:
        return
    args["root"] += "/no_such_folder"
    try:
        said = " ".join(make(schema=None).check())
    except DataError as error:
        said = str(error)
    except Exception as error:
        pytest.fail(f"a root that does not exist raises {type(error).__name__}: raise mtss_zoo.errors.DataError.")
    assert "no_such_folder" in said, (
        f"a root that does not exist is not named (said is: {said or 'nothing'}): raise mtss_zoo.errors.DataError."
    )
