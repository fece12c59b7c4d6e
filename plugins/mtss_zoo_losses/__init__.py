"""The built-in losses. Their modules are imported when first used; only arguments and names live here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from mtss_zoo import Component, hookimpl


@dataclass(frozen=True)
class FocalRankingArgs:
    """``gamma`` 0 is the plain -log p.

    ``negatives``: other pictures of the batch, ``all`` or ``one`` at random, as published; or the other ``classes`` of
    the same picture, or the ``hardest_class`` of them.
    """

    gamma: Annotated[float, Ge(0)] = 1.0
    negatives: Literal["all", "one", "classes", "hardest_class"] = "all"


@dataclass(frozen=True)
class CrossEntropyArgs:
    """``label_smoothing``: the share of the target that is spread evenly over the known classes.

    ``scale``: what the scores are multiplied by; 16 for cosines.
    """

    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    scale: Annotated[float, Gt(0)] = 1.0


@dataclass(frozen=True)
class CrowdCrossEntropyArgs(CrossEntropyArgs):
    """``confusion``: whether to estimate what people take each class for; the rest is for ``estimated``.

    ``decay``: what each batch leaves of what was counted before. ``prior_accuracy``: the share of right answers that is
    supposed beforehand, as firmly as after ``prior_answers`` of each class.
    """

    confusion: Literal["none", "estimated"] = "none"
    decay: Annotated[float, Ge(0), Lt(1)] = 0.99
    prior_accuracy: Annotated[float, Gt(0), Lt(1)] = 0.7
    prior_answers: Annotated[float, Gt(0)] = 100.0


@dataclass(frozen=True)
class EmbeddingDistillationArgs:
    """``beta`` 0 weighs all pictures alike; larger values trust the teacher's surer ones more."""

    beta: Annotated[float, Ge(0)] = 1.0


@dataclass(frozen=True)
class ScoreDistillationArgs:
    """``scale``: what the cosines are multiplied by; best the one that the teachers were trained with."""

    scale: Annotated[float, Gt(0)] = 16.0


@hookimpl
def mtss_zoo_components() -> list[Component]:
    """The losses of this package."""
    return [
        Component(
            "loss",
            "focal_ranking",
            "mtss_zoo_losses.focal_ranking:FocalRankingLoss",
            summary="MTSS teacher: focal ranking of cosine scores",
            args=FocalRankingArgs,
        ),
        Component(
            "loss",
            "bce",
            "mtss_zoo_losses.classification:BCELoss",
            summary="binary cross entropy of logits, mean over known labels",
        ),
        Component(
            "loss",
            "cross_entropy",
            "mtss_zoo_losses.classification:CrossEntropyLoss",
            summary="softmax cross entropy over known classes",
            args=CrossEntropyArgs,
        ),
        Component(
            "loss",
            "crowd_cross_entropy",
            "mtss_zoo_losses.crowd:CrowdCrossEntropyLoss",
            summary="cross entropy with all answers of a crowd, and an estimate of what it confuses",
            args=CrowdCrossEntropyArgs,
        ),
        Component(
            "loss",
            "embedding_distillation",
            "mtss_zoo_losses.distillation:EmbeddingDistillationLoss",
            summary="MTSS student: cosine distance to the teacher, weighted by its certainty",
            args=EmbeddingDistillationArgs,
        ),
        Component(
            "loss",
            "score_distillation",
            "mtss_zoo_losses.distillation:ScoreDistillationLoss",
            summary="MTSS student: divergence of its scores from the teacher's",
            args=ScoreDistillationArgs,
        ),
    ]
