"""The residual networks that the recipes use most, under names of their own."""

from __future__ import annotations

from mtss_zoo_backbones.timm_network import TimmBackbone, timm_backbone


def resnet18(pretrained: bool = False) -> TimmBackbone:
    """ResNet-18 (He et al., 2016), F = 512."""
    return timm_backbone("resnet18", pretrained)


def resnet50(pretrained: bool = False) -> TimmBackbone:
    """ResNet-50 (He et al., 2016), F = 2048."""
    return timm_backbone("resnet50", pretrained)
