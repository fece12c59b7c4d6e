"""How a stage changes its pictures and moves its weights: augmentation, optimiser, schedule."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Ge(0), Le(1)]
Ratio = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Beta = Annotated[float, Ge(0), Lt(1)]
Positive = Annotated[int, Ge(1)]


def _ordered(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] > span[1]:
        raise ValueError(f"goes from the smaller to the larger number: [{span[1]}, {span[0]}]")
    return span


class Spec(BaseModel):
    """A part of a recipe: unknown keys are faults, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class AugmentSpec(Spec):
    """Random changes of a training picture, in this order; the default changes nothing."""

    crop_scale: Annotated[tuple[Share, Share], AfterValidator(_ordered)] | None = Field(
        None, description="area range of a random resized crop"
    )
    crop_ratio: Annotated[tuple[Ratio, Ratio], AfterValidator(_ordered)] = (0.75, 4 / 3)
    shift: Annotated[int, Ge(0)] = Field(0, description="random translation by up to this many pixels")
    flip: Share = 0.0
    color_jitter: Annotated[float, Ge(0)] = Field(0.0, description="brightness, contrast and saturation")
    randaugment: Annotated[int, Ge(0), Le(10)] = Field(0, description="magnitude of two operations; 0 is off")
    corrupt: Share = Field(0.0, description="probability of a corruption of ImageNet-C, any of 15 x 5")
    erase: Share = Field(0.0, description="probability of random erasing")


class OptimizerSpec(Spec):
    """The optimiser. Defaults are PyTorch's own."""

    name: Literal["sgd", "adamw"] = "sgd"
    lr: Annotated[float, Gt(0)]
    momentum: Share = 0.0
    nesterov: bool = False
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    weight_decay: Annotated[float, Ge(0)] = 0.0
    layer_decay: Annotated[float, Gt(0), Le(1)] = Field(1.0, description="learning-rate factor from group to group")
    decay_tokens: bool = Field(False, description="also decay positions and class tokens, as MAE's pretraining does")
    clip_norm: Annotated[float, Gt(0)] | None = None

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> OptimizerSpec:
        if self.name == "sgd" and self.nesterov and not self.momentum:
            raise ValueError("nesterov looks ahead along the momentum: give a momentum, such as 0.9")
        return self


class ScheduleSpec(Spec):
    """The learning rate over the stage, set at every step."""

    kind: Literal["constant", "step", "cosine", "one_cycle"] = "constant"
    warmup_images: Annotated[int, Ge(0)] = Field(0, description="linear from 0 until this many pictures were seen")
    warmup_epochs: Annotated[float, Ge(0)] = 0.0
    every: Positive = Field(10, description="step: epochs between two reductions")
    factor: Annotated[float, Gt(0), Le(1)] = Field(0.5, description="step: what each reduction multiplies by")
    min_lr: Annotated[float, Ge(0)] = 0.0
