"""``evaluate --aliases``: the models of a run on another domain's dataset, on the classes that they share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mtss_zoo.cli.output import print_json, print_table
from mtss_zoo.errors import UsageError

Aliases = Annotated[Path | None, typer.Option(help="Other domain: a YAML file that says which classes are shared.")]
Target = Annotated[str | None, typer.Option(help="Other domain: its dataset, a component or a recipe.")]


def evaluate_across(
    folder: Path, aliases: Path | None, dataset: str | None, split: str | None, data_root: Path | None, as_json: bool
) -> None:
    """What ``evaluate --aliases MAP --dataset NAME`` does.

    Raises:
        UsageError: only one of the two is given.
    """
    if aliases is None or dataset is None:
        raise UsageError("--aliases and --dataset go together: the classes that are shared, and with what.")
    from mtss_zoo.cross_domain import evaluate_across as measure

    report = measure(folder, aliases, dataset, split=split or "test", data_root=data_root)
    if as_json:
        print_json(report)
    else:
        print_across(report)


def print_across(report: Mapping[str, Any]) -> None:
    """For every attribute type F1@1 of each shared class and over all, the stages side by side; then the gain."""
    stages = report["stages"]
    for name in dict.fromkeys(name for measured in stages.values() for name in measured["types"]):
        of_type = {stage: m["types"][name] for stage, m in stages.items() if name in m["types"]}
        first = next(iter(of_type.values()))
        rows = [
            {name: c, "n": n["n"]} | {stage: 100 * at["classes"][c]["f1@1"] for stage, at in of_type.items()}
            for c, n in first["classes"].items()
        ]
        rows.append({name: "all", "n": first["n"]} | {stage: 100 * at["f1@1"] for stage, at in of_type.items()})
        place = f"{report['split']} of {report['dataset']}"
        print_table(rows, title=f"{name} on {place}, {first['n']} of {report['pictures']} pictures; F1@1 in %")
    if gain := report.get("gain"):
        *_, before, last = stages
        words = ("relative", "absolute")
        shown = [{"": name} | {w: _interval(at[f"f1@1 {w}"]) for w in words} for name, at in gain.items()]
        print_table(shown, title=f"{last} over {before}: gain in F1@1, in % and in points, with its 95 % interval")


def _interval(gain: list[float]) -> str:
    point, low, high = gain
    return f"{point:+.1f} [{low:+.1f}, {high:+.1f}]"
