"""The semi_vit strategy: what it reads, the loss of a step, the teacher that follows, and what a restart must keep."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from mtss_zoo_strategies import pseudo_labels
from mtss_zoo_strategies.alignment import ClassAlignment
from torch import Tensor, nn

from mtss_zoo.build import make
from mtss_zoo.errors import DataError, RecipeError, UsageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Batch
from mtss_zoo.optim import build_optimizer
from mtss_zoo.recipe import OptimizerSpec, Part

FOUR = AttributeSchema((AttributeType("kind", "single", ("a", "b", "c", "d")),))
TWO = AttributeSchema(
    (AttributeType("colour", "single", ("red", "green", "blue")), AttributeType("size", "single", ("small", "large")))
)
# Rows 0-3 know both, 4 and 5 their colour, 6 its size, 7 neither. No colour is blue.
COLOURS = [(0,), (1,), (0,), (1,), (0,), (1,), None, None]
SIZES = [(0,), (1,), (1,), (0,), None, None, (1,), None]


@pytest.fixture
def stage(context: Any, pictures: Any, losses: Any) -> Any:
    """Eight training pictures and six unlabelled ones."""
    train = pictures(8, colour=COLOURS, size=SIZES)
    cross_entropy = losses("cross_entropy", TWO, label_smoothing=0.1)
    return context(TWO, train, unlabelled=pictures(6, seed=1), losses=cross_entropy, batch_size=2)


@pytest.fixture
def semi_vit(stage: Any, model: Any) -> Any:
    """``semi_vit(**args)``: colour and size at once, N = 4."""

    def build(schema: AttributeSchema = TWO, **args: Any) -> Any:
        stage.schema = schema
        part = Part(name="semi_vit", args={"mu": 2, **args})
        return make("strategy", part, model=model(schema, "linear"), context=stage).train()

    return build


def inputs_of(model: nn.Module) -> list[Tensor]:
    """Collects what the model is given from now on."""
    seen: list[Tensor] = []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    return seen


def first_batch(strategy: Any) -> dict[str, Batch]:
    batches: dict[str, Batch] = next(strategy.context.batches(strategy))
    return batches


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: t.clone() for name, t in model.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(t, other[name]) for name, t in one.items())


# --- the worked step ------------------------------------------------------------------------------------------------

CONFIDENCE = [0.9, 0.3, 0.6, 0.4]


@pytest.fixture
def worked(context: Any, pictures: Any, model: Any, losses: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``worked(**args)``: one labelled picture of class 0 and four unlabelled ones, p = 0.9, 0.3, 0.6, 0.4.

    The student gives every picture the probabilities 1/2, 1/4, 1/8, 1/8. The teacher, told by the weak view which
    picture it is, takes it for the class of the same number. Strong views have the pixels 10, 20, 30 and 40.
    """
    partner = torch.tensor([2, 0, 3, 1])
    monkeypatch.setattr(pseudo_labels, "draw_pairs", lambda n: (partner, torch.zeros(n, dtype=torch.bool)))

    def build(confidence: Any = CONFIDENCE, **args: Any) -> tuple[Any, dict[str, Batch]]:
        smooth = losses("cross_entropy", FOUR, label_smoothing=0.1)
        train = pictures(4, kind=[(0,), (1,), (2,), (3,)])
        stage = context(FOUR, train, unlabelled=pictures(8), losses=smooth, batch_size=1)
        given = {"mu": 4, "mixup": 0.0, "cutmix": 0.0, **args}
        strategy = make("strategy", Part(name="semi_vit", args=given), model=model(FOUR, "linear"), context=stage)
        for network in (strategy.model, strategy.teacher.module):
            network.backbone.layers = nn.Flatten()
        student, teacher = strategy.model.head("kind"), strategy.teacher.module.head("kind")
        student.weight, student.bias = nn.Parameter(torch.zeros(4, 48)), nn.Parameter(-torch.tensor([1.0, 2, 3, 3]))
        student.bias.data *= torch.log(torch.tensor(2.0))
        sure = torch.tensor(confidence)
        taught = torch.where(torch.eye(4, dtype=torch.bool), sure, ((1 - sure) / 3)[:, None]).log()  # a row a picture
        teacher.weight, teacher.bias = nn.Parameter(torch.zeros(4, 48)), nn.Parameter(torch.zeros(4))
        teacher.weight.data[:, :4] = taught.T
        weak = torch.eye(4, 48).view(4, 3, 4, 4)
        strong = torch.tensor([10.0, 20, 30, 40])[:, None, None, None].expand(4, 3, 4, 4).clone()
        nothing = torch.zeros(4, 4)
        unlabelled = batch({"weak": weak, "strong": strong}, kind=(nothing, nothing.bool()))
        one = batch({"train": torch.zeros(1, 3, 4, 4)}, kind=(torch.eye(4)[:1], torch.ones(1, 4).bool()))
        return strategy.train(), {"unlabelled": unlabelled, "labelled": one}

    return build


