"""A strategy says what a stage reads and what it minimises; a stage that was stopped goes on as if it had not been."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mtss_zoo.conformance.tiny import SCHEMA, Stage, tiny_model
from mtss_zoo.errors import RecipeError
from mtss_zoo.interfaces import Component, Draws
from mtss_zoo.model import AttributeModel
from mtss_zoo.registry import resolve


@pytest.fixture
def stage(component: Component, make: Callable[..., Any], tmp_path: Path) -> Stage:
    """What the strategy may know of the stage it serves.

    One that refuses a type of which a picture has several classes is tried with the other type alone.
    """
    compares = getattr(resolve(component), "compares", "missing")
    assert compares in ("scores", "embeddings", None), (
        f'compares of {component.target} is {compares!r}: write `compares = "scores"`, "embeddings" or None in the '
        "class, so that a recipe's losses can be checked."
    )
    stage = Stage(tmp_path, compares)
    try:
        make(model=tiny_model(), context=stage)
    except RecipeError:
        return Stage(tmp_path, compares, SCHEMA.select([t.name for t in SCHEMA if t.kind == "single"]))
    return stage


@pytest.fixture
def build(component: Component, make: Callable[..., Any], stage: Stage) -> Callable[[], Any]:
    """``build()``: the strategy around a new model, in train mode and not yet prepared; the same every time."""

    def new() -> Any:
        built = make(model=tiny_model(stage.schema), context=stage)
        assert isinstance(built, nn.Module), f"{component.target} gives no torch.nn.Module."
        assert isinstance(getattr(built, "model", None), AttributeModel), "keep the model that is given as self.model."
        return built.train()

    return new


STEPS = 10
"""The length of the stage."""


@pytest.fixture
def strategy(build: Callable[[], Any]) -> Any:
    """Prepared for its first step."""
    built = build()
    built.prepare(STEPS)
    return built


def scramble(seed: int) -> None:
    """Sets all global random generators."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def learn(strategy: Any, stage: Stage, steps: range) -> list[Tensor]:
    """The losses of these steps, as a training run takes them: seeded by the step's number."""
    losses = []
    for step, batches in enumerate(stage.batches(strategy, steps.stop)):
        if step not in steps:
            continue
        scramble(step)
        loss = strategy.step(batches)["loss"]
        loss.backward()
        optimizer = torch.optim.SGD([p for p in strategy.parameters() if p.requires_grad], lr=0.05)
        optimizer.step()
        optimizer.zero_grad()
        strategy.after_step()
        losses.append(loss.detach())
    return losses


def drawn(strategy: Any, epoch: int) -> dict[str, Draws]:
    """The draws of every stream."""
    return {name: stream.draws(epoch) for name, stream in strategy.streams().items()}


def same(one: Draws, other: Draws) -> bool:
    """Whether two draws are equal in everything."""
    parts = [(one.rows, other.rows), (one.classes, other.classes), (one.views, other.views)]
    return one.type_name == other.type_name and all(np.array_equal(a, b) for a, b in parts)  # type: ignore[arg-type]


def test_its_streams_can_be_read(strategy: Any) -> None:
    """Rows of the stream's samples, with the class that each was drawn for."""
    streams = strategy.streams()
    assert streams, "streams() is empty, but a stage needs one to know how long an epoch is."
    for name, stream in streams.items():
        draws = stream.draws(0)
        rows = draws.rows
        assert stream.views, f"stream {name}: views names no augmentation of the recipe."
        assert stream.batch_size >= 1, f"stream {name}: batch_size is {stream.batch_size}."
        inside = (
            np.issubdtype(rows.dtype, np.integer) and len(rows) and 0 <= rows.min() <= rows.max() < len(stream.samples)
        )
        assert inside, f"stream {name}: rows are not whole numbers from 0 to {len(stream.samples) - 1}."
        assert (draws.classes is None) == (draws.type_name is None), (
            f"stream {name}: give classes and type_name, or none."
        )
        if draws.classes is not None:
            carried = [stream.samples[row].labels.get(draws.type_name, ()) for row in rows]
            wrong = [row for row, c, labels in zip(rows, draws.classes, carried, strict=True) if c not in labels]
            assert not wrong, (
                f"stream {name}: row {wrong[0]} was drawn for a class of {draws.type_name} it does not have."
            )


def test_its_draws_are_a_function_of_the_epoch_alone(strategy: Any, build: Callable[[], Any]) -> None:
    """Else a run that was stopped reads other pictures when it goes on."""
    scramble(1)
    before = [drawn(strategy, epoch) for epoch in (0, 1)]
    scramble(2)
    again = [drawn(strategy, epoch) for epoch in (1, 0)][::-1]
    fresh = [drawn(build(), epoch) for epoch in (0, 1)]
    for name in before[0]:
        for other in (again, fresh):
            assert all(same(a[name], b[name]) for a, b in zip(before, other, strict=True)), (
                f"stream {name}: the same epoch is drawn differently the second time. Draw from a generator that is "
                "made from context.seed and the epoch, not from a global one or one that is kept."
            )


