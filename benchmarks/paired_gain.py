"""The gain of one checkpoint over another on the same pictures, with its 95 % paired bootstrap interval.

    python benchmarks/paired_gain.py runs/starter/student runs/control/backbone

F1@1 over the pictures whose label is known, by type and pooled, in % of the other's and in points.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mtss_zoo.checkpoint import load
from mtss_zoo.evaluate import compare, score_samples, split_samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("other", type=Path)
    arguments = parser.parse_args()
    mine, other = load(arguments.checkpoint), load(arguments.other)
    assert mine.recipe is not None, "a loaded model has a recipe"
    samples = split_samples(mine.recipe, mine.recipe.evaluate.split)
    gains = compare(score_samples(mine, samples), score_samples(other, samples), empty="exclude")
    for name, row in gains.items():
        words = "{:+.1f} % [{:+.1f}, {:+.1f}], {:+.1f} points [{:+.1f}, {:+.1f}]"
        print(f"{name}: {words.format(*row['f1@1 relative'], *row['f1@1 absolute'])}")


if __name__ == "__main__":
    main()
