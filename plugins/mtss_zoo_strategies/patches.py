"""Pictures as rows of patches and back, and the choice of patches to hide.

Letters beside those of `mtss_zoo.interfaces`: P patches of a picture, K of them kept, V pixel values of a patch.
"""

from __future__ import annotations

import torch
from torch import Tensor


def patchify(images: Tensor, size: int) -> Tensor:
    """B3HW to BPV: the patches row by row, the values of each by row, column and, fastest, channel."""
    batch, channels, height, width = images.shape
    cut = images.reshape(batch, channels, height // size, size, width // size, size)
    return cut.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def unpatchify(patches: Tensor, size: int, grid: tuple[int, int]) -> Tensor:
    """The pictures B3HW of `patchify`; ``grid``: rows and columns of patches."""
    cut = patches.reshape(len(patches), *grid, size, size, -1)
    return cut.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


def patch_statistics(patches: Tensor) -> tuple[Tensor, Tensor]:
    """BPV to mean and standard deviation BP1 of each patch, by the unbiased variance plus 1e-6."""
    variance, mean = torch.var_mean(patches, 2, keepdim=True)
    return mean, (variance + 1e-6).sqrt()


def choose_patches(batch: int, patches: int, kept: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """A random choice for every picture: the patches to keep BK, and every patch's place in that random order BP.

    Patches with a place below K are the kept ones; the others are hidden.
    """
    order = torch.rand(batch, patches, device=device).argsort(1)
    return order[:, :kept], order.argsort(1)
