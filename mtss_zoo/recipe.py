"""The schema of a recipe: everything that a model and its training are made of, as checked data."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from annotated_types import Ge, Gt, Le, Len, Lt
from pydantic import Field, model_validator

from mtss_zoo import registry
from mtss_zoo.errors import UsageError
from mtss_zoo.grid import Grid
from mtss_zoo.interfaces import AttributeSchema, AttributeType
from mtss_zoo.pil_images import Fit, Interpolation
from mtss_zoo.stage_spec import AugmentSpec as AugmentSpec
from mtss_zoo.stage_spec import OptimizerSpec as OptimizerSpec
from mtss_zoo.stage_spec import Positive
from mtss_zoo.stage_spec import ScheduleSpec as ScheduleSpec
from mtss_zoo.stage_spec import Spec as Spec
from mtss_zoo.tune_spec import TuneSpec

RECIPE_VERSION: Literal[1] = 1
MAX_CLASSES = 1_000_000
Pixels = Annotated[int, Ge(1), Le(4096)]
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
PACKAGE = r"^[A-Za-z0-9][\w.-]* [\w.+!?-]+$"
FolderName = Annotated[str, Field(pattern=NAME)]


class Part(Spec):
    """One component by name, with its arguments."""

    name: str
    args: dict[str, Any] = Field({})

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        """``head: linear`` is short for ``head: {name: linear}``."""
        return {"name": value} if isinstance(value, str) else value


class TypeSpec(Spec):
    """One attribute type; ``classes`` is a count where the names come with the dataset."""

    name: str
    kind: Literal["single", "multi"] = "single"
    classes: Annotated[list[str], Len(1)] | Positive
    other: str | None = Field(None, description="the class to which every value belongs that is not listed")

    @model_validator(mode="after")
    def _makes_an_attribute_type(self) -> TypeSpec:
        if self.other is not None and (isinstance(self.classes, int) or self.other not in self.classes):
            raise ValueError(f"other is {self.other!r}, which is not among the classes.")
        try:
            AttributeType(self.name, self.kind, ("0",) if isinstance(self.classes, int) else tuple(self.classes))
        except UsageError as error:
            raise ValueError(str(error).removesuffix(".")) from error
        return self


class SchemaSpec(Spec):
    """The attribute types of the model, in order."""

    types: Annotated[list[TypeSpec], Len(1)]

    @model_validator(mode="after")
    def _is_of_some_size(self) -> SchemaSpec:
        """Counts become names, so one line of a foreign recipe could ask for all memory."""
        total = sum(t.classes if isinstance(t.classes, int) else len(t.classes) for t in self.types)
        if total > MAX_CLASSES:
            raise ValueError(f"{total:,} classes are more than the {MAX_CLASSES:,} that a schema may have.")
        return self


class DataSpec(Spec):
    """Where pictures come from, and how one becomes a tensor 3HW."""

    dataset: Part
    types: list[str] | None = Field(None, description="train these attribute types of the dataset only")
    image_size: tuple[Pixels, Pixels] = Field((224, 224), description="height, width")
    fit: Fit = "squash"
    crop_pct: Annotated[float, Gt(0), Le(1)] = Field(
        1.0, description="share of the sides of the largest centred part that `fit: crop` keeps, such as 0.875"
    )
    interpolation: Interpolation = Field("bilinear", description="how pictures are resized, random crops too")
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    holdout: Annotated[float, Ge(0), Lt(1)] = Field(
        0.0, description="share of train that becomes the split `holdout`, for tuning"
    )
    label_share: Annotated[float, Gt(0), Le(1)] = Field(
        1.0, description="share of the training pictures that keep their labels, class by class; smaller lies in larger"
    )
    dropped: Literal["unlabelled", "ignore"] = Field(
        "unlabelled", description="what becomes of the training pictures without their labels"
    )
    unlabelled_share: Annotated[float, Gt(0), Le(1)] = Field(
        1.0, description="share of the dataset's unlabelled pictures; dropped ones come on top"
    )
    also_unlabelled: list[Part] = Field(
        [], description="other datasets, whose train and unlabelled pictures join the unlabelled ones, without labels"
    )
    boxes: str | None = Field(None, description="a file of boxes, for pictures without one of their own")
    workers: Annotated[int, Ge(0)] = 2
    max_bad_images: Annotated[int, Ge(0)] = Field(100, description="unreadable pictures that a run tolerates")

    def rooted(self, root: str | Path | None) -> DataSpec:
        """The same data read from another folder; ``None`` leaves it as it is.

        Raises:
            UsageError: the dataset reads no folder.
        """
        if root is None:
            return self
        component = registry.find("dataset", self.dataset.name)
        if component.args is None or "root" not in {field.name for field in fields(component.args)}:
            raise UsageError(f"dataset {self.dataset.name} reads no folder: leave --data-root, or --root, out.")
        args = {**self.dataset.args, "root": str(root)}
        return self.model_copy(update={"dataset": Part(name=self.dataset.name, args=args)})


class ModelSpec(Spec):
    """The delivered model: one backbone, one head for every attribute type."""

    backbone: Part
    head: Part


class ModelChange(Spec):
    """Parts of the model that differ in one stage."""

    backbone: Part | None = None
    head: Part | None = None


class StageSpec(Spec):
    """One stage of training: a strategy, its losses, and how long it runs."""

    strategy: Part
    loss: Part | None = None
    losses: dict[str, Part] = Field({}, description="by attribute type, where it differs from `loss`")
    per_type: bool = Field(False, description="train one model for each attribute type")
    model: ModelChange = Field(ModelChange(), description="where it differs from the recipe's model")
    init_from: str | None = Field(None, description="an earlier stage, a checkpoint folder, or owner/repo@revision")
    init_parts: Literal["backbone", "all"] = Field("backbone", description="what init_from gives; all: heads too")
    views: dict[str, AugmentSpec] = Field({"train": AugmentSpec()})
    batch_size: Positive = 128
    epochs: Positive | None = None
    steps: Positive | None = None
    optimizer: OptimizerSpec
    schedule: ScheduleSpec = ScheduleSpec()
    ema: Annotated[float, Ge(0), Lt(1)] = Field(0.0, description="deliver a moving average of the weights; 0 is off")
    validate_every: Positive = Field(1, description="epochs between validations")
    keep: Literal["best", "last"] = "best"


class EvaluateSpec(Spec):
    """What is measured, and on which split the best epoch is chosen (by F1@1)."""

    split: str = "val"
    select_on: str = "val"
    k: Annotated[list[Positive], Len(1)] = Field([1, 3, 5])
    slices: list[str] = Field([], description="metadata columns, such as marketplace: metrics for each of their values")
    batch_size: Positive = 256


class TrainerSpec(Spec):
    """Fields handed to Lightning's Trainer as they are, and how often a run saves and logs."""

    accelerator: str = "auto"
    devices: int | str | list[int] = "auto"
    num_nodes: Positive = 1
    strategy: str = "auto"
    precision: str = "32-true"
    accumulate_grad_batches: Positive = 1
    log_every: Positive = 50
    save_every: Positive = Field(500, description="steps between two restart points; each epoch ends with one")


