"""How often each class was a pseudo label, epoch by epoch: ``pseudo_labels.csv``."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mtss_zoo.files.whole_files import write_rows
from mtss_zoo.interfaces import AttributeSchema
from mtss_zoo.process_group import group_rank, sum_over_group

COLUMNS = ["epoch", "type", "class", "share", "kept"]


class PseudoLabelHistogram(nn.Module):
    """Counts an epoch's pseudo labels over all processes, and writes a row for each class when it ends.

    ``share`` is the class's share of the epoch's pictures, ``kept`` the share of these whose loss counted. The last
    epoch of a stage that has so many ``steps`` may be cut short. What was counted survives a restart; the rows of an
    epoch that is repeated replace the earlier ones.

    Args:
        schema: the attribute types that are counted.
        file: what is written.
    """

    def __init__(self, schema: AttributeSchema, file: Path) -> None:
        super().__init__()
        self.schema, self.file = schema, file
        self.batches_per_epoch = 0
        """Until it is known, nothing is written."""
        self.steps = 0
        """Those of the optimiser in the whole stage."""
        self.batches = self.steps_done = 0
        for t in schema:
            self.register_buffer(f"{t.name}_counts", torch.zeros(2, len(t), dtype=torch.long))

    def count(self, type_name: str, labels: Tensor, kept: Tensor) -> None:
        """Adds a batch of one type: labels NC, and which pictures were kept, N booleans."""
        of_class = torch.arange(labels.shape[1], device=labels.device) == labels.argmax(1, keepdim=True)
        counts = torch.stack([of_class.sum(0), (of_class & kept[:, None]).sum(0)])
        sum_over_group(counts)
        self.get_buffer(f"{type_name}_counts").add_(counts)

    def end_batch(self) -> None:
        """All types of a batch were counted; the last batch of an epoch writes its rows."""
        self.batches += 1
        if not self.batches_per_epoch or self.batches % self.batches_per_epoch:
            return
        if not group_rank():
            self._write(self.batches // self.batches_per_epoch)
        for counts in self.buffers():
            counts.zero_()

    def end_step(self) -> None:
        """The optimiser took a step; the last one of the stage writes the rows of an epoch that it cuts short."""
        self.steps_done += 1
        if self.steps_done == self.steps and self.batches % self.batches_per_epoch and not group_rank():
            self._write(self.batches // self.batches_per_epoch + 1)

    def get_extra_state(self) -> dict[str, int]:
        """The numbers of batches and steps so far."""
        return {"batches": self.batches, "steps_done": self.steps_done}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Reads `get_extra_state`."""
        self.batches, self.steps_done = state["batches"], state["steps_done"]

    def _write(self, epoch: int) -> None:
        earlier = [row for row in read_histogram(self.file) if int(row["epoch"]) < epoch]
        write_rows(self.file, COLUMNS, earlier + self._rows(epoch))

    def _rows(self, epoch: int) -> list[dict[str, Any]]:
        rows = []
        for t in self.schema:
            pictures, kept = self.get_buffer(f"{t.name}_counts").tolist()
            for name, n, k in zip(t.classes, pictures, kept, strict=True):
                shares = {"share": round(n / sum(pictures), 6), "kept": round(k / n, 6) if n else 0.0}
                rows.append({"epoch": epoch, "type": t.name, "class": name, **shares})
        return rows


def read_histogram(file: Path) -> list[dict[str, str]]:
    """The rows of a ``pseudo_labels.csv``; none if there is no file."""
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as rows:
        return list(csv.DictReader(rows))
