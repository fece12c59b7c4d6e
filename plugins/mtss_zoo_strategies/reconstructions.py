"""Pictures of what a masked autoencoder makes of the patches that it does not see."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torchvision.utils import save_image

from mtss_zoo.images import Preprocess
from mtss_zoo_strategies.patches import patch_statistics, patchify, unpatchify


def side_by_side(images: Tensor, predicted: Tensor, hidden: Tensor, size: int, norm_pix: bool) -> Tensor:
    """For every picture three, (3B)3HW: itself, what is seen of it, and that with the predicted patches.

    Hidden patches are shown in the mean colour, which is zero. With ``norm_pix`` a predicted patch is given the mean
    and the standard deviation of the true one, which it was not asked for.

    Args:
        images: B3HW, normalised.
        predicted: BPV.
        hidden: BP booleans.
        size: of a patch, in pixels.
    """
    patches = patchify(images, size)
    if norm_pix:
        mean, deviation = patch_statistics(patches)
        predicted = predicted * deviation + mean
    there = hidden[..., None]
    rows = [patches, patches.masked_fill(there, 0), torch.where(there, predicted, patches)]
    height, width = images.shape[2:]
    return unpatchify(torch.stack(rows, 1).flatten(0, 1), size, (height // size, width // size))


class Reconstructions:
    """Writes ``step_000500.png`` and so on into a folder, one row a picture.

    Args:
        folder: created with the first picture.
        every: steps between two pictures; 0 writes none.
        preprocess: whose normalisation is taken back.
    """

    NUMBER = 8
    """The first pictures of a batch are shown."""

    def __init__(self, folder: Path, every: int, preprocess: Preprocess) -> None:
        self.folder, self.every, self.preprocess = folder, every, preprocess

    def due(self, step: int) -> bool:
        """Whether this step, counted from 1, has a picture."""
        return self.every > 0 and step % self.every == 0

    def write(self, step: int, pictures: Tensor) -> None:
        """The pictures of `side_by_side`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        pictures = pictures.float().cpu()
        mean, std = (torch.tensor(x).view(3, 1, 1) for x in (self.preprocess.mean, self.preprocess.std))
        save_image(pictures * std + mean, self.folder / f"step_{step:06}.png", nrow=3)
