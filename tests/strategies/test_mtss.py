"""The MTSS strategy: which pictures the student sees, its loss, and teachers that nothing changes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch

from mtss_zoo.build import build_strategy, make
from mtss_zoo.errors import RecipeError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Batch
from mtss_zoo.recipe import Part, StageSpec


@pytest.fixture
def stage(context: Any, pictures: Any, model: Any, losses: Any, schema: AttributeSchema) -> Any:
    """Five pictures of which three are labelled, four unlabelled ones, and a teacher for each type."""
    train = pictures(5, colour=[(0,), None, (1,), None, None], shape=[(0,), None, None, (1, 2), None])
    teachers = {name: model(schema.select([name]), seed=i + 1, dim=6) for i, name in enumerate(schema.names)}
    teachers["colour"].trained("colour")[2] = False
    distillation = losses("embedding_distillation", beta=1.0)
    return context(schema, train, unlabelled=pictures(4, seed=1), losses=distillation, teachers=teachers)


def strategy_of(stage: Any, student: Any, **args: Any) -> Any:
    return make("strategy", Part(name="mtss", args=args), model=student, context=stage)


@pytest.fixture
def student(model: Any) -> Any:
    return model(dim=6)


def state(teachers: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {f"{t}.{name}": x.clone() for t, model in teachers.items() for name, x in model.state_dict().items()}


# --- the pictures ---------------------------------------------------------------------------------------------------


def test_the_student_sees_every_picture_labelled_or_not_once_an_epoch(stage: Any, student: Any) -> None:
    (stream,) = strategy_of(stage, student).streams().values()
    assert len(stream.samples) == 9
    assert sorted(stream.draws(0).rows.tolist()) == list(range(9))
    assert torch.equal(stream.samples[6].image, stage.unlabelled.images[1])
    assert stream.draws(0).rows.tolist() != stream.draws(1).rows.tolist()
    assert stream.draws(0).views is None


def test_plain_distillation_sees_the_labelled_pictures_only(stage: Any, student: Any) -> None:
    (stream,) = strategy_of(stage, student, images="labelled").streams().values()
    assert Counter(stream.samples[row].id for row in stream.draws(0).rows) == {"0": 1, "2": 1, "3": 1}


def test_labels_are_not_used(stage: Any, student: Any) -> None:
    strategy = strategy_of(stage, student)
    (with_labels, _) = stage.batches(strategy)
    before = strategy.step(with_labels)
    with_labels["pictures"].targets.clear()
    with_labels["pictures"].mask.clear()
    assert strategy.step(with_labels) == before


def test_fixed_views_follow_the_epoch(stage: Any, student: Any) -> None:
    (stream,) = strategy_of(stage, student, cache_views=3).streams().values()
    assert [set(stream.draws(epoch).views.tolist()) for epoch in range(5)] == [{0}, {1}, {2}, {0}, {1}]
    assert sorted(stream.draws(4).rows.tolist()) == list(range(9))


# --- the loss -------------------------------------------------------------------------------------------------------


def test_loss_is_the_sum_over_types_of_the_worked_numbers(model: Any, context: Any, pictures: Any) -> None:
    """e_T = (0.6, 0.8), e_S = (1, 1), the nearest of {(1,0), (0,1), (-1,0)}: 0.008040 for beta 1, 0.006432 for beta 2.

    The fourth label embedding is e_T itself, but it was not trained, so it is no sign of certainty.
    """
    four = AttributeSchema(tuple(AttributeType(name, "single", ("a", "b", "c", "d")) for name in ("colour", "shape")))
    teachers = {name: constant(model(four.select([name]), dim=2), [0.6, 0.8]) for name in four.names}
    for name, teacher in teachers.items():
        teacher.head(name).dictionary.data = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0.6, 0.8]])
        teacher.trained(name)[3] = False
    losses = {
        name: make("loss", Part(name="embedding_distillation", args={"beta": b}))
        for name, b in [("colour", 1.0), ("shape", 2.0)]
    }
    stage = context(four, pictures(2), losses=losses, teachers=teachers)
    images = torch.randn(5, 3, 4, 4)
    parts = strategy_of(stage, constant(model(four, dim=2), [1.0, 1.0])).step(batch_of(images))
    assert parts["loss/colour"].item() == pytest.approx(0.008040, abs=1e-6)
    assert parts["loss/shape"].item() == pytest.approx(0.006432, abs=1e-6)
    assert parts["loss"].item() == pytest.approx(0.014472, abs=1e-6)


def test_known_labels_count_by_their_weight_and_unknown_ones_add_zero(model: Any, context: Any, pictures: Any) -> None:
    """Cosines 0.7071, 0.7071, -0.7071 with the three trained classes: a label of the first costs log 2, two pictures
    of five have one. The fourth class was not trained, so it is no label and not in the softmax.
    """
    four = AttributeSchema((AttributeType("colour", "single", ("a", "b", "c", "d")),))
    teacher = constant(model(four, dim=2), [1.0, 1.0])
    teacher.head("colour").dictionary.data = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0.6, 0.8]])
    teacher.trained("colour")[3] = False
    losses = {"colour": make("loss", Part(name="score_distillation"))}
    stage = context(four, pictures(2), losses=losses, teachers={"colour": teacher})
    batch = batch_of(torch.randn(5, 3, 4, 4))
    batch["pictures"].targets["colour"] = torch.eye(4)[[0, 0, 3, 1, 1]]
    batch["pictures"].mask["colour"] = torch.tensor([True, True, True, False, False])[:, None].expand(5, 4)
    student = constant(model(four, dim=2), [1.0, 1.0])
    for weight in (0.0, 1.0, 0.5):
        loss = strategy_of(stage, student, label_weight=weight).step(batch)["loss"].item()
        assert loss == pytest.approx(weight * 2 / 5 * 0.693147, abs=1e-6)


def constant(model: Any, embedding: list[float]) -> Any:
    """The model with this embedding for every picture and type."""
    for name in model.schema.names:
        projection = model.head(name).projection
        projection.weight.data.zero_()
        projection.bias.data = torch.tensor(embedding)
    return model


def batch_of(images: torch.Tensor) -> dict[str, Batch]:
    rows = torch.arange(len(images))
    return {"pictures": Batch({"train": images}, {}, {}, rows, torch.full_like(rows, -1))}


def test_teacher_and_student_see_the_same_view(stage: Any, model: Any, schema: AttributeSchema) -> None:
    """A student that is its teachers' copy has no loss on freshly augmented pictures, once it is in eval mode too."""
    teacher = model(seed=3, dim=6)
    stage.teachers = {"all": teacher}
    twin = model(seed=3, dim=6)
    strategy = strategy_of(stage, twin)
    twin.eval()
    for batch in stage.batches(strategy):
        assert strategy.step(batch)["loss"].item() == pytest.approx(0, abs=1e-6)


