"""``data check``: what is wrong with a dataset on disk, before a machine is booked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from mtss_zoo.cli.given_data import Changes, changes
from mtss_zoo.cli.output import Json, print_json, print_table
from mtss_zoo.named_data import open_named

if TYPE_CHECKING:
    from mtss_zoo.regime import RecipeDataset

ClassCounts: TypeAlias = dict[str, dict[str, dict[str, int]]]
"""Attribute type to class to split to labels."""
SHOWN = 40
"""Classes that a type may have to be printed one by one; JSON has all."""
FEW = 5
"""Labels in train below which a class counts as rare."""


def check(
    name: Annotated[str, typer.Argument(help="A dataset component, or a recipe: its data as it trains on it.")],
    root: Annotated[Path | None, typer.Option(help="The dataset's folder.")] = None,
    overrides: Changes = None,
    everything: Annotated[bool, typer.Option("--all", help="Decode every picture, not only a few.")] = False,
    as_json: Json = False,
) -> None:
    """Say in plain words what is missing, miscounted, or both trained and measured on; exit code 1 if anything is."""
    _, dataset = open_named(name, root, overrides=changes(overrides))
    report = _report(dataset, everything)
    print_json(report) if as_json else _print_report(report, everything)
    if report["problems"]:
        raise typer.Exit(1)


def _report(dataset: RecipeDataset, everything: bool) -> dict[str, Any]:
    decoded: dict[str, Any] = {"pictures": dataset.tried}
    problems = dataset.check()
    if everything:
        from mtss_zoo.trust.readable import decode_all

        found = decode_all(dataset.everything)
        decoded = asdict(found)
        problems += found.problems()
    labels = _class_counts(dataset)
    rare = {t: sum(n.get("train", 0) < FEW for n in classes.values()) for t, classes in labels.items()}
    return {
        "pictures": {
            **{split: len(dataset.split(split)) for split in dataset.splits},
            "unlabelled": len(dataset.unlabelled()),
        },
        "types": {t.name: {"kind": t.kind, "classes": len(t), "rare": rare[t.name]} for t in dataset.schema},
        "labels": labels,
        "decoded": decoded,
        "remarks": dataset.remarks(),
        "repeated": dataset.repeated,
        "problems": problems,
    }


def _class_counts(dataset: RecipeDataset) -> ClassCounts:
    import numpy as np

    splits = {name: dataset.split(name) for name in dataset.splits}
    found: ClassCounts = {}
    for t in dataset.schema:
        by_split = {
            name: np.bincount(samples.label_pairs(t.name)[1], minlength=len(t)).tolist()
            for name, samples in splits.items()
        }
        found[t.name] = {c: {name: n[i] for name, n in by_split.items()} for i, c in enumerate(t.classes)}
    return found


def _print_report(report: Mapping[str, Any], everything: bool) -> None:
    print_table([{"split": k, "pictures": v} for k, v in report["pictures"].items()])
    rare = f"fewer than {FEW} in train"
    print_table(
        [
            {"attribute type": name, "kind": t["kind"], "classes": t["classes"], rare: t["rare"]}
            for name, t in report["types"].items()
        ]
    )
    for name, classes in report["labels"].items():
        if len(classes) <= SHOWN:
            print_table([{name: c} | by_split for c, by_split in classes.items()])
    print("".join(f"{remark}\n" for remark in report["remarks"]), end="")
    decoded = report["decoded"]["pictures"]
    some = f"{decoded:,} pictures were decoded as a test; --all decodes every one."
    print(f"all {decoded:,} pictures were decoded." if everything else some)
    print("\n".join(f"problem: {p}" for p in report["problems"]) or "no problems.")
