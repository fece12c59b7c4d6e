"""The shape of a ``study.json``: what a study measured in each cell, as means over its seeds."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mtss_zoo.report.measured import Measured, TypeRow


class Stat(BaseModel):
    """A metric over several trainings; ``gain`` is over the first cell, in percent, with its interval."""

    mean: float | None = None
    sd: float | None = None
    gain: tuple[float | None, float | None, float | None] | None = None


class Stats(BaseModel):
    """The metrics of one type, or of all; they are the extra keys."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Stat] = Field(init=False)
    n: int = 0

    @property
    def metrics(self) -> dict[str, Stat]:
        """Metric to its numbers."""
        return self.__pydantic_extra__ or {}

    @property
    def means(self) -> dict[str, float | None]:
        """Metric to its mean."""
        return {name: stat.mean for name, stat in self.metrics.items()}


class StageStats(BaseModel):
    """One stage of one cell."""

    n: int
    types: dict[str, Stats] = Field(min_length=1)
    all: Stats = Stats()
    macro_types: Stats = Stats()

    def measured(self, split: str) -> Measured:
        """The means, as if one training had given them."""
        rows = {name: TypeRow.model_validate({"n": stats.n, **stats.means}) for name, stats in self.types.items()}
        return Measured(split, self.n, rows, pooled=self.all.means)


class CellFile(BaseModel):
    """One cell of the grid."""

    cell: str
    settings: dict[str, Any] = {}
    state: str = ""
    error: str | None = None
    runs: dict[str, str] = {}
    stages: dict[str, StageStats] = {}


class StudyFile(BaseModel):
    """A whole ``study.json``."""

    study: str = ""
    summary: str = ""
    split: str = ""
    seeds: list[int] = []
    grid: dict[str, list[Any]] = {}
    cells: list[CellFile]


def study_file(data: Any) -> StudyFile:
    """Checks the shape of what was read from JSON.

    Raises:
        ValueError: it is something else.
    """
    try:
        return StudyFile.model_validate(data)
    except ValueError as error:
        raise ValueError("its study.json is not one that `mtss-zoo study` writes") from error
