"""Optimiser groups and learning rates, with the worked numbers of the design pages."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mtss_zoo.errors import PluginError, RecipeError
from mtss_zoo.optim import Length, build_optimizer, learning_rate
from mtss_zoo.recipe import OptimizerSpec, ScheduleSpec


class Ladder(nn.Module):
    """A backbone of three layer groups, and a head and a frozen layer beside it."""

    num_features = 2

    def __init__(self) -> None:
        super().__init__()
        self.rungs = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
        self.head = nn.Linear(2, 2)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        return [list(rung.parameters()) for rung in self.rungs]


def groups_by_parameter(spec: OptimizerSpec) -> tuple[Ladder, dict[int, dict]]:
    ladder = Ladder()
    optimizer = build_optimizer(ladder, ladder, spec)
    return ladder, {id(p): group for group in optimizer.param_groups for p in group["params"]}


def test_biases_do_not_decay_and_matrices_do() -> None:
    ladder, group = groups_by_parameter(OptimizerSpec(name="adamw", lr=1e-3, weight_decay=0.05))
    assert group[id(ladder.head.weight)]["weight_decay"] == 0.05
    assert group[id(ladder.head.bias)]["weight_decay"] == 0.0


@pytest.mark.parametrize(("decay_tokens", "expected"), [(False, 0.0), (True, 0.05)])
def test_what_the_backbone_spares_decays_only_if_the_recipe_says_so(decay_tokens: bool, expected: float) -> None:
    """Fine-tuning spares positions and class tokens; MAE's pretraining decays them (Semi-ViT, MAE)."""

    class Spared(Ladder):
        def no_weight_decay(self) -> set[str]:
            return {"rungs.0.weight"}

    ladder = Spared()
    spec = OptimizerSpec(name="adamw", lr=1e-3, weight_decay=0.05, decay_tokens=decay_tokens)
    group = {id(p): g for g in build_optimizer(ladder, ladder, spec).param_groups for p in g["params"]}
    assert group[id(ladder.rungs[0].weight)]["weight_decay"] == expected
    assert group[id(ladder.rungs[1].weight)]["weight_decay"] == 0.05


def test_what_wants_no_gradient_is_left_out() -> None:
    ladder, group = groups_by_parameter(OptimizerSpec(lr=0.1))
    assert id(ladder.frozen.weight) not in group
    assert len(group) == 8


def test_nothing_that_learns_is_an_error() -> None:
    ladder = Ladder().requires_grad_(False)
    with pytest.raises(PluginError, match="Ladder has no parameter"):
        build_optimizer(ladder, ladder, OptimizerSpec(lr=0.1))


def test_each_earlier_group_learns_slower_by_the_layer_decay() -> None:
    ladder, group = groups_by_parameter(OptimizerSpec(lr=1.0, layer_decay=0.5))
    assert [group[id(rung.weight)]["lr"] for rung in ladder.rungs] == [0.25, 0.5, 1.0]
    assert group[id(ladder.head.weight)]["lr"] == 1.0


def test_the_recipe_chooses_the_optimiser() -> None:
    ladder = Ladder()
    sgd = build_optimizer(ladder, ladder, OptimizerSpec(lr=0.1, momentum=0.9, nesterov=True))
    assert isinstance(sgd, torch.optim.SGD)
    assert (sgd.param_groups[0]["momentum"], sgd.param_groups[0]["nesterov"]) == (0.9, True)
    adamw = build_optimizer(ladder, ladder, OptimizerSpec(name="adamw", lr=0.1, betas=(0.9, 0.95)))
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.param_groups[0]["betas"] == (0.9, 0.95)


def test_mtss_student() -> None:
    """Linear from 0 to 0.4 until 1M images were seen, then halved every 10 epochs (Shin 2020)."""
    per_epoch = 300_000 // 100
    length = Length(steps=100 * per_epoch, per_epoch=per_epoch, images=100)
    spec = ScheduleSpec(kind="step", warmup_images=1_000_000, every=10, factor=0.5)
    at = {step: learning_rate(step, 0.4, spec, length) for step in (0, 2_500, 5_000, 9_999, 10_000)}
    assert at == pytest.approx({0: 0, 2_500: 0.1, 5_000: 0.2, 9_999: 0.39996, 10_000: 0.4})
    epochs = {9.99: 0.4, 10: 0.2, 19.99: 0.2, 20: 0.1, 99.99: 0.4 / 2**9}
    assert {e: learning_rate(round(e * per_epoch), 0.4, spec, length) for e in epochs} == pytest.approx(epochs)


def test_semi_vit_cosine() -> None:
    length = Length(steps=100 * 40, per_epoch=40, images=512)
    spec = ScheduleSpec(kind="cosine", warmup_epochs=5, min_lr=1e-6)
    expected = {0: 0.0, 2.5: 2.5e-4, 5: 5e-4, 52.5: 2.505e-4, 100: 1e-6}
    assert {e: learning_rate(int(e * 40), 5e-4, spec, length) for e in expected} == pytest.approx(expected)


@given(steps=st.integers(4, 300))
def test_one_cycle_is_that_of_torch(steps: int) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
    spec, length = ScheduleSpec(kind="one_cycle"), Length(steps, per_epoch=steps, images=1)
    for step in range(steps):
        assert learning_rate(step, 0.1, spec, length) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        if step < steps - 1:
            theirs.step()


def test_one_cycle_has_its_own_warm_up() -> None:
    with pytest.raises(RecipeError, match="warm-up of its own"):
        learning_rate(0, 0.1, ScheduleSpec(kind="one_cycle", warmup_epochs=1), Length(10, 5, 1))


@given(step=st.integers(0, 10_000), kind=st.sampled_from(["constant", "step", "cosine", "one_cycle"]))
def test_a_rate_is_never_negative_nor_above_the_peak(step: int, kind: str) -> None:
    spec = ScheduleSpec(kind=kind, warmup_epochs=0 if kind == "one_cycle" else 2.5)
    assert 0 <= learning_rate(min(step, 999), 0.1, spec, Length(1_000, 99.5, 8)) <= 0.1 + 1e-12


def test_a_stage_of_one_step_has_a_rate() -> None:
    for kind in ("constant", "step", "cosine", "one_cycle"):
        assert learning_rate(0, 0.1, ScheduleSpec(kind=kind), Length(1, 1, 8)) > 0
