"""The positions of Vision Transformers: the fixed table that they start from, and a table for another grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtss_zoo.interfaces import PatchBackbone


def sincos_positions(grid: tuple[int, int], width: int) -> Tensor:
    """MAE's sines and cosines for ``grid`` rows and columns of patches, 1(1+P)F in float32; the class token's row is 0.

    The quarters of F are the sine and the cosine of the column, then of the row, at the frequencies
    10000^(-k / (F/4)), k = 0 ... F/4 - 1 (He et al., Masked Autoencoders Are Scalable Vision Learners, 2022).
    """
    quarter = width // 4
    frequencies = 10000 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    rows, columns = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in grid), indexing="ij")
    angles = [places.reshape(-1, 1) * frequencies for places in (columns, rows)]
    table = torch.cat([wave(a) for a in angles for wave in (torch.sin, torch.cos)], 1)
    return F.pad(table, (0, 0, 1, 0))[None].float()


def resampled_positions(positions: Tensor, grid: tuple[int, int], to: tuple[int, int]) -> Tensor:
    """Positions 1(1+P)F of ``grid`` rows and columns of patches for ``to`` of them: bicubic, the class token's kept."""
    if grid == to:
        return positions
    patches = positions[:, 1:].reshape(1, *grid, -1).permute(0, 3, 1, 2)
    resampled = F.interpolate(patches.float(), to, mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1], resampled.flatten(2).mT.to(positions)], 1)


def fit_positions(earlier: nn.Module, later: nn.Module) -> None:
    """Gives a backbone the positions for the grid of a later one, where both cut pictures into patches.

    Only the earlier backbone knows its grid: a table of 80 patches is of 10 x 8 or of 8 x 10.
    """
    if isinstance(earlier, PatchBackbone) and isinstance(later, PatchBackbone):
        earlier.pos_embed = nn.Parameter(resampled_positions(earlier.pos_embed.detach(), earlier.grid, later.grid))
