"""Loaders: from a stream's draws to batches of tensors, by worker processes, with a position that can be saved.

A batch is a function of (seed, step, rank): the number of workers and restarts change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mtss_zoo.batches import BatchReader, Request
from mtss_zoo.errors import DataError, MtssZooError, UsageError
from mtss_zoo.images import Preprocess
from mtss_zoo.interfaces import AttributeSchema, Batch, Draws, Samples, Stream
from mtss_zoo.recipe import AugmentSpec
from mtss_zoo.sampling import take
from mtss_zoo.workers import read_ahead


class BadImages:
    """The pictures that could not be read: counted, and named once each in ``folder/bad_images.txt``.

    Args:
        limit: how many a run tolerates.
        folder: a run folder; names that its file holds already count. ``None``: they are only counted.
    """

    def __init__(self, limit: int, folder: Path | None = None) -> None:
        self.limit = limit
        self.file = folder / "bad_images.txt" if folder else None
        lines = self.file.read_text(encoding="utf-8").splitlines() if self.file and self.file.is_file() else []
        self.reasons = dict(line.split("\t", 1) for line in lines if "\t" in line)

    def __len__(self) -> int:
        return len(self.reasons)

    def add(self, sample_id: str, reason: str) -> None:
        """Notes one picture; a picture that was noted before changes nothing.

        Raises:
            DataError: if there are more than ``limit``.
        """
        sample_id, reason = _one_line(sample_id), _one_line(reason)
        if sample_id in self.reasons:
            return
        self.reasons[sample_id] = reason
        if self.file:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(f"{sample_id}\t{reason}\n")
        if len(self) > self.limit:
            first = "; ".join(list(self.reasons.values())[:3])
            where = f" All are in {self.file}." if self.file else ""
            allowed = f"{self.limit} that data.max_bad_images allows"
            raise DataError(f"{len(self)} pictures cannot be read, more than the {allowed}: {first}{where}")


def _one_line(text: str) -> str:
    """Without line ends and tabs; bytes of a file's name that are no UTF-8 are spelled out."""
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode()


def own_steps(stream: Stream, world_size: int = 1) -> int:
    """The steps in which ``world_size`` processes read one epoch of this stream, without an incomplete last batch.

    Raises:
        UsageError: if the stream does not fill one batch.
    """
    pictures, batch = len(stream.draws(0).rows), stream.batch_size * world_size
    if pictures < batch:
        processes = f" ({world_size} processes x {stream.batch_size})" if world_size > 1 else ""
        raise UsageError(
            f"an epoch of {pictures} pictures does not fill one batch of {batch}{processes}; take a smaller batch_size."
        )
    return pictures // batch


class StreamLoader:
    """The batches of one stream for one process; iterating gives those of one training epoch.

    Workers and what they read ahead live on from one epoch to the next, until `close`. A stream that is shorter than
    a training epoch starts over with its own next epoch. ``state_dict`` is the number of batches handed out.

    Args:
        stream: what to read; ``stream.batch_size`` is for each process.
        schema: the types for which targets and masks are made.
        augments: the stage's views by name.
        preprocess: the size and normalisation of the pictures.
        seed: of the stage; `fixed_views` with the same seed gives the same pixels.
        steps_per_epoch: batches of a training epoch.
        workers: processes that read; 0 reads in this one.
        bad_images: where unreadable pictures are noted. The next draws of the stream take their places.
        rank: of this process among ``world_size``; the processes share out the stream's draws.
    """

    def __init__(
        self,
        stream: Stream,
        schema: AttributeSchema,
        augments: Mapping[str, AugmentSpec],
        preprocess: Preprocess,
        seed: int,
        steps_per_epoch: int,
        workers: int,
        bad_images: BadImages,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if missing := [view for view in stream.views if view not in augments]:
            raise UsageError(f"the recipe has no view {', '.join(missing)}; its views are {', '.join(augments)}.")
        self.stream = stream
        self.steps_per_epoch = steps_per_epoch
        self.workers = workers
        self.bad_images = bad_images
        self.rank, self.world_size = rank, world_size
        self._own_steps = own_steps(stream, world_size)
        views = {view: augments[view] for view in stream.views}
        self._reader = BatchReader(stream.samples, schema, views, preprocess, seed)
        self._handed_out = 0
        self._batches: Iterator[Batch] | None = None

    def __len__(self) -> int:
        return self.steps_per_epoch

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.steps_per_epoch - self._handed_out % self.steps_per_epoch):
            # What is kept must not refer back to this loader: workers of a cycle of references hang when it is freed.
            self._batches = self._batches or _read(self._reader, self._requests(), self.workers, self.bad_images)
            batch = next(self._batches)
            if len(batch.rows) < self.stream.batch_size:
                batch = self._from_further_draws()
            self._handed_out += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """How many batches were handed out; those that workers read ahead do not count."""
        return {"batches": self._handed_out}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """The next batch is the one after those handed out before."""
        self.close()
        self._handed_out = state["batches"]

    def close(self) -> None:
        """Ends the workers now, not when the loader is freed; iterating goes on with the next batch."""
        self._batches = None

    def _requests(self, reach: int = 2) -> Iterator[Request]:
        return _drawn(self.stream, self._own_steps, self._handed_out, self.rank, self.world_size, reach)

    def _from_further_draws(self) -> Batch:
        """The next batch, from as many of an epoch's draws as it takes: the same ones after a restart, too.

        Raises:
            DataError: all of them do not fill it, or more pictures than the limit cannot be read.
        """
        size, reach = self.stream.batch_size, 2
        request = next(self._requests(reach))
        while len(request.positions) == reach * size:
            reach *= 2
            request = next(self._requests(reach))
            (batch,) = _read(self._reader, iter([request]), 0, self.bad_images)
            if len(batch.rows) == size:
                return batch
        raise DataError(f"no readable pictures left for a batch: {len(self.bad_images)} cannot be read.")


