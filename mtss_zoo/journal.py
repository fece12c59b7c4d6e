"""What happens between two steps of training: log rows, validation, the best weights, restart points, Ctrl-C."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeAlias

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from mtss_zoo.errors import MtssZooError
from mtss_zoo.metrics import Counts
from mtss_zoo.model import AttributeModel
from mtss_zoo.progress import ProgressDisplay
from mtss_zoo.run_log import RunLog
from mtss_zoo.stage import StageRun
from mtss_zoo.training_module import TrainingModule
from mtss_zoo.weights import save_weights

LAST = "last.ckpt"
F1 = "val/f1@1"
OnValidation: TypeAlias = Callable[[int, float], None]
"""Told the number of the epoch that ended, from 1, and the delivered model's F1@1 on validation."""


def best_weights(name: str) -> str:
    """The file of a model's weights at the best validation: ``best.safetensors``, ``best.student.safetensors``."""
    return f"best.{name}.safetensors" if name else "best.safetensors"


class Journal(Callback):
    """Writes everything that a run leaves behind while it trains.

    Rows of the log come before the restart point of the same step, so that going on from it loses none and repeats
    none.

    Args:
        run: what is trained.
        count: counts the true positives of a model on this process's share of the validation split.
        on_validation: called after every validation, once its row is written; what it raises ends the training.
    """

    def __init__(
        self,
        run: StageRun,
        count: Callable[[AttributeModel, int, int], Counts],
        on_validation: OnValidation | None = None,
    ) -> None:
        self.run, self.count, self.on_validation = run, count, on_validation
        self.step = 0
        self.sums: dict[str, Tensor] = {}
        self.batches = 0
        self.best = {"f1@1": math.nan, "step": 0, "epoch": 0.0}
        self.interrupted = self.stopped = False
        self.run_log: RunLog | None = None
        self.display: ProgressDisplay | None = None

    def __enter__(self) -> Journal:
        self.handler = signal.getsignal(signal.SIGINT)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes what is open, however the training ended."""
        for thing in (self.run_log, self.display):
            if thing:
                thing.close()
        if signal.getsignal(signal.SIGINT) == self._note:
            signal.signal(signal.SIGINT, self.handler)

    def state_dict(self) -> dict[str, Any]:
        """The best validation so far, and the row of the log that is not full yet."""
        return {"best": self.best, "sums": self.sums, "batches": self.batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Reads `state_dict`."""
        self.best, self.sums, self.batches = state["best"], state["sums"], state["batches"]

    def on_train_start(self, trainer: Trainer, module: TrainingModule) -> None:  # type: ignore[override]
        """Opens the log where the run goes on. From here on, Ctrl-C lets a step end; a second one does not."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._note)
        self.step, length = trainer.global_step, module.length
        self.sums = {name: value.to(module.device) for name, value in self.sums.items()}
        if trainer.is_global_zero:
            self.run_log = RunLog(self.run.folder, self.step)
            self.display = ProgressDisplay(self.run.label, length.steps, self.step, length.per_epoch, length.images)

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: Trainer, module: TrainingModule, outputs: Mapping[str, Tensor], batch: Any, batch_idx: int
    ) -> None:
        """After every batch; most of it only after a step of the optimiser."""
        for name, value in outputs.items():
            self.sums[name] = self.sums[name] + value.detach() if name in self.sums else value.detach()
        self.batches += 1
        if trainer.global_step == self.step:
            return
        self.step = trainer.global_step
        if self.display:
            self.display.step(self.step)
        settings = self.run.recipe.trainer
        epoch = self._ended_epoch(module)
        if log_due := bool(epoch) or self.step % settings.log_every == 0:
            self._write_row(trainer, module, epoch)
        self.stopped = self._asked_to_stop(trainer, log_due)
        if epoch or self.stopped or self.step % settings.save_every == 0:
            self._save(trainer)
        trainer.should_stop = self.stopped

    def _ended_epoch(self, module: TrainingModule) -> int:
        """The number of the epoch that ended with this step, from 1; 0 if none did. The last step ends one."""
        before, now = (int((s + 1e-6) / module.length.per_epoch) for s in (self.step - 1, self.step))
        if self.step == module.length.steps:
            return max(now, before + 1)
        return now if now > before else 0

    def _write_row(self, trainer: Trainer, module: TrainingModule, epoch: int) -> None:
        values = {"lr": module.learning_rate(self.step - 1)}
        for name, total in self.sums.items():
            values[name] = float(trainer.strategy.reduce(total.double() / self.batches, reduce_op="mean"))
        self.sums, self.batches = {}, 0
        if not math.isfinite(values["loss"]):
            raise MtssZooError(
                f"{self.run.label}: the loss is {values['loss']} at step {self.step}. A smaller learning rate, "
                "clip_norm or another precision may help; the last restart point is kept."
            )
        if epoch and (epoch % self.run.spec.validate_every == 0 or self.step == module.length.steps):
            values |= self._validate(trainer, module)
        if self.run_log and self.display:
            self.run_log.write(self.step, self.step / module.length.per_epoch, values)
            self.display.show(self.step, values, bool(epoch))
        if self.on_validation and F1 in values:
            self.on_validation(epoch, values[F1])

    def _validate(self, trainer: Trainer, module: TrainingModule) -> dict[str, float]:
        """F1@1 pooled over the types, of every model; all weights are kept if the delivered one is the best so far."""
        if not module.strategy.predicts:
            return {}
        model = module.delivered()
        f1 = self._f1(trainer, module, model)
        if not f1 <= self.best["f1@1"]:  # NaN, where the split has no label at all, is no reason to keep older weights
            self.best = {"f1@1": f1, "step": self.step, "epoch": self.step / module.length.per_epoch}
            if trainer.is_global_zero and self.run.spec.keep == "best":
                for name, kept in module.models().items():
                    save_weights(kept, self.run.folder / best_weights(name))
        others = {f"{F1}/{name}": self._f1(trainer, module, m) for name, m in module.strategy.others().items()}
        return {F1: f1, **others}

    def _f1(self, trainer: Trainer, module: TrainingModule, model: AttributeModel) -> float:
        if trainer.world_size > 1:  # running statistics differ between processes, and process 0 delivers
            for buffer in model.buffers():
                torch.distributed.broadcast(buffer, src=0)
        own = self.count(model, trainer.global_rank, trainer.world_size)
        counts = torch.tensor([own.tp, own.returned, own.positives], device=module.device)
        return Counts(*(int(n) for n in trainer.strategy.reduce(counts, reduce_op="sum"))).f1

    def _save(self, trainer: Trainer) -> None:
        """Process 0 writes for all, so what each has seen for the next row becomes their mean here."""
        if trainer.world_size > 1:
            self.sums = {name: trainer.strategy.reduce(value, reduce_op="mean") for name, value in self.sums.items()}
        last = self.run.folder / LAST
        part = last.with_name(f".{LAST}.part")
        trainer.save_checkpoint(part)
        if trainer.is_global_zero:
            os.replace(part, last)

    def _note(self, number: int, frame: Any) -> None:
        self.interrupted = True
        signal.signal(signal.SIGINT, self.handler)

    def _asked_to_stop(self, trainer: Trainer, log_due: bool) -> bool:
        """On Ctrl-C or SIGTERM. Several processes must agree, so they ask each other, but not at every step."""
        asked = self.interrupted or trainer.received_sigterm
        if trainer.world_size == 1:
            return asked
        return log_due and trainer.strategy.reduce_boolean_decision(asked, all=False)
