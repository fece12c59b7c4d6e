"""The supervised strategy: what is drawn, what is trained, and the loss of a step."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from mtss_zoo_strategies.mixing import mix_batch
from timm.data.mixup import mixup_target
from timm.loss import SoftTargetCrossEntropy
from torch.nn import functional as F

from mtss_zoo.build import build_strategy, make
from mtss_zoo.errors import DataError, RecipeError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Batch
from mtss_zoo.recipe import Part, StageSpec

SHAPE = AttributeSchema((AttributeType("shape", "multi", ("round", "long", "flat", "bent")),))
# Class 0: four pictures, 1: two, 2: one, 3: none. Row 5 is known to have none, row 6 is unknown.
SHAPES = [(0, 1), (0,), (0,), (0, 2), (1,), (), None]


@pytest.fixture
def teacher(context: Any, pictures: Any, model: Any, losses: Any) -> Any:
    """``teacher(**args)``: the strategy of a stage that trains the type shape alone."""

    def build(loss: str = "focal_ranking", head: str = "label_embedding", **args: Any) -> Any:
        stage = context(SHAPE, pictures(7, shape=SHAPES), losses=losses(loss, SHAPE), batch_size=2)
        return make("strategy", Part(name="supervised", args=args), model=model(SHAPE, head), context=stage)

    return build


@pytest.fixture
def multitask(context: Any, pictures: Any, model: Any, losses: Any, schema: AttributeSchema) -> Any:
    """``multitask(**args)``: colour and shape at once; row 2 has no label at all."""

    def build(colour: Any = ((0,), (1,), None, None), shape: Any = ((0, 1), None, None, (2,)), **args: Any) -> Any:
        train = pictures(len(colour), colour=colour, shape=shape)
        stage = context(schema, train, losses=losses("bce"), batch_size=4 if args.get("mixup") else 3)
        return make("strategy", Part(name="supervised", args=args), model=model(schema, "linear"), context=stage)

    return build


def drawn(strategy: Any, epoch: int = 0) -> Any:
    (stream,) = strategy.streams().values()
    return stream.draws(epoch)


# --- what is drawn --------------------------------------------------------------------------------------------------


def test_a_picture_is_drawn_once_for_each_of_its_labels(teacher: Any) -> None:
    draws = drawn(teacher())
    assert Counter(draws.rows.tolist()) == {0: 2, 1: 1, 2: 1, 3: 2, 4: 1}
    assert sorted(zip(draws.rows.tolist(), draws.classes.tolist(), strict=True)) == [
        (0, 0), (0, 1), (1, 0), (2, 0), (3, 0), (3, 2), (4, 1),
    ]  # fmt: skip
    assert draws.type_name == "shape"


def test_the_other_labels_of_a_drawn_picture_are_masked(teacher: Any) -> None:
    strategy = teacher()
    draws = drawn(strategy)
    batches = [b["labelled"] for b in strategy.context.batches(strategy)]
    rows, targets, mask = (
        torch.cat(t) for t in zip(*[(b.rows, b.targets["shape"], b.mask["shape"]) for b in batches], strict=True)
    )
    for i, (row, label) in enumerate(zip(rows.tolist(), draws.classes, strict=False)):
        others = set(SHAPES[row] or ()) - {int(label)}
        assert targets[i].nonzero().flatten().tolist() == sorted(SHAPES[row] or ())
        assert set((~mask[i]).nonzero().flatten().tolist()) == others


def test_draws_are_new_in_every_epoch_and_the_same_when_repeated(teacher: Any) -> None:
    one, other = teacher(sampling="balanced"), teacher(sampling="balanced")
    epochs = [
        tuple(zip(*(a.tolist() for a in (drawn(one, e).rows, drawn(one, e).classes)), strict=True)) for e in range(5)
    ]
    assert len(set(epochs)) == 5
    assert drawn(one, 3).rows.tolist() == drawn(other, 3).rows.tolist()


def test_balanced_draws_classes_alike_and_natural_draws_labels_alike(teacher: Any) -> None:
    balanced = Counter(drawn(teacher(sampling="balanced", images_per_epoch=3000)).classes.tolist())
    natural = Counter(drawn(teacher(sampling="natural", images_per_epoch=3500)).classes.tolist())
    assert set(balanced) == {0, 1, 2}
    assert all(abs(n - 1000) < 100 for n in balanced.values())
    assert natural == {0: 2000, 1: 1000, 2: 500}


def test_multitask_draws_every_picture_that_has_a_label_once(multitask: Any) -> None:
    draws = drawn(multitask())
    assert sorted(draws.rows.tolist()) == [0, 1, 3]
    assert draws.classes is None
    assert draws.rows.tolist() != drawn(multitask(), epoch=1).rows.tolist()


def test_multitask_epochs_may_be_longer_or_shorter_than_the_data(multitask: Any) -> None:
    assert Counter(drawn(multitask(images_per_epoch=6)).rows.tolist()) == {0: 2, 1: 2, 3: 2}
    assert len(drawn(multitask(images_per_epoch=2)).rows) == 2


# --- which classes are trained --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("max_classes", "trained"),
    [(None, [1, 1, 1, 0]), (2, [1, 1, 0, 0]), (1, [1, 0, 0, 0]), (40, [1, 1, 1, 0])],
)
def test_the_largest_classes_that_have_a_picture_are_trained(teacher: Any, max_classes: Any, trained: Any) -> None:
    strategy = teacher(max_classes=max_classes)
    assert strategy.model.trained("shape").tolist() == [bool(t) for t in trained]
    assert set(drawn(strategy).classes.tolist()) == {n for n, t in enumerate(trained) if t}


@pytest.mark.parametrize(
    ("loss", "head"), [("focal_ranking", "label_embedding"), ("bce", "linear"), ("cross_entropy", "linear")]
)
def test_no_loss_sees_an_untrained_class_and_it_is_never_predicted(teacher: Any, loss: str, head: str) -> None:
    strategy = teacher(loss, head, max_classes=2, sampling="balanced", images_per_epoch=16)
    for batch in strategy.context.batches(strategy):
        strategy.step(batch)["loss"].backward()
    of_classes = (
        strategy.model.head("shape").get_parameter("dictionary" if head == "label_embedding" else "weight").grad
    )
    assert of_classes[:2].abs().sum(1).all()
    assert not of_classes[2:].any()
    scores = strategy.delivered().eval()(torch.randn(5, 3, 4, 4))["shape"]
    assert scores[:, :2].isfinite().all()
    assert (scores[:, 2:] == -torch.inf).all()


def test_multitask_leaves_out_pictures_whose_labels_are_all_untrained(multitask: Any) -> None:
    strategy = multitask(colour=((0,), (0,), (1,), (1,)), shape=((0,), (0,), None, (0,)), max_classes=1)
    assert sorted(drawn(strategy).rows.tolist()) == [0, 1, 3]


# --- the loss of a step ---------------------------------------------------------------------------------------------


def test_focal_ranking_of_a_batch_is_the_worked_number(teacher: Any) -> None:
    """d = (3, 4), e+ = (1, 0), e- = (0, 2) give 0.549774 for gamma 1; the second label mirrors the first."""
    strategy = teacher(max_classes=2)
    head = strategy.model.head("shape")
    strategy.model.backbone.layers = torch.nn.Flatten()
    head.projection = torch.nn.Linear(48, 2, bias=False)
    head.projection.weight.data = torch.eye(48)[:2]
    head.dictionary = torch.nn.Parameter(torch.tensor([[3.0, 4], [4, 3], [1, 0], [0, 1]]))
    images = torch.zeros(2, 48)
    images[0, 0], images[1, 1] = 1, 2
    batch = batch_of(images.view(2, 3, 4, 4), shape=torch.tensor([[1.0, 0, 0, 0], [0, 1, 1, 0]]))
    parts = strategy.step(batch)
    assert parts["loss"].item() == pytest.approx(0.549774, abs=1e-6)
    assert set(parts) == {"loss", "loss/shape"}


def test_multitask_loss_is_the_weighted_mean_over_types_of_known_labels(multitask: Any) -> None:
    strategy = multitask(weights={"colour": 3.0})
    (batch,) = strategy.context.batches(strategy)
    parts = strategy.step(batch)
    images, rows = batch["labelled"].images, batch["labelled"].rows.tolist()
    scores = strategy.model(images)
    colours, shapes = {0: [1, 0, 0], 1: [0, 1, 0]}, {0: [1, 1, 0], 3: [0, 0, 1]}  # shape 3 and colour 2 have no picture

    def bce(name: str, labels: dict[int, list[int]], classes: int) -> torch.Tensor:
        known = [(scores[name][i, :classes], labels[row][:classes]) for i, row in enumerate(rows) if row in labels]
        logits, targets = (torch.stack([torch.as_tensor(pair[j]) for pair in known]).float() for j in (0, 1))
        return F.binary_cross_entropy_with_logits(logits, targets)

    colour, shape = bce("colour", colours, 2), bce("shape", shapes, 3)
    torch.testing.assert_close(parts["loss/colour"], colour)
    torch.testing.assert_close(parts["loss/shape"], shape)
    torch.testing.assert_close(parts["loss"], (3 * colour + shape) / 4)
    assert not parts["loss/colour"].requires_grad


def test_a_type_of_which_a_batch_knows_nothing_adds_zero(multitask: Any) -> None:
    strategy = multitask()
    batch = batch_of(torch.randn(2, 3, 4, 4), colour=torch.zeros(2, 3), shape=torch.eye(4)[:2])
    batch["labelled"].mask["colour"][:] = False
    parts = strategy.step(batch)
    assert parts["loss/colour"] == 0
    torch.testing.assert_close(parts["loss"].detach(), parts["loss/shape"] / 2)


def test_its_state_is_the_model_and_nothing_else(teacher: Any) -> None:
    strategy = teacher()
    assert {name.removeprefix("model.") for name in strategy.state_dict()} == set(strategy.model.state_dict())


# --- mixed batches --------------------------------------------------------------------------------------------------


@pytest.fixture
def mixing(context: Any, pictures: Any, model: Any, losses: Any) -> Any:
    """``mixing(loss, batch_size, **args)``: colour alone, of which every picture has one class."""
    colour = AttributeSchema((AttributeType("colour", "single", ("red", "green", "blue")),))

    def build(loss: str = "cross_entropy", batch_size: int = 4, **args: Any) -> Any:
        train = pictures(4, colour=[(0,), (1,), (2,), (1,)])
        stage = context(colour, train, losses=losses(loss, colour), batch_size=batch_size)
        network = model(colour, "linear")
        network.backbone.layers[2] = torch.nn.Identity()  # so that a picture's scores are its own
        return make("strategy", Part(name="supervised", args=args), model=network, context=stage)

    return build


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.8, 0.0), (0.0, 1.0)])
def test_mixed_cross_entropy_is_that_of_timms_soft_targets(mixing: Any, mixup: float, cutmix: float) -> None:
    strategy = mixing(mixup=mixup, cutmix=cutmix)
    smooth = make("loss", Part(name="cross_entropy", args={"label_smoothing": 0.1}))
    strategy.losses.colour_loss = smooth
    classes = torch.tensor([0, 1, 2, 1])
    images = torch.rand(4, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(5)
    mixed, share = mix_batch(images, mixup, cutmix)
    assert 0.05 < share < 0.95
    torch.manual_seed(5)
    loss = strategy.step(batch_of(images, colour=torch.eye(3)[classes]))["loss"]
    targets = mixup_target(classes, 3, share, smoothing=0.1)
    torch.testing.assert_close(loss, SoftTargetCrossEntropy()(strategy.model(mixed)["colour"], targets))


def test_a_mixed_loss_of_any_kind_is_shared_out_between_own_and_partners_labels(multitask: Any) -> None:
    """Several types, of which some labels are unknown; the partner of the first picture is the last."""
    strategy = multitask(colour=((0,), (1,), None, None), shape=((0, 1), None, None, (2,)), mixup=0.8, cutmix=1.0)
    strategy.model.backbone.layers[2] = torch.nn.Identity()
    colour, shape = torch.eye(3)[[0, 1, 1, 0]], torch.eye(4)[[0, 0, 2, 1]]
    batch = batch_of(torch.rand(4, 3, 4, 4, generator=torch.Generator().manual_seed(0)), colour=colour, shape=shape)
    (labelled,) = batch.values()
    labelled.mask["colour"][2:] = labelled.mask["shape"][1] = False
    torch.manual_seed(1)
    mixed, share = mix_batch(labelled.images, 0.8, 1.0)
    torch.manual_seed(1)
    parts = strategy.step(batch)
    bce = make("loss", Part(name="bce"))
    for name, scores in strategy.model(mixed).items():
        targets, mask = labelled.targets[name], labelled.mask[name] & strategy.model.trained(name)
        own, partners = bce(scores, targets, mask), bce(scores, targets.flip(0), mask.flip(0))
        torch.testing.assert_close(parts[f"loss/{name}"], (share * own + (1 - share) * partners).detach())


def test_odd_batches_are_not_mixed(mixing: Any) -> None:
    with pytest.raises(RecipeError, match="batch_size is 3, but mixup and cutmix pair the pictures of a batch"):
        mixing(batch_size=3, mixup=0.8)
    mixing(batch_size=3)


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
@pytest.mark.parametrize("name", ["supervised", "semi_vit"])
def test_a_loss_that_counts_answers_is_not_mixed(
    context: Any, pictures: Any, model: Any, losses: Any, name: str, mix: str
) -> None:
    """semi_vit mixes unless it is told not to."""
    colour = AttributeSchema((AttributeType("colour", "single", ("red", "green", "blue")),))

    def build(confusion: str, **args: float) -> Any:
        crowd = losses("crowd_cross_entropy", colour, confusion=confusion)
        stage = context(colour, pictures(4, colour=[(0,), (1,), (2,), (1,)]), unlabelled=pictures(20), losses=crowd)
        part = Part(name=name, args={"mixup": 0.0, "cutmix": 0.0} | args)
        return make("strategy", part, model=model(colour, "linear"), context=stage)

    with pytest.raises(RecipeError, match=r"colour counts answers.*`confusion: estimated`.*`mixup` or `cutmix`"):
        build("estimated", **{mix: 0.8})
    build("none", **{mix: 0.8})
    build("estimated")


def test_a_loss_is_told_how_many_people_answered(mixing: Any) -> None:
    """Pictures 0 and 1 have one answer, picture 2 three; picture 3 has a label."""
    strategy = mixing("crowd_cross_entropy")
    strategy.losses.colour_loss = make("loss", Part(name="crowd_cross_entropy", args={"confusion": "estimated"}))
    targets = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 2 / 3, 1 / 3], [0, 0, 1]])
    batch = batch_of(torch.rand(4, 3, 4, 4, generator=torch.Generator().manual_seed(0)), colour=targets)
    batch["labelled"].answers["colour"] = torch.tensor([1, 1, 3, 0])
    assert strategy.step(batch)["loss"].isfinite()
    counted = strategy.losses.colour_loss.counts
    torch.testing.assert_close(counted.sum(0), torch.tensor([1.0, 3, 1]))


def batch_of(images: torch.Tensor, **targets: torch.Tensor) -> dict[str, Batch]:
    """A batch of which everything is known."""
    mask = {name: torch.ones_like(t, dtype=torch.bool) for name, t in targets.items()}
    rows = torch.arange(len(images))
    return {"labelled": Batch({"train": images}, targets, mask, rows, torch.full_like(rows, -1))}


# --- what is refused ------------------------------------------------------------------------------------------------


def test_balanced_draws_of_several_types_are_refused(multitask: Any) -> None:
    with pytest.raises(RecipeError, match=r"balanced draws the labels of one attribute type.*colour, shape.*per_type"):
        multitask(sampling="balanced")


@pytest.mark.parametrize("loss", ["embedding_distillation", None])
def test_other_losses_are_refused_by_name(
    context: Any, pictures: Any, model: Any, losses: Any, loss: str | None
) -> None:
    stage = context(SHAPE, pictures(7, shape=SHAPES), losses=losses(loss, SHAPE) if loss else {})
    spec = StageSpec.model_validate({"strategy": "supervised", "loss": loss, "optimizer": {"lr": 0.1}, "epochs": 1})
    with pytest.raises(RecipeError, match=f"losses that compare scores, but the recipe gives {loss or 'none'}"):
        build_strategy(spec, model(SHAPE), stage)


@pytest.mark.parametrize(
    ("weights", "message"),
    [({"color": 1.0}, "weights are given for color"), ({"colour": 0.0, "shape": 0.0}, "all 0")],
)
def test_weights_that_fit_no_type_are_refused(multitask: Any, weights: dict[str, float], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        multitask(weights=weights)


def test_a_type_without_any_label_is_refused(multitask: Any) -> None:
    with pytest.raises(DataError, match="no training picture has a label of shape"):
        multitask(shape=(None, None, None, ()))
