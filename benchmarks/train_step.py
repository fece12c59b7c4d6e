"""A training step of each strategy, with all that surrounds it, beside a loop written by hand for the same work.

Both train the same ResNet-18 on the same batches, which are in memory already, so what differs is the loop: Lightning,
strategy and reseeding against forward, loss, backward and step in a bare `for`. `mtss` reads its teachers' embeddings
from the cache on disk, the loop by hand has them in memory; the supervised step of the same size stands beside it.

    python benchmarks/train_step.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from measure import report

from mtss_zoo.build import build_strategy
from mtss_zoo.fit import make_trainer, quiet_lightning
from mtss_zoo.interfaces import Batch
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.stage import Context, StageRun, expand, open_data
from mtss_zoo.streams import StreamLoader
from mtss_zoo.training_module import TrainingModule, stage_length

STEPS, ROUNDS = 8, 4
SIZES = {
    "data.dataset.args": {"n_train": 128, "n_val": 8, "n_unlabelled": 128, "image_size": 64},
    "data.image_size": [64, 64],
    "model.backbone": "resnet18",
    "stages.student.batch_size": 32,
    "stages.student.strategy.args.cache_views": 1,
}
SUPERVISED = {"stages.student.strategy": "supervised", "stages.student.loss": "focal_ranking"}


class Batches:
    """What Lightning takes for one loader, as a bare list would be several."""

    def __init__(self, batches: list[dict[str, Batch]]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[dict[str, Batch]]:
        return iter(self.batches)


class InMemory(TrainingModule):
    """The product's training module, on batches that are already read."""

    batches: list[dict[str, Batch]]

    def train_dataloader(self) -> Any:
        spec, trainer = self.spec, self.trainer
        _, self.length = stage_length(spec, self.strategy.streams(), 1, trainer.accumulate_grad_batches)
        return Batches(self.batches)


class Clock(Callback):
    """Seconds from the start of each step to the start of the next."""

    def __init__(self) -> None:
        self.starts: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.starts.append(time.perf_counter())

    def steps(self) -> list[float]:
        return [b - a for a, b in pairwise(self.starts[1:])]


def setting(folder: Path, changes: dict[str, Any]) -> tuple[StageRun, InMemory]:
    """A stage with its strategy and its batches."""
    recipe, dataset = open_data(load_recipe(load_recipe("mtss_quickstart", SIZES), changes))
    (run,) = expand(recipe, folder, "student")
    run.folder.mkdir(parents=True)
    context = Context(run, dataset, pretend=True)
    module = InMemory(build_strategy(run.spec, run.build_model(), context), context)
    module.strategy.prepare(1)
    ((name, stream),) = module.strategy.streams().items()
    views, preprocess = run.spec.views, context.preprocess
    loader = StreamLoader(stream, context.schema, views, preprocess, context.seed, STEPS, 0, context.bad_images)
    module.batches = [{name: batch} for batch in loader]
    return run, module


def through_lightning(run: StageRun, module: InMemory) -> list[float]:
    clock = Clock()
    with quiet_lightning():
        make_trainer(run, [clock]).fit(module)
    return clock.steps()


def by_hand(module: InMemory) -> list[float]:
    model, optimizer = module.strategy.model.train(), module.configure_optimizers()
    loss_of = supervised_loss(module) if hasattr(module.strategy, "sampling") else distillation_loss(module)
    starts = []
    for batches in module.batches:
        starts.append(time.perf_counter())
        (batch,) = batches.values()
        optimizer.zero_grad()
        loss_of(model, batch).backward()
        optimizer.step()
    return [b - a for a, b in pairwise(starts[1:])]


def supervised_loss(module: InMemory) -> Callable[[Any, Batch], torch.Tensor]:
    losses = module.context.losses

    def loss(model: Any, batch: Batch) -> torch.Tensor:
        scores = model(batch.images)
        return torch.stack([losses[n](s, batch.targets[n], batch.mask[n]) for n, s in scores.items()]).mean()

    return loss


def distillation_loss(module: InMemory) -> Callable[[Any, Batch], torch.Tensor]:
    losses, strategy = module.context.losses, module.strategy
    device = torch.device("cpu")
    batches = [batch for named in module.batches for batch in named.values()]
    taught = {id(b): strategy.cache.read(b.view_numbers, b.rows, device) for b in batches}

    def loss(model: Any, batch: Batch) -> torch.Tensor:
        learnt = model.embed(batch.images)
        parts = [losses[n](e, taught[id(batch)][n], model.head(n).dictionary) for n, e in learnt.items()]
        return torch.stack(parts).sum()

    return loss


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seconds: dict[str, list[float]] = {}
        settings = {"supervised": setting(Path(folder) / "a", SUPERVISED), "mtss": setting(Path(folder) / "b", {})}
        for _ in range(ROUNDS):
            for name, (run, module) in settings.items():
                seconds.setdefault(name, []).extend(through_lightning(run, module))
                seconds.setdefault(f"{name} by hand", []).extend(by_hand(module))
        for name in settings:
            pair = {key: seconds[key] for key in (f"{name} by hand", name)}
            report(f"train step {name}", pair, f"{name} by hand", "1.05 or less")
        report("train step cached", {k: seconds[k] for k in settings}, "supervised", "mtss at 1.15 or less")


if __name__ == "__main__":
    main()