def test_all_epochs_are_equally_long(strategy: Any) -> None:
    """The position of a run is a number of steps."""
    for name, stream in strategy.streams().items():
        lengths = {len(stream.draws(epoch).rows) for epoch in range(4)}
        assert len(lengths) == 1, f"stream {name}: epochs have {sorted(lengths)} pictures, but must be equally long."


def test_a_step_gives_a_loss_that_the_model_learns_from(strategy: Any, stage: Stage) -> None:
    """A finite scalar called ``loss``, and other scalars for the log."""
    (batches,) = stage.batches(strategy, 1)
    parts = strategy.step(batches)
    assert "loss" in parts, f"step() gives {', '.join(parts) or 'nothing'}, but no `loss` to minimise."
    for name, part in parts.items():
        assert isinstance(part, Tensor) and part.shape == () and part.isfinite(), (
            f"step() gives {name} = {part}, but every part is a finite scalar tensor."
        )
    assert parts["loss"].requires_grad, "`loss` has no gradient: is it detached?"
    parts["loss"].backward()
    gradients = {name: p.grad for name, p in strategy.model.named_parameters() if p.grad is not None}
    assert any(g.any() for g in gradients.values()), "no gradient of `loss` reaches self.model."
    broken = [name for name, g in gradients.items() if not g.isfinite().all()]
    assert not broken, f"the gradient of {', '.join(broken[:5])} is not finite."


def test_a_step_is_a_function_of_its_batch_and_seed(build: Callable[[], Any], stage: Stage) -> None:
    """Two runs of the same recipe give the same numbers."""
    runs = [build(), build()]
    for strategy in runs:
        strategy.prepare(STEPS)
    first, second = (learn(strategy, stage, range(3)) for strategy in runs)
    assert first == second, f"the same steps give the losses {first} and then {second}."


def test_its_state_survives_a_restart(build: Callable[[], Any], stage: Stage) -> None:
    """Two steps, then saved and loaded into a new process: the third step is that of an uninterrupted run."""
    whole, restarted = build(), build()
    whole.prepare(STEPS)
    learn(whole, stage, range(2))
    restarted.load_state_dict(whole.state_dict())
    restarted.prepare(STEPS)
    losses = [learn(strategy, stage, range(2, 4)) for strategy in (whole, restarted)]
    assert losses[0] == losses[1], (
        f"after a restart the losses are {losses[1]} instead of {losses[0]}: what changes from step to step belongs "
        "into parameters, buffers or get_extra_state()."
    )
    before, after = whole.state_dict(), restarted.state_dict()
    changed = [name for name in before if isinstance(before[name], Tensor) and not before[name].equal(after[name])]
    assert not changed, f"after a restart {', '.join(changed[:5])} goes on with other values."


def test_it_delivers_a_model_of_the_stages_types(strategy: Any, stage: Stage) -> None:
    """Which is evaluated and saved."""
    learn(strategy, stage, range(1))
    delivered = strategy.delivered()
    assert isinstance(delivered, AttributeModel), (
        f"delivered() gives {type(delivered).__name__}, not an AttributeModel."
    )
    assert delivered.schema == stage.schema, f"the delivered model has the types {', '.join(delivered.schema.names)}."
    broken = [name for name, t in delivered.state_dict().items() if not t.isfinite().all()]
    assert not broken, f"after one step {', '.join(broken[:5])} of the delivered model is not finite."
    assert isinstance(strategy.predicts, bool), (
        f"predicts is {strategy.predicts!r}: write `predicts = True` in the class, or False if no head learns."
    )
    others = strategy.others()
    wrong = [name for name, model in others.items() if not isinstance(model, AttributeModel) or model is delivered]
    assert not wrong, f"others() gives {', '.join(wrong)}, which is no other AttributeModel than the delivered one."


def test_models_of_earlier_stages_stay_as_they_are(build: Callable[[], Any], stage: Stage) -> None:
    """They get no gradient, and are neither optimised nor saved with the strategy."""
    strategy = build()
    strategy.prepare(STEPS)
    helpers = nn.ModuleList(stage.earlier)
    before = {name: t.clone() for name, t in helpers.state_dict().items()}
    learn(strategy, stage, range(2))
    (batches,) = stage.batches(strategy, 1)
    strategy.step(batches)["loss"].backward()
    own = {id(p) for p in strategy.parameters()}
    for name, parameter in helpers.named_parameters():
        assert parameter.grad is None, (
            f"{name} of an earlier stage's model gets a gradient: freeze it, use torch.no_grad()."
        )
        assert id(parameter) not in own, (
            f"{name} of an earlier stage's model is among the strategy's parameters: keep such models out of its "
            "submodules, in a plain list or dict."
        )
    changed = [name for name, t in helpers.state_dict().items() if not t.equal(before[name])]
    assert not changed, f"{', '.join(changed[:5])} of an earlier stage's model changes: keep it in eval mode."
