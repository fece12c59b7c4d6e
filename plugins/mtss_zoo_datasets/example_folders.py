"""Tiny trees of the layouts that many tools write: class folders, tar shards, packed folders."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtss_zoo_datasets.examples import COLOURS, picture

PLACES = ("train", "train", "validation", "unlabelled")


def imagefolder(folder: Path) -> Mapping[str, Any]:
    """Writes 48 pictures in three classes, 12 of them unlabelled."""
    for number in range(48):
        place, colour = PLACES[number % 4], COLOURS[number % 3]
        below = place if place == "unlabelled" else f"{place}/{colour}"
        picture(folder / below / f"{number}.JPG", colour, number)
    return {"root": str(folder), "label": "colour"}


def webdataset(folder: Path) -> Mapping[str, Any]:
    """Writes 48 pictures into two tars of train, one of val and one of unlabelled ones."""
    (folder / "schema.yaml").write_text("types: [{name: colour, kind: single}, {name: trims, kind: multi}]\n")
    for shard, name in enumerate(("train-0", "train-1", "val-0", "unlabelled-0")):
        with tarfile.open(folder / f"{name}.tar", "w") as tar:
            for number in range(12 * shard, 12 * shard + 12):
                file = folder / f"{number}.jpg"
                picture(file, COLOURS[number % 3], number)
                labels = {"colour": COLOURS[number % 3], "trims": list(COLOURS[: number % 3]), "shop": "here"}
                _add(tar, file.name, file.read_bytes())
                file.unlink()
                if name != "unlabelled-0":
                    _add(tar, f"{number}.json", json.dumps(labels).encode())
    return {"root": str(folder), "train": "train-{0..1}.tar"}


def packed(folder: Path) -> Mapping[str, Any]:
    """Writes 48 pictures in two tars, with boxes, answers and what else a manifest may hold."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for shard in range(2):
        with tarfile.open(folder / f"shard-{shard:06d}.tar", "w") as tar:
            for number in range(24 * shard, 24 * shard + 24):
                file = folder / f"{number}.jpg"
                picture(file, COLOURS[number % 3], number)
                offset = tar.offset + tarfile.BLOCKSIZE
                _add(tar, file.name, file.read_bytes())
                rows.append(_packed_row(number, f"shard-{shard:06d}.tar", offset, file.stat().st_size))
                file.unlink()
    pq.write_table(pa.Table.from_pylist(rows), folder / "manifest.parquet")
    types = [{"name": n, "kind": kind, "classes": COLOURS} for n, kind in (("colour", "single"), ("trims", "multi"))]
    (folder / "schema.yaml").write_text(json.dumps({"types": types}))
    return {"root": str(folder)}


def _packed_row(number: int, shard: str, offset: int, size: int) -> dict[str, Any]:
    split = ("train", "train", "val", "unlabelled")[number % 4]
    labelled = split != "unlabelled"
    return {
        "id": f"item {number}",
        "split": split,
        "shard": shard,
        "offset": offset,
        "size": size,
        "bbox": [1.0, 2.0, 20.0, 30.5] if number % 2 else None,
        "labels.colour": [COLOURS[number % 3]] if labelled else None,
        "labels.trims": list(COLOURS[: number % 3]) if labelled and number % 5 else None,
        "answers.colour": [COLOURS[number % 3], COLOURS[0]] if split == "train" else None,
        "metadata.shop": "here",
    }


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
