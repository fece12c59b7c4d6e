"""Labels that are perhaps wrong: what counts as one, by worked numbers, and planted ones in garments."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from mtss_zoo import train
from mtss_zoo.build import build_dataset
from mtss_zoo.measures import Scored
from mtss_zoo.recipe import DataSpec, Part
from mtss_zoo.trust.suspects import against_a_class, against_the_label, find_suspects


def scored(shares: list[list[float]], labels: list[list[int]]) -> Scored:
    """Scores whose softmax are these shares; rows are counted from 10."""
    return Scored(
        torch.tensor(shares).log(), torch.tensor(labels, dtype=torch.bool), torch.arange(10, 10 + len(labels))
    )


def one_hot(*labels: int | None) -> list[list[int]]:
    return [[int(c == label) for c in range(3)] for label in labels]


class TestOneClassAPicture:
    def test_all_models_must_agree_and_the_least_sure_one_counts(self) -> None:
        labels = one_hot(0, 0, 0, 1, None)
        teacher = scored([[0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1]], labels)
        student = scored([[0.2, 0.7, 0.1], [0.2, 0.1, 0.7], [0.1, 0.9, 0.0], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1]], labels)
        found = against_the_label([teacher, student])
        # row 11: they disagree; row 13: both agree with the label; row 14: nobody knows the label
        assert found.rows.tolist() == [10, 12]
        assert (found.labels.tolist(), found.suggested.tolist()) == ([0, 0], [1, 1])
        assert found.scores.tolist() == pytest.approx([0.7 - 0.2, 0.6 - 0.3])

    def test_a_label_that_no_model_was_trained_on_is_left_alone(self) -> None:
        found = against_the_label([scored([[0.0, 0.9, 0.1], [0.1, 0.9, 0.0]], one_hot(0, 0))])
        assert found.rows.tolist() == [11]


class TestSeveralClassesAPicture:
    def test_a_class_is_doubted_by_its_rank_among_those_that_have_it_or_lack_it(self) -> None:
        labels = [[1], [1], [1], [0], [0], [0], [0]]
        scores = [[0.9], [0.8], [0.1], [0.85], [0.2], [0.15], [0.9]]
        known = np.array([True] * 6 + [False])
        found = against_a_class([scored(scores, labels)], known)
        # 0.1 with the class: all 3 without it score higher, so 3/4. 0.85 without it: 2 of 3 with it are lower, so 2/4,
        # which is not more than a half
        assert found.rows.tolist() == [12]
        assert (found.labels.tolist(), found.suggested.tolist()) == ([0], [-1])
        assert found.scores.tolist() == [0.75]

    def test_an_absent_class_is_suggested(self) -> None:
        labels = [[1, 0], [1, 0], [1, 0], [0, 1]]
        scores = [[0.3, 0.1], [0.2, 0.1], [0.1, 0.1], [0.4, 0.1]]
        found = against_a_class([scored(scores, labels)], np.ones(4, bool))
        assert (found.rows.tolist(), found.labels.tolist(), found.suggested.tolist()) == ([13], [-1], [0])
        assert found.scores.tolist() == [0.75]

    def test_the_least_sure_model_counts_and_untrained_classes_do_not(self) -> None:
        labels = [[1], [1], [1], [0]]
        sure, unsure, untrained = (
            scored([[0.3], [0.2], [0.1], [last]], labels) if last else scored([[0.0]] * 4, labels)
            for last in (0.4, 0.05, None)
        )
        known = np.ones(4, bool)
        assert against_a_class([sure], known).rows.tolist() == [13]
        assert against_a_class([sure, unsure], known).rows.tolist() == []
        assert against_a_class([untrained], known).rows.tolist() == []


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Garments with their colours and details, of which a few are wrong: those whose names begin with "wrong"."""
    folder = tmp_path_factory.mktemp("shop")
    args = {"n_train": 480, "image_size": 32, "label_share": 1.0, "long_tail": 0.0}
    dataset = build_dataset(DataSpec(dataset=Part(name="garments", args=args)))
    colours, pictures = dataset.schema["colour"].classes, dataset.split("train")
    rows = []
    for row in range(480):
        sample = pictures[row]
        (colour,) = sample.labels["colour"]
        val = row % 4 == 3
        wrong = row % 40 == 7 if val else row % 24 == 5
        name = f"{'wrong' if wrong else 'right'}-{row}.png"
        sample.image.save(folder / name)  # type: ignore[union-attr]
        shown = colours[(colour + 4) % len(colours)] if wrong else colours[colour]
        rows.append([name, "val" if val else "train", shown])
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "split", "colour"], *rows])
    (folder / "schema.yaml").write_text("types: [{name: colour, kind: single}]\n")
    return folder


@pytest.fixture(scope="module")
def run(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    stage = {
        "batch_size": 16,
        "epochs": 6,
        "optimizer": {"name": "adamw", "lr": 3e-3},
        "schedule": {"kind": "one_cycle"},
        "validate_every": 6,
    }
    recipe = {
        "name": "doubts",
        "data": {"dataset": {"name": "manifest", "args": {"root": str(shop)}}, "image_size": [32, 32], "workers": 0},
        "model": {
            "backbone": {"name": "timm", "args": {"name": "test_resnet"}},
            "head": {"name": "label_embedding", "args": {"dim": 16}},
        },
        "stages": {
            "teachers": {
                **stage,
                "strategy": "supervised",
                "loss": {"name": "cross_entropy", "args": {"scale": 16}},
                "per_type": True,
            },
            "student": {**stage, "strategy": "mtss", "loss": "embedding_distillation"},
        },
    }
    out = tmp_path_factory.mktemp("doubts") / "run"
    train(recipe, out=out)
    return out


@pytest.mark.slow
@pytest.mark.parametrize(("split", "pictures", "planted"), [("train", 360, 20), ("val", 120, 12)])
def test_planted_wrong_labels_come_first(run: Path, split: str, pictures: int, planted: int) -> None:
    found = find_suspects(run, split=split, top=20)["types"]["colour"]
    assert found["models"] == ["teachers", "student"] and found["n"] == pictures
    names = [suspect["id"] for suspect in found["suspects"]]
    assert sum(name.startswith("wrong") for name in names[:5]) >= 4
    assert sum(name.startswith("wrong") for name in names) >= planted // 3
    assert [s["score"] for s in found["suspects"]] == sorted((s["score"] for s in found["suspects"]), reverse=True)
    first = found["suspects"][0]
    assert Path(first["image"]).name == first["id"] and first["label"] != first["suggested"]
