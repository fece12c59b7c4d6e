"""How far models fall on corrupted pictures: the cells, their means, and that nothing but the seed decides."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch

from mtss_zoo import evaluate, evaluate_corrupted, load, train
from mtss_zoo.corrupted_samples import CorruptedSamples, Corruption
from mtss_zoo.corruption import corrupt, picture_seed
from mtss_zoo.errors import UnknownNameError, UsageError
from mtss_zoo.evaluate import evaluate_run, split_samples
from mtss_zoo.images import decode
from mtss_zoo.interfaces import Sample
from mtss_zoo.json_text import to_json
from mtss_zoo.robustness import drop
from mtss_zoo.streams import BadImages, evaluation_batches

pytest.importorskip("imagecorruptions")

TINY = {
    "name": "tiny",
    "data": {
        "dataset": {"name": "garments", "args": {"n_train": 24, "n_val": 9, "n_unlabelled": 0, "image_size": 32}},
        "types": ["category", "details"],
        "image_size": [32, 32],
        "workers": 0,
    },
    "model": {"backbone": {"name": "timm", "args": {"name": "test_resnet"}}, "head": "linear"},
    "stages": {
        name: {
            "strategy": "supervised",
            "loss": "bce",
            "steps": 1,
            "batch_size": 4,
            "optimizer": {"lr": 0.1},
            "per_type": name == "teachers",
        }
        for name in ("teachers", "student")
    },
    "evaluate": {"batch_size": 4},
}
QUICK = ["fog", "contrast", "pixelate", "gaussian_noise"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("robustness") / "run"
    train(TINY, out=out)
    return out


@pytest.fixture(scope="module")
def report(run) -> dict[str, Any]:
    return evaluate_corrupted(run, names=QUICK)


def test_the_drop_of_the_paper_is_a_quarter() -> None:
    assert round(drop(42.96, 57.47), 1) == 25.2
    assert drop(0.5, 0.5) == 0
    assert math.isnan(drop(0.0, 0.0))


def test_what_made_the_numbers_is_part_of_them(report) -> None:
    assert {k: v for k, v in report.items() if k != "stages"} == {
        "split": "val",
        "n": 9,
        "data_root": None,
        "variant": "imaug",
        "package": "imagecorruptions-imaug 1.1.5",
        "names": list(QUICK),
        "max_images": None,
        "seed": 0,
        "save_quality": None,
    }


def test_the_student_stands_beside_its_teachers(report, run) -> None:
    assert list(report["stages"]) == ["teachers", "student"]
    plain = evaluate_run(run)["stages"]
    for stage, at in report["stages"].items():
        for name, row in ({"all": plain[stage]["all"]} | plain[stage]["types"]).items():
            assert at["clean"][name] == {metric: row[metric] for metric in at["clean"][name]}
        assert set(at["clean"]["category"]) >= {"recall@1", "recall@3", "f1@1", "acc@1"}
        assert "acc@1" not in at["clean"]["details"]


def test_a_cell_is_the_metric_on_pictures_that_were_all_corrupted_so(report, run) -> None:
    model = load(run / "student")
    samples = split_samples(model.recipe, "val")
    cell = Corruption("gaussian_noise", 5)

    class Noisy:
        schema, splits = model.schema, ("val",)

        def split(self, name: str) -> CorruptedSamples:
            return CorruptedSamples(samples, model.preprocess, cell)

    measured = evaluate(model, dataset=Noisy())
    row = report["stages"]["student"]["cells"]["gaussian_noise"]["5"]
    assert row["all"]["recall@3"] == measured["all"]["recall@3"]
    assert row["category"]["f1@1"] == measured["types"]["category"]["f1@1"]


def test_every_cell_has_the_same_weight_in_every_mean(report) -> None:
    at = report["stages"]["student"]
    values = {name: [at["cells"][name][str(s)]["all"]["recall@3"] for s in range(1, 6)] for name in QUICK}
    every = [v for of_name in values.values() for v in of_name]
    assert at["mean"]["all"]["recall@3"] == pytest.approx(fmean(every))
    assert at["drop"]["all"]["recall@3"] == pytest.approx(drop(fmean(every), at["clean"]["all"]["recall@3"]))
    for name in QUICK:
        assert at["by_corruption"][name]["all"]["recall@3"] == pytest.approx(fmean(values[name]))
    groups = {"noise": ["gaussian_noise"], "weather": ["fog"], "digital": ["contrast", "pixelate"]}
    assert list(at["by_group"]) == list(groups)
    for group, names in groups.items():
        expected = fmean(v for name in names for v in values[name])
        assert at["by_group"][group]["all"]["recall@3"] == pytest.approx(expected)
    for s in range(5):
        expected = fmean(values[name][s] for name in QUICK)
        assert at["by_severity"][str(s + 1)]["all"]["recall@3"] == pytest.approx(expected)


def test_a_checkpoint_and_a_model_have_the_numbers_of_their_stage(report, run) -> None:
    student = report["stages"]["student"]
    assert evaluate_corrupted(run / "student", names=QUICK)["stages"] == {"student": student}
    assert evaluate_corrupted(load(run / "student"), names=QUICK)["stages"] == {"model": student}


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_numbers_from_the_same_pixels(report, run) -> None:
    assert to_json(evaluate_corrupted(run, names=QUICK, workers=2)) == to_json(report)
    model = load(run / "student")
    samples = split_samples(model.recipe, "val")
    for name in ("snow", "impulse_noise", "glass_blur"):
        corrupted = CorruptedSamples(samples, model.preprocess, Corruption(name, 3))
        alone, shared = (
            [b.images for b in evaluation_batches(corrupted, model.schema, model.preprocess, 4, workers, BadImages(0))]
            for workers in (0, 2)
        )
        assert torch.equal(torch.cat(alone), torch.cat(shared))


def test_a_part_of_the_split_is_drawn_by_the_seed_and_lies_in_a_larger_part(run, monkeypatch) -> None:
    measured: list[set[str]] = []

    def note(samples, *_: Any) -> CorruptedSamples:
        measured.append({samples[row].id for row in range(len(samples))})
        return samples

    monkeypatch.setattr("mtss_zoo.robustness.CorruptedSamples", note)
    for n, seed in ((3, 0), (6, 0), (6, 1), (99, 0)):
        assert evaluate_corrupted(run / "student", names=["fog"], max_images=n, seed=seed)["n"] == min(n, 9)
    small, large, other, whole = measured[::5]
    assert small < large < whole and other < whole and other != large


class TestCorruptedSamples:
    def test_a_picture_is_cropped_and_resized_before_it_is_corrupted(self, run) -> None:
        model = load(run / "student")
        preprocess = replace(model.preprocess, height=40, width=48, fit="pad")
        sample = replace(split_samples(model.recipe, "val")[0], bbox=(2, 3, 20, 30))
        (corrupted,) = CorruptedSamples([sample], preprocess, Corruption("fog", 2, seed=7, save_quality=85))
        resized = preprocess.resize(decode(sample.image, sample.id), sample.bbox)
        assert torch.equal(
            corrupted.image, corrupt(resized, "fog", 2, picture_seed(sample.id, "fog", 2, 7), save_quality=85)
        )
        assert torch.equal(preprocess.resize(corrupted.image, corrupted.bbox), corrupted.image)
        assert (corrupted.id, corrupted.labels) == (sample.id, sample.labels)

    def test_an_unreadable_picture_is_left_to_the_reader(self, run) -> None:
        bad = Sample("bad", b"no picture")
        samples = CorruptedSamples([bad], load(run / "student").preprocess, Corruption("fog", 1))
        assert samples[0] is bad


def test_what_cannot_be_measured_is_refused_in_words(run, tmp_path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean fog"):
        evaluate_corrupted(run, names=["foggy"])
    with pytest.raises(UsageError, match="there are imaug and imagenet-c"):
        evaluate_corrupted(run, variant="imagenet_c")
    (tmp_path / "recipe.yaml").write_text((run / "recipe.yaml").read_text())
    with pytest.raises(UsageError, match="no finished stage"):
        evaluate_corrupted(tmp_path, names=["fog"])
