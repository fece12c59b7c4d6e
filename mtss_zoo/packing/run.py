"""Packs a dataset into a folder, going on where it stopped."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from mtss_zoo.build import build_dataset
from mtss_zoo.errors import MtssZooError, UsageError
from mtss_zoo.interfaces import AttributeSchema
from mtss_zoo.packing.folder import PackFolder
from mtss_zoo.packing.layout import BAD, MANIFEST
from mtss_zoo.packing.reading import Part, parts_of, read_pictures
from mtss_zoo.packing.shards import Shard
from mtss_zoo.progress import PictureCount, say
from mtss_zoo.recipe import DataSpec
from mtss_zoo.regime import RecipeDataset

SHARD_SIZE = 10**9
_LETTERS = ("", "k", "m", "g", "t")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kMGT]?)(i?)B?", re.IGNORECASE)


@dataclass(frozen=True)
class PackReport:
    """What a packed folder holds."""

    out: Path
    pictures: dict[str, int]
    """By split, and the unlabelled ones."""
    bad: int
    """Pictures that could not be used."""
    bad_list: Path | None
    """Names them, if there are any."""
    shards: int


def pack(data: DataSpec, out: str | Path, *, shard_size: int = SHARD_SIZE, workers: int | None = None) -> PackReport:
    """Packs all splits of a dataset and its unlabelled pictures; the same call goes on after any kind of end.

    Bytes of picture files stay as they are; generated pictures become PNG. Pictures that cannot be used are left out
    and listed in ``bad_pictures.csv``; unlabelled pictures that are also measured on are left out too. What lies in
    ``out`` is the same however often the packing was stopped, and memory does not grow with the number of pictures.

    Args:
        data: its ``dataset`` is packed, with all its types and classes; what the other fields choose of them counts
            when it is read.
        out: a folder that is new, or in which the same packing was begun.
        shard_size: the most bytes of a tar, unless one picture takes more.
        workers: processes that read and check pictures; default one less than there are cores, at most 16; 0: none.

    Raises:
        UsageError: ``out`` holds something else.
        DataError: the dataset is damaged, or not one of its pictures can be used.
        MtssZooError: the disk is full.
        KeyboardInterrupt: after Ctrl-C; whole shards stay.
    """
    out = Path(out)
    if shard_size <= 0:
        raise UsageError(f"a shard of {shard_size} bytes cannot be; 1GB is usual.")
    plain = DataSpec(dataset=data.dataset)
    dataset = RecipeDataset(build_dataset(plain), plain)
    parts = parts_of(dataset)
    if dataset.left_out:
        say(f"{len(dataset.left_out)} unlabelled pictures are also measured on and are left out.")
    about = {
        "dataset": data.dataset.name,
        "choice of arguments": _digest(data.dataset.args),
        "schema": _digest(dataset.schema.to_dict()),
        "number of pictures": {part.split: len(part.samples) for part in parts},
        "shard size": shard_size,
    }
    with PackFolder(out, about) as folder, _how_to_go_on(folder):
        if not folder.finished:
            _write_shards(folder, parts, dataset.schema, shard_size, _workers(workers))
            folder.finish(dataset.schema)
    return _report(out, sum(len(part.samples) for part in parts))


def parse_size(text: str) -> int:
    """``1GB``, ``500 MB`` or ``1.5GiB`` to bytes.

    Raises:
        UsageError: it is none of these.
    """
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{text!r} is no size; write 500MB or 1GB.")
    number, letter, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** _LETTERS.index(letter.lower()))


def _write_shards(
    folder: PackFolder, parts: list[Part], schema: AttributeSchema, shard_size: int, workers: int
) -> None:
    number, done = folder.shards, folder.done()
    total = sum(len(part.samples) for part in parts)
    if done:
        say(f"going on after {done:,} pictures, which are in {number} whole shards.")
    shard: Shard | None = None
    with closing(PictureCount(total, done)) as count, closing(read_pictures(parts, done, workers)) as pictures:
        try:
            for picture in pictures:
                if shard and not shard.fits(picture, shard_size):
                    shard.finish()
                    number, shard = number + 1, None
                shard = shard or Shard(folder.out, folder.rows_file(number), number, count.done, schema)
                shard.add(picture)
                count.add(1)
            if shard:
                shard.finish()
                shard = None
        finally:
            if shard:
                shard.drop()


@contextmanager
def _how_to_go_on(folder: PackFolder) -> Iterator[None]:
    """Is said when the packing is stopped, or ends for a reason that is known."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"stopped; {folder.done():,} pictures are in whole shards, and the same command goes on after them.")
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MtssZooError(f"no room is left for {folder.out}. Make some; the same command goes on.") from error
        raise


def _report(out: Path, total: int) -> PackReport:
    manifest = pq.read_table(out / MANIFEST, columns=["split", "shard"])
    pictures = {count["values"]: count["counts"] for count in manifest["split"].value_counts().to_pylist()}
    bad = total - len(manifest)
    return PackReport(out, pictures, bad, out / BAD if bad else None, len(manifest["shard"].unique()))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _workers(asked: int | None) -> int:
    if asked is not None:
        return asked
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(16, max(1, cores - 1))
