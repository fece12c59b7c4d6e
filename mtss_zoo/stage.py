"""The parts of a training run: which models a recipe's stages train, where each is kept, what it sees."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtss_zoo.build import build_dataset, build_losses, build_model, build_preprocess
from mtss_zoo.checkpoint import load, start_from
from mtss_zoo.checkpoint_files import CARD, METRICS, RECIPE, WEIGHTS
from mtss_zoo.errors import RecipeError, UnknownNameError, UsageError
from mtss_zoo.hub import fetch_folder
from mtss_zoo.interfaces import AttributeSchema, Samples
from mtss_zoo.model import AttributeModel
from mtss_zoo.progress import say
from mtss_zoo.recipe import Recipe, StageSpec
from mtss_zoo.regime import RecipeDataset
from mtss_zoo.registry import find, near_matches, resolve
from mtss_zoo.sampling import derived_seed
from mtss_zoo.streams import BadImages, fixed_views


@dataclass(frozen=True)
class StageRun:
    """One model to train: a stage of a frozen recipe or, in a ``per_type`` stage, one attribute type of it."""

    recipe: Recipe
    out: Path
    stage: str
    type_name: str | None = None

    @property
    def spec(self) -> StageSpec:
        """The stage as the recipe has it."""
        return self.recipe.stages[self.stage]

    @property
    def label(self) -> str:
        """What messages call it: ``student``, ``teachers/texture``."""
        return f"{self.stage}/{self.type_name}" if self.type_name else self.stage

    @property
    def folder(self) -> Path:
        """Where its checkpoint, log and caches are kept."""
        return self.out / self.label

    @property
    def finished(self) -> bool:
        """Whether the folder holds a whole checkpoint."""
        return all((self.folder / name).is_file() for name in (WEIGHTS, RECIPE, METRICS, CARD))

    @property
    def seed(self) -> int:
        """In [0, 2^64); unrelated to that of any other stage or type."""
        return derived_seed(self.recipe.seed, zlib.crc32(self.label.encode()))

    @property
    def schema(self) -> AttributeSchema:
        """The attribute types that its model has."""
        schema = self.recipe.attribute_schema
        assert schema is not None
        return schema.select([self.type_name]) if self.type_name else schema

    def build_model(self, pretend: bool = False) -> AttributeModel:
        """Its model at the start: random weights from the seed, then the backbone of ``init_from``.

        A dry run pretends to start from an earlier stage, which is perhaps not trained yet.
        """
        torch.manual_seed(self.seed)
        model = build_model(self.recipe, self.schema, self.recipe.model_of(self.stage))
        source = self.spec.init_from
        if source and source in self.recipe.stages:
            start = self._start_of(source)
            if not pretend:
                start_from(model, start.required().folder, self.spec.init_parts)
        elif source:
            start_from(model, Path(source) if Path(source).is_dir() else fetch_folder(source), self.spec.init_parts)
        return model

    def of_stage(self, stage: str) -> list[StageRun]:
        """The models that another stage of the same recipe trains."""
        return expand(self.recipe, self.out, stage)

    def _start_of(self, stage: str) -> StageRun:
        runs = [r for r in self.of_stage(stage) if r.type_name in (None, self.type_name)]
        if not runs:
            raise RecipeError(
                f"stage {self.stage} starts from stage {stage}, which trains one model for each attribute type: "
                "only another per_type stage can start from it."
            )
        return runs[0]

    def required(self) -> StageRun:
        """Itself, if it is finished.

        Raises:
            UsageError: it is not; the message says how to train it.
        """
        if not self.finished:
            one = f" --type {self.type_name}" if self.type_name else ""
            raise UsageError(
                f"{self.label} is not trained yet: {self.folder} holds no checkpoint. "
                f"Train it first, with --stage {self.stage}{one} and the same --out."
            )
        return self


def expand(recipe: Recipe, out: Path, stage: str | None = None, type_name: str | None = None) -> list[StageRun]:
    """The models that a frozen recipe trains, in order, or those of one stage, or of one type of it.

    Raises:
        UnknownNameError, UsageError: there is no such stage or type.
    """
    if stage is not None and stage not in recipe.stages:
        raise UnknownNameError(f"recipe {recipe.name} has no stage {stage!r}. {near_matches(stage, recipe.stages)}")
    if not recipe.stages:
        raise UsageError(f"recipe {recipe.name} has no stages, so there is nothing to train.")
    schema = recipe.attribute_schema
    assert schema is not None
    if type_name is not None:
        if stage is None or not recipe.stages[stage].per_type:
            per_type = [name for name, spec in recipe.stages.items() if spec.per_type]
            raise UsageError(f"a type is chosen in a stage that is per_type; here: {', '.join(per_type) or 'none'}.")
        schema = schema.select([type_name])
    runs = []
    for name in [stage] if stage else recipe.stages:
        types = schema.names if recipe.stages[name].per_type else (None,)
        runs += [StageRun(recipe, out, name, t) for t in types]
    return runs


class Context:
    """The `StageContext` of one run.

    Args:
        run: the model that is trained.
        dataset: where its pictures come from, as `open_data` gives it.
        pretend: take untrained models for those of earlier stages, as a dry run does.
    """

    def __init__(self, run: StageRun, dataset: RecipeDataset, pretend: bool = False) -> None:
        data = run.recipe.data
        self.run, self.dataset, self.pretend = run, dataset, pretend
        self.schema = run.schema
        self.preprocess = build_preprocess(data)
        self.train: Samples = dataset.split("train")
        self.losses: Mapping[str, Any] = build_losses(run.spec, self.schema)
        self.batch_size = run.spec.batch_size
        self.seed = run.seed
        self.folder = run.folder
        self.bad_images = BadImages(data.max_bad_images, None if pretend else run.folder)

    @cached_property
    def unlabelled(self) -> Samples:
        """Read when a strategy first asks, as every picture is then compared with those that are measured on."""
        pool, left_out = self.dataset.unlabelled(), self.dataset.left_out
        if left_out and not self.pretend:
            say(
                f"{self.run.label}: {len(left_out)} unlabelled pictures are also in "
                f"{' or '.join(self.dataset.measured)} and are left out."
            )
        return pool

    def finished(self, stage: str) -> dict[str, AttributeModel]:
        """The models of an earlier stage in eval mode: type name (or ``all``) to model.

        Raises:
            RecipeError: no earlier stage has this name.
            UsageError: one of them is not trained yet.
        """
        order = list(self.run.recipe.stages)
        earlier = order[: order.index(self.run.stage)]
        if stage not in earlier:
            near = near_matches(stage, earlier)
            raise RecipeError(f"stage {self.run.stage} needs stage {stage!r}, which does not come before it. {near}")
        runs = self.run.of_stage(stage)
        if self.pretend:
            untrained = (build_model(r.recipe, r.schema, r.recipe.model_of(r.stage)) for r in runs)
            return {r.type_name or "all": model.eval() for r, model in zip(runs, untrained, strict=True)}
        return {r.type_name or "all": load(r.required().folder) for r in runs}

    def views(self, samples: Samples, view: str, number: int) -> Iterator[Tensor]:
        """Batches B3HW of one fixed view of every sample, in order of rows.

        Raises:
            RecipeError: at once, the stage has no such view.
        """
        recipe, views = self.run.recipe, self.run.spec.views
        if view not in views:
            raise RecipeError(f"stage {self.run.stage} has no view {view!r}. {near_matches(view, views)}")
        return fixed_views(
            samples,
            self.preprocess,
            views[view],
            number,
            self.seed,
            recipe.evaluate.batch_size,
            recipe.data.workers,
            self.bad_images,
        )


def open_data(recipe: Recipe) -> tuple[Recipe, RecipeDataset]:
    """The recipe frozen, which states its schema, restricted to ``data.types``; and the dataset as it uses it.

    Raises:
        RecipeError: the dataset's classes are not as many as the recipe says.
        UsageError: it has not the splits on which the recipe measures, or no labels to learn from.
    """
    stated, types = recipe.attribute_schema, recipe.data.types
    counted = recipe.schema_ is not None and any(isinstance(t.classes, int) for t in recipe.schema_.types)
    dataset = build_dataset(recipe.data, None if counted else stated)
    schema = dataset.schema.select(types or (stated.names if stated else dataset.schema.names))
    if counted and stated and (wrong := [t for t in schema if len(t) != len(stated[t.name])]):
        found = ", ".join(f"{len(t)} of {t.name} (not {len(stated[t.name])})" for t in wrong)
        raise RecipeError(f"dataset {recipe.data.dataset.name!r} and the recipe differ in classes: it has {found}.")
    used = RecipeDataset(dataset, recipe.data, recipe.seed, schema)
    recipe = _with_splits(recipe, used)
    # Its schema says from now on what `types` chose; a teacher's has fewer types still.
    data = recipe.data.model_copy(update={"types": None})
    return recipe.with_schema(schema).model_copy(update={"data": data}), used


def _with_splits(recipe: Recipe, used: RecipeDataset) -> Recipe:
    """The recipe, whose splits the dataset has; where no stage predicts, train stands for those that it lacks."""
    asked = {key: getattr(recipe.evaluate, key) for key in ("select_on", "split")}
    lacking = {key: name for key, name in asked.items() if name not in used.splits}
    if not any(resolve(find("strategy", stage.strategy.name)).predicts for stage in recipe.stages.values()):
        evaluate = recipe.evaluate.model_copy(update=dict.fromkeys(lacking, "train"))
        return recipe.model_copy(update={"evaluate": evaluate})
    if not len(used.split("train")):
        raise UsageError(f"no picture of train has a label, as the recipe needs. {' '.join(used.remarks())}".rstrip())
    for key, name in lacking.items():
        raise UsageError(
            f"evaluate.{key} is {name!r}, but the dataset has {', '.join(used.splits)}. Name one of these, or set "
            "data.holdout, such as 0.1, which makes a split `holdout` from train."
        )
    return recipe
