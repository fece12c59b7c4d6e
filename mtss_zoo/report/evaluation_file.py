"""The shape of what ``evaluate --json`` prints: plain, with ``--aliases``, or with ``--corruptions``."""

from __future__ import annotations

from typing import Any, TypeAlias

from pydantic import BaseModel, Field

from mtss_zoo.report.measured import MeasuredFile

Ratios: TypeAlias = dict[str, float | None]


class CorruptedStage(BaseModel):
    """One stage on clean and on corrupted pictures: ``all`` and each type to metrics."""

    clean: dict[str, Ratios]
    mean: dict[str, Ratios]
    by_corruption: dict[str, dict[str, Ratios]] = {}


class Corrupted(BaseModel):
    """A file of ``--corruptions``."""

    split: str = ""
    n: int
    variant: str
    package: str = ""
    seed: int | None = None
    stages: dict[str, CorruptedStage] = Field(min_length=1)


class SharedType(BaseModel):
    """One type across domains, and its shared classes."""

    n: int
    f1: float | None = Field(None, alias="f1@1")
    classes: dict[str, Ratios] = Field(min_length=1)


class AcrossStage(BaseModel):
    """One stage on another domain's pictures."""

    types: dict[str, SharedType] = Field(min_length=1)


class Across(BaseModel):
    """A file of ``--aliases``."""

    split: str = ""
    dataset: str
    stages: dict[str, AcrossStage] = Field(min_length=1)


class Plain(BaseModel):
    """A file of plain ``evaluate``."""

    split: str = ""
    stages: dict[str, MeasuredFile] = Field(min_length=1)
    gain: dict[str, dict[str, list[float | None]]] = {}


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
