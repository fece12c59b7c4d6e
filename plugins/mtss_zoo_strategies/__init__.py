"""The built-in strategies. Their modules are imported when first used; only arguments and names live here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from mtss_zoo import Component, hookimpl


@dataclass(frozen=True)
class SupervisedArgs:
    """How labels are drawn, which classes are trained, and how much each attribute type weighs.

    ``max_classes``: train the classes with the most pictures only, 40 in the paper; ``null`` is all.
    ``images_per_epoch``: draws an epoch, 300000 in the paper; ``null`` is one a label.
    ``weights``: of the types' losses; a type that is not named weighs 1.
    ``mixup``, ``cutmix``: a of the mixing share's distribution Beta(a, a); 0 is off. Both on: half of the batches each.
    """

    sampling: Literal["natural", "sqrt", "balanced"] = "natural"
    max_classes: Annotated[int, Ge(1)] | None = None
    images_per_epoch: Annotated[int, Ge(1)] | None = None
    weights: dict[str, Annotated[float, Ge(0)]] | None = None
    mixup: Annotated[float, Ge(0)] = 0.0
    cutmix: Annotated[float, Ge(0)] = 0.0


@dataclass(frozen=True)
class MTSSArgs:
    """Which stage teaches, and from which pictures the student learns.

    ``cache_views``: train on this many fixed views of every picture, whose teacher embeddings are computed once and
    kept on disk; 0 draws a fresh view every time, with K teacher forwards a step.
    ``teacher_view``: the view of the recipe that teachers see; as published, the student's own.
    ``images``: ``labelled`` is plain distillation, without the pictures that have no label.
    ``label_weight``: of a cross entropy with the known labels, beside the loss against the teachers; not in the paper.
    """

    teachers: str = "teachers"
    cache_views: Annotated[int, Ge(0)] = 0
    images: Literal["all", "labelled"] = "all"
    teacher_view: str = "train"
    label_weight: Annotated[float, Ge(0)] = 0.0


@dataclass(frozen=True)
class MAEArgs:
    """How much of a picture is hidden, and the decoder, which is thrown away after the stage.

    ``mask_ratio``: share of the patches that is hidden.
    ``norm_pix``: predict the pixels of a patch less their mean, divided by their standard deviation.
    ``pictures_every``: steps from one picture of reconstructions to the next; 0 draws none.
    """

    mask_ratio: Annotated[float, Gt(0), Lt(1)] = 0.75
    decoder_width: Annotated[int, Ge(4)] = 512
    decoder_depth: Annotated[int, Ge(0)] = 8
    decoder_heads: Annotated[int, Ge(1)] = 16
    norm_pix: bool = True
    pictures_every: Annotated[int, Ge(0)] = 500


@dataclass(frozen=True)
class SemiViTArgs:
    """How the student learns from its own moving average on pictures without labels.

    ``mu``: unlabelled pictures a labelled one.
    ``threshold``: from which confidence on a pseudo label counts.
    ``unlabelled_weight``: of the loss on unlabelled pictures.
    ``pseudo_mixing``: how these are mixed. ``probabilistic`` is the method: the surer picture keeps more. Ablations:
    ``ordinary`` mixes as labelled pictures are, ``none`` not at all.
    ``label_smoothing``: of mixed pseudo labels; without mixing they are hard.
    ``mixup``, ``cutmix``: of the labelled pictures, as in ``supervised``.
    ``momentum``: of the moving average; 0.9999 as published, for 180 000 steps.
    ``horizon``: without ``momentum`` it is 1 - horizon / steps of the stage, so that the average reaches back over the
    same share of a stage of any length; 18 is the published one. With as many steps or fewer it is 0.
    ``deliver``: the model that is saved; the other one is measured too.
    ``weights``: of the types' losses; a type that is not named weighs 1.
    ``align``: whether guesses keep to the classes of the labels, so that rare ones are not forgotten; not in the paper.
    """

    mu: Annotated[int, Ge(1)] = 5
    threshold: Annotated[float, Ge(0), Le(1)] = 0.5
    unlabelled_weight: Annotated[float, Ge(0)] = 5.0
    pseudo_mixing: Literal["none", "ordinary", "probabilistic"] = "probabilistic"
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.1
    mixup: Annotated[float, Ge(0)] = 0.8
    cutmix: Annotated[float, Ge(0)] = 1.0
    momentum: Annotated[float, Ge(0), Lt(1)] | None = None
    horizon: Annotated[float, Gt(0)] = 18.0
    deliver: Literal["ema", "student"] = "ema"
    weights: dict[str, Annotated[float, Ge(0)]] | None = None
    align: bool = False


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
        Component(
            "strategy",
            "mae",
            "mtss_zoo_strategies.mae:MAEStrategy",
            summary="masked autoencoder: pretrains a Vision Transformer on pictures alone, without labels",
            args=MAEArgs,
            example=_tiny_decoder,
        ),
        Component(
            "strategy",
            "semi_vit",
            "mtss_zoo_strategies.semi_vit:SemiViTStrategy",
            summary="Semi-ViT: labels, and an EMA teacher's pseudo labels on pictures without; one class a type",
            args=SemiViTArgs,
        ),
    ]


def _tiny_decoder(folder: Path) -> Mapping[str, Any]:
    """A decoder of some thousand parameters."""
    return {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2, "pictures_every": 2}
