"""How a study and a table of the papers are printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from mtss_zoo.cli.output import print_table

METRICS = {"F1@1": "f1@1", "R@3": "recall@3"}


def print_study(report: Mapping[str, Any]) -> None:
    """For every stage and metric a row for each cell that trained the stage: the types, all pooled, and the gain."""
    tables = {
        (stage, word): metric
        for cell in report["cells"]
        for stage in cell["stages"]
        for word, metric in METRICS.items()
    }
    for (stage, word), metric in tables.items():
        found = {cell["cell"]: cell["stages"].get(stage) for cell in report["cells"]}
        rows = [_row(name, of, metric) for name, of in found.items() if of and not of["same_as"]]
        columns = dict.fromkeys(key for row in rows for key in row)
        title = f"{stage}: {word} in % on {report['split']}" + (", mean and sd" if len(report["seeds"]) > 1 else "")
        _print_wide([{key: row.get(key) for key in columns} for row in rows], ["cell"], title)
    if tables:
        print("gain: of all, over the first cell, in %; *: its 95 % interval over the pictures is on one side of 0")
    for cell in report["cells"]:
        if cell["state"] == "open":
            print(f"{cell['cell']}: not finished; the same command goes on.")


def _row(name: str, found: Mapping[str, Any], metric: str) -> dict[str, Any]:
    types, pooled = found["types"], found["all"].get(metric)
    only = next(iter(types.values())).get(metric) if len(types) == 1 else None
    numbers = {name: _number(stats.get(metric)) for name, stats in types.items()}
    return {"cell": name} | numbers | {"all": _number(pooled)} | {"gain": _gain(only or pooled)}


def _cell(column: str, decimals: int, mean: float | None, sd: float | None) -> str | None:
    from mtss_zoo.paper_tables import truncated

    if mean is None:
        return None
    number = truncated(mean) if column.startswith("Acc@") else f"{mean:.{decimals}f}"
    return number + (f" ±{sd:.{decimals}f}" if sd is not None else "")


def _number(stat: Mapping[str, Any] | None) -> str | None:
    if stat is None or stat["mean"] is None:
        return None
    return f"{100 * stat['mean']:.1f}" + (f" ±{100 * stat['sd']:.1f}" if stat["sd"] is not None else "")


def _gain(stat: Mapping[str, Any] | None) -> str:
    point, low, high = (stat or {}).get("gain", (None, None, None))
    if point is None:
        return ""
    return f"{point:+.1f}" + ("*" if low is not None and (low > 0 or high < 0) else "")


def print_fillings(rows: Sequence[Mapping[str, Any]]) -> None:
    """What fills every table of the papers."""
    for name, of_table in groupby(rows, key=lambda row: row["table"]):
        sets = list(of_table)
        print(f"{name}: {sets[0]['title']} ({sets[0]['source']})")
        for row in sets:
            print(f"  --recipe-set {row['recipe set']}, with the dataset {row['dataset']}: {', '.join(row['runs'])}")


def print_beside(report: Mapping[str, Any]) -> None:
    """The paper's rows, and below them ours."""
    rows, decimals = [], 3 if "nats" in report["unit"] else 2
    for whose in ("paper", "ours"):
        for line in report[whose]:
            cells, sd = line["cells"], line.get("sd", {})
            numbers = {c: _cell(c, decimals, cells.get(c), sd.get(c)) for c in report["columns"]}
            rows.append({"": whose} | {label: cells[label] for label in report["labels"]} | numbers)
    _print_wide(rows, ["", *report["labels"]], f"{report['source']}: {report['title']}; in {report['unit']}")
    print(f"more of it: mtss-zoo report {' '.join(report['studies'])} --out report.html")


def _print_wide(rows: Sequence[Mapping[str, Any]], labels: Sequence[str], title: str) -> None:
    """A table in as many parts as the terminal needs, each with the labels."""
    from rich.console import Console

    def width(key: str) -> int:
        return 2 + max(len(str(cell)) for cell in (key, *(row[key] or "-" for row in rows)))

    free = Console().width - sum(map(width, labels))
    parts: list[list[str]] = [[]]
    for key in rows[0]:
        if key not in labels and any(row[key] for row in rows):
            if parts[-1] and sum(map(width, [*parts[-1], key])) > free:
                parts.append([])
            parts[-1].append(key)
    for number, part in enumerate(parts):
        shown = [{key: row[key] for key in (*labels, *part)} for row in rows]
        print_table(shown, title=title if not number else None)
