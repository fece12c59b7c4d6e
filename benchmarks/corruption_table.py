"""A Markdown table like MTSS's Table 7: students on clean and on corrupted pictures, trained with and without such.

    python benchmarks/corruption_table.py "no=runs/plain/student" "half=runs/mixed/student" --data-root DIR
        --split test --max-images 1000

Each column is a name and a checkpoint folder; gains are relative to the first. ``--out`` keeps every number as JSON.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mtss_zoo import evaluate_corrupted
from mtss_zoo.corruption import CORRUPTIONS, GROUPS, SEVERITIES
from mtss_zoo.json_text import to_json

PAPER = {"no": (57.47, 42.96), "1M": (57.75, 43.96), "10M": (57.80, 43.88), "15M": (57.74, 43.84)}
"""R@3 of all types on DeepFashion, clean and corrupted, by the number of corrupted pictures in training."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--data-root")
    parser.add_argument("--split")
    parser.add_argument("--max-images", type=int)
    parser.add_argument("--variant", default="imaug")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--metric", default="recall@3")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def headline(clean: dict[str, float], corrupted: dict[str, float]) -> list[str]:
    """A row a model, values in percent, with gains over the first model."""
    first = next(iter(clean))
    rows = ["| corrupted pictures in training | clean | gain | corrupted | gain | drop |", "|---|---|---|---|---|---|"]
    for name in clean:
        gains = [f"{100 * (of[name] / of[first] - 1):+.2f} %" if name != first else "" for of in (clean, corrupted)]
        drop = 100 * (1 - corrupted[name] / clean[name])
        rows.append(f"| {name} | {clean[name]:.2f} | {gains[0]} | {corrupted[name]:.2f} | {gains[1]} | {drop:.1f} % |")
    return rows


def details(stages: dict[str, Any], metric: str) -> list[str]:
    """A row a corruption, group and severity."""
    keys = [("by_corruption", name) for name in CORRUPTIONS]
    keys += [("by_group", name) for name in GROUPS] + [("by_severity", str(s)) for s in SEVERITIES]
    rows = [f"| mean over | {' | '.join(stages)} |", f"|---|{'---|' * len(stages)}"]
    for part, name in keys:
        values = " | ".join(f"{100 * at[part][name]['all'][metric]:.2f}" for at in stages.values())
        rows.append(f"| {'severity ' if part == 'by_severity' else ''}{name} | {values} |")
    return rows


def main() -> None:
    args = arguments()
    settings = {key: getattr(args, key) for key in ("data_root", "split", "max_images", "variant", "workers")}
    reports = {
        name: evaluate_corrupted(folder, **settings) for name, _, folder in (m.partition("=") for m in args.models)
    }
    stages = {name: next(iter(report["stages"].values())) for name, report in reports.items()}
    facts = next(iter(reports.values()))
    print(f"{facts['n']} pictures of {facts['split']}, variant {facts['variant']} of {facts['package']}, seed 0;")
    print(f"{args.metric} of all types in %.\n")
    clean, mean = (
        {name: 100 * at[key]["all"][args.metric] for name, at in stages.items()} for key in ("clean", "mean")
    )
    print("\n".join(headline(clean, mean)), "\n")
    print("\n".join(details(stages, args.metric)), "\n")
    print("The paper, R@3 on DeepFashion:\n")
    print("\n".join(headline(*({name: pair[i] for name, pair in PAPER.items()} for i in (0, 1)))))
    if args.out:
        args.out.write_text(to_json({"models": reports, "paper": PAPER}), encoding="utf-8")


if __name__ == "__main__":
    main()
