"""A copy of a model that follows it: the moving average of its weights (EMA)."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel

from mtss_zoo.model import AttributeModel


class MovingAverage(AveragedModel):
    """``average <- decay * average + (1 - decay) * model`` for weights and floating buffers, at every update.

    Other buffers, such as counters, are copied. The copy, ``module``, starts equal to the model, wants no gradient
    and stays in eval mode, also when what holds it goes into train mode.

    Args:
        model: what is copied now, and later given to `update_parameters`.
        decay: in [0, 1]; may be set anew between two updates.
    """

    module: AttributeModel

    def __init__(self, model: AttributeModel, decay: float) -> None:
        super().__init__(model, multi_avg_fn=self._update, use_buffers=True)
        self.decay = decay
        self.requires_grad_(False)
        self.eval()
        self.n_averaged.fill_(1)  # else the first update copies the model, and the start is lost

    def train(self, mode: bool = True) -> MovingAverage:
        """Eval mode, always."""
        super().train(False)
        return self

    def _update(self, averages: Any, values: Any, _: Any) -> None:
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, values, 1 - self.decay)
        else:
            torch._foreach_copy_(averages, values)
