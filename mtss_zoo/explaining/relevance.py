"""Where in a picture a network finds what speaks for a score, by its gradients: Grad-CAM, and attention rollout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

FEWEST_CELLS = 6
"""Along its shorter side; a feature map with fewer shows too little."""
SOFTMAX = {torch.softmax, Tensor.softmax, F.softmax}


@dataclass(frozen=True)
class GradCam:
    """The relevance of the places of one feature map, BCHW or BHWC.

    It is the product of the map and the score's gradient there, summed over the channels, of which the positive part
    counts (HiResCAM, Draelos & Carin, 2020). Where the mean over all places follows, that is Grad-CAM (Selvaraju et
    al., ICCV 2017) up to a factor; where anything else does, Grad-CAM would mix up the places.
    """

    name: ClassVar[str] = "Grad-CAM"
    output: Tensor
    channels_last: bool = False

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = self.output.shape[1:3] if self.channels_last else self.output.shape[2:4]
        return height, width

    def __call__(self, score: Tensor) -> Tensor:
        """A scalar, the sum of one score a picture, to relevance Bhw of any scale; 0 where nothing speaks for it."""
        (gradient,) = torch.autograd.grad(score, [self.output], retain_graph=True, materialize_grads=True)
        return (self.output.detach() * gradient).sum(3 if self.channels_last else 1).relu()


@dataclass(frozen=True)
class Rollout:
    """The relevance of a transformer's patches: attention rollout (Abnar & Zuidema, ACL 2020), (I + A) / 2 a block.

    A is the mean over the heads of (gradient * attention)+ (Chefer et al., ICCV 2021, equation 5), with rows that sum
    to 1, so that it is that of one class. The tokens after the last block weigh as the places of `GradCam` do, by
    which those that are pooled are found: the class token, or all patches.
    """

    name: ClassVar[str] = "attention rollout"
    attention: tuple[Tensor, ...]
    """B heads T T of every block, the first one first."""
    tokens: Tensor
    """BTC after the last block; the patches are the last of them, row by row."""
    grid: tuple[int, int]

    def __call__(self, score: Tensor) -> Tensor:
        """As of `GradCam`."""
        inputs = [self.tokens, *self.attention]
        gradient, *gradients = torch.autograd.grad(score, inputs, retain_graph=True, materialize_grads=True)
        relevance = (self.tokens.detach() * gradient).sum(2).relu()
        for weights, gradient in zip(self.attention[::-1], gradients[::-1], strict=True):
            block = (weights.detach() * gradient).relu().mean(1)
            block /= block.sum(2, keepdim=True).clamp_min(torch.finfo(block.dtype).tiny)
            relevance = (relevance + (relevance[:, None] @ block)[:, 0]) / 2
        rows, columns = self.grid
        return relevance[:, -rows * columns :].reshape(-1, rows, columns)


class Trace(TorchFunctionMode):
    """What a backbone computed that may have places in the picture, in its order; `traced` records it.

    While it is active, fused attention is computed in two steps, which changes no result beyond the last bits.
    """

    def __init__(self) -> None:
        super().__init__()
        self._outputs: list[Tensor] = []
        self._attention: list[tuple[int, Tensor]] = []
        self._heads: set[tuple[int, int]] = set()

    def method(self, images: Tensor) -> GradCam | Rollout | None:
        """How relevance is found for the pictures B3HW that the backbone saw; ``None``: not from what it computed.

        Attention after the last feature map, that of the patches, is rolled out. Where other tokens follow, their
        places are not known.
        """
        found = self._last_map(*images.shape[2:])
        if found is None:
            return None
        at, feature_map = found
        rows, columns = feature_map.grid
        blocks = tuple(w for when, w in self._attention if when > at and len(w) == len(images))
        lengths = {w.shape[3] for w in blocks}
        tokens = [t for t in self._outputs[at:] if t.ndim == 3]
        if len(lengths) == 1 and max(lengths) >= rows * columns:
            return Rollout(blocks, [t for t in tokens if t.shape[1] in lengths][-1], feature_map.grid)
        return None if tokens or min(rows, columns) < FEWEST_CELLS else feature_map

    def keep(self, module: nn.Module, args: Any, output: Any) -> None:
        """The forward hook of every module."""
        if isinstance(output, Tensor) and output.requires_grad:
            self._outputs.append(output)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs any function of torch; what comes out of a softmax may be attention."""
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return self._attend(*args, **kwargs)
        result = func(*args, **kwargs)
        if func in SOFTMAX:
            self._keep_attention(result)
        return result

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        # Attention to the unit matrix gives the weights, whatever mask or scale there is.
        unit = torch.eye(key.shape[-2], dtype=value.dtype, device=value.device).expand(*key.shape[:-1], -1)
        weights = F.scaled_dot_product_attention(query, key, unit, *args, **kwargs)
        self._keep_attention(weights)
        if kwargs.get("enable_gqa"):
            value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
        return weights @ value

    def _keep_attention(self, weights: Tensor) -> None:
        if weights.ndim == 4 and weights.requires_grad:
            _, heads, queries, keys = weights.shape
            self._heads |= {(heads, queries), (heads, keys)}
            if queries == keys:
                self._attention.append((len(self._outputs), weights))

    def _last_map(self, height: int, width: int) -> tuple[int, GradCam] | None:
        """The last output that has rows and columns in the ratio of the picture's, and how many outputs there were."""
        for at in range(len(self._outputs), 0, -1):
            output = self._outputs[at - 1]
            if output.ndim == 4 and tuple(output.shape[1:3]) not in self._heads:  # no queries, no keys
                either = (GradCam(output), GradCam(output, channels_last=True))
                nearest = min(either, key=lambda m: abs(m.grid[0] * width / height - m.grid[1]))
                rows, columns = nearest.grid
                if rows * columns > 1 and abs(rows * width / height - columns) <= 1:
                    return at, nearest
        return None


@contextmanager
def traced(backbone: nn.Module) -> Iterator[Trace]:
    """Records what the backbone computes inside the block; nothing of it is left on the backbone."""
    trace = Trace()
    hooks = [module.register_forward_hook(trace.keep) for module in backbone.modules() if module is not backbone]
    try:
        with trace:
            yield trace
    finally:
        for hook in hooks:
            hook.remove()
