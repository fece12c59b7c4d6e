"""Training on corrupted pictures: how many, which corruptions, and that nothing else about a batch changes."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mtss_zoo import augment as augment_module
from mtss_zoo import corruption, train
from mtss_zoo.augment import augment
from mtss_zoo.corruption import CORRUPTIONS, SEVERITIES
from mtss_zoo.errors import MtssZooError
from mtss_zoo.images import Preprocess
from mtss_zoo.interfaces import AttributeSchema, Sample
from mtss_zoo.recipe import AugmentSpec
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.sampling import SampleStream, shuffled
from mtss_zoo.streams import BadImages, StreamLoader

pytest.importorskip("imagecorruptions")

PREPROCESS = Preprocess(32, 24)
VIEWS = {"train": AugmentSpec(flip=0.5, corrupt=0.8, erase=0.5), "clean": AugmentSpec()}


class Pictures:
    """Pictures of noise without labels."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, row: int) -> Sample:
        buffer = io.BytesIO()
        pixels = np.random.default_rng(row).integers(0, 256, (20, 15, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "PNG")
        return Sample(str(row), buffer.getvalue())

    def label_pairs(self, type_name: str) -> Any:
        raise NotImplementedError


def batches(workers: int, start: int = 0, number: int = 4) -> list[dict[str, torch.Tensor]]:
    stream = SampleStream(Pictures(), 4, tuple(VIEWS), lambda epoch: shuffled(12, 0, epoch))
    schema = AttributeSchema.from_dict({"types": [{"name": "colour", "kind": "single", "classes": 3}]})
    loader = StreamLoader(stream, schema, VIEWS, PREPROCESS, 0, number, workers, BadImages(0))
    loader.load_state_dict({"batches": start})
    return [batch.views for batch in loader]


@pytest.fixture
def drawn(monkeypatch) -> list[tuple[str, int]]:
    """The name and severity of every corruption that is asked for; none is computed."""
    cells: list[tuple[str, int]] = []

    def record(image: torch.Tensor, name: str, severity: int, seed: int) -> torch.Tensor:
        assert 0 <= seed < 2**32
        cells.append((name, severity))
        return image

    monkeypatch.setattr(augment_module, "corrupt", record)
    return cells


def test_a_share_of_the_pictures_is_corrupted_in_every_way_alike(drawn) -> None:
    picture = torch.zeros(3, 4, 4, dtype=torch.uint8)
    for seed in range(3000):
        augment(picture, AugmentSpec(corrupt=0.25), Preprocess(4, 4), seed)
    assert len(drawn) == pytest.approx(750, rel=0.1)
    counts = Counter(drawn)
    assert len(counts) == len(CORRUPTIONS) * len(SEVERITIES) and max(counts.values()) < 25  # 10 each on average


def test_the_picture_has_its_final_size_when_it_is_corrupted(monkeypatch) -> None:
    sizes = []
    monkeypatch.setattr(augment_module, "corrupt", lambda image, *_, **__: sizes.append(image.shape) or image)
    augment(torch.zeros(3, 90, 50, dtype=torch.uint8), AugmentSpec(corrupt=1, crop_scale=(0.5, 1)), PREPROCESS, 0)
    assert sizes == [(3, 32, 24)]


def test_the_other_changes_are_those_of_the_same_view_without_corruption(drawn) -> None:
    picture = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 40, 40), dtype=np.uint8))
    changes = {"shift": 3, "flip": 0.5, "color_jitter": 0.4}
    for seed in range(5):
        with_corruption = augment(picture, AugmentSpec(**changes, corrupt=1), PREPROCESS, seed)
        assert torch.equal(with_corruption, augment(picture, AugmentSpec(**changes), PREPROCESS, seed))
    assert len(drawn) == 5


@pytest.mark.slow
def test_workers_and_restarts_change_no_pixel() -> None:
    alone = batches(workers=0)
    for same in (batches(workers=2), batches(0, number=2)[:2] + batches(2, start=2)[:2]):
        assert len(same) == 4
        assert all(torch.equal(a[v], b[v]) for a, b in zip(alone, same, strict=True) for v in VIEWS)


def test_a_view_of_its_own_shows_teachers_the_picture_as_it_is(monkeypatch) -> None:
    monkeypatch.setattr(corruption, "prepare", lambda *_: None)
    monkeypatch.setattr(augment_module, "corrupt", lambda image, *_, **__: torch.zeros_like(image))
    (views,) = batches(workers=0, number=1)
    rows = shuffled(12, 0, 0).rows[:4]
    for clean, row in zip(views["clean"], rows, strict=True):
        pixels = torch.from_numpy(np.array(Image.open(io.BytesIO(Pictures()[row].image)))).permute(2, 0, 1)
        assert torch.equal(clean, PREPROCESS(pixels))
    assert (views["train"] == PREPROCESS.normalise(torch.zeros(3, 1, 1, dtype=torch.uint8))).any()


def test_the_recipe_differs_from_its_model_in_what_the_student_sees() -> None:
    plain, corrupted = (load_recipe(f"mtss_student_fashion_products{end}") for end in ("", "_corrupted"))
    student = plain.stages["student"]
    view = student.views["train"].model_copy(update={"corrupt": 0.5})
    stages = plain.stages | {"student": student.model_copy(update={"views": student.views | {"train": view}})}
    names = {"name": corrupted.name, "summary": corrupted.summary}
    assert corrupted == plain.model_copy(update={"stages": stages, **names})
    assert student.strategy.args["teacher_view"] == "clean"


def test_a_training_without_the_extra_stops_before_its_first_stage(tmp_path, monkeypatch) -> None:
    def missing(names: object) -> None:
        raise MtssZooError("corruptions need the extra")

    monkeypatch.setattr(corruption, "prepare", missing)
    overrides = {"stages.student.views.train.corrupt": 0.5, "data.dataset.args.n_unlabelled": 0}
    with pytest.raises(MtssZooError, match="need the extra"):
        train("mtss_quickstart", out=tmp_path / "run", overrides=overrides)
    assert not (tmp_path / "run").exists()
