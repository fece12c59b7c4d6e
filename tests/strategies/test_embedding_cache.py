"""The cache of teacher embeddings: the numbers of live teachers, whatever happens to the process or the files."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import distributed

from mtss_zoo.build import make
from mtss_zoo.errors import CheckpointError, DataError
from mtss_zoo.interfaces import AttributeSchema
from mtss_zoo.recipe import AugmentSpec, Part

VIEWS = 3
FOLDER = "teacher_embeddings"


@pytest.fixture
def build(context: Any, pictures: Any, model: Any, losses: Any, schema: AttributeSchema) -> Any:
    """A strategy over nine pictures, on the same folder every time, as a run finds it that is started again."""

    def strategy(
        views: int = VIEWS, unlabelled: int = 4, seed: int = 0, recipe: Any = None, teacher_seed: int = 1, **others: Any
    ) -> Any:
        teachers = {
            name: model(schema.select([name]), seed=teacher_seed + i, dim=6) for i, name in enumerate(schema.names)
        }
        stage = context(
            schema,
            pictures(5),
            unlabelled=pictures(unlabelled, seed=1),
            losses=losses("embedding_distillation"),
            teachers=teachers,
            seed=seed,
            **others,
        )
        args = {"cache_views": views}
        return make("strategy", Part(name="mtss", args=args), model=model(recipe=recipe, dim=6), context=stage)

    return strategy


def content(folder: Path) -> bytes:
    return (folder / FOLDER / "embeddings.float16").read_bytes()


# --- the numbers ----------------------------------------------------------------------------------------------------


def test_a_cached_step_is_a_live_step_to_float16(build: Any) -> None:
    cached, live = build(), build()
    cached.prepare(1)
    losses = []
    for batch in live.context.batches(live, epochs=VIEWS + 1):
        expected, got = live.step(batch), cached.step(batch)
        assert {k: v.item() for k, v in got.items()} == pytest.approx(
            {k: v.item() for k, v in expected.items()}, abs=1e-3
        )
        losses.append(expected["loss"].item())
    assert max(losses) - min(losses) > 0.02  # so that another row's embeddings would have been noticed


def test_every_row_of_every_view_is_its_teachers_embedding(build: Any) -> None:
    strategy = build()
    expected = [[teach["shape"] for teach in strategy._embed_view(view)] for view in range(VIEWS)]
    strategy.prepare(1)
    rows = torch.tensor([8, 0, 3])
    for view in range(VIEWS):
        got = strategy.cache.read(torch.full((3,), view), rows, torch.device("cpu"))
        torch.testing.assert_close(got["shape"], torch.cat(expected[view])[rows], atol=1e-3, rtol=1e-3)
        assert got["shape"].dtype == torch.float32


def test_teachers_are_let_go_and_run_no_more(build: Any) -> None:
    strategy = build()
    strategy.prepare(1)
    assert strategy.teachers.models == {}
    for batch in strategy.context.batches(strategy, epochs=2):
        strategy.step(batch)
    strategy.prepare(1)
    assert strategy.context.views_read == [0, 1, 2]
    assert all(t.backbone.calls == 3 * VIEWS for t in strategy.context.teachers.values())


def test_without_the_option_nothing_is_written(build: Any, tmp_path: Path) -> None:
    build(views=0).prepare(1)
    assert list(tmp_path.iterdir()) == []


# --- restarts -------------------------------------------------------------------------------------------------------


def test_a_finished_cache_is_read_not_made(build: Any, capsys: pytest.CaptureFixture[str]) -> None:
    build().prepare(1)
    said = [f"the teachers embed 9 pictures, view {view + 1} of {VIEWS}; this is done once." for view in range(VIEWS)]
    assert capsys.readouterr().err.splitlines() == said
    again = build()
    again.prepare(1)
    assert again.context.views_read == [] and capsys.readouterr().err == ""


@pytest.mark.parametrize("killed_in", range(VIEWS))
def test_a_killed_run_goes_on_with_the_view_that_it_was_at(build: Any, tmp_path: Path, killed_in: int) -> None:
    build().prepare(1)
    uninterrupted = content(tmp_path)
    shutil.rmtree(tmp_path / FOLDER)

    with pytest.raises(KeyboardInterrupt):
        build(killed_in=killed_in).prepare(1)
    assert content(tmp_path) != uninterrupted

    again = build()
    again.prepare(1)
    assert again.context.views_read == list(range(killed_in, VIEWS))
    assert content(tmp_path) == uninterrupted


def flip_only(recipe: Any) -> dict[str, Any]:
    return {"recipe": recipe(flip=0.5), "augment": AugmentSpec(flip=0.5)}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _: {"teacher_seed": 5}, id="teachers"),
        pytest.param(lambda _: {"seed": 1}, id="seed"),
        pytest.param(lambda _: {"views": VIEWS - 1}, id="number of views"),
        pytest.param(lambda _: {"unlabelled": 3}, id="pictures"),
        pytest.param(flip_only, id="augmentation"),
    ],
)
def test_a_stale_cache_is_made_anew(build: Any, recipe: Any, tmp_path: Path, change: Any) -> None:
    changed = change(recipe)
    build(recipe=recipe(flip=0.5, shift=1)).prepare(1)
    strategy = build(**{"recipe": recipe(flip=0.5, shift=1), **changed})
    strategy.prepare(1)
    got = content(tmp_path)
    assert strategy.context.views_read == list(range(changed.get("views", VIEWS)))

    shutil.rmtree(tmp_path / FOLDER)
    build(**{"recipe": recipe(flip=0.5, shift=1), **changed}).prepare(1)
    assert got == content(tmp_path)


def test_going_back_after_a_killed_change_trusts_nothing(build: Any) -> None:
    """The second run overwrote a file whose note was the first's; the first must not take it for its own."""
    build().prepare(1)
    with pytest.raises(KeyboardInterrupt):
        build(teacher_seed=5, killed_in=0).prepare(1)
    back = build()
    back.prepare(1)
    assert back.context.views_read == [0, 1, 2]


