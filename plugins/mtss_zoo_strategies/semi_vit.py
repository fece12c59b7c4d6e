"""Semi-ViT: a student and its moving average teach each other on unlabelled pictures (Cai et al., NeurIPS 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mtss_zoo.averaging import MovingAverage
from mtss_zoo.errors import DataError, RecipeError
from mtss_zoo.interfaces import AttributeSchema, Batch, StageContext, Stream
from mtss_zoo.model import AttributeModel
from mtss_zoo.process_group import group_size
from mtss_zoo.sampling import ConcatSamples, SampleStream, SubsetSamples, shuffled
from mtss_zoo.streams import own_steps
from mtss_zoo_strategies.alignment import ClassAlignment
from mtss_zoo_strategies.pseudo_label_histogram import PseudoLabelHistogram
from mtss_zoo_strategies.pseudo_labels import (
    MIXINGS,
    PseudoLabels,
    kept_cross_entropy,
    known_labels,
    pseudo_labels,
    smoothed,
)
from mtss_zoo_strategies.supervised import SupervisedStrategy

WEAK, STRONG = "weak", "strong"
"""The views of the stage that teacher and student have of an unlabelled picture."""


class SemiViTStrategy(SupervisedStrategy):
    """Supervised learning, and beside it an EMA teacher whose hard guesses the student learns from.

    A step has B labelled pictures, which train as in `SupervisedStrategy`, and N = ``mu`` * B unlabelled ones. The
    teacher, always in eval mode, sees their ``weak`` view, the student their ``strong`` one, mixed in pairs. Of the
    loss against the teacher's classes only pictures count that are sure enough *after* mixing, but it is divided by
    N. The two parts of the loss, the second ``unlabelled_weight`` times, are minimised together, and each is a
    forward pass of its own. The teacher follows after the optimiser's step.

    An epoch is one pass over the unlabelled pictures. They are those of the dataset and, of the training split, all
    that lack the label of at least one type; the labels that such a picture has are used there too. The mean over
    types, with ``weights``, is the supervised one.

    Beyond the paper, ``align`` keeps the guesses to the classes of the labels: see `ClassAlignment`.

    Each epoch adds rows to ``pseudo_labels.csv`` in the stage's folder, see `PseudoLabelHistogram`.

    Raises:
        RecipeError: a type may have several labels, or batches cannot be paired or filled.
        DataError: a type has no label at all, or every picture has all labels.
    """

    def __init__(
        self,
        model: AttributeModel,
        context: StageContext,
        mu: int = 5,
        threshold: float = 0.5,
        unlabelled_weight: float = 5.0,
        pseudo_mixing: Literal["none", "ordinary", "probabilistic"] = "probabilistic",
        label_smoothing: float = 0.1,
        mixup: float = 0.8,
        cutmix: float = 1.0,
        momentum: float | None = None,
        horizon: float = 18.0,
        deliver: Literal["ema", "student"] = "ema",
        weights: Mapping[str, float] | None = None,
        align: bool = False,
    ) -> None:
        _refuse_several_labels(context.schema)
        super().__init__(model, context, weights=weights, mixup=mixup, cutmix=cutmix)
        self.unlabelled_batch = mu * context.batch_size
        self.threshold = threshold
        self.unlabelled_weight = unlabelled_weight
        self.mix = MIXINGS[pseudo_mixing]
        self.smoothing = 0.0 if pseudo_mixing == "none" else label_smoothing
        self.momentum, self.horizon = momentum, horizon
        self.deliver = deliver
        self.pool = self._pool()
        if self.unlabelled_batch % 2 and pseudo_mixing != "none":
            raise RecipeError(
                f"mu * batch_size is {mu} * {context.batch_size} = {self.unlabelled_batch}, but unlabelled pictures "
                "are mixed in pairs; make it even, or set pseudo_mixing: none."
            )
        self.teacher = MovingAverage(model, momentum or 0.0)
        self.alignment = ClassAlignment(self._label_counts()) if align else None
        self.histogram = PseudoLabelHistogram(context.schema, context.folder / "pseudo_labels.csv")

    def prepare(self, steps: int) -> None:
        """Sets the teacher's momentum, if it follows from the length of the stage, and what the histogram counts to."""
        if self.momentum is None:
            self.teacher.decay = max(0.0, 1 - self.horizon / steps)
        self.histogram.steps = steps
        self.histogram.batches_per_epoch = own_steps(self.streams()["unlabelled"], group_size())

    def streams(self) -> dict[str, Stream]:
        """Unlabelled pictures, which say what an epoch is, and labelled ones."""
        draw = partial(shuffled, len(self.pool), self.context.seed)
        return {
            "unlabelled": SampleStream(self.pool, self.unlabelled_batch, (WEAK, STRONG), draw),
            **super().streams(),
        }

    def step(self, batches: dict[str, Batch]) -> dict[str, Tensor]:
        """``loss``, its parts ``loss/labelled`` and ``loss/unlabelled``, and what the unlabelled one rests on.

        For each type: ``kept/<type>``, the share of unlabelled pictures that count, and ``confidence/<type>``, the
        mean confidence in their pseudo labels before mixing.
        """
        labelled = super().step({"labelled": batches["labelled"]})["loss"]
        unlabelled, facts = self._unlabelled(batches["unlabelled"])
        return {
            "loss": labelled + self.unlabelled_weight * unlabelled,
            "loss/labelled": labelled.detach(),
            "loss/unlabelled": unlabelled.detach(),
            **facts,
        }

    def after_step(self) -> None:
        """The teacher follows the new student."""
        self.teacher.update_parameters(self.model)
        self.histogram.end_step()

    def delivered(self) -> AttributeModel:
        """The teacher, or the student if the recipe says so."""
        return self.model if self.deliver == "student" else self.teacher.module

    def others(self) -> dict[str, AttributeModel]:
        """The one of the two that is not delivered."""
        return {"ema": self.teacher.module} if self.deliver == "student" else {"student": self.model}

    def _unlabelled(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted mean of the types' losses, and what the log tells of them."""
        taught = self._taught(batch)
        images, mixed = self.mix(batch.views[STRONG], taught)
        losses, facts = [], {}
        for name, scores in self.model(images).items():
            trained, kept = self.model.trained(name), mixed[name].confidence >= self.threshold
            targets = smoothed(mixed[name].labels, trained, self.smoothing)
            losses.append(self.weights[name] * kept_cross_entropy(scores, targets, kept, trained))
            facts[f"kept/{name}"] = kept.float().mean()
            facts[f"confidence/{name}"] = taught[name].confidence.mean()
            self.histogram.count(name, taught[name].labels, kept)
        self.histogram.end_batch()
        return torch.stack(losses).sum(), facts

    @torch.no_grad()
    def _taught(self, batch: Batch) -> dict[str, PseudoLabels]:
        taught = {}
        for name, scores in self.teacher(batch.views[WEAK]).items():
            known = batch.mask[name] & self.model.trained(name)
            if self.alignment:
                scores = self.alignment(name, scores, ~known_labels(batch.targets[name], known)[1])
            taught[name] = pseudo_labels(scores, batch.targets[name], known)
        return taught

    def _label_counts(self) -> dict[str, Tensor]:
        counts = {t.name: np.bincount(self.pairs[t.name][1], minlength=len(t)) for t in self.context.schema}
        return {name: torch.from_numpy(of_class).float() for name, of_class in counts.items()}

    def _pool(self) -> ConcatSamples:
        train = self.context.train
        complete = np.ones(len(train), bool)
        for rows, _ in self.pairs.values():
            complete &= np.bincount(rows, minlength=len(train)) > 0
        pool = ConcatSamples((SubsetSamples(train, np.flatnonzero(~complete)), self.context.unlabelled))
        if not len(pool):
            raise DataError("every training picture has all labels and none is unlabelled; use strategy supervised.")
        if len(pool) < self.unlabelled_batch:
            raise RecipeError(
                f"{len(pool)} unlabelled pictures do not fill one batch of mu * batch_size = {self.unlabelled_batch}; "
                "take a smaller mu or batch_size."
            )
        return pool


def _refuse_several_labels(schema: AttributeSchema) -> None:
    if several := [t.name for t in schema if t.kind == "multi"]:
        raise RecipeError(
            f"semi_vit needs types of which a picture has one class, but {', '.join(several)} may have several; "
            "choose others with data.types."
        )
