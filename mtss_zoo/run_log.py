"""The log of a run: ``log.csv``, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtss_zoo.files.whole_files import write_rows

Row = dict[str, str]
FIRST = ["step", "epoch"]


class RunLog:
    """Appends rows to ``folder/log.csv``; each is on disk (or with the system) when `write` returns.

    Args:
        folder: of the run.
        step: where the run starts or goes on; rows of later steps, written before it was killed, are dropped.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        self.path = folder / "log.csv"
        rows = [row for row in read_log(self.path) if int(row["step"]) <= step]
        self.columns = FIRST + sorted({c for row in rows for c in row} - {*FIRST}, key=_order)
        write_rows(self.path, self.columns, rows)
        self.board: Any = None
        if importlib.util.find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, epoch: float, values: Mapping[str, float]) -> None:
        """One row; a name that no row had yet becomes a new column."""
        if new := sorted(values.keys() - set(self.columns), key=_order):
            self.columns = FIRST + sorted({*self.columns, *new} - {*FIRST}, key=_order)
            write_rows(self.path, self.columns, read_log(self.path))
        row = {"step": step, "epoch": round(epoch, 6), **values}
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(row)
        if self.board:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def close(self) -> None:
        """Nothing is written after this."""
        if self.board:
            self.board.close()


def read_log(path: Path) -> list[Row]:
    """The rows of a ``log.csv`` without empty cells; none if there is no file. A row that was cut off is left out."""
    if not path.is_file():
        return []
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    return [{k: v for k, v in row.items() if v} for row in csv.DictReader(whole.splitlines())]


def _order(column: str) -> tuple[int, str]:
    """lr, the loss, its parts, and what validation found last."""
    return (["lr", "loss"].index(column) if column in ("lr", "loss") else 2 + column.startswith("val/"), column)