def batch(views: dict[str, Tensor], **labels: tuple[Tensor, Tensor]) -> Batch:
    """Targets and mask of every type."""
    rows = torch.arange(len(next(iter(views.values()))))
    targets, mask = ({name: pair[i] for name, pair in labels.items()} for i in (0, 1))
    return Batch(views, targets, mask, rows, torch.full_like(rows, -1))


def test_the_loss_of_a_step_is_the_worked_number(worked: Any) -> None:
    strategy, batches = worked()
    seen = inputs_of(strategy.model)
    parts = strategy.step(batches)
    assert parts["loss/labelled"].item() == pytest.approx(0.779791, abs=1e-5)
    assert parts["loss/unlabelled"].item() == pytest.approx(1.060515, abs=1e-5)
    assert parts["loss"].item() == pytest.approx(6.082367, abs=1e-5)
    assert parts["kept/kind"].item() == 0.75
    assert parts["confidence/kind"].item() == pytest.approx(0.55)
    assert set(parts) == {"loss", "loss/labelled", "loss/unlabelled", "kept/kind", "confidence/kind"}
    torch.testing.assert_close(seen[1][:, 0, 0, 0], torch.tensor([18, 12.5, 34, 31.428571]))


def test_the_weight_of_the_unlabelled_loss_is_constant(worked: Any) -> None:
    strategy, batches = worked(unlabelled_weight=2.0)
    strategy.prepare(100)
    losses = [strategy.step(batches)["loss"].item() for _ in range(3)]
    assert losses == pytest.approx([0.779791 + 2 * 1.060515] * 3, abs=1e-5)


def test_without_mixing_pseudo_labels_are_hard_and_each_vouches_for_itself(worked: Any) -> None:
    """(1 + 3)/4 ln 2: pictures 0 and 2 count."""
    strategy, batches = worked(pseudo_mixing="none")
    seen = inputs_of(strategy.model)
    parts = strategy.step(batches)
    assert parts["loss/unlabelled"].item() == pytest.approx(0.693147, abs=1e-5)
    assert parts["kept/kind"].item() == 0.5
    assert torch.equal(seen[1], batches["unlabelled"].views["strong"])