def cut_off(folder: Path) -> None:
    with (folder / "embeddings.float16").open("r+b") as file:
        file.truncate(100)


@pytest.mark.parametrize(
    "damage",
    [
        cut_off,
        lambda folder: (folder / "embeddings.float16").unlink(),
        lambda folder: (folder / "done.json").unlink(),
        lambda folder: (folder / "done.json").write_text("{"),
        lambda folder: (folder / "done.json").write_text("[]"),
    ],
)
def test_a_damaged_cache_is_made_anew(build: Any, tmp_path: Path, damage: Any) -> None:
    build().prepare(1)
    whole = content(tmp_path)
    damage(tmp_path / FOLDER)
    again = build()
    again.prepare(1)
    assert again.context.views_read == [0, 1, 2]
    assert content(tmp_path) == whole


# --- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), 1e6])
def test_an_embedding_that_float16_cannot_hold_is_refused(build: Any, value: float) -> None:
    strategy = build()
    strategy.context.teachers["shape"].head("shape").projection.bias.data.fill_(value)
    with pytest.raises(DataError, match=r"not a finite float16 number.*cache_views: 0"):
        strategy.prepare(1)


def test_a_full_disk_is_told_before_anything_is_computed(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    strategy = build()
    with pytest.raises(DataError, match="GB are free; lower cache_views"):
        strategy.prepare(1)
    assert strategy.context.views_read == []


# --- several processes ----------------------------------------------------------------------------------------------


def process(rank: int, build: Any, store: Path, answers: Any) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    strategy = build()
    strategy.prepare(1)
    batch = next(iter(strategy.context.batches(strategy)))
    answers.put((rank, strategy.context.views_read, strategy.step(batch)["loss"].item()))
    distributed.destroy_process_group()


def test_the_first_process_fills_and_the_others_wait(build: Any, tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")  # so that the children know this test's fixtures
    answers = fork.Queue()
    children = [
        fork.Process(target=process, daemon=True, args=(rank, build, tmp_path / "store", answers)) for rank in range(2)
    ]
    for child in children:
        child.start()
    got = sorted(answers.get(timeout=60) for _ in children)
    for child in children:
        child.join()
    assert [(rank, views) for rank, views, _ in got] == [(0, [0, 1, 2]), (1, [])]
    assert got[0][2] == got[1][2]


def test_a_process_that_does_not_find_the_file_says_so(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = build()
    monkeypatch.setattr("mtss_zoo_strategies.embedding_cache.EmbeddingCache.fill", lambda *_: None)
    with pytest.raises(CheckpointError, match="a run folder that all of them see"):
        strategy.prepare(1)
