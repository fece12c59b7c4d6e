"""The built-in backbones. Their modules are imported when first used; only arguments and names live here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge

from mtss_zoo import Component, hookimpl

Pixels = Annotated[int, Ge(1)]


@dataclass(frozen=True)
class ResNetArgs:
    """``pretrained``: start from ImageNet weights."""

    pretrained: bool = False


@dataclass(frozen=True)
class TimmArgs:
    """``name``: as timm spells it, such as ``vit_base_patch16_siglip_224.webli``, where the tag chooses the weights.

    ``img_size``: height and width, for networks that are built for one size. ``kwargs``: more arguments of the
    network, such as ``drop_path_rate``.
    """

    name: str
    pretrained: bool = False
    img_size: tuple[Pixels, Pixels] | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)


@hookimpl
def mtss_zoo_components() -> list[Component]:
    """The backbones of this package."""
    return [
        Component("backbone", "resnet18", "mtss_zoo_backbones.resnet:resnet18", "ResNet-18, 512 features", ResNetArgs),
        Component("backbone", "resnet50", "mtss_zoo_backbones.resnet:resnet50", "ResNet-50, 2048 features", ResNetArgs),
        Component(
            "backbone",
            "timm",
            "mtss_zoo_backbones.timm_network:timm_backbone",
            "any network of timm, by name",
            TimmArgs,
            _tiny_network,
        ),
    ]


def _tiny_network(folder: Path) -> Mapping[str, Any]:
    """A Vision Transformer of 0.3 million parameters, for pictures of 64 x 64."""
    return {"name": "test_vit", "img_size": (64, 64)}
