"""Bulk prediction from a source into one file, going on where it stopped."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from mtss_zoo.bulk.answers import Answers
from mtss_zoo.bulk.engines import open_engine
from mtss_zoo.bulk.finish import FORMATS, bad_list, finish
from mtss_zoo.bulk.naming import find_source
from mtss_zoo.bulk.parts import Parts
from mtss_zoo.bulk.reading import in_batches
from mtss_zoo.bulk.sources import PICTURES, Item, Source
from mtss_zoo.errors import DataError, MtssZooError, UsageError, system_words
from mtss_zoo.progress import PictureCount, say

if TYPE_CHECKING:
    import pyarrow as pa

    from mtss_zoo.exporting.onnx_model import OnnxModel
    from mtss_zoo.model import AttributeModel

PART_ROWS, PART_SECONDS = 8192, 60.0
"""A part is written after so many rows or seconds: at the most that is predicted again after a kill."""


@dataclass(frozen=True)
class BulkReport:
    """What a run wrote, and how fast."""

    out: Path
    pictures: int
    """Rows of ``out``."""
    bad: int
    """Pictures that could not be used."""
    bad_list: Path | None
    """Names them, if there are any."""
    pictures_per_second: float
    """In this call, from the first picture it waited for to the last; reading, predicting and writing parts."""


def bulk_predict(
    model: AttributeModel | OnnxModel | str | Path,
    source: str | Path | Sequence[str | Path],
    out: str | Path = "predictions.parquet",
    *,
    top_k: int = 3,
    embeddings: bool = False,
    batch_size: int = 64,
    workers: int | None = None,
    device: str = "auto",
    shard: tuple[int, int] | None = None,
    part_rows: int = PART_ROWS,
) -> BulkReport:
    """Predicts every picture of a source into one Parquet or JSONL file; the same call goes on after any kind of end.

    Until the end, rows are in the folder ``<out>.parts``. Pictures that cannot be used are left out and listed in
    ``<out>.bad.csv``. Memory does not grow with the number of pictures.

    Args:
        model: a folder, ``owner/repo@revision``, a pretrained recipe, an ``.onnx`` file, or a model.
        source: a folder, a manifest (`Manifest`), tars (``shop-{000..017}.tar``), or pictures.
        out: ends in ``.parquet`` or ``.jsonl``; columns as `table_schema` says, without ``error``.
        top_k: classes of each attribute type.
        embeddings: add a column of float16 embeddings for each type that has them; Parquet only.
        batch_size: pictures a forward pass.
        workers: processes that read pictures (threads for ONNX); default one less than there are cores, at most 16.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` ...; a model that is open already stays where it is.
        shard: ``(3, 8)`` predicts rows 3, 11, 19 ... of the source into ``<out>-3-of-8``, for 8 processes or machines.
        part_rows: rows that are written at once.

    Raises:
        UsageError: an argument cannot be; ``out`` exists; or it was begun with another model, source or settings.
        DataError: the source is empty or damaged.
        MtssZooError: memory or room on the disk does not suffice.
        KeyboardInterrupt: after Ctrl-C, once what is predicted is on disk.
    """
    out = _checked_name(Path(out), shard, embeddings)
    listed = find_source(source)
    survey = listed.survey()
    answers = Answers(open_engine(model if not isinstance(model, Path) else str(model), device), top_k, embeddings)
    about = {
        "model": answers.engine.fingerprint(),
        "list of pictures": survey.fingerprint,
        "shard": list(shard or (1, 1)),
        "top_k": top_k,
        "choice of embeddings": embeddings,
    }
    total = None if survey.total is None else len(range(survey.total)[_rows(shard)])
    parts = Parts(out, about)
    if parts.done:
        say(f"going on after {parts.done:,} pictures, which are in {parts.folder}.")
    count = PictureCount(total, parts.done)
    batches = in_batches(islice(_own(listed, shard), parts.done, None), batch_size)
    with how_to_go_on(parts), parts, closing(count), closing(answers.engine.read(batches, _workers(workers))) as read:
        write_parts(answers.tables(read), parts, count, part_rows)
        if not parts.done and not shard:
            parts.remove()
            raise DataError(f"the tars hold no pictures ({', '.join(PICTURES)}).")
        pictures, speed = parts.done, count.speed
        bad = finish(parts, answers.schema, json.dumps(about))
    return BulkReport(out, pictures - bad, bad, bad_list(out) if bad else None, speed)


def write_parts(tables: Iterator[pa.Table], parts: Parts, count: PictureCount, part_rows: int) -> None:
    """Adds tables to the parts, and writes a part after so many rows or a minute."""
    since = time.monotonic()
    for table in tables:
        parts.add(table)
        count.add(table.num_rows)
        if parts.added >= part_rows or time.monotonic() - since >= PART_SECONDS:
            parts.write()
            since = time.monotonic()
    parts.write()


@contextmanager
def how_to_go_on(parts: Parts) -> Iterator[None]:
    """Is said when the run is stopped, or ends for a reason that is known."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"stopped after {parts.done:,} pictures; the same command goes on.")
        raise
    except (RuntimeError, OSError, MemoryError, EOFError) as error:
        if words := _in_words(error):
            raise MtssZooError(f"{words} The same command goes on after {parts.done:,} pictures.") from error
        raise


def _in_words(error: Exception) -> str | None:
    text = str(error)
    if isinstance(error, ConnectionError | EOFError) or "DataLoader worker (pid" in text:
        return (
            "a process that reads pictures died, usually for want of memory (in a container, of /dev/shm): take fewer "
            "workers or a smaller batch size."
        )
    if isinstance(error, MemoryError):
        return "memory does not suffice: take fewer workers or a smaller batch size."
    if isinstance(error, OSError):
        return f"{system_words(error)}."
    return "the device has too little memory: take a smaller batch size." if "out of memory" in text else None


def _own(source: Source, shard: tuple[int, int] | None) -> Iterator[Item]:
    rows = _rows(shard)
    return islice(iter(source), rows.start, None, rows.step)


def _rows(shard: tuple[int, int] | None) -> slice:
    number, of = shard or (1, 1)
    return slice(number - 1, None, of)


def _checked_name(out: Path, shard: tuple[int, int] | None, embeddings: bool) -> Path:
    """The file, or that of the shard."""
    if shard:
        number, of = shard
        if not 1 <= number <= of:
            raise UsageError(f"shard {number}/{of}: the first of 8 shards is 1/8, the last one 8/8.")
        out = out.with_stem(f"{out.stem}-{number}-of-{of}")
    if out.suffix not in FORMATS or (embeddings and out.suffix == ".jsonl"):
        raise UsageError(f"{out}: a name that ends in {' or '.join(FORMATS[: 1 if embeddings else 2])} is needed.")
    return out


def _workers(asked: int | None) -> int:
    if asked is not None:
        return asked
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(16, max(1, cores - 1))
