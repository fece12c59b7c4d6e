"""The teachers' embeddings of fixed views, computed once and read back in every later epoch."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtss_zoo.errors import CheckpointError, DataError
from mtss_zoo.files.whole_files import whole_file

FORMAT = 1


class EmbeddingCache:
    """A float16 file of V views x M rows x D, all attribute types side by side, and a note of the views that are done.

    The note is written after a view is on disk, and names what the embeddings were made from. So a killed run loses
    one view at most, and a file that is cut off or was made from anything else is made anew.

    Args:
        folder: where both files go; created when filled.
        dims: attribute type to the length of its embeddings.
        views, rows: V and M.
        made_from: whatever the embeddings depend on, as plain data.
    """

    def __init__(
        self, folder: Path, dims: Mapping[str, int], views: int, rows: int, made_from: Mapping[str, Any]
    ) -> None:
        self.dims = dict(dims)
        self.shape = (views, rows, sum(dims.values()))
        self.file = folder / "embeddings.float16"
        self.note = folder / "done.json"
        facts = {"format": FORMAT, "dims": list(dims.items()), "views": views, "rows": rows, **made_from}
        self.made_from = json.loads(json.dumps(facts))

    def fill(self, embed: Callable[[int], Iterable[Mapping[str, Tensor]]]) -> None:
        """Computes the views that are missing. ``embed`` maps the number of a view to its batches, in order of rows.

        Raises:
            DataError: there is no room on the disk, or an embedding is not a finite float16 number.
        """
        done = self.views_done()
        if done == 0:
            self._start_over()
        for view in range(done, self.shape[0]):
            array = np.memmap(self.file, np.float16, "r+", shape=self.shape)
            self._write(array[view], embed(view))
            array.flush()
            self._mark(view + 1)

    def views_done(self) -> int:
        """How many views are on disk, whole and made from the same things; their numbers start at 0."""
        try:
            note = json.loads(self.note.read_text())
            whole = self.file.stat().st_size == self._size
            return int(note["views_done"]) if whole and note["made_from"] == self.made_from else 0
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return 0

    def open(self) -> EmbeddingCache:
        """Maps the finished file for `read`; returns itself.

        Raises:
            CheckpointError: it is not finished.
        """
        if self.views_done() < self.shape[0]:
            raise CheckpointError(
                f"{self.file} is not complete. Processes on several machines need a run folder that all of them see."
            )
        self._array = np.memmap(self.file, np.float16, "r", shape=self.shape)
        return self

    def read(self, views: Tensor, rows: Tensor, device: torch.device) -> dict[str, Tensor]:
        """B view numbers and B rows to ``{type: embeddings BD}``, float32 on ``device``."""
        block = torch.from_numpy(self._array[views.cpu().numpy(), rows.cpu().numpy()])
        parts = torch.split(block.to(device).float(), list(self.dims.values()), dim=1)
        return dict(zip(self.dims, parts, strict=True))

    @property
    def _size(self) -> int:
        return 2 * self.shape[0] * self.shape[1] * self.shape[2]

    def _start_over(self) -> None:
        self.note.parent.mkdir(parents=True, exist_ok=True)
        # Before the old file goes: its note must not be found next to what comes now.
        self._mark(0)
        self.file.unlink(missing_ok=True)
        free = shutil.disk_usage(self.file.parent).free
        if free < self._size:
            raise DataError(
                f"the teachers' embeddings need {self._size / 1e9:.1f} GB in {self.file.parent}, where "
                f"{free / 1e9:.1f} GB are free; lower cache_views, or set it to 0 to do without."
            )
        with self.file.open("wb") as file:
            file.truncate(self._size)

    def _write(self, out: np.memmap[Any, np.dtype[np.float16]], batches: Iterable[Mapping[str, Tensor]]) -> None:
        row = 0
        for batch in batches:
            block = torch.cat([batch[name] for name in self.dims], dim=1).half()
            if not block.isfinite().all():
                raise DataError(
                    f"a teacher's embedding of row {row} or soon after is not a finite float16 number; "
                    "look at the teachers' losses, or set cache_views: 0."
                )
            out[row : row + len(block)] = block.cpu().numpy()
            row += len(block)
        if row != len(out):
            raise DataError(f"a view has {row} pictures, but {len(out)} are expected.")

    def _mark(self, views_done: int) -> None:
        with whole_file(self.note) as part, part.open("w") as file:
            json.dump({"views_done": views_done, "made_from": self.made_from}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
