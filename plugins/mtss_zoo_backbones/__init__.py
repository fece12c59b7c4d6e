"""The built-in backbones. Their modules are imported when first used; only arguments and names live here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Lt

from mtss_zoo import Component, hookimpl

Pixels = Annotated[int, Ge(1)]
Rate = Annotated[float, Ge(0), Lt(1)]


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


@dataclass(frozen=True)
class MAEViTArgs:
    """``image_size``: height and width, multiples of 16. ``drop_path``: stochastic depth of the last block.

    ``pretrained``: start from MAE's public encoder, ImageNet without labels, whose licence is CC BY-NC 4.0.
    ``weights``: or from a file, ``.safetensors`` or MAE's own ``.pth``; of another size only if for square pictures.
    """

    image_size: tuple[Pixels, Pixels] = (224, 224)
    drop_path: Rate = 0.0
    pretrained: bool = False
    weights: str | None = None


@dataclass(frozen=True)
class MAEViTTinyArgs:
    """``image_size``: height and width, multiples of ``patch_size``. ``depth``: number of blocks.

    ``drop_path``: stochastic depth of the last block. ``weights``: start from a file, ``.safetensors`` or ``.pth``.
    """

    image_size: tuple[Pixels, Pixels] = (64, 64)
    patch_size: Pixels = 8
    depth: Annotated[int, Ge(1)] = 12
    drop_path: Rate = 0.0
    weights: str | None = None


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
        Component(
            "backbone",
            "mae_vit_b",
            "mtss_zoo_backbones.vit_mae:mae_vit_b",
            "ViT-B/16 of masked autoencoders and Semi-ViT, 768 features",
            MAEViTArgs,
            _small_pictures,
        ),
        Component(
            "backbone",
            "mae_vit_tiny",
            "mtss_zoo_backbones.vit_mae:mae_vit_tiny",
            "the same for small pictures, as wide as ViT-Ti, 192 features",
            MAEViTTinyArgs,
            _few_blocks,
        ),
    ]


def _tiny_network(folder: Path) -> Mapping[str, Any]:
    """A Vision Transformer of 0.3 million parameters, for pictures of 64 x 64."""
    return {"name": "test_vit", "img_size": (64, 64)}


def _small_pictures(folder: Path) -> Mapping[str, Any]:
    """16 patches."""
    return {"image_size": (64, 64), "drop_path": 0.1}


def _few_blocks(folder: Path) -> Mapping[str, Any]:
    """Two blocks, for pictures of 64 x 64."""
    return {"depth": 2, "drop_path": 0.1}
