"""The optimiser of a stage, and its learning rate as a pure function of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mtss_zoo.errors import PluginError, RecipeError
from mtss_zoo.interfaces import Backbone
from mtss_zoo.recipe import OptimizerSpec, ScheduleSpec


@dataclass(frozen=True)
class Length:
    """How long a stage runs, in steps of the optimiser."""

    steps: int
    per_epoch: float
    images: int
    """Pictures a step, over all processes, of the stage's first stream."""


def build_optimizer(strategy: nn.Module, backbone: Backbone, spec: OptimizerSpec) -> torch.optim.Optimizer:
    """SGD or AdamW over every parameter of the strategy that wants a gradient.

    Weight decay leaves out parameters of fewer than two dimensions (biases, normalisation) and, unless the recipe says
    ``decay_tokens``, those that the backbone's ``no_weight_decay()`` names. Label dictionaries decay like other
    matrices. Each group carries ``scale``, its share of the learning rate.

    Raises:
        PluginError: nothing wants a gradient.
    """
    scales = _layer_scales(backbone, spec.layer_decay)
    spared = set() if spec.decay_tokens else _spared(backbone)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for p in strategy.parameters():
        if p.requires_grad:
            key = (scales.get(id(p), 1.0), spec.weight_decay if p.ndim > 1 and id(p) not in spared else 0.0)
            groups.setdefault(key, []).append(p)
    if not groups:
        raise PluginError(f"strategy {type(strategy).__name__} has no parameter that wants a gradient.")
    settings: list[dict[str, Any]] = [
        {"params": params, "lr": spec.lr * scale, "scale": scale, "weight_decay": decay}
        for (scale, decay), params in groups.items()
    ]
    if spec.name == "adamw":
        return torch.optim.AdamW(settings, lr=spec.lr, betas=spec.betas)
    return torch.optim.SGD(settings, lr=spec.lr, momentum=spec.momentum, nesterov=spec.nesterov)


def _spared(backbone: Any) -> set[int]:
    """What a backbone excludes from weight decay by name, as networks of timm do: positions, class tokens."""
    names = backbone.no_weight_decay() if hasattr(backbone, "no_weight_decay") else ()
    return {id(p) for name, p in backbone.named_parameters() if name in names}


def _layer_scales(backbone: Backbone, decay: float) -> dict[int, float]:
    """Layer-wise decay (BEiT, MAE): the backbone's last group learns as fast as the heads, each earlier one slower."""
    groups = backbone.layer_groups() if decay < 1 else []
    return {id(p): decay ** (len(groups) - 1 - i) for i, group in enumerate(groups) for p in group}


def learning_rate(step: int, peak: float, spec: ScheduleSpec, length: Length) -> float:
    """The learning rate of one step, counted from 0.

    Warm-up is linear from 0. Reductions of ``step`` and the half-cosine to ``min_lr`` follow it; the epochs of
    ``step`` are counted from the start of the stage. ``one_cycle`` is torch's ``OneCycleLR``.

    Raises:
        RecipeError: warm-up beside ``one_cycle``, which has its own.
    """
    warmup = max(spec.warmup_images / length.images, spec.warmup_epochs * length.per_epoch)
    if spec.kind == "one_cycle":
        if warmup:
            raise RecipeError("schedule one_cycle has a warm-up of its own: leave out warmup_images and warmup_epochs.")
        return _one_cycle(step, peak, length.steps)
    if step < warmup:
        return peak * step / warmup
    if spec.kind == "step":
        return max(peak * spec.factor ** (int(step / length.per_epoch) // spec.every), spec.min_lr)
    if spec.kind == "cosine":
        return _anneal(peak, spec.min_lr, (step - warmup) / max(length.steps - warmup, 1))
    return peak


def _one_cycle(step: int, peak: float, steps: int, rise: float = 0.3, start: float = 25, end: float = 1e4) -> float:
    top = rise * steps - 1
    if step <= top:
        return _anneal(peak / start, peak, step / top)
    return _anneal(peak, peak / start / end, (step - top) / (steps - 1 - top))


def _anneal(start: float, end: float, share: float) -> float:
    """Half a cosine from ``start`` at share 0 to ``end`` at share 1, where it stays."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
