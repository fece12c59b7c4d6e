"""A strategy as Lightning sees it: optimisation, batches by position, and what survives a restart.

A stage is one pass over all its batches, so that the only position is the number of steps taken. Streams, the learning
rate and the random numbers of a step are functions of it: a run that goes on after being killed repeats what it would
have done.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from mtss_zoo.averaging import MovingAverage
from mtss_zoo.errors import PluginError, RecipeError, UsageError
from mtss_zoo.interfaces import Batch, Strategy, Stream
from mtss_zoo.model import AttributeModel
from mtss_zoo.optim import Length, build_optimizer, learning_rate
from mtss_zoo.recipe import StageSpec
from mtss_zoo.sampling import derived_seed
from mtss_zoo.stage import Context
from mtss_zoo.streams import StreamLoader, own_steps


class TrainingModule(LightningModule):
    """Trains one strategy. Lightning owns the loop, the devices, precision and the gradients' accumulation."""

    length: Length
    """Known once Lightning asked for the batches."""

    def __init__(self, strategy: Strategy, context: Context) -> None:
        super().__init__()
        self.strategy: Any = strategy  # a Strategy and an nn.Module
        self.context = context
        self.spec = context.run.spec
        if self.spec.ema and (strategy.delivered() is not strategy.model or strategy.others()):
            raise RecipeError(
                f"{context.run.label}: strategy {self.spec.strategy.name!r} has a moving average of its own; leave out "
                "`ema` of the stage."
            )
        self.average = MovingAverage(strategy.model, self.spec.ema) if self.spec.ema else None
        self.batches_done = 0
        self.to(memory_format=torch.channels_last)  # convolutions run up to 1.3 times as fast

    def delivered(self) -> AttributeModel:
        """The model that is evaluated and saved."""
        return cast(AttributeModel, self.average.module if self.average else self.strategy.delivered())

    def models(self) -> dict[str, AttributeModel]:
        """All that are measured: the delivered one under no name, and the strategy's others."""
        return {"": self.delivered(), **self.strategy.others()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Over everything in the strategy that learns."""
        return build_optimizer(self.strategy, self.strategy.model.backbone, self.spec.optimizer)

    def on_fit_start(self) -> None:
        """Caches are filled once the weights are restored and on their device, in the precision of the steps.

        A dry run does without.
        """
        self.strategy.train()
        if not self.context.pretend:
            with self.trainer.precision_plugin.forward_context():
                self.strategy.prepare(self._lengths()[1].steps)

    def train_dataloader(self) -> StageBatches:
        """All batches that are still to come."""
        trainer = self.trainer
        total, self.length = self._lengths()
        streams = self.strategy.streams()
        return StageBatches(streams, self.context, total, self.batches_done, trainer.global_rank, trainer.world_size)

    def _lengths(self) -> tuple[int, Length]:
        trainer = self.trainer
        return stage_length(self.spec, self.strategy.streams(), trainer.world_size, trainer.accumulate_grad_batches)

    def transfer_batch_to_device(
        self, batch: dict[str, Batch], device: torch.device, dataloader_idx: int
    ) -> dict[str, Batch]:
        """The copies do not block where the batch lies in pinned memory."""
        return {name: _moved(b, device) for name, b in batch.items()}

    def on_train_batch_start(self, batch: dict[str, Batch], batch_idx: int) -> None:
        """Random numbers and learning rate of this step."""
        self.batches_done = batch_idx + 1
        reseed(self.device, self.context.seed, batch_idx, self.global_rank)
        lr = self.learning_rate(self.global_step)
        for group in self.optimizers(use_pl_optimizer=False).param_groups:  # type: ignore[union-attr]
            group["lr"] = lr * group["scale"]

    def learning_rate(self, step: int) -> float:
        """Of the fastest parameters."""
        return learning_rate(step, self.spec.optimizer.lr, self.spec.schedule, self.length)

    def training_step(self, batch: dict[str, Batch], batch_idx: int) -> dict[str, Tensor]:
        """The strategy's named losses."""
        parts = self.strategy.step(batch)
        if "loss" not in parts:
            raise PluginError(f"strategy {self.spec.strategy.name!r}: step() gave no `loss`, but {', '.join(parts)}.")
        return {name: part if name == "loss" else part.detach() for name, part in parts.items()}

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """One step; what follows it happens before anything is saved."""
        super().optimizer_step(*args, **kwargs)
        self.strategy.after_step()
        if self.average:
            self.average.update_parameters(self.strategy.model)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Where the streams are."""
        checkpoint["batches_done"] = self.batches_done
        checkpoint["counted_in"] = self._counted_in()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The streams go on there.

        Raises:
            UsageError: the batches were counted in another number of processes, and would end elsewhere.
        """
        now = self._counted_in()
        before = checkpoint.get("counted_in", now)  # which a restart point of an older version lacks
        if before != now:
            label, folder = self.context.run.label, self.context.folder
            raise UsageError(
                f"{label} was stopped in {_in_words(before)} and cannot go on in {_in_words(now)}: its batches would "
                "be others. Set trainer.devices, num_nodes and accumulate_grad_batches as they were, or remove "
                f"last.ckpt from {folder} to train it from its start."
            )
        self.batches_done = checkpoint["batches_done"]

    def _counted_in(self) -> dict[str, int]:
        """What the number of a batch means depends on these."""
        return {"processes": self.trainer.world_size, "accumulated": self.trainer.accumulate_grad_batches}


class StageBatches:
    """One batch of every stream at a time, from a position to the end of the stage."""

    def __init__(
        self, streams: dict[str, Stream], context: Context, total: int, done: int, rank: int, world_size: int
    ) -> None:
        self.total, self.done = total, done
        self.loaders = {
            name: StreamLoader(
                stream,
                context.schema,
                context.run.spec.views,
                context.preprocess,
                context.seed,
                total,
                context.run.recipe.data.workers,
                context.bad_images,
                rank,
                world_size,
            )
            for name, stream in streams.items()
        }

    def __len__(self) -> int:
        return self.total

    def __iter__(self) -> Iterator[dict[str, Batch]]:
        if self.done >= self.total:
            return
        for loader in self.loaders.values():
            loader.load_state_dict({"batches": self.done})
        try:
            for batches in zip(*self.loaders.values(), strict=True):
                yield dict(zip(self.loaders, batches, strict=True))
        finally:
            for loader in self.loaders.values():
                loader.close()


def stage_length(
    spec: StageSpec, streams: Mapping[str, Stream], world_size: int, accumulate: int
) -> tuple[int, Length]:
    """The batches of a stage in each process, and its length in steps; the first stream says what an epoch is."""
    first = next(iter(streams.values()))
    per_epoch = own_steps(first, world_size)
    batches = spec.steps * accumulate if spec.steps else cast(int, spec.epochs) * per_epoch
    images = first.batch_size * world_size * accumulate
    return batches, Length(-(-batches // accumulate), per_epoch / accumulate, images)


def _in_words(counted_in: Mapping[str, int]) -> str:
    processes, accumulated = counted_in["processes"], counted_in["accumulated"]
    return f"{processes} process{'es' if processes > 1 else ''} with accumulate_grad_batches {accumulated}"


def reseed(device: torch.device, *key: int) -> None:
    """Sets the global generators of Python, numpy and torch from whole numbers.

    Not with `torch.manual_seed`: for every accelerator that is not there it formats a stack trace, 2.4 ms in all.
    """
    seed = derived_seed(*key)
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def _moved(batch: Batch, device: torch.device) -> Batch:
    views, targets, mask, answers = (
        {name: t.to(device, non_blocking=True) for name, t in part.items()}
        for part in (batch.views, batch.targets, batch.mask, batch.answers)
    )
    return replace(batch, views=views, targets=targets, mask=mask, answers=answers)
