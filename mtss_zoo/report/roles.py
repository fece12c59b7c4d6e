"""Which row of the papers' tables a stage of a recipe is: told by its strategy, its head and its losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mtss_zoo.report.collect import Run, Stage
from mtss_zoo.report.measured import Measured

DISTILLATION, PSEUDO_LABELS, EMBEDDINGS, BINARY = "mtss", "semi_vit", "label_embedding", "bce"


@dataclass(frozen=True)
class Model:
    """A measured stage of a run, or the teachers of one."""

    run: Run
    stage: Stage

    @property
    def measured(self) -> Measured:
        """Its numbers."""
        assert self.stage.measured is not None
        return self.stage.measured

    @property
    def head(self) -> str:
        """The name of its head."""
        return self.run.recipe.model_of(self.stage.name).head.name

    @property
    def losses(self) -> list[str]:
        """The names of its losses."""
        spec = self.stage.spec
        return [part.name for part in ([spec.loss] if spec.loss else []) + list(spec.losses.values())]

    def loss_arg(self, name: str) -> Any:
        """An argument of its loss; ``tuned`` where it differs between types, ``None`` where no loss has it."""
        spec = self.stage.spec
        parts = [spec.losses.get(t, spec.loss) for t in self.measured.types]
        values = [part.args[name] for part in parts if part and name in part.args]
        return None if not values else values[0] if len(set(map(str, values))) == 1 else "tuned"

    @property
    def data(self) -> tuple[str, str, int]:
        """The dataset, split and number of pictures that it was measured on: rows with the same stand together."""
        return self.run.recipe.data.dataset.name, self.measured.split, self.measured.n

    @property
    def where(self) -> str:
        """The same for people."""
        name, split, n = self.data
        return f"{name}, {split}, {n:,} pictures"


def last_model(run: Run) -> Model:
    """What the run leads to."""
    *_, last = run.measured.values()
    return Model(run, last)


def students(runs: list[Run]) -> list[Model]:
    """The students of MTSS."""
    return _with_strategy(runs, DISTILLATION)


def teachers_of(student: Model) -> Model | None:
    """The teachers of a student of the same run, if they were measured."""
    name = student.stage.spec.strategy.args.get("teachers", "teachers")
    stage = student.run.measured.get(str(name))
    return Model(student.run, stage) if stage else None


def teachers(runs: list[Run]) -> list[Model]:
    """Every stage of one model for each type that learns from labels; students may be of one type each too."""
    return [
        Model(run, stage)
        for run in runs
        for stage in run.measured.values()
        if stage.spec.per_type and stage.spec.strategy.name != DISTILLATION
    ]


def semi_supervised(runs: list[Run]) -> list[Model]:
    """The stages that learn from their own pseudo labels."""
    return _with_strategy(runs, PSEUDO_LABELS)


def start_of(model: Model) -> Model | None:
    """The measured stage of the same run from which a stage started, head included."""
    spec = model.stage.spec
    stage = model.run.measured.get(spec.init_from or "")
    return Model(model.run, stage) if stage else None


def from_labels_alone(runs: list[Run]) -> list[Model]:
    """The models of all types that learn from labels only."""
    apart = {DISTILLATION, PSEUDO_LABELS}
    return [
        Model(run, stage)
        for run in runs
        for stage in run.measured.values()
        if not stage.spec.per_type and stage.spec.strategy.name not in apart
    ]


def softmax_scale(model: Model, type_name: str) -> float | None:
    """What makes logits of a model's scores: the ``scale`` of the loss that it, or its teachers, learnt by.

    ``None`` where the scores were never meant as probabilities, as after a ranking loss.
    """
    spec = model.stage.spec
    if spec.strategy.name == DISTILLATION:
        before = teachers_of(model)
        return softmax_scale(before, type_name) if before else None
    part = spec.losses.get(type_name, spec.loss)
    scale = part.args.get("scale") if part else None
    return float(scale) if isinstance(scale, int | float) else None


def _with_strategy(runs: list[Run], name: str) -> list[Model]:
    return [Model(run, stage) for run in runs for stage in run.measured.values() if stage.spec.strategy.name == name]