class TestTeachersWithAViewOfTheirOwn:
    """`teacher_view: clean`: fresh views for the student, the unchanged picture for its teachers."""

    def test_the_student_has_fresh_views_and_is_taught_from_the_unchanged_picture(self, stage, student):
        strategy = strategy_of(stage, student, teacher_view="clean")
        pool = [strategy.samples[row].image for row in range(9)]
        for batch in stage.batches(strategy, epochs=2):
            read = batch["pictures"]
            assert list(read.views) == ["train", "clean"]
            assert set(read.view_numbers.tolist()) == {-1}
            unchanged = torch.stack([student.preprocess(pool[row]) for row in read.rows])
            assert torch.equal(read.views["clean"], unchanged)
            assert not torch.equal(read.views["train"], unchanged)

    def test_one_cached_view_gives_the_numbers_of_live_teachers(self, stage, model):
        live = strategy_of(stage, model(dim=6), teacher_view="clean")
        cached = strategy_of(stage, model(dim=6), teacher_view="clean", cache_views=1)
        cached.prepare(1)
        assert stage.views_read == [0]
        live.eval(), cached.eval()
        pairs = zip(stage.batches(live), stage.batches(cached), strict=True)
        for batch, same in pairs:
            assert list(same["pictures"].views) == ["train"]
            assert torch.equal(batch["pictures"].images, same["pictures"].images)
            assert live.step(batch)["loss"].item() == pytest.approx(cached.step(same)["loss"].item(), abs=1e-3)

    def test_more_cached_views_make_no_sense_and_are_refused(self, stage, student):
        with pytest.raises(RecipeError, match="one of each picture: set it to 1"):
            strategy_of(stage, student, teacher_view="clean", cache_views=2)


def test_a_model_that_teaches_several_types_runs_once_a_step(stage: Any, student: Any, model: Any) -> None:
    stage.teachers = {"all": model(seed=3, dim=6)}
    strategy_of(stage, student).step(batch_of(torch.randn(4, 3, 4, 4)))
    assert stage.teachers["all"].backbone.calls == 1


