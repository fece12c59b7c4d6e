"""Mixing pictures in pairs: mixup (Zhang et al., ICLR 2018) and cutmix (Yun et al., ICCV 2019).

N pictures have K shares: N of their own, or 1 for all. Random numbers come from torch's global generator on the CPU,
so that they are the same on every device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Beta


def mix_batch(images: Tensor, mixup: float, cutmix: float) -> tuple[Tensor, float]:
    """One share, and one choice of mixup or cutmix, for the whole batch; the last picture is the first one's partner.

    Args:
        images: N3HW; left as they are.
        mixup, cutmix: a of the share's distribution Beta(a, a); 0 is off, and one of them is on. Both on: half of
            the batches each.

    Returns:
        Mixed pictures N3HW, and the share that each kept of itself.
    """
    cut = cutmix > 0 and (mixup == 0 or bool(torch.rand(()) < 0.5))
    alpha = cutmix if cut else mixup
    share = Beta(alpha, alpha).sample((1,))
    mixed, kept = blend(images, images.flip(0), share, torch.tensor([cut]))
    return mixed, float(kept)


def draw_pairs(n: int) -> tuple[Tensor, Tensor]:
    """A partner for each of N pictures, perhaps itself: a permutation; and which are cut instead of blended, N."""
    return torch.randperm(n), torch.rand(n) < 0.5


def blend(images: Tensor, partners: Tensor, share: Tensor, cut: Tensor) -> tuple[Tensor, Tensor]:
    """Puts a part of its partner into every picture: a faint copy (mixup), or a box of it at a random place (cutmix).

    Args:
        images, partners: N3HW, not mixed yet; left as they are.
        share: K in [0, 1], how much a picture is to keep of itself.
        cut: K, true for cutmix.

    Returns:
        Mixed pictures N3HW, and the shares K that they did keep: a box has whole pixels and ends at the border.
    """
    height, width = images.shape[-2:]
    rows, columns = (cut_range(torch.randint(size, share.shape), share, size) for size in (height, width))
    box = rows[:, :, None] & columns[:, None, :]
    kept = torch.where(cut, 1 - box.sum((1, 2)) / (height * width), share)
    weight = torch.where(cut[:, None, None], (~box).to(share.dtype), share[:, None, None])
    return torch.lerp(partners, images, weight[:, None].to(images)), kept


def cut_range(centre: Tensor, share: Tensor, size: int) -> Tensor:
    """The pixels of one axis that a box covers, K x size booleans.

    The box is int(size * sqrt(1 - share)) long, from half of that before its ``centre`` (K) on, within the picture.
    """
    length = (size * (1 - share).sqrt()).long()[:, None]
    pixels, centre = torch.arange(size, device=share.device), centre.to(share.device)[:, None]
    return (pixels >= centre - length // 2) & (pixels < centre + (length + 1) // 2)