def fixed_views(
    samples: Samples,
    preprocess: Preprocess,
    augment: AugmentSpec,
    view_number: int,
    seed: int,
    batch_size: int,
    workers: int,
    bad_images: BadImages,
) -> Iterator[Tensor]:
    """One fixed view of every sample, in order of rows: batches B3HW, the last one smaller.

    The pixels are those that a `StreamLoader` of this seed gives for draws with this view number. An unreadable
    picture keeps its row, as a black one.
    """
    reader = BatchReader(samples, None, {"view": augment}, preprocess, seed, blank=True)
    for batch in _read(reader, _in_order(len(samples), batch_size, view_number), workers, bad_images):
        yield batch.images


def evaluation_batches(
    samples: Samples,
    schema: AttributeSchema,
    preprocess: Preprocess,
    batch_size: int,
    workers: int,
    bad_images: BadImages,
) -> Iterator[Batch]:
    """Every sample once, in order of rows and unchanged, with labels; unreadable pictures are left out and noted."""
    reader = BatchReader(samples, schema, {"unchanged": AugmentSpec()}, preprocess, seed=0, measuring=True)
    for batch in _read(reader, _in_order(len(samples), batch_size, view_number=0), workers, bad_images):
        if len(batch.rows):
            yield batch


def _drawn(stream: Stream, own_steps: int, start: int, rank: int, world_size: int, reach: int) -> Iterator[Request]:
    """Two batches' draws for each batch; with another ``reach`` as many, but no more than an epoch has."""
    size, draws, drawn = stream.batch_size, Draws(np.empty(0, np.int64)), -1
    for step in count(start):
        epoch, index = divmod(step, own_steps)
        if epoch != drawn:
            draws, drawn = stream.draws(epoch), epoch
        first = (index * world_size + rank) * size
        tried = min(reach * size, max(2 * size, len(draws.rows)))
        positions = np.arange(first, first + tried) % len(draws.rows)
        yield Request(size, take(draws, positions), positions, epoch)


def _in_order(length: int, batch_size: int, view_number: int) -> Iterator[Request]:
    for first in range(0, length, batch_size):
        rows = np.arange(first, min(first + batch_size, length))
        yield Request(len(rows), Draws(rows, views=np.full(len(rows), view_number)), rows, epoch=0)


def _read(reader: BatchReader, requests: Iterator[Request], workers: int, bad_images: BadImages) -> Iterator[Batch]:
    for answer in read_ahead(reader, requests, workers, pin_memory=torch.cuda.is_available()):
        if isinstance(answer, MtssZooError):
            raise answer
        for sample_id, reason in answer.bad:
            bad_images.add(sample_id, reason)
        yield answer.batch()
