"""The schema of a recipe's section `tune`: what a search varies, and by which metric it chooses."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Gt, Len
from pydantic import BaseModel, ConfigDict, Field, model_validator


class RangeSpec(BaseModel):
    """The values that a search may try for one key: around the recipe's own, from low to high, or one of several."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    factor: Annotated[float, Gt(1)] | None = Field(None, description="from value / factor to value * factor")
    low: float | None = None
    high: float | None = None
    log: bool = Field(False, description="low to high evenly on a logarithmic scale")
    choices: Annotated[list[Any], Len(2)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> RangeSpec:
        between = (self.low is not None) + (self.high is not None)
        if between == 1 or (self.factor is not None) + bool(between) + (self.choices is not None) != 1:
            raise ValueError("give either factor, or low and high, or choices")
        return self


class TuneSpec(BaseModel):
    """What `mtss-zoo tune` varies, and what it makes as good as possible."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: dict[str, RangeSpec] = Field({}, description="dotted keys of this recipe; default: rates and weight decays")
    metric: str = Field("f1@1", description="of the last stage, as in its metrics.json")
    type: str | None = Field(None, description="of this attribute type alone")
