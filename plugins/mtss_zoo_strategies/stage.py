"""What every strategy of this package asks of its stage."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mtss_zoo.interfaces import StageContext

VIEW = "train"
"""The one augmentation of the stage that these strategies read."""


class StageLosses(nn.Module):
    """The losses of a stage by attribute type, as a module, so that their buffers follow the device."""

    def __init__(self, context: StageContext) -> None:
        super().__init__()
        for name in context.schema.names:
            self.add_module(f"{name}_loss", context.losses[name])

    def forward(self, type_name: str, *inputs: Tensor) -> Tensor:
        """The loss of one type, a scalar."""
        loss: Tensor = self._of(type_name)(*inputs)
        return loss

    def count_answers(self, type_name: str) -> bool:
        """Whether the loss of one type wants to know how many people answered: see `mtss_zoo.interfaces.Loss`."""
        return bool(getattr(self._of(type_name), "counts_answers", False))

    def _of(self, type_name: str) -> nn.Module:
        return self.get_submodule(f"{type_name}_loss")


def weighted_sum(parts: Mapping[str, Tensor], weights: Mapping[str, float]) -> dict[str, Tensor]:
    """``loss``, the weighted sum of the types' losses, and each type's own as ``loss/<type>``, without weight."""
    loss = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
    return {"loss": loss, **{f"loss/{name}": part.detach() for name, part in parts.items()}}
