"""Makes batches on request: reads, crops, augments and normalises pictures, and writes targets and masks."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mtss_zoo import corruption
from mtss_zoo.augment import augment, erase, rand_augment_policy
from mtss_zoo.errors import DataError, ImageError, MtssZooError
from mtss_zoo.images import Preprocess, crop, decode
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Batch, Draws, Sample, Samples
from mtss_zoo.recipe import AugmentSpec
from mtss_zoo.sampling import Integers, derived_seed, take


@dataclass(frozen=True)
class Request:
    """The draws of one batch of ``size`` pictures, and after them draws that stand in for unreadable ones.

    ``positions`` are the draws' places in their ``epoch``, from which fresh views get their seeds.
    """

    size: int
    draws: Draws
    positions: Integers
    epoch: int


@dataclass(frozen=True)
class Answer:
    """A batch as it leaves a worker, and ``(id, reason)`` of the pictures that could not be read.

    Each tensor that changes process costs a handshake with its busy worker: 15 tensors took the receiving process
    12 ms a batch, one takes 3. So all views are one tensor VB3HW, and the rest are arrays, copied through a pipe.
    """

    images: Tensor
    views: tuple[str, ...]
    targets: dict[str, npt.NDArray[np.float32]]
    mask: dict[str, npt.NDArray[np.bool_]]
    rows: Integers
    view_numbers: Integers
    answers: dict[str, Integers]
    bad: list[tuple[str, str]]

    def batch(self) -> Batch:
        """The same as tensors."""
        return Batch(
            views=dict(zip(self.views, self.images, strict=True)),
            targets={name: torch.from_numpy(t) for name, t in self.targets.items()},
            mask={name: torch.from_numpy(m) for name, m in self.mask.items()},
            rows=torch.from_numpy(self.rows),
            view_numbers=torch.from_numpy(self.view_numbers),
            answers={name: torch.from_numpy(n) for name, n in self.answers.items()},
        )

    def pin_memory(self) -> Answer:
        """Called by the DataLoader, so that the copy to an accelerator does not block."""
        return replace(self, images=self.images.pin_memory())


class BatchReader(Dataset["Answer | MtssZooError"]):
    """A map from requests to batches, for worker processes.

    Args:
        samples: what the requests' rows count.
        schema: the types for which targets and masks are made; ``None`` makes none.
        augments: the views of every picture by name.
        preprocess: the size and normalisation of the pictures.
        seed: of all views.
        blank: an unreadable picture is delivered as a black one, instead of being left out for the next draw.
        measuring: targets are what people agree on, not the shares of their answers.
    """

    def __init__(
        self,
        samples: Samples,
        schema: AttributeSchema | None,
        augments: Mapping[str, AugmentSpec],
        preprocess: Preprocess,
        seed: int,
        blank: bool = False,
        measuring: bool = False,
    ) -> None:
        self.samples, self.schema, self.augments = samples, schema, dict(augments)
        self.preprocess, self.seed, self.blank, self.measuring = preprocess, seed, blank, measuring
        for spec in self.augments.values():
            if spec.randaugment:  # imports timm here, once, instead of in every worker
                rand_augment_policy(spec.randaugment, preprocess)
            if spec.corrupt:
                corruption.prepare()

    def __getitem__(self, request: Request) -> Answer | MtssZooError:
        """Faults of the data are returned: raised, they would leave the worker as a traceback."""
        try:
            return self._answer(request)
        except MtssZooError as error:
            return error

    def _answer(self, request: Request) -> Answer:
        size = (self.preprocess.height, self.preprocess.width)
        pixels = torch.empty(len(self.augments), request.size, 3, *size, dtype=torch.uint8)
        samples: list[Sample] = []
        used: list[int] = []
        bad: list[tuple[str, str]] = []
        for i, row in enumerate(request.draws.rows.tolist()):
            if len(used) == request.size:
                break
            sample = Sample(f"row {row}", b"")
            try:
                sample = self.samples[row]
                picture = crop(decode(sample.image, sample.id), sample.bbox)
            except ImageError as error:
                bad.append((sample.id, str(error)))
                if not self.blank:
                    continue
                picture = torch.zeros(3, *size, dtype=torch.uint8)
            for v, (view, spec) in enumerate(self.augments.items()):
                pixels[v, len(used)] = augment(picture, spec, self.preprocess, self._view_seed(request, i, view))
            used.append(i)
            samples.append(replace(sample, answers={}) if self.measuring else sample)
        draws = take(request.draws, np.array(used, np.int64))
        labels = {
            t.name: labels_as_arrays(samples, t, draws.classes if draws.type_name == t.name else None)
            for t in self.schema or ()
        }
        return Answer(
            images=self._finished(pixels[:, : len(used)], request, used),
            views=tuple(self.augments),
            targets={name: targets for name, (targets, _) in labels.items()},
            mask={name: mask for name, (_, mask) in labels.items()},
            rows=draws.rows,
            view_numbers=np.full(len(used), -1) if draws.views is None else draws.views,
            answers={name: answer_counts(samples, name) for name in labels},
            bad=bad,
        )

    def _finished(self, pixels: Tensor, request: Request, used: Sequence[int]) -> Tensor:
        images = self.preprocess.normalise(pixels)
        for (view, spec), one_view in zip(self.augments.items(), images, strict=True):
            for image, i in zip(one_view, used if spec.erase else (), strict=False):
                image.copy_(erase(image, spec, self._view_seed(request, i, view)))
        return images

    def _view_seed(self, request: Request, i: int, view: str) -> int:
        row = int(request.draws.rows[i])
        if request.draws.views is not None:
            return derived_seed(self.seed, row, int(request.draws.views[i]))
        return derived_seed(self.seed, row, request.epoch, int(request.positions[i]), zlib.crc32(view.encode()))


def labels_as_arrays(
    samples: Sequence[Sample], attribute_type: AttributeType, drawn: Integers | None = None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Targets BN and mask BN of one type.

    A picture whose labels of this type are not known has a mask of false. ``drawn``: the class for which each picture
    was drawn; its other labels are targets, but masked, so that they are neither positive nor negative.

    Where several people answered, the targets are the shares of their answers, and every class is known whatever the
    picture was drawn for: the answers are about one class, so that each speaks against the others.

    Raises:
        DataError: if a label or an answer is outside the type's classes.
    """
    name, num_classes = attribute_type.name, len(attribute_type)
    targets = np.zeros((len(samples), num_classes), np.float32)
    mask = np.zeros((len(samples), num_classes), np.bool_)
    for i, sample in enumerate(samples):
        answers = sample.answers.get(name, ())
        labels = answers or sample.labels.get(name)
        if labels is None:
            continue
        classes = list(labels)
        if classes and not 0 <= min(classes) <= max(classes) < num_classes:
            raise DataError(f"picture {sample.id} has the classes {classes} of {name}, which has {num_classes} only.")
        mask[i] = True
        if answers:
            np.add.at(targets[i], classes, 1 / len(classes))
        else:
            targets[i, classes] = 1
        if drawn is not None and not answers:
            mask[i, classes] = False
            mask[i, drawn[i]] = True
    return targets, mask


def answer_counts(samples: Sequence[Sample], type_name: str) -> Integers:
    """How many people answered for each picture (B,); 0 where its label is nobody's answer, or unknown."""
    return np.array([len(sample.answers.get(type_name, ())) for sample in samples], np.int64)
