"""Learning from labels: an MTSS teacher of one attribute type, or the usual multi-task network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from mtss_zoo.errors import DataError, RecipeError
from mtss_zoo.interfaces import AttributeSchema, Batch, Draws, StageContext, Stream
from mtss_zoo.model import AttributeModel
from mtss_zoo.sampling import Integers, SampleStream, Sampling, by_class, largest_classes
from mtss_zoo_strategies.mixing import mix_batch
from mtss_zoo_strategies.stage import VIEW, StageLosses, weighted_sum


class SupervisedStrategy(nn.Module):
    """Minimises the weighted mean of the types' losses over known labels.

    With one type in the schema, labels are drawn: a picture with several comes once for each, a picture without any
    never (Shin, ECCV 2020, section 3). With several types, pictures are drawn that have a label of any of them.

    Only the ``max_classes`` with the most pictures are trained, of those that have any. The others are drawn for
    nobody, no loss sees them, and the model that comes out never predicts them. The mean over types keeps the
    learning rate's meaning when types are added; a type of which a batch knows nothing adds zero.

    With ``mixup`` or ``cutmix``, every batch is mixed with itself in reverse order, and the loss is
    share * L(scores, labels) + (1 - share) * L(scores, partner's labels). A cross entropy is linear in its targets,
    with label smoothing too, so that this is its value for the mixed soft targets; and it works with any other loss,
    and where pictures lack labels of some types. A loss that counts answers takes no mixed pictures.

    Raises:
        RecipeError: the weights or the sampling do not fit the schema, or mixing does not fit the batch or a loss.
        DataError: a type has no label at all.
    """

    compares: ClassVar[Literal["scores"]] = "scores"
    predicts: ClassVar[bool] = True

    def __init__(
        self,
        model: AttributeModel,
        context: StageContext,
        sampling: Sampling = "natural",
        max_classes: int | None = None,
        images_per_epoch: int | None = None,
        weights: Mapping[str, float] | None = None,
        mixup: float = 0.0,
        cutmix: float = 0.0,
    ) -> None:
        super().__init__()
        if len(context.schema) > 1 and sampling != "natural":
            raise RecipeError(
                f"sampling: {sampling} draws the labels of one attribute type, but this stage trains "
                f"{', '.join(context.schema.names)} together; use natural, or per_type: true."
            )
        if (mixup or cutmix) and context.batch_size % 2:
            raise RecipeError(
                f"batch_size is {context.batch_size}, but mixup and cutmix pair the pictures of a batch; "
                "make it even, or set both to 0."
            )
        self.model = model
        self.context = context
        self.mixup, self.cutmix = mixup, cutmix
        self.sampling = sampling
        self.images_per_epoch = images_per_epoch
        self.losses = StageLosses(context)
        if mixup or cutmix:
            _refuse_to_mix_answers(self.losses, context.schema)
        self.weights = _shares(weights or {}, context.schema)
        self.pairs = {name: context.train.label_pairs(name) for name in context.schema.names}
        self.classes = {t.name: largest_classes(self.pairs[t.name], len(t), max_classes) for t in context.schema}
        for name, classes in self.classes.items():
            if not len(classes):
                raise DataError(f"no training picture has a label of {name}; leave it out with data.types.")
            model.trained(name).zero_()[torch.from_numpy(classes)] = True

    def prepare(self, steps: int) -> None:
        """Nothing is kept between runs."""

    def streams(self) -> dict[str, Stream]:
        """One stream of labelled pictures."""
        draw = self._labels if len(self.classes) == 1 else self._pictures
        return {"labelled": SampleStream(self.context.train, self.context.batch_size, (VIEW,), draw)}

    def step(self, batches: dict[str, Batch]) -> dict[str, Tensor]:
        """The weighted mean of the types' losses as ``loss``, and each type's own as ``loss/<type>``."""
        (batch,) = batches.values()
        images, share = batch.images, 1.0
        if self.mixup or self.cutmix:
            images, share = mix_batch(images, self.mixup, self.cutmix)
        parts = {name: self._loss(name, scores, batch, share) for name, scores in self.model(images).items()}
        return weighted_sum(parts, self.weights)

    def after_step(self) -> None:
        """Nothing follows a step."""

    def delivered(self) -> AttributeModel:
        """The model that learns."""
        return self.model

    def others(self) -> dict[str, AttributeModel]:
        """None."""
        return {}

    def _loss(self, name: str, scores: Tensor, batch: Batch, share: float) -> Tensor:
        targets, mask = batch.targets[name], batch.mask[name] & self.model.trained(name)
        answers = [batch.answers[name]] if self.losses.count_answers(name) else []
        loss: Tensor = self.losses(name, scores, targets, mask, *answers)
        if share < 1:
            loss = share * loss + (1 - share) * self.losses(name, scores, targets.flip(0), mask.flip(0))
        return loss

    def _labels(self, epoch: int) -> Draws:
        ((name, classes),) = self.classes.items()
        num_classes = len(self.context.schema[name])
        length, seed = self.images_per_epoch, self.context.seed
        return by_class(self.pairs[name], num_classes, self.sampling, length, seed, epoch, classes, name)

    def _pictures(self, epoch: int) -> Draws:
        carriers = [rows[np.isin(labels, self.classes[name])] for name, (rows, labels) in self.pairs.items()]
        rows = np.unique(np.concatenate(carriers))
        # As labels of one class, pictures may be fewer or more than an epoch has draws.
        one_class: Integers = np.zeros_like(rows)
        drawn = by_class((rows, one_class), 1, "natural", self.images_per_epoch, self.context.seed, epoch)
        return Draws(drawn.rows)


def _refuse_to_mix_answers(losses: StageLosses, schema: AttributeSchema) -> None:
    if counting := [name for name in schema.names if losses.count_answers(name)]:
        raise RecipeError(
            f"the loss of {', '.join(counting)} counts answers, with `confusion: estimated`, but a picture of `mixup` "
            "or `cutmix` has those of two classes; set both of these to 0, or confusion: none."
        )


def _shares(weights: Mapping[str, float], schema: AttributeSchema) -> dict[str, float]:
    """The weight of every type, scaled to sum 1."""
    if unknown := sorted(set(weights) - set(schema.names)):
        raise RecipeError(f"weights are given for {', '.join(unknown)}, but the types are {', '.join(schema.names)}.")
    given = {name: weights.get(name, 1.0) for name in schema.names}
    if not sum(given.values()):
        raise RecipeError(f"the weights of {', '.join(given)} are all 0, so nothing would be learned.")
    return {name: weight / sum(given.values()) for name, weight in given.items()}
