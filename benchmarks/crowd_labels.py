"""Three ways to learn from people who disagree, on real pictures with two simulated crowds.

    python benchmarks/crowd_labels.py SMALL OUT [--pictures 3000] [--steps 400] [--seeds 3]

SMALL is what `shrink_pictures.py` wrote: fashion products at 32 x 24. Of their 12 largest categories, every training
picture gets three answers; 35 to 40 % of them are wrong. Classes look alike as their mean pictures are near.

- `hard pictures`: half of the pictures are easy (15 % wrong in a mean class), half are hard (55 %). Wrong answers go to
  classes that look alike. The most frequent answer is right for every class, but three people err on the same picture.
- `habit`: people err independently, but always in the same direction: in more than half of their answers a class is
  taken for commoner ones that look alike, if there are any.

Val keeps the true labels, and is looked at once. A run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mtss_zoo import train
from mtss_zoo.images import decode

Floats = npt.NDArray[np.float64]
CLASSES, ANSWERS = 12, 3
EASY, HARD, HABIT = 0.15, 0.55, 0.6
ESTIMATED = {"name": "crowd_cross_entropy", "args": {"confusion": "estimated"}}
METHODS: dict[str, tuple[str, Any]] = {
    "2-of-3 labels": ("agreed", "cross_entropy"),
    "shares of the answers": ("all", "crowd_cross_entropy"),
    "estimated confusion": ("all", ESTIMATED),
}
Picture = tuple[Path, str, str]
"""File, split, class."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("small", type=Path)
    parser.add_argument("out", type=Path)
    for name, default in (("pictures", 3000), ("steps", 400), ("seeds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    pictures = read_pictures(asked.small, asked.pictures)
    found: dict[tuple[str, str], list[float]] = {}
    for seed in range(asked.seeds):
        for crowd, confusions in crowds(pictures).items():
            folder = asked.out / crowd / f"seed_{seed}"
            print(f"{crowd}, seed {seed}: {write_manifest(folder, pictures, confusions, seed)}", flush=True)
            for number, (name, (answers, loss)) in enumerate(METHODS.items()):
                run = train(recipe(answers, loss, asked.steps, seed), out=folder / f"run_{number}", data_root=folder)
                measured = json.loads((run / "metrics.json").read_text())["types"]["category"]
                found.setdefault((crowd, name), []).append(100 * measured["recall@1"])
                print(f"  {name}: {found[crowd, name][-1]:.1f} % of {measured['n']}", flush=True)
    print("\n| crowd | training | accuracy on val, mean | each seed |\n|---|---|---|---|")
    for (crowd, name), values in found.items():
        print(f"| {crowd} | {name} | {statistics.mean(values):.1f} | {', '.join(f'{v:.1f}' for v in values)} |")


def read_pictures(small: Path, n_train: int) -> list[Picture]:
    """The first ``n_train`` training pictures of the largest categories, and all of val."""
    with (small / "styles.csv").open() as styles, (small / "splits.csv").open() as splits:
        split = {row["id"]: row["split"] for row in csv.DictReader(splits)}
        rows = [row for row in csv.DictReader(styles) if row["id"] in split]
    counts = Counter(row["articleType"] for row in rows if split[row["id"]] == "train")
    largest = {name for name, _ in counts.most_common(CLASSES)}
    found = [
        ((small / "images" / f"{row['id']}.jpg").absolute(), split[row["id"]], row["articleType"])
        for row in rows
        if row["articleType"] in largest
    ]
    return [p for p in found if p[1] == "train"][:n_train] + [p for p in found if p[1] == "val"]


def classes_of(pictures: list[Picture]) -> list[str]:
    """The names of the classes, in the order of their numbers."""
    return sorted({label for _, _, label in pictures})


def crowds(pictures: list[Picture]) -> dict[str, list[Floats]]:
    """P(answer l | class k), NN, one matrix for each kind of picture; the kinds are equally frequent."""
    labels = [label for _, split, label in pictures if split == "train"]
    number = np.array([labels.count(name) for name in classes_of(pictures)])
    distance = distances(pictures)
    easy, hard = look_alikes(distance, EASY), look_alikes(distance, HARD)
    mean = (easy + hard) / 2
    commoner = mean * (number > number[:, None])
    tempted = commoner.sum(1) > 0.05
    habit = np.eye(len(number))
    habit[tempted] = (1 - HABIT) * habit[tempted] + HABIT * commoner[tempted] / commoner[tempted].sum(1, keepdims=True)
    return {"hard pictures": [hard, easy], "habit": [0.9 * habit + 0.1 * mean]}


def distances(pictures: list[Picture]) -> Floats:
    """Mean square distances of the classes' mean pictures, NN."""
    pixels: dict[str, list[Floats]] = {name: [] for name in classes_of(pictures)}
    for path, split, label in pictures:
        if split == "train":
            pixels[label].append(decode(path, str(path)).numpy().astype(np.float64).ravel() / 255)
    means = np.stack([np.mean(seen, axis=0) for seen in pixels.values()])
    return np.asarray(((means[:, None] - means[None]) ** 2).mean(2), np.float64)


def look_alikes(distance: Floats, wrong: float) -> Floats:
    """P(answer l | class k) that falls with the distance, such that a mean class is answered wrongly this often."""
    low, high = 1e-6, 1e3
    for _ in range(100):  # the error grows with the temperature
        middle = (low * high) ** 0.5
        chances = np.exp(-distance / middle)
        chances /= chances.sum(1, keepdims=True)
        low, high = (middle, high) if 1 - np.diag(chances).mean() < wrong else (low, middle)
    return chances


def write_manifest(folder: Path, pictures: list[Picture], confusions: list[Floats], seed: int) -> str:
    """A manifest with answers for train and labels for val; returns what the crowd is worth."""
    names, generator = classes_of(pictures), np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    classes = ", ".join(names)
    (folder / "schema.yaml").write_text(f"types: [{{name: category, kind: single, classes: [{classes}]}}]\n")
    rows = [(path, split, label, "") for path, split, label in pictures if split == "val"]
    right = votes = agreed = 0
    for path, _, label in (p for p in pictures if p[1] == "train"):
        chances = confusions[int(generator.random() * len(confusions))][names.index(label)]
        said = [names[a] for a in generator.choice(len(names), size=ANSWERS, p=chances)]
        rows.append((path, "train", "", "|".join(said)))
        (winner, most), *_ = Counter(said).most_common()
        votes, agreed, right = votes + said.count(label), agreed + (most >= 2), right + (most >= 2 and winner == label)
    with (folder / "crowd.csv").open("w", newline="") as text:
        csv.writer(text).writerows([("image", "split", "category", "answers"), *rows])
    n = sum(p[1] == "train" for p in pictures)
    return (
        f"{n} training pictures, {100 * votes / n / ANSWERS:.0f} % of the answers are right, 2 of 3 agree on "
        f"{100 * agreed / n:.0f} % of the pictures and are right on {100 * right / agreed:.0f} % of these"
    )


def recipe(answers: str, loss: Any, steps: int, seed: int) -> dict[str, Any]:
    """The network of `fashion_small`, with one head."""
    manifest = {"name": "manifest", "args": {"file": "crowd.csv", "answers": answers}}
    width = {"channels": [16, 32, 64, 128], "stem_width": 16}
    return {
        "name": "crowd_labels",
        "seed": seed,
        "data": {"dataset": manifest, "image_size": [32, 24], "workers": 0},
        "model": {"backbone": {"name": "timm", "args": {"name": "resnet18", "kwargs": width}}, "head": "linear"},
        "stages": {
            "labels": {
                "strategy": "supervised",
                "loss": loss,
                "batch_size": 64,
                "steps": steps,
                "optimizer": {"name": "adamw", "lr": 2e-3, "weight_decay": 0.05},
                "schedule": {"kind": "one_cycle"},
                "views": {"train": {"flip": 0.5, "shift": 2}},
                "keep": "last",
            }
        },
        "evaluate": {"split": "val", "select_on": "val"},
    }


if __name__ == "__main__":
    main()
