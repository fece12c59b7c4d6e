"""The fixed table of positions that Vision Transformers start from."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


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
