"""What a person sees of a run: sentences, and a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import os
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


def say(text: str) -> None:
    """A sentence about the run on standard error; of several processes, the first one speaks."""
    if first_process():
        Console(stderr=True).print(text, highlight=False, soft_wrap=True, markup=False)


def first_process() -> bool:
    """Whether this is process 0 of a distributed run, or the only one; launchers tell by these variables."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK"))


class ProgressDisplay:
    """The progress of one model's training, on standard error.

    Args:
        label: what is trained.
        steps: of the whole training; ``done`` of them lie behind.
        per_epoch: steps of an epoch.
        images: pictures a step.
        console: where to; the default is standard error.
    """

    def __init__(
        self, label: str, steps: int, done: int, per_epoch: float, images: int, console: Console | None = None
    ) -> None:
        self.label, self.steps, self.per_epoch, self.images = label, steps, per_epoch, images
        self.console = console or Console(stderr=True)
        self.values: dict[str, float] = {}
        self.mark = (done, monotonic())
        self.bar: Progress | None = None
        if self.console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.bar = Progress(*columns, console=self.console, refresh_per_second=2)
            self.task: TaskID = self.bar.add_task(self._words(done), total=steps, completed=done)
            self.bar.start()

    def step(self, step: int) -> None:
        """After every step."""
        if self.bar:
            self.bar.update(self.task, completed=step)

    def show(self, step: int, values: dict[str, float], epoch_over: bool) -> None:
        """After every row of the log."""
        now: dict[str, float] = {name: values[name] for name in ("loss", "val/f1@1") if name in values}
        self.values = self.values | now if self.bar else now  # a line says what is new, the bar what is known
        if self.bar:
            self.bar.update(self.task, description=self._words(step))
        elif epoch_over:
            done, since = self.mark
            speed = (step - done) * self.images / max(monotonic() - since, 1e-9)
            self.mark = (step, monotonic())
            self.console.print(f"{self._words(step)}, {speed:.0f} images/s", highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self.bar:
            self.bar.stop()

    def _words(self, step: int) -> str:
        epoch, epochs = step / self.per_epoch, self.steps / self.per_epoch
        numbers = [f"{name.removeprefix('val/')} {value:.4f}" for name, value in self.values.items()]
        return ", ".join([f"{self.label}: epoch {epoch:.4g}/{epochs:.4g}", *numbers])


class PictureCount:
    """Pictures done and their speed, on standard error: a bar on a terminal, elsewhere a line a minute.

    Args:
        total: pictures; ``None`` if nobody knows.
        done: of them, before this process began.
        console: where to; the default is standard error.
    """

    def __init__(self, total: int | None, done: int = 0, console: Console | None = None) -> None:
        self.total, self.before, self.done = total, done, done
        self.console = console or Console(stderr=True)
        self.start = self.said = monotonic()
        self.bar: Progress | None = None
        if self.console.is_terminal:
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
            self.bar = Progress(*columns, console=self.console, refresh_per_second=2)
            self.task: TaskID = self.bar.add_task("", total=total, completed=done)
            self.bar.start()

    @property
    def seconds(self) -> float:
        """Since the first picture was waited for."""
        return monotonic() - self.start

    @property
    def speed(self) -> float:
        """Pictures a second, in this process."""
        return (self.done - self.before) / max(self.seconds, 1e-9)

    def add(self, pictures: int) -> None:
        """After every batch."""
        self.done += pictures
        if self.bar:
            self.bar.update(self.task, completed=self.done, description=f"{self.speed:.0f} pictures/s")
        elif monotonic() - self.said >= 60:
            self.said = monotonic()
            of = f" of {self.total:,}" if self.total is not None else ""
            self.console.print(f"{self.done:,}{of} pictures, {self.speed:.0f} pictures/s", highlight=False)

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self.bar:
            self.bar.stop()
