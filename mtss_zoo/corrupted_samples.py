"""Pictures as a model sees them, each in the same corruption and severity."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mtss_zoo.corruption import Variant, corrupt, picture_seed
from mtss_zoo.errors import ImageError
from mtss_zoo.images import Preprocess, decode
from mtss_zoo.interfaces import Sample, Samples
from mtss_zoo.sampling import Pairs


@dataclass(frozen=True)
class Corruption:
    """One of the 15 corruptions in one severity; the fields are arguments of `mtss_zoo.corruption.corrupt`.

    ``seed`` is that of all pictures, from which each gets its own.
    """

    name: str
    severity: int
    seed: int = 0
    variant: Variant = "imaug"
    save_quality: int | None = None


class CorruptedSamples:
    """The same pictures, cropped to their boxes, resized by ``preprocess``, and corrupted."""

    def __init__(self, samples: Samples, preprocess: Preprocess, corruption: Corruption) -> None:
        self.samples, self.preprocess, self.corruption = samples, preprocess, corruption

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> Sample:
        sample, c = self.samples[row], self.corruption
        try:
            picture = self.preprocess.resize(decode(sample.image, sample.id), sample.bbox)
        except ImageError:
            return sample  # whoever reads it finds the same fault, and notes it
        seed = picture_seed(sample.id, c.name, c.severity, c.seed)
        return replace(sample, image=corrupt(picture, c.name, c.severity, seed, c.variant, c.save_quality), bbox=None)

    def label_pairs(self, type_name: str) -> Pairs:
        """Corruption changes no label."""
        return self.samples.label_pairs(type_name)
