"""A `semi_vit` step through the trainer beside the sum of its parts, each measured alone in the same run.

The parts are what no implementation can do without: the teacher's forward pass, the student's two passes there and
back, the optimiser's step and the update of the moving average. What is left is mixing, pseudo labels, log and loop.
Batches are in memory already. Ends with the peak memory.

    python benchmarks/semi_vit_step.py --backbone mae_vit_tiny
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measure import report
from torch.nn import functional as F
from train_step import Clock, InMemory

from mtss_zoo.averaging import MovingAverage
from mtss_zoo.build import build_strategy
from mtss_zoo.fit import make_trainer, quiet_lightning
from mtss_zoo.interfaces import Batch
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.stage import Context, StageRun, expand, open_data
from mtss_zoo.streams import StreamLoader

STEPS, ROUNDS, SIZE, MU = 8, 4, 64, 5
BACKBONES: dict[str, Any] = {
    "resnet18": "resnet18",
    "test_vit": {"name": "timm", "args": {"name": "test_vit", "img_size": [SIZE, SIZE]}},
    "mae_vit_tiny": {"name": "mae_vit_tiny", "args": {"image_size": [SIZE, SIZE]}},
}


def wait() -> None:
    """Until the accelerator has done what it was asked for."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


class ExactClock(Clock):
    """Starts a step when the accelerator has ended the one before."""

    def on_train_batch_start(self, *_: Any) -> None:
        wait()
        super().on_train_batch_start()


def setting(folder: Path, backbone: str, batch_size: int) -> tuple[StageRun, InMemory]:
    """One type, batches of B labelled and 5 B unlabelled pictures."""
    pool = 2 * MU * batch_size
    stage = {
        "strategy": {"name": "semi_vit", "args": {"mu": MU}},
        "loss": {"name": "cross_entropy", "args": {"label_smoothing": 0.1}},
        "batch_size": batch_size,
        "steps": STEPS,
        "optimizer": {"name": "adamw", "lr": 1e-4},
        "views": {"train": {}, "weak": {}, "strong": {}},
    }
    args = {"n_train": 8 * batch_size, "n_val": 8, "n_unlabelled": pool, "image_size": SIZE, "label_share": 1.0}
    data = {"dataset": {"name": "garments", "args": args}, "types": ["category"], "image_size": [SIZE, SIZE]}
    model = {"backbone": BACKBONES[backbone], "head": "linear"}
    recipe, dataset = open_data(load_recipe({"name": "x", "data": data, "model": model, "stages": {"semi": stage}}))
    (run,) = expand(recipe, folder)
    run.folder.mkdir(parents=True)
    context = Context(run, dataset, pretend=True)
    module = InMemory(build_strategy(run.spec, run.build_model(), context), context)
    loaders = [
        StreamLoader(s, context.schema, run.spec.views, context.preprocess, 0, STEPS, 0, context.bad_images)
        for s in module.strategy.streams().values()
    ]
    names = module.strategy.streams()
    module.batches = [dict(zip(names, batches, strict=True)) for batches in zip(*loaders, strict=True)]
    return run, module


def through_lightning(run: StageRun, module: InMemory) -> list[float]:
    """Seconds of every step but the first two."""
    clock = ExactClock()
    module.strategy.prepare(STEPS)
    with quiet_lightning():
        make_trainer(run, [clock]).fit(module)
    return clock.steps()


def parts(module: InMemory) -> dict[str, list[float]]:
    """Seconds of every part, for the same steps."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    student = module.strategy.model.to(device).train()
    average = MovingAverage(student, 0.99)
    optimizer = module.configure_optimizers()
    steps = []
    for batches in module.batches:
        alone = alone_on(device, student, average, optimizer, batches)
        seconds = {}
        for name, action in alone.items():
            wait()
            start = time.perf_counter()
            action()
            wait()
            seconds[name] = time.perf_counter() - start
        steps.append(seconds)
    return {name: [step[name] for step in steps[1:-1]] for name in steps[0]}


def alone_on(
    device: torch.device,
    student: Any,
    average: MovingAverage,
    optimizer: torch.optim.Optimizer,
    batches: dict[str, Batch],
) -> dict[str, Callable[[], object]]:
    """The parts of one step, in their order."""
    labelled, unlabelled = batches["labelled"], batches["unlabelled"]
    images, weak, strong = (x.to(device) for x in (labelled.images, *unlabelled.views.values()))
    targets = labelled.targets["category"].to(device)
    soft = targets.repeat(MU, 1)

    def teach() -> None:
        with torch.no_grad():
            average(weak)

    def learn(pictures: torch.Tensor, wanted: torch.Tensor) -> None:
        F.cross_entropy(student(pictures)["category"], wanted).backward()

    def step() -> None:
        optimizer.step()
        optimizer.zero_grad()

    return {
        "student, labelled": lambda: learn(images, targets),
        "teacher": teach,
        "student, unlabelled": lambda: learn(strong, soft),
        "optimiser": step,
        "moving average": lambda: average.update_parameters(student),
    }


def peak_megabytes() -> float:
    """Of the accelerator, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", choices=BACKBONES, default="mae_vit_tiny")
    parser.add_argument("--batch-size", type=int, default=16, help="labelled pictures a step")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run, module = setting(Path(folder), chosen.backbone, chosen.batch_size)
        before = peak_megabytes()
        seconds: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            alone = parts(module)
            total = [sum(step) for step in zip(*alone.values(), strict=True)]
            for name, values in {"sum of the parts": total, "step": through_lightning(run, module), **alone}.items():
                seconds.setdefault(name, []).extend(values)
    report(f"semi_vit step {chosen.backbone}", seconds, "sum of the parts", "step at 1.05 or less")
    print(f"  peak memory {peak_megabytes():.0f} MB, before the first step {before:.0f} MB")


if __name__ == "__main__":
    main()
