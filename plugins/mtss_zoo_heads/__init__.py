"""The built-in heads. Their modules are imported when first used; only arguments and names live here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from mtss_zoo import Component, hookimpl


@dataclass(frozen=True)
class LabelEmbeddingArgs:
    """``dim``: the length of the embeddings, 1024 in the paper."""

    dim: Annotated[int, Ge(1)] = 1024


@dataclass(frozen=True)
class LinearArgs:
    """``init_std``: weights start normally distributed with this deviation, 2e-5 in Semi-ViT, and the bias as 0."""

    init_std: Annotated[float, Gt(0)] | None = None


@hookimpl
def mtss_zoo_components() -> list[Component]:
    """The heads of this package."""
    return [
        Component(
            "head",
            "label_embedding",
            "mtss_zoo_heads.label_embedding:LabelEmbeddingHead",
            summary="image embedding and a dictionary of label embeddings, compared by cosine",
            args=LabelEmbeddingArgs,
        ),
        Component(
            "head",
            "linear",
            "mtss_zoo_heads.linear:LinearHead",
            summary="one linear layer to logits",
            args=LinearArgs,
        ),
    ]