class WeightsSpec(Spec):
    """Where published weights are: a repository on the Hub, one commit of it, and the file's checksum."""

    repo: str
    revision: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Recipe(Spec):
    """A whole recipe, resolved: no ``extends``, every default written out."""

    version: Literal[1] = RECIPE_VERSION
    name: FolderName
    summary: str = ""
    schema_: SchemaSpec | None = Field(None, alias="schema", description="default: the dataset's own")
    data: DataSpec
    model: ModelSpec
    stages: dict[FolderName, StageSpec] = Field({}, description="in the order in which they run")
    evaluate: EvaluateSpec = EvaluateSpec()
    trainer: TrainerSpec = TrainerSpec()
    tune: TuneSpec | None = None
    grid: Grid | None = Field(None, description="what the cells of a study differ in")
    shared: str | None = Field(None, description="up to this stage the cells of a study are alike, whatever the grid")
    seed: int = 0
    weights: WeightsSpec | None = None
    license: str | None = Field(None, description="of the trained weights, as the Hub spells it: apache-2.0")
    provided_by: dict[str, Annotated[str, Field(pattern=PACKAGE)]] = Field(
        {}, description="written on saving: `kind name` to the package it came from"
    )

    @property
    def attribute_schema(self) -> AttributeSchema | None:
        """The schema that the recipe itself states, if it does."""
        return AttributeSchema.from_dict(self.schema_.model_dump()) if self.schema_ else None

    def model_of(self, stage: str) -> ModelSpec:
        """The model that one stage trains."""
        change = self.stages[stage].model
        return ModelSpec(backbone=change.backbone or self.model.backbone, head=change.head or self.model.head)

    def with_schema(self, schema: AttributeSchema) -> Recipe:
        """The same recipe that states this schema, and losses of its types alone."""
        stages = {
            name: stage.model_copy(
                update={"losses": {t: loss for t, loss in stage.losses.items() if t in schema.names}}
            )
            for name, stage in self.stages.items()
        }
        return self.model_copy(update={"schema_": SchemaSpec.model_validate(schema.to_dict()), "stages": stages})

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what it holds loads again."""
        plain = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return plain | ({"grid": self.grid} if self.grid else {})  # with the nulls of its variants

    def to_yaml(self) -> str:
        """YAML text that loads again as the same recipe."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=110)
