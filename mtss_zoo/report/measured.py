"""The numbers of one stage as `measure` wrote them: checked, and pooled over the models of a ``per_type`` stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mtss_zoo.metrics import Counts, macro_types

ALL, MEAN = "all", "mean of types"


class ClassRow(BaseModel):
    """One class: recall@1 over its n pictures."""

    n: int = Field(ge=0)
    recall: float | None = Field(None, alias="recall@1")


class TypeRow(BaseModel):
    """One attribute type; its metrics are the extra keys."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | None] = Field(init=False)
    n: int = Field(ge=0)
    classes: dict[str, ClassRow] = {}

    def value(self, metric: str) -> float:
        """A share in [0, 1], or NaN where it was not measured."""
        number = (self.__pydantic_extra__ or {}).get(metric)
        return nan if number is None else number


class MeasuredFile(BaseModel):
    """A ``metrics.json``, or one stage of what ``evaluate --json`` prints."""

    split: str = ""
    n: int = Field(ge=0)
    types: dict[str, TypeRow] = Field(min_length=1)
    all: dict[str, float | None] = {}


@dataclass(frozen=True)
class Measured:
    """What was measured of one stage on one split, with all its types.

    ``sizes`` is the number of classes of each type, without which nothing is pooled. ``pooled`` holds numbers over all
    types that were found in the file.
    """

    split: str
    n: int
    types: Mapping[str, TypeRow]
    sizes: Mapping[str, int] = field(default_factory=dict)
    pooled: Mapping[str, float | None] = field(default_factory=dict)

    @classmethod
    def merged(cls, files: Iterable[MeasuredFile], sizes: Mapping[str, int]) -> Measured:
        """The models of one stage, each with its types, in the order of ``sizes``.

        Raises:
            ValueError: they were measured on different pictures.
        """
        files = list(files)
        if len({(f.split, f.n) for f in files}) > 1:
            raise ValueError("its models were measured on different splits")
        found = {name: row for f in files for name, row in f.types.items()}
        types = {name: found[name] for name in [*sizes, *found] if name in found}
        pooled = files[0].all if len(files) == 1 else {}
        return cls(files[0].split, files[0].n, types, sizes, pooled)

    def value(self, type_name: str, metric: str) -> float:
        """A metric of a type, of ``all`` types pooled, or the plain mean of the types; NaN where it is not known."""
        if type_name == MEAN:
            return macro_types(row.value(metric) for row in self.types.values())
        if type_name != ALL:
            return self.types[type_name].value(metric) if type_name in self.types else nan
        number = self.pooled.get(metric)
        return self._pooled(metric) if number is None else number

    def _pooled(self, metric: str) -> float:
        """From the counts behind the ratios: TP = recall G, and G is the sum of the classes' pictures."""
        name, _, k = metric.partition("@")
        if name not in ("recall", "precision", "f1") or not k.isdigit() or not set(self.types) <= set(self.sizes):
            return nan
        counts = Counts()
        for type_name, row in self.types.items():
            positives = sum(c.n for c in row.classes.values())
            recall = row.value(f"recall@{k}")
            if recall != recall and positives:
                return nan
            found = round(recall * positives) if positives else 0
            counts += Counts(found, min(int(k), self.sizes[type_name]) * self.n, positives)
        return float(getattr(counts, name))


def measured_file(data: Any) -> MeasuredFile:
    """Checks the shape of what was read from JSON.

    Raises:
        ValueError: it is something else.
    """
    try:
        return MeasuredFile.model_validate(data)
    except ValueError as error:
        raise ValueError("it holds no measurements as `mtss-zoo evaluate` writes them") from error
