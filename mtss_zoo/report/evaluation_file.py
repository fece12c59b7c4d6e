"""The shape of what ``evaluate --json`` prints: plain, with ``--aliases``, or with ``--corruptions``."""

from __future__ import annotations

from typing import Any, TypeAlias

from pydantic import BaseModel, Field

from mtss_zoo.corruption import CORRUPTIONS
from mtss_zoo.report.measured import MeasuredFile

Ratios: TypeAlias = dict[str, float | None]
Gains: TypeAlias = dict[str, dict[str, list[float | None]]]
"""Attribute type, or ``all``, to metric to the gain and the ends of its interval."""


class CorruptedStage(BaseModel):
    """One stage on clean and on corrupted pictures: ``all`` and each type to metrics."""

    clean: dict[str, Ratios]
    mean: dict[str, Ratios]
    by_corruption: dict[str, dict[str, Ratios]] = {}
    by_group: dict[str, dict[str, Ratios]] = {}
    by_severity: dict[str, dict[str, Ratios]] = {}


class Corrupted(BaseModel):
    """A file of ``--corruptions``. ``data_root`` to ``save_quality`` are what was asked for."""

    split: str = ""
    n: int
    package: str = ""
    data_root: str | None = None
    variant: str
    names: list[str] | None = None
    max_images: int | None = None
    seed: int | None = None
    save_quality: int | None = None
    stages: dict[str, CorruptedStage] = Field(min_length=1)

    @property
    def pictures(self) -> tuple[object, ...]:
        """Equal for files whose stages saw the same pictures, of the same dataset."""
        names = tuple(self.names or CORRUPTIONS)
        return self.split, self.n, self.variant, names, self.max_images, self.seed, self.save_quality


class SharedType(BaseModel):
    """One type across domains, and its shared classes."""

    n: int
    f1: float | None = Field(None, alias="f1@1")
    classes: dict[str, Ratios] = Field(min_length=1)


class AcrossStage(BaseModel):
    """One stage on another domain's pictures; ``all`` pools the types."""

    types: dict[str, SharedType] = Field(min_length=1)
    all: Ratios = {}


class Wanted(BaseModel):
    """What `reproduce` wanted of a measurement: ``columns`` is class to column of the paper."""

    columns: dict[str, str] = {}


class Across(BaseModel):
    """A file of ``--aliases``; ``gain`` is the last stage's over the one before."""

    split: str = ""
    dataset: str
    data_root: str | None = None
    aliases: str | dict[str, Any] = "MAP.yaml"
    stages: dict[str, AcrossStage] = Field(min_length=1)
    gain: Gains = {}
    asked: Wanted = Wanted()


class Plain(BaseModel):
    """A file of plain ``evaluate``."""

    split: str = ""
    stages: dict[str, MeasuredFile] = Field(min_length=1)
    gain: Gains = {}


EvaluationFile: TypeAlias = Corrupted | Across | Plain


def evaluation_file(data: dict[str, Any]) -> EvaluationFile:
    """Tells the three kinds apart by what only they hold.

    Raises:
        ValueError: it is none of them.
    """
    kind = Corrupted if "variant" in data else Across if "pictures" in data else Plain
    try:
        return kind.model_validate(data)
    except ValueError as error:
        raise ValueError("it is not what `mtss-zoo evaluate --json` prints") from error
