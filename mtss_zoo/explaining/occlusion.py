"""Where in a picture a network finds what speaks for a score, seen from outside: by covering places."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from mtss_zoo.model import AttributeModel

CELLS = 8
"""Along the shorter side."""
BATCH = 32


@torch.no_grad()
def occlusion(model: AttributeModel, images: Tensor, classes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """How far the score of a class falls when a place is covered (Zeiler & Fergus, ECCV 2014), in any network.

    A window of 2 x 2 cells in the picture's mean colour goes over the picture cell by cell. A cell gets the mean fall
    of the four windows over it, of which the positive part counts.

    Args:
        images: B3HW, normalised.
        classes: attribute type to the class of interest of each picture, B.

    Returns:
        Type to relevance of the cells Bhw, of any scale; 0 where nothing speaks for the class.
    """
    height, width = images.shape[2:]
    rows, columns = (max(1, round(CELLS * length / min(height, width))) for length in (height, width))
    down, across = (_windows(n, cells).to(images.device) for n, cells in ((height, rows), (width, columns)))
    windows = (down[:, None, :, None] & across[None, :, None, :]).flatten(0, 1)
    heat: dict[str, list[Tensor]] = {name: [] for name in classes}
    for row, image in enumerate(images):
        colour = image.mean((1, 2), keepdim=True)
        seen = model(image[None])
        covered = [model(torch.where(some[:, None], colour, image)) for some in torch.split(windows, BATCH)]
        for name, chosen in classes.items():
            falls = seen[name][0, chosen[row]] - torch.cat([scores[name][:, chosen[row]] for scores in covered])
            heat[name].append(F.avg_pool2d(falls.float().view(1, rows + 1, columns + 1), 2, stride=1).relu()[0])
    return {name: torch.stack(maps) for name, maps in heat.items()}


def _windows(length: int, cells: int) -> Tensor:
    """Cells + 1 windows along one side, ``length`` booleans each: window i is over the cells i - 1 and i."""
    cell = torch.arange(length) * cells // length
    after = torch.arange(cells + 1)[:, None] - cell
    return (after == 0) | (after == 1)
