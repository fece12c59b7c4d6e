"""What a person sees of a run: a bar on a terminal, elsewhere one line for each epoch."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


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
        self.mark = (done, time.monotonic())
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
            speed = (step - done) * self.images / max(time.monotonic() - since, 1e-9)
            self.mark = (step, time.monotonic())
            self.console.print(f"{self._words(step)}, {speed:.0f} images/s", highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leaves the bar as it is."""
        if self.bar:
            self.bar.stop()

    def _words(self, step: int) -> str:
        epoch, epochs = step / self.per_epoch, self.steps / self.per_epoch
        numbers = [f"{name.removeprefix('val/')} {value:.4f}" for name, value in self.values.items()]
        return ", ".join([f"{self.label}: epoch {epoch:.4g}/{epochs:.4g}", *numbers])
