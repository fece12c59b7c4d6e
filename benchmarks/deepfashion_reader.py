"""How long the reader of DeepFashion takes at full size, and how much memory, in a process of its own.

python benchmarks/deepfashion_reader.py

The lists have the published size (289,222 pictures, 1,000 attributes, 0.9 GB) and generated labels. The pictures of an
item are one file under several names, 300 pixels high as the published ones. The tree is made in a temporary folder,
which needs 1.3 GB. Batches have the views of the recipe's teachers; one process draws them, beside reading, decoding,
resizing and normalising the same files alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from measure import RESULTS
from PIL import Image

if TYPE_CHECKING:
    from mtss_zoo.interfaces import Samples

TITLE, AIM = "deepfashion reader", "ready in 60 s on one core, under 1500 MB, batches at the rate of decoding"
PICTURES, ITEMS = 289_222, 5_620
TYPES = {1: 156, 2: 218, 3: 180, 4: 216, 5: 230}
SPLITS = {"train": 209_222, "val": 40_000, "test": 40_000}
POSITIVES = 3.32
"""Attributes of a picture, on average."""
WIDTH = 70
"""Characters that a path takes."""
BATCH, DRAWN = 128, 2560


def paths() -> Iterator[str]:
    """Item after item, about 51 pictures each."""
    for number in range(PICTURES):
        yield f"img/Sheer_Pleated-Front_Blouse_{number * ITEMS // PICTURES:04d}/img_{number:08d}.jpg"


def write_tree(root: Path) -> None:
    """All lists but the landmarks, which are not read, and the pictures."""
    rng = np.random.default_rng(0)
    anno, evaluation = root / "Anno_coarse", root / "Eval"
    anno.mkdir(parents=True)
    evaluation.mkdir()
    write_list(anno / "list_category_cloth.txt", "category_name", [f"{f'Category{i}':<30}1" for i in range(50)])
    types = rng.permutation(np.repeat(list(TYPES), list(TYPES.values())))
    write_list(anno / "list_attr_cloth.txt", "attribute_name", [f"{f'word {i}':<30}{t}" for i, t in enumerate(types)])
    categories = rng.integers(1, 51, PICTURES)
    pairs = zip(paths(), categories, strict=True)
    write_list(anno / "list_category_img.txt", "image_name", (f"{p:<{WIDTH}}{c}" for p, c in pairs))
    boxes = (f"{p:<{WIDTH}}002 003 020 030" for p in paths())
    write_list(anno / "list_bbox.txt", "image_name", boxes)
    status = rng.permutation(np.repeat(list(SPLITS), list(SPLITS.values())))
    pairs = zip(paths(), status, strict=True)
    write_list(evaluation / "list_eval_partition.txt", "image_name", (f"{p:<{WIDTH}}{s}" for p, s in pairs))
    write_attributes(anno / "list_attr_img.txt", rng)
    write_pictures(root / "Img")


def write_list(path: Path, columns: str, rows: Iterator[str] | list[str]) -> None:
    """A count, the names of the columns, and the rows."""
    with path.open("w") as file:
        file.write(f"{len(rows) if isinstance(rows, list) else PICTURES}\n{columns}\n")
        file.writelines(f"{row}\n" for row in rows)


def write_attributes(path: Path, rng: np.random.Generator) -> None:
    """``-1`` and ``1``, three characters each, with about 3.32 ones a row."""
    nothing = np.tile(np.frombuffer(b" -1", np.uint8), (1000, 1))
    with path.open("wb") as file:
        file.write(f"{PICTURES}\nimage_name  attribute_labels\n".encode())
        for path_, count in zip(paths(), rng.poisson(POSITIVES, PICTURES), strict=True):
            row = nothing.copy()
            row[rng.integers(0, 1000, count)] = np.frombuffer(b"  1", np.uint8)
            file.write(path_.ljust(WIDTH).encode() + row.tobytes() + b"\n")


def write_pictures(folder: Path) -> None:
    """One file an item, linked under the names of its other pictures: file systems limit the links of one file."""
    rng = np.random.default_rng(1)
    first: dict[str, Path] = {}
    grain = rng.integers(-12, 13, (300, 225, 3))
    for path in paths():
        item, target = path.rpartition("/")[0], folder / path
        if item in first:
            os.link(first[item], target)
        else:
            target.parent.mkdir(parents=True)
            patches: npt.NDArray[np.uint8] = rng.integers(0, 256, (16, 12, 3), np.uint8)
            smooth = np.asarray(Image.fromarray(patches).resize((225, 300), Image.Resampling.BICUBIC))
            Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(target, quality=85)
            first[item] = target


def read(root: str) -> None:
    """Reads the tree and prints what it took; called in a process of its own."""
    from mtss_zoo_datasets.deepfashion import DeepFashion

    imported = peak_mb()
    dataset, ready = timed(lambda: DeepFashion(root))
    ready["imports MB"] = imported
    assert {name: len(dataset.split(name)) for name in dataset.splits} == SPLITS
    train = dataset.split("train")
    rows = np.random.default_rng(0).integers(0, len(train), 10_000).tolist()
    _, drawn = timed(lambda: [train[row] for row in rows])
    problems, checked = timed(dataset.check)
    assert problems == []
    alone, batches = draw_batches(train)
    rows_of_table = {"reader ready": ready, "10,000 samples made": drawn, "check": checked}
    print(json.dumps({**rows_of_table, f"{DRAWN} pictures, decoded alone": alone, "the same in batches": batches}))


def draw_batches(samples: Samples) -> tuple[dict[str, float], dict[str, float]]:
    """What `DRAWN` pictures of 224 x 224 take: decoded, resized and normalised, and as the batches of a training."""
    import torch
    from torchvision.io import decode_jpeg

    from mtss_zoo.images import Preprocess, scale
    from mtss_zoo.recipe import AugmentSpec
    from mtss_zoo.recipe_source import load_recipe
    from mtss_zoo.sampling import SampleStream, shuffled
    from mtss_zoo.streams import BadImages, StreamLoader

    torch.set_num_threads(1)
    schema = load_recipe("mtss_student_deepfashion").attribute_schema
    assert schema is not None
    stream = SampleStream(samples, BATCH, ("train",), partial(shuffled, len(samples), 0))
    views = {"train": AugmentSpec(flip=0.5, crop_scale=(0.5, 1.0))}
    size = Preprocess(224, 224)
    loader = StreamLoader(stream, schema, views, size, 0, DRAWN // BATCH, 0, BadImages(0))
    paths = [Path(str(samples[row].image)) for row in stream.draws(0).rows[:DRAWN].tolist()]

    def decode_alone() -> None:
        for first in range(0, DRAWN, BATCH):
            files = (bytearray(path.read_bytes()) for path in paths[first : first + BATCH])
            pictures = (decode_jpeg(torch.frombuffer(file, dtype=torch.uint8)) for file in files)
            size.normalise(torch.stack([scale(picture, 224, 224) for picture in pictures]))

    decode_alone()  # the files are then in memory for both
    return timed(decode_alone)[1], timed(lambda: sum(len(batch.rows) for batch in loader))[1]


def timed(action: Callable[[], object]) -> tuple[object, dict[str, float]]:
    """What an action returns, its seconds, and the most memory that the process has had by then."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = action()
    seconds = {"cpu s": time.process_time() - cpu, "wall s": time.perf_counter() - wall}
    return result, {**seconds, "peak MB": peak_mb()}


def peak_mb() -> float:
    """The most memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--read", help="read this tree instead of making one")
    arguments = parser.parse_args()
    if arguments.read:
        read(arguments.read)
        return
    with tempfile.TemporaryDirectory() as folder:
        _, made = timed(lambda: write_tree(Path(folder)))
        size = (Path(folder) / "Anno_coarse" / "list_attr_img.txt").stat().st_size
        print(f"tree made in {made['wall s']:.0f} s; list_attr_img.txt has {size / 1e6:.0f} MB")
        command = [sys.executable, __file__, "--read", folder]
        rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"\n{TITLE}  (aim: {AIM})")
    for name, row in rows.items():
        print(
            f"  {name:<30} {row['cpu s']:>8.2f} s cpu {row['wall s']:>8.2f} s wall   {row['peak MB']:>7.0f} MB at most"
        )
    RESULTS.mkdir(exist_ok=True)
    record = {"title": TITLE, "aim": AIM, "rows": rows, "attribute list MB": size / 1e6, "machine": platform.platform()}
    (RESULTS / f"{TITLE.replace(' ', '_')}.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