# --- what the student takes over ------------------------------------------------------------------------------------


def test_the_student_carries_the_teachers_dictionaries_frozen(stage: Any, student: Any) -> None:
    strategy = strategy_of(stage, student)
    train(strategy, stage)
    for name, teacher in stage.teachers.items():
        assert torch.equal(student.head(name).dictionary, teacher.head(name).dictionary)
        assert not student.head(name).dictionary.requires_grad
    assert student.trained("colour").tolist() == [True, True, False]
    assert student.trained("shape").all()
    assert (strategy.delivered().eval()(torch.randn(2, 3, 4, 4))["colour"][:, 2] == -torch.inf).all()


def train(strategy: Any, stage: Any) -> None:
    """Two epochs in train mode, with an optimiser that is given every parameter that the strategy has."""
    strategy.train()
    optimizer = torch.optim.AdamW(strategy.parameters(), lr=0.1, weight_decay=0.1)
    for batch in stage.batches(strategy, epochs=2):
        optimizer.zero_grad()
        strategy.step(batch)["loss"].backward()
        optimizer.step()
        strategy.after_step()


def test_teachers_stay_as_they_were(stage: Any, student: Any) -> None:
    """Weights and running statistics, though the strategy is put into train mode; the student's own do change."""
    strategy = strategy_of(stage, student)
    teachers, own = state(stage.teachers), state({"student": student})
    train(strategy, stage)
    torch.testing.assert_close(state(stage.teachers), teachers, rtol=0, atol=0)
    assert all(p.grad is None and not p.requires_grad for m in stage.teachers.values() for p in m.parameters())
    assert not any(m.training for teacher in stage.teachers.values() for m in teacher.modules())
    after = state({"student": student})
    changed = {name for name in own if not torch.equal(own[name], after[name])}
    assert changed >= {"student.backbone.layers.1.weight", "student.backbone.layers.2.running_mean"}


def test_teachers_are_not_part_of_the_strategy_but_move_with_it(stage: Any, student: Any) -> None:
    strategy = strategy_of(stage, student)
    assert {name.removeprefix("model.") for name in strategy.state_dict()} == set(student.state_dict())
    assert {id(p) for p in strategy.parameters()} == {id(p) for p in student.parameters()}
    strategy.double()
    assert {p.dtype for m in stage.teachers.values() for p in m.parameters()} == {torch.float64}
    assert strategy.step(batch_of(torch.randn(4, 3, 4, 4).double()))["loss"].dtype == torch.float64


# --- what is refused ------------------------------------------------------------------------------------------------


def test_a_type_without_a_teacher_is_named(stage: Any, student: Any) -> None:
    del stage.teachers["shape"]
    with pytest.raises(RecipeError, match="stage teachers has no teacher for shape; it trained colour"):
        strategy_of(stage, student)


def test_embeddings_of_other_lengths_are_refused(stage: Any, model: Any) -> None:
    with pytest.raises(RecipeError, match="of colour have length 7, but its teacher's 6"):
        strategy_of(stage, model(dim=7))


def test_a_teacher_without_embeddings_is_refused(stage: Any, student: Any, model: Any, schema: Any) -> None:
    stage.teachers["shape"] = model(schema.select(["shape"]), "linear")
    with pytest.raises(RecipeError, match="teacher of shape in stage teachers has a LinearHead"):
        strategy_of(stage, student)


def test_a_student_without_embeddings_is_refused(stage: Any, model: Any, schema: Any) -> None:
    with pytest.raises(RecipeError, match="student's head for colour, LinearHead"):
        strategy_of(stage, model(schema, "linear"))


def test_a_teacher_of_other_classes_is_refused(stage: Any, student: Any, model: Any) -> None:
    other = AttributeSchema((AttributeType("colour", "single", ("blue", "green", "red")),))
    stage.teachers["colour"] = model(other, dim=6)
    with pytest.raises(RecipeError, match="different classes of colour"):
        strategy_of(stage, student)


def test_a_loss_of_scores_is_refused_by_name(stage: Any, student: Any, losses: Any) -> None:
    stage.losses = losses("bce")
    spec = StageSpec.model_validate({"strategy": "mtss", "loss": "bce", "optimizer": {"lr": 0.1}, "epochs": 1})
    with pytest.raises(RecipeError, match="losses that compare embeddings, but the recipe gives bce"):
        build_strategy(spec, student, stage)
