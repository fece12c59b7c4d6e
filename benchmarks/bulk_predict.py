"""Bulk prediction of a folder into Parquet, beside reading its pictures alone and the network alone.

It reads in other processes than it computes in, so it should take as long as the slower of the two.

python benchmarks/bulk_predict.py [--recipe NAME] [--pictures N] [--size PIXELS] [--workers N] [--device cuda]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from measure import in_turn, report

import mtss_zoo
from mtss_zoo.bulk.engines import open_engine
from mtss_zoo.bulk.reading import in_batches
from mtss_zoo.bulk.sources import Folder

BATCH = 64


def write_pictures(folder: Path, number: int, size: int) -> None:
    from mtss_zoo_datasets.garments import Garments

    samples = Garments(n_train=number, n_val=8, n_test=8, n_unlabelled=8, image_size=size).split("train")
    for row in range(number):
        samples[row].image.save(folder / f"{row:06d}.jpg", quality=90)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--recipe", default="mtss_student_fashion_products")
    arguments.add_argument("--pictures", type=int, default=2048)
    arguments.add_argument("--size", type=int, default=512)
    arguments.add_argument("--workers", type=int, default=1)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    torch.set_num_threads(1)  # the other cores read pictures
    model = mtss_zoo.build(asked.recipe).eval().to(asked.device)
    engine = open_engine(model)
    with tempfile.TemporaryDirectory() as folder:
        pictures, out = Path(folder, "pictures"), Path(folder, "out.parquet")
        pictures.mkdir()
        write_pictures(pictures, asked.pictures, asked.size)
        one_batch = next(engine.read(in_batches(Folder(pictures), BATCH), 0)).images

        def read() -> None:
            for _ in engine.read(in_batches(Folder(pictures), BATCH), asked.workers):
                pass

        def compute() -> None:
            for _ in range(0, asked.pictures, BATCH):
                engine.finish(engine.start(one_batch, 3, False))

        def bulk() -> None:
            mtss_zoo.bulk_predict(model, pictures, out, batch_size=BATCH, workers=asked.workers)
            out.unlink()

        seconds = in_turn({"reading alone": read, "network alone": compute, "bulk_predict": bulk}, asked.rounds)
    pairs = zip(seconds["reading alone"], seconds["network alone"], strict=True)
    seconds["slower of the two"] = [max(pair) for pair in pairs]
    report("bulk predict", seconds, "slower of the two", "1.111 or less, 90 % of its rate")
    for name, values in seconds.items():
        print(f"  {name:<44} {asked.pictures / sorted(values)[len(values) // 2]:>10.0f} pictures/s")


if __name__ == "__main__":
    main()
