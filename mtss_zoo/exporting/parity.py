"""Whether an exported file computes what its model computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw

from mtss_zoo.errors import MtssZooError
from mtss_zoo.model import AttributeModel

TOLERANCE = 1e-3
"""How far the file's scores may be from the model's, as a share of the model's largest score."""
Pictures = npt.NDArray[np.uint8]
TypeScores = npt.NDArray[np.float32]
Run = Callable[[Pictures], Sequence[TypeScores]]
"""Pictures uint8 B3HW to the scores BN of every type, in the schema's order."""


@dataclass(frozen=True)
class Parity:
    """How far the file's scores of one attribute type are from the model's."""

    attribute: str
    difference: float
    """The largest absolute difference; infinite if one has -inf, or no number, and the other has not."""
    scale: float
    """The model's largest absolute score."""

    @property
    def relative(self) -> float:
        """The difference as a share of the scale."""
        return self.difference / self.scale if self.scale else self.difference


def compare(model: AttributeModel, run: Run) -> tuple[Parity, ...]:
    """Both on one drawn picture, then on three of noise: two batch sizes, so that the free one is tried.

    Args:
        model: on the CPU, in eval mode.
        run: the exported file.
    """
    names, types = model.schema.names, range(len(model.schema))
    ours, theirs = [], []
    for pictures in _pictures(model.preprocess.height, model.preprocess.width):
        with torch.inference_mode():
            scores = model(model.preprocess.normalise(torch.from_numpy(pictures)))
        ours.append([scores[name].float().numpy() for name in names])
        theirs.append(run(pictures))
    expected, found = ([np.concatenate([batch[i] for batch in side]) for i in types] for side in (ours, theirs))
    return tuple(parity(names[i], expected[i], found[i]) for i in types)


def parity(attribute: str, expected: TypeScores, found: TypeScores) -> Parity:
    """Compares scores BN of one attribute type; -inf, the score of an untrained class, equals itself."""
    known = np.isfinite(expected)
    same = np.array_equal(expected[~known], found[~known]) and bool(np.isfinite(found[known]).all())
    difference = float(np.abs(expected[known] - found[known]).max(initial=0)) if same else np.inf
    return Parity(attribute, difference, float(np.abs(expected[known]).max(initial=0)))


def check(parities: Sequence[Parity], out: Path) -> None:
    """Refuses a file whose scores differ too much.

    Raises:
        MtssZooError: those of one type or more do; all are named.
    """
    wrong = [f"{p.attribute} by {p.relative:.1e}" for p in parities if p.relative > TOLERANCE]
    if wrong:
        raise MtssZooError(
            f"{out} was not written: its scores differ from the model's by more than {TOLERANCE} of their scale "
            f"({', '.join(wrong)})."
        )


def _pictures(height: int, width: int) -> list[Pictures]:
    drawn = Image.new("RGB", (width, height), (235, 232, 225))
    draw = ImageDraw.Draw(drawn)
    draw.rectangle((width // 4, height // 4, 3 * width // 4, 7 * height // 8), fill=(30, 60, 150))
    draw.ellipse((3 * width // 8, height // 8, 5 * width // 8, 3 * height // 8), fill=(200, 40, 60))
    noise = np.random.default_rng(0).integers(0, 256, (3, 3, height, width), dtype=np.uint8)
    return [np.ascontiguousarray(np.asarray(drawn).transpose(2, 0, 1)[None]), noise]
