"""How long the reader of packed datasets takes for a million pictures, and how much memory, in a process of its own.

python benchmarks/packed_reader.py [--pictures 1000000]

The manifest has labels of six types, boxes and one column of metadata, as `mtss-zoo data pack` writes it. Its rows
share a thousand tiny pictures in four tars. The folder is made in a temporary place, which needs 100 MB.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from deepfashion_reader import peak_mb, timed
from measure import RESULTS
from PIL import Image

TITLE, AIM = "packed reader", "a million rows ready in 10 s, under 1000 MB"
TARS, SHARED = 4, 1000
TYPES = {"category": ("single", 50), "colour": ("single", 12), "texture": ("multi", 156), "fabric": ("multi", 218)}
TYPES |= {"shape": ("multi", 180), "style": ("multi", 230)}
SPLITS = {"train": 0.3, "val": 0.05, "test": 0.05, "unlabelled": 0.6}
AT_ONCE = 100_000
"""Rows that are made and written at once."""


def write_folder(root: Path, pictures: int) -> None:
    """Tars, schema and manifest."""
    places = write_tars(root)
    types = [{"name": n, "kind": kind, "classes": class_names(n)} for n, (kind, _) in TYPES.items()]
    (root / "schema.yaml").write_text(json.dumps({"types": types}))
    rng = np.random.default_rng(0)
    with pq.ParquetWriter(root / "manifest.parquet", manifest_schema()) as writer:
        for first in range(0, pictures, AT_ONCE):
            writer.write_table(rows(first, min(AT_ONCE, pictures - first), places, rng))


def write_tars(root: Path) -> list[tuple[str, int, int]]:
    """The shared pictures: tar, offset, size."""
    rng = np.random.default_rng(1)
    places = []
    for number in range(TARS):
        with tarfile.open(root / f"shard-{number:06d}.tar", "w") as tar:
            for key in range(SHARED // TARS):
                pixels: npt.NDArray[np.uint8] = rng.integers(0, 256, (32, 24, 3), np.uint8)
                file = io.BytesIO()
                Image.fromarray(pixels).save(file, "JPEG")
                member = tarfile.TarInfo(f"{key:09d}.jpg")
                member.size = file.tell()
                places.append((f"shard-{number:06d}.tar", tar.offset + tarfile.BLOCKSIZE, member.size))
                tar.addfile(member, io.BytesIO(file.getvalue()))
    return places


def class_names(type_name: str) -> list[str]:
    """As many as the type has."""
    return [f"{type_name} {i}" for i in range(TYPES[type_name][1])]


def manifest_schema() -> pa.Schema:
    """The columns of a packed manifest."""
    texts, text = pa.list_(pa.string()), pa.string()
    fixed = {"id": text, "split": text, "shard": text, "offset": pa.int64(), "size": pa.int64()}
    labels = {f"labels.{name}": texts for name in TYPES}
    return pa.schema(fixed | {"bbox": pa.list_(pa.float64())} | labels | {"metadata.shop": text})


def rows(first: int, number: int, places: list[tuple[str, int, int]], rng: np.random.Generator) -> pa.Table:
    """Some rows; unlabelled ones have null labels."""
    shard, offset, size = zip(*(places[i] for i in rng.integers(0, len(places), number)), strict=True)
    splits = rng.choice(list(SPLITS), number, p=list(SPLITS.values()))
    unknown = splits == "unlabelled"
    columns: dict[str, object] = {
        "id": [f"img/Sheer_Pleated-Front_Blouse/img_{i:08d}.jpg" for i in range(first, first + number)],
        "split": splits,
        "shard": shard,
        "offset": offset,
        "size": size,
        "bbox": pa.FixedSizeListArray.from_arrays(np.tile([1.0, 2.0, 20.0, 30.0], number), 4).cast(
            pa.list_(pa.float64())
        ),
    }
    for name, (kind, classes) in TYPES.items():
        counts = np.where(unknown, 0, 1 if kind == "single" else rng.poisson(1, number))
        codes = pa.array(rng.integers(0, classes, int(counts.sum())), pa.int32())
        offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
        values = pa.array(class_names(name)).take(codes)
        columns[f"labels.{name}"] = pa.ListArray.from_arrays(offsets, values, mask=pa.array(unknown))
    columns["metadata.shop"] = rng.choice(["us", "de", "in"], number)
    return pa.table(columns, schema=manifest_schema())


def read(root: str) -> None:
    """Reads the folder and prints what it took; called in a process of its own."""
    from mtss_zoo_datasets.packed import Packed

    imported = peak_mb()
    dataset, ready = timed(lambda: Packed(root))
    assert isinstance(dataset, Packed)
    ready["imports MB"] = imported
    train, pool = dataset.split("train"), dataset.unlabelled()
    picked = np.random.default_rng(0).integers(0, min(len(train), len(pool)), 10_000).tolist()
    _, drawn = timed(lambda: [len(samples[row].image) for samples in (train, pool) for row in picked[::2]])
    problems, checked = timed(dataset.check)
    assert problems == []
    print(json.dumps({"reader ready": ready, "10,000 samples read": drawn, "check": checked}))


def lines(found: dict[str, dict[str, float]]) -> Iterator[str]:
    """A line a row of the table."""
    for name, row in found.items():
        seconds = f"{row['cpu s']:>8.2f} s cpu {row['wall s']:>8.2f} s wall"
        yield f"  {name:<24} {seconds}   {row['peak MB']:>7.0f} MB at most"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--read", help="read this folder instead of making one")
    arguments = parser.parse_args()
    if arguments.read:
        read(arguments.read)
        return
    with tempfile.TemporaryDirectory() as folder:
        _, made = timed(lambda: write_folder(Path(folder), arguments.pictures))
        size = (Path(folder) / "manifest.parquet").stat().st_size
        print(f"folder made in {made['wall s']:.0f} s; manifest.parquet has {size / 1e6:.0f} MB")
        command = [sys.executable, __file__, "--read", folder]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"\n{TITLE}, {arguments.pictures:,} rows  (aim: {AIM})", *lines(found), sep="\n")
    RESULTS.mkdir(exist_ok=True)
    record = {"title": TITLE, "aim": AIM, "pictures": arguments.pictures, "rows": found, "manifest MB": size / 1e6}
    text = json.dumps(record | {"machine": platform.platform()}, indent=2)
    (RESULTS / f"{TITLE.replace(' ', '_')}.json").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
