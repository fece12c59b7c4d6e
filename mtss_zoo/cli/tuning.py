"""``tune``: a search for better values of a recipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mtss_zoo.cli.output import DataRoot, Json, Overrides, parse_overrides, print_json, print_table


def tune(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or a YAML file.")],
    out: Annotated[Path | None, typer.Option(help="The search's folder; default tune/NAME.")] = None,
    data_root: DataRoot = None,
    trials: Annotated[int, typer.Option(min=1, help="Finished trials in all.")] = 30,
    processes: Annotated[int, typer.Option(min=1, help="Trials at a time.")] = 1,
    space: Annotated[
        list[str] | None,
        typer.Option(
            help="What to vary, instead of the recipe's tune.space: KEY={factor: 5}, KEY={low: 0.4, high: 0.8} or "
            "KEY={choices: [32, 64]}. May be repeated."
        ),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Of the last stage, such as acc@1; default f1@1.")] = None,
    type_name: Annotated[str | None, typer.Option("--type", help="Of this attribute type alone.")] = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Search around a recipe's own values and write the best recipe; the same command goes on where it was."""
    from mtss_zoo.tuning.tune import tune as search

    aim = {
        "space": parse_overrides(space, "--space", "stages.student.optimizer.lr={factor: 5}"),
        "metric": metric,
        "type": type_name,
    }
    try:
        report = search(
            recipe,
            out=out,
            data_root=data_root,
            overrides=parse_overrides(overrides),
            aim={key: value for key, value in aim.items() if value},
            trials=trials,
            processes=processes,
        )
    except KeyboardInterrupt:
        print("stopped; the same command goes on.", file=sys.stderr)
        raise
    if as_json:
        print_json(report)
    else:
        _print_report(report)


def _print_report(report: Mapping[str, Any]) -> None:
    own, best, shares = report["own"], report["best"], report["importance"]
    name = report["metric"] + (f" of {report['type']}" if report["type"] else "")
    rows = [{"": name, "recipe": _number(own["value"]), "best": _number(best["value"]), "importance in %": None}]
    for key, value in best["values"].items():
        share = round(100 * shares[key]) if key in shares else None
        rows.append({"": key, "recipe": _number(own["values"][key]), "best": _number(value), "importance in %": share})
    print_table(rows, title=f"trial {best['trial']:04d} is the best of {len(report['trials'])}, on the hold-out")
    print(f"written: {report['recipe']}")


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "-" if value is None else str(value)
