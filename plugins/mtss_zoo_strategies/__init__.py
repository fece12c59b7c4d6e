"""The built-in strategies. Their modules are imported when first used; only arguments and names live here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from mtss_zoo import Component, hookimpl


@dataclass(frozen=True)
class SupervisedArgs:
    """How labels are drawn, which classes are trained, and how much each attribute type weighs.

    ``max_classes``: train the classes with the most pictures only, 40 in the paper; ``null`` is all.
    ``images_per_epoch``: draws an epoch, 300000 in the paper; ``null`` is one a label.
    ``weights``: of the types' losses; a type that is not named weighs 1.
    """

    sampling: Literal["natural", "sqrt", "balanced"] = "natural"
    max_classes: Annotated[int, Ge(1)] | None = None
    images_per_epoch: Annotated[int, Ge(1)] | None = None
    weights: dict[str, Annotated[float, Ge(0)]] | None = None


@dataclass(frozen=True)
class MTSSArgs:
    """Which stage teaches, and from which pictures the student learns.

    ``cache_views``: train on this many fixed views of every picture, whose teacher embeddings are computed once and
    kept on disk; 0 draws a fresh view every time, with K teacher forwards a step.
    ``teacher_view``: the view of the recipe that teachers see; as published, the student's own.
    ``images``: ``labelled`` is plain distillation, without the pictures that have no label.
    """

    teachers: str = "teachers"
    cache_views: Annotated[int, Ge(0)] = 0
    images: Literal["all", "labelled"] = "all"
    teacher_view: str = "train"


@hookimpl
def mtss_zoo_components() -> list[Component]:
    """The strategies of this package."""
    return [
        Component(
            "strategy",
            "supervised",
            "mtss_zoo_strategies.supervised:SupervisedStrategy",
            summary="learns from labels: one attribute type (an MTSS teacher), or all at once",
            args=SupervisedArgs,
        ),
        Component(
            "strategy",
            "mtss",
            "mtss_zoo_strategies.mtss:MTSSStrategy",
            summary="MTSS student: learns all types from one teacher each, on pictures with and without labels",
            args=MTSSArgs,
        ),
    ]