def test_ordinary_mixing_keeps_by_the_picture_itself(worked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Share 0.7 with the mirrored order: (0.7 (1.125) + 0.3 (2.925) + 0.7 (2.925) + 0.3 (2.025))/4 ln 2."""
    monkeypatch.setattr(pseudo_labels, "mix_batch", lambda images, mixup, cutmix: (images, 0.7))
    strategy, batches = worked(pseudo_mixing="ordinary")
    parts = strategy.step(batches)
    assert parts["loss/unlabelled"].item() == pytest.approx(4.32 / 4 * 0.693147, abs=1e-5)
    assert parts["kept/kind"].item() == 0.5


@pytest.mark.parametrize(("threshold", "kept"), [(0.6, 0.75), (0.61, 0.5), (0.9, 0.5), (0.0, 1.0)])
def test_a_confidence_of_the_threshold_itself_is_enough(worked: Any, threshold: float, kept: float) -> None:
    strategy, batches = worked(threshold=threshold)
    strategy._taught = lambda _: {"kind": pseudo_labels.PseudoLabels(torch.eye(4), torch.tensor(CONFIDENCE))}
    assert strategy.step(batches)["kept/kind"].item() == kept


def test_nothing_kept_adds_nothing(worked: Any) -> None:
    strategy, batches = worked(threshold=1.0)
    parts = strategy.step(batches)
    assert parts["loss/unlabelled"] == 0
    assert parts["loss"].item() == pytest.approx(0.779791, abs=1e-5)
    parts["loss"].backward()


def test_a_known_label_counts_with_confidence_one(worked: Any) -> None:
    """Picture 3, of class 0, makes shares 0.375 and 1/1.3, and the pairs (2, 3) and (3, 1) sure."""
    strategy, batches = worked()
    unlabelled = batches["unlabelled"]
    unlabelled.targets["kind"][3, 0], unlabelled.mask["kind"][3] = 1, True
    parts = strategy.step(batches)
    assert parts["confidence/kind"].item() == pytest.approx((0.9 + 0.3 + 0.6 + 1) / 4)
    assert parts["kept/kind"].item() == 1
    first, second, third = 1.125, 2.025, 2.925  # cross entropy with class 0, 1, and 2 or 3, in ln 2
    pairs = 0.6 * first + 0.4 * third, 0.25 * second + 0.75 * first, 0.375 * third + 0.625 * first
    expected = sum(pairs) + (first + 0.3 * second) / 1.3
    assert parts["loss/unlabelled"].item() == pytest.approx(expected / 4 * 0.693147, abs=1e-5)


def test_a_share_of_the_answers_that_names_an_untrained_class_is_left_out(semi_vit: Any) -> None:
    """Two said red, one said blue, of which no picture has the label."""
    strategy = semi_vit()
    unlabelled = first_batch(strategy)["unlabelled"]
    unlabelled.targets["colour"][0], unlabelled.mask["colour"][0] = torch.tensor([2 / 3, 0, 1 / 3]), True
    taught = strategy._taught(unlabelled)["colour"]
    assert taught.labels[0].tolist() == [1, 0, 0] and taught.confidence[0] == 1


# --- teacher and student --------------------------------------------------------------------------------------------


def test_the_teacher_sees_weak_views_and_the_student_labelled_and_unlabelled_ones_apart(semi_vit: Any) -> None:
    strategy = semi_vit(pseudo_mixing="none", mixup=0.0, cutmix=0.0)
    taught, learnt = inputs_of(strategy.teacher.module), inputs_of(strategy.model)
    batches = first_batch(strategy)
    strategy.step(batches)
    assert [x.shape[0] for x in (*taught, *learnt)] == [4, 2, 4]
    assert torch.equal(taught[0], batches["unlabelled"].views["weak"])
    assert torch.equal(learnt[0], batches["labelled"].views["train"])
    assert torch.equal(learnt[1], batches["unlabelled"].views["strong"])
    assert strategy.model.backbone.layers[2].num_batches_tracked == 2


def test_labelled_pictures_are_mixed_among_themselves(semi_vit: Any) -> None:
    strategy = semi_vit(cutmix=0.0)
    learnt = inputs_of(strategy.model)
    batches = first_batch(strategy)
    strategy.step(batches)
    own = batches["labelled"].images
    assert not torch.equal(learnt[0], own)
    torch.testing.assert_close(learnt[0].sum(0), own.sum(0))  # one takes what the other gives


def test_the_teacher_is_in_eval_mode_and_never_optimised(semi_vit: Any) -> None:
    strategy = semi_vit()
    strategy.train()
    assert strategy.model.training and not any(m.training for m in strategy.teacher.modules())
    before = weights_of(strategy.teacher.module)
    optimizer = build_optimizer(strategy, strategy.model.backbone, OptimizerSpec(lr=0.1))
    optimised = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert optimised == {id(p) for p in strategy.model.parameters()}
    strategy.step(first_batch(strategy))["loss"].backward()
    optimizer.step()
    assert equal(weights_of(strategy.teacher.module), before)
    assert all(p.grad is None for p in strategy.teacher.parameters())


def test_no_gradient_flows_through_the_pseudo_labels(semi_vit: Any) -> None:
    strategy = semi_vit()
    strategy.teacher.requires_grad_(True)
    for taught in strategy._taught(first_batch(strategy)["unlabelled"]).values():
        assert not taught.confidence.requires_grad and not taught.labels.requires_grad


# --- guesses that keep to the classes of the labels ------------------------------------------------------------------


def test_alignment_multiplies_by_the_labels_share_over_that_of_the_guesses() -> None:
    """Shares 0.6, 0.3, 0.1 of the labels. After a batch that guesses 1, 0, 0 the mean is 0.99 of these + 0.01 * it."""
    alignment = ClassAlignment({"kind": torch.tensor([6.0, 3.0, 1.0])})
    sure = torch.tensor([[100.0, 0.0, 0.0]])
    alignment("kind", sure, torch.tensor([True]))
    assert alignment.get_buffer("kind_guesses").tolist() == pytest.approx([0.604, 0.297, 0.099])
    aligned = alignment("kind", torch.zeros(1, 3), torch.tensor([False])).softmax(1)
    weights = torch.tensor([[0.6 / 0.604, 0.3 / 0.297, 0.1 / 0.099]])
    torch.testing.assert_close(aligned, weights / weights.sum())


def test_alignment_changes_nothing_at_first_and_never_asks_for_a_class_without_labels() -> None:
    alignment = ClassAlignment({"kind": torch.tensor([3.0, 1.0, 0.0])})
    scores = torch.tensor([[1.0, 2.0, -1.0], [0.5, 0.0, -2.0]])
    assert torch.equal(alignment("kind", scores, torch.tensor([False, False])), scores)
    for _ in range(300):
        aligned = alignment("kind", scores, torch.tensor([True, False]))
    assert aligned[0, 0] > scores[0, 0] and aligned[0, 1] < scores[0, 1]
    assert torch.equal(aligned[:, 2], scores[:, 2])


def test_guesses_are_aligned_and_labels_are_not(semi_vit: Any) -> None:
    """Pictures 4 and 5 know their colour, which has the labels 1/2, 1/2, 0."""
    strategy = semi_vit(align=True)
    assert strategy.alignment.get_buffer("colour_labels").tolist() == [0.5, 0.5, 0.0]
    before = strategy.alignment.get_buffer("colour_guesses").clone()
    batch = first_batch(strategy)["unlabelled"]
    batch.mask["colour"][:] = True
    batch.targets["colour"][:] = torch.tensor([1.0, 0.0, 0.0])
    taught = strategy._taught(batch)
    assert torch.equal(strategy.alignment.get_buffer("colour_guesses"), before)
    assert torch.equal(taught["colour"].labels, batch.targets["colour"])
    assert not torch.equal(strategy.alignment.get_buffer("size_guesses"), torch.tensor([0.4, 0.6]))
    assert any("colour_guesses" in key for key in strategy.state_dict())


def moves(strategy: Any, values: tuple[float, ...], follow_first: bool = False) -> list[float]:
    """The teacher after each update, where the optimiser sets every weight of the student to these values."""
    found = []
    for value in values:
        if follow_first:
            strategy.after_step()
        for p in strategy.model.parameters():
            p.data.fill_(value)
        if not follow_first:
            strategy.after_step()
        found.append(next(strategy.teacher.module.parameters()).flatten()[0].item())
    return found


@pytest.mark.parametrize(
    ("momentum", "expected"), [(0.9, [1.1, 1.29, 1.661]), (0.9999, [1.0001, 1.00029999, 1.000699960001])]
)
def test_the_teacher_follows_the_new_student(semi_vit: Any, momentum: float, expected: list[float]) -> None:
    strategy = semi_vit(momentum=momentum)
    for p in strategy.teacher.module.parameters():
        p.fill_(1)
    strategy.prepare(3)
    assert moves(strategy, (2, 3, 5)) == pytest.approx(expected, abs=2e-7)


def test_a_teacher_that_follows_before_the_step_would_show(semi_vit: Any) -> None:
    strategy = semi_vit(momentum=0.9)
    for p in (*strategy.teacher.module.parameters(), *strategy.model.parameters()):
        p.data.fill_(1)
    assert moves(strategy, (2, 3, 5), follow_first=True) == pytest.approx([1.0, 1.1, 1.29], abs=2e-7)


@pytest.mark.parametrize(
    ("args", "steps", "expected"),
    [
        ({}, 180_000, 0.9999),
        ({}, 2_000, 0.991),
        ({}, 18, 0.0),
        ({}, 5, 0.0),
        ({"horizon": 36.0}, 360, 0.9),
        ({"momentum": 0.5}, 2_000, 0.5),
        ({"momentum": 0.0}, 2_000, 0.0),
    ],
)
def test_momentum_is_given_or_follows_from_the_stages_length(
    semi_vit: Any, args: dict[str, float], steps: int, expected: float
) -> None:
    strategy = semi_vit(**args)
    strategy.prepare(steps)
    assert strategy.teacher.decay == pytest.approx(expected)


@pytest.mark.parametrize(("args", "steps"), [({"momentum": 0.0}, 1000), ({"horizon": 1000.0}, 10)])
def test_without_momentum_the_teacher_is_the_student(semi_vit: Any, args: dict[str, float], steps: int) -> None:
    strategy = semi_vit(**args)
    strategy.prepare(steps)
    learn(strategy, epochs=1)
    assert equal(weights_of(strategy.teacher.module), weights_of(strategy.model))


def learn(strategy: Any, epochs: int) -> list[Tensor]:
    optimizer = build_optimizer(strategy, strategy.model.backbone, OptimizerSpec(lr=0.1))
    losses = []
    for step, batches in enumerate(strategy.context.batches(strategy, epochs)):
        torch.manual_seed(step)
        optimizer.zero_grad()
        loss = strategy.step(batches)["loss"]
        loss.backward()
        optimizer.step()
        strategy.after_step()
        losses.append(loss.detach())
    return losses


def test_float_buffers_are_averaged_and_counters_copied(semi_vit: Any) -> None:
    strategy = semi_vit(momentum=0.5)
    before = strategy.model.backbone.layers[2].running_mean.clone()
    strategy.step(first_batch(strategy))
    strategy.after_step()
    student, teacher = (m.backbone.layers[2] for m in (strategy.model, strategy.teacher.module))
    torch.testing.assert_close(teacher.running_mean, (before + student.running_mean) / 2)
    assert not torch.equal(teacher.running_mean, student.running_mean)
    assert teacher.num_batches_tracked == student.num_batches_tracked == 2


@pytest.mark.parametrize(("deliver", "other"), [("ema", "student"), ("student", "ema")])
def test_both_models_are_measured_and_one_is_delivered(semi_vit: Any, deliver: str, other: str) -> None:
    strategy = semi_vit(deliver=deliver)
    both = {"ema": strategy.teacher.module, "student": strategy.model}
    assert strategy.delivered() is both[deliver]
    assert strategy.others() == {other: both[other]}


# --- what is read ---------------------------------------------------------------------------------------------------


def test_unlabelled_pictures_say_what_an_epoch_is(semi_vit: Any) -> None:
    streams = semi_vit().streams()
    assert list(streams) == ["unlabelled", "labelled"]
    unlabelled, labelled = streams.values()
    assert (unlabelled.batch_size, unlabelled.views) == (4, ("weak", "strong"))
    assert (labelled.batch_size, labelled.views) == (2, ("train",))
    assert sorted(unlabelled.draws(0).rows.tolist()) == list(range(10))
    assert unlabelled.draws(0).rows.tolist() != unlabelled.draws(1).rows.tolist()


def test_pictures_that_lack_a_label_are_among_the_unlabelled_ones_too(semi_vit: Any, stage: Any) -> None:
    unlabelled, labelled = semi_vit().streams().values()
    ids = [unlabelled.samples[row].id for row in range(len(unlabelled.samples))]
    assert ids == ["4", "5", "6", "7", "0", "1", "2", "3", "4", "5"]
    assert torch.equal(unlabelled.samples[4].image, stage.unlabelled.images[0])
    assert sorted(labelled.draws(0).rows.tolist()) == [0, 1, 2, 3, 4, 5, 6]


def test_with_one_type_labelled_and_unlabelled_pictures_are_disjoint(semi_vit: Any) -> None:
    unlabelled, labelled = semi_vit(TWO.select(["size"])).streams().values()
    ids = [unlabelled.samples[row].id for row in range(len(unlabelled.samples))]
    assert ids == ["4", "5", "7", "0", "1", "2", "3", "4", "5"]
    assert sorted(labelled.draws(0).rows.tolist()) == [0, 1, 2, 3, 6]


def test_the_loss_is_the_weighted_mean_over_types(semi_vit: Any) -> None:
    parts = {}
    for name, weights in {"colour": {"size": 0.0}, "size": {"colour": 0.0}, "both": {"colour": 3.0}}.items():
        strategy = semi_vit(weights=weights)
        torch.manual_seed(0)
        parts[name] = strategy.step(first_batch(strategy))
    for part in ("loss/unlabelled", "loss/labelled", "loss"):
        torch.testing.assert_close(parts["both"][part], (3 * parts["colour"][part] + parts["size"][part]) / 4)


def test_a_class_without_a_picture_is_never_a_pseudo_label_nor_learned(semi_vit: Any) -> None:
    strategy = semi_vit(threshold=0.0)
    for network in (strategy.model, strategy.teacher.module):
        network.head("colour").bias.data[2] = 1e4
    assert strategy.model.trained("colour").tolist() == [True, True, False]
    batches = first_batch(strategy)
    taught = strategy._taught(batches["unlabelled"])["colour"]
    assert not taught.labels[:, 2].any() and taught.labels.sum(1).eq(1).all()
    parts = strategy.step(batches)
    assert parts["loss"].isfinite() and parts["loss"] < 100
    parts["loss"].backward()
    gradient = strategy.model.head("colour").weight.grad
    assert gradient[:2].any() and not gradient[2].any()
    assert all(p.grad is None or p.grad.isfinite().all() for p in strategy.model.parameters())
    assert (strategy.delivered()(torch.randn(2, 3, 4, 4))["colour"][:, 2] == -torch.inf).all()


# --- the log of pseudo labels ---------------------------------------------------------------------------------------


def histogram(folder: Path) -> list[tuple[str, ...]]:
    with (folder / "pseudo_labels.csv").open() as file:
        return [tuple(row) for row in csv.reader(file)]


def test_every_epoch_adds_a_row_for_each_class(worked: Any) -> None:
    """Classes 0 to 2 are kept once each; picture 3 makes a pair with the unsure picture 1."""
    strategy, batches = worked()
    strategy.prepare(10)
    for _ in range(3):  # two steps an epoch
        strategy.step(batches)
    assert histogram(strategy.context.folder) == [
        ("epoch", "type", "class", "share", "kept"),
        ("1", "kind", "a", "0.25", "1.0"),
        ("1", "kind", "b", "0.25", "1.0"),
        ("1", "kind", "c", "0.25", "1.0"),
        ("1", "kind", "d", "0.25", "0.0"),
    ]
    strategy.step(batches)
    assert [row[0] for row in histogram(strategy.context.folder)[1:]] == ["1"] * 4 + ["2"] * 4


def test_the_rows_of_a_repeated_epoch_replace_the_earlier_ones(semi_vit: Any, tmp_path: Path) -> None:
    whole = semi_vit()
    whole.prepare(8)
    batches = list(whole.context.batches(whole, 4))
    assert len(batches) == 8
    for step in range(3):
        torch.manual_seed(step)
        whole.step(batches[step])
    kept = {name: t.clone() if isinstance(t, Tensor) else t for name, t in whole.state_dict().items()}

    def to_the_end(strategy: Any) -> str:
        for step in range(3, 8):
            torch.manual_seed(step)
            strategy.step(batches[step])
        return (tmp_path / "pseudo_labels.csv").read_text()

    expected = to_the_end(whole)
    assert expected.count("\n4,") == 5
    again = semi_vit()
    again.load_state_dict(kept)
    again.prepare(8)
    assert to_the_end(again) == expected


@pytest.mark.parametrize("batches_a_step", [1, 2])
def test_an_epoch_that_the_last_step_cuts_short_is_written_too(worked: Any, batches_a_step: int) -> None:
    """Two batches an epoch, so that `steps: 3` end in the second one, and on time with gradients of two batches."""
    strategy, batches = worked(momentum=0.999999)
    strategy.prepare(3)
    for _ in range(3):
        for _ in range(batches_a_step):
            strategy.step(batches)
        strategy.after_step()
    rows = histogram(strategy.context.folder)[1:]
    assert [row[0] for row in rows] == ["1"] * 4 + ["2"] * 4 + ["3"] * 4 * (batches_a_step - 1)
    assert [row[1:] for row in rows[-4:]] == [row[1:] for row in rows[:4]]


def test_a_stage_shorter_than_an_epoch_is_written_after_a_restart_too(worked: Any) -> None:
    whole, batches = worked(momentum=0.999999)
    whole.prepare(2)
    whole.histogram.batches_per_epoch = 3
    whole.step(batches)
    whole.after_step()
    kept = {name: t.clone() if isinstance(t, Tensor) else t for name, t in whole.state_dict().items()}
    again, _ = worked(momentum=0.999999)
    again.load_state_dict(kept)
    again.prepare(2)
    again.histogram.batches_per_epoch = 3
    again.step(batches)
    assert not list(again.context.folder.iterdir())
    again.after_step()
    assert [row[0] for row in histogram(again.context.folder)[1:]] == ["1"] * 4
    assert [row[3] for row in histogram(again.context.folder)[1:]] == ["0.25"] * 4


def test_before_it_is_prepared_it_leaves_nothing_behind(worked: Any) -> None:
    """A dry run takes a step without."""
    strategy, batches = worked()
    for _ in range(4):
        strategy.step(batches)
    assert not list(strategy.context.folder.iterdir())


def test_its_state_is_both_models_and_what_was_counted(semi_vit: Any) -> None:
    names = {name.split(".")[0] for name in semi_vit().state_dict()}
    assert names == {"model", "teacher", "histogram"}


# --- what is refused ------------------------------------------------------------------------------------------------


def test_a_type_with_several_classes_a_picture_is_named(semi_vit: Any, schema: AttributeSchema) -> None:
    with pytest.raises(RecipeError, match=r"shape may have several; choose others with data\.types"):
        semi_vit(schema)


def test_odd_batches_cannot_be_paired(semi_vit: Any, stage: Any) -> None:
    stage.batch_size = 3
    with pytest.raises(RecipeError, match="batch_size is 3, but mixup and cutmix pair the pictures"):
        semi_vit()
    with pytest.raises(RecipeError, match=r"mu \* batch_size is 1 \* 3 = 3, but unlabelled pictures are mixed"):
        semi_vit(mu=1, mixup=0.0, cutmix=0.0)
    semi_vit(mu=1, mixup=0.0, cutmix=0.0, pseudo_mixing="none")
    semi_vit(mu=2, mixup=0.0, cutmix=0.0)


def test_too_few_pictures_for_a_batch_are_counted(semi_vit: Any, stage: Any, pictures: Any) -> None:
    with pytest.raises(RecipeError, match=r"10 unlabelled pictures do not fill one batch of mu \* batch_size = 12"):
        semi_vit(mu=6)
    stage.batch_size = 8
    with pytest.raises(UsageError, match="an epoch of 7 pictures does not fill one batch of 8; take a smaller batch"):
        first_batch(semi_vit(mu=1))
    stage.train = pictures(2, colour=[(0,), (1,)], size=[(0,), (1,)])
    stage.unlabelled = pictures(0)
    with pytest.raises(DataError, match="every training picture has all labels and none is unlabelled"):
        semi_vit()
