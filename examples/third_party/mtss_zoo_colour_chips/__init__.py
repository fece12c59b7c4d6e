"""What mtss-zoo reads of this package before a recipe uses it. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt

from mtss_zoo import Component, hookimpl


@dataclass(frozen=True)
class ColourChipsArgs:
    """Numbers of chips, and the share of the training chips whose colour is known, and likewise whose marks are."""

    seed: Annotated[int, Ge(0)] = 0
    n_train: Annotated[int, Ge(1)] = 512
    n_val: Annotated[int, Ge(1)] = 128
    n_unlabelled: Annotated[int, Ge(0)] = 512
    label_share: Annotated[float, Gt(0), Le(1)] = 0.5


@dataclass(frozen=True)
class AsymmetricArgs:
    """Exponents for positive and negative labels, and the probability below which a negative counts nothing."""

    gamma_positive: Annotated[float, Ge(0)] = 0.0
    gamma_negative: Annotated[float, Ge(0)] = 4.0
    margin: Annotated[float, Ge(0), Lt(1)] = 0.05


@hookimpl
def mtss_zoo_components() -> list[Component]:
    """A dataset and a loss."""
    chips, loss = "mtss_zoo_colour_chips.chips:ColourChips", "mtss_zoo_colour_chips.asymmetric:AsymmetricLoss"
    return [
        Component("dataset", "colour_chips", chips, "generated colour cards with marks", ColourChipsArgs, few_chips),
        Component("loss", "asymmetric", loss, "multi-label: sure negatives weigh less", AsymmetricArgs),
    ]


def few_chips(folder: Path) -> Mapping[str, Any]:
    """The smallest useful dataset, with which the contracts are tried."""
    return {"n_train": 24, "n_val": 8, "n_unlabelled": 8}
