"""The dataset `colour_chips`: cards of one colour, generated from a seed, some of them marked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from mtss_zoo.errors import UnknownNameError, UsageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Sample

SIZE = 32
COLOURS = {
    "red": (200, 40, 40),
    "orange": (230, 130, 30),
    "yellow": (230, 220, 60),
    "green": (50, 150, 70),
    "blue": (40, 80, 190),
    "violet": (130, 60, 170),
}
MARKS = ("stripes", "dots", "frame")
SCHEMA = AttributeSchema(
    (AttributeType("colour", "single", tuple(COLOURS)), AttributeType("marks", "multi", MARKS)),
)
SPLITS = ("train", "val")
Integers = npt.NDArray[np.int64]


class ColourChips:
    """Chips with a colour and any number of marks; nothing is read from disk.

    A chip is a function of the seed, its split and its row. Val is fully labelled, of train a share.
    """

    splits = SPLITS

    def __init__(
        self,
        seed: int = 0,
        n_train: int = 512,
        n_val: int = 128,
        n_unlabelled: int = 512,
        label_share: float = 0.5,
        *,
        schema: AttributeSchema | None = None,
    ) -> None:
        for wanted in schema or ():
            if wanted != SCHEMA[wanted.name]:
                raise UsageError(
                    f"colour_chips has other classes of {wanted.name}: {', '.join(SCHEMA[wanted.name].classes)}."
                )
        self.schema = schema or SCHEMA
        self.seed = seed
        self.sizes = {"train": n_train, "val": n_val, "unlabelled": n_unlabelled}
        self.known = {"train": label_share, "val": 1.0, "unlabelled": 0.0}

    def split(self, name: str) -> Chips:
        """Train or val."""
        if name not in SPLITS:
            raise UnknownNameError(f"no split {name!r}; colour_chips has {', '.join(SPLITS)}.")
        return Chips(self, name)

    def unlabelled(self) -> Chips:
        """More chips, of which nothing is known."""
        return Chips(self, "unlabelled")

    def check(self) -> list[str]:
        """Nothing can be missing."""
        return []


class Chips:
    """One split; a chip is painted when it is asked for."""

    def __init__(self, dataset: ColourChips, name: str) -> None:
        self.key, self.name = (dataset.seed, *name.encode()), name
        self.types = dataset.schema.names
        number, share = dataset.sizes[name], dataset.known[name]
        random = np.random.default_rng(self.key)
        self.colour = random.integers(len(COLOURS), size=number)
        self.marks = random.random((number, len(MARKS))) < 0.4
        self.known = {name: random.random(number) < share for name in SCHEMA.names}

    def __len__(self) -> int:
        return len(self.colour)

    def __getitem__(self, row: int) -> Sample:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        labels = {"colour": (int(self.colour[row]),), "marks": tuple(np.flatnonzero(self.marks[row]).tolist())}
        known = {name: labels[name] for name in self.types if self.known[name][row]}
        return Sample(f"{self.name}-{row}", self._paint(row), known)

    def label_pairs(self, type_name: str) -> tuple[Integers, Integers]:
        """All labels of one type as ``(rows, classes)``, sorted by row."""
        known = self.known[type_name]
        if type_name == "colour":
            rows = np.flatnonzero(known)
            return rows, self.colour[rows]
        rows, classes = np.nonzero(self.marks & known[:, None])
        return rows, classes

    def _paint(self, row: int) -> torch.Tensor:
        """Uint8 3HW."""
        random = np.random.default_rng((*self.key, row))
        chip = np.empty((SIZE, SIZE, 3))
        chip[:] = list(COLOURS.values())[self.colour[row]]
        stripes, dots, frame = self.marks[row]
        if stripes:
            chip[:, random.integers(8) :: 8] *= 0.4
        if dots:
            chip[4::8, 4::8] = chip[5::8, 4::8] = 255
        if frame:
            chip[:3] = chip[-3:] = chip[:, :3] = chip[:, -3:] = 20
        noise = random.normal(0, 12, chip.shape)
        return torch.from_numpy((chip + noise).clip(0, 255).astype(np.uint8)).permute(2, 0, 1)
