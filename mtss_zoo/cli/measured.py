"""How measurements are printed: a table a stage, the gain, the classes of a type, the slices of a split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtss_zoo.cli.output import print_table
from mtss_zoo.errors import UnknownNameError
from mtss_zoo.registry import near_matches


def print_report(report: Mapping[str, Any]) -> None:
    """Each stage with n and its metrics by type; then stages side by side, with the last one's gain over the other."""
    for stage, measured in report["stages"].items():
        ks = [key.removeprefix("recall@") for key in measured["all"] if key.startswith("recall@")]
        percent = {f"F1@{ks[0]}": f"f1@{ks[0]}", "label known": f"f1@{ks[0]}_valid"}
        percent |= {f"R@{k}": f"recall@{k}" for k in ks[:2]}
        percent |= {"Acc@1": "acc@1", "Acc@5": "acc@5"}
        rows = [
            {"attribute": name, "n": at.get("n")}
            | {word: _percent(at.get(key)) for word, key in percent.items()}
            | {"CE": at.get("ce")}
            for name, at in _lines(measured).items()
        ]
        print_table(rows, title=f"{stage} on {report['split']}, {measured['n']} pictures; in %, but CE")
    if gain := report.get("gain"):
        *_, before, last = report["stages"]
        sides = {stage: _lines(report["stages"][stage]) for stage in (before, last)}
        rows = [
            {"attribute": name, "n": sides[last][name].get("n")}
            | {stage: _percent(lines.get(name, {}).get("f1@1")) for stage, lines in sides.items()}
            | {"gain, relative": _interval(gain[name]["f1@1 relative"]) if name in gain else ""}
            for name in sides[last]
        ]
        print_table(rows, title=f"{last} beside {before}: F1@1 in %, and the gain with its 95 % interval")


def _lines(measured: Mapping[str, Any]) -> dict[str, Any]:
    """What is measured of each type, of all pooled, and their mean."""
    return {**measured["types"], "all": measured["all"], "mean of types": measured["macro_types"]}


def print_slices(report: Mapping[str, Any]) -> None:
    """For every metadata column and type, Acc@1 (F1@1 where a picture has several classes) of each value."""
    stages = report["stages"]
    first = next(iter(stages.values()))
    for column, values in first.get("slices", {}).items():
        for name in first["types"]:
            of_type = {stage: m["slices"][column] for stage, m in stages.items() if name in m["types"]}
            metric = "acc@1" if "acc@1" in first["types"][name] else "f1@1"
            rows = [
                {column: value, "n": at[name]["n"]}
                | {stage: _percent(s[value][name][metric]) for stage, s in of_type.items()}
                | {"": "n < 30" if at[name].get("small") else ""}
                for value, at in values.items()
            ]
            print_table(rows, title=f"{name} by {column}: {metric.capitalize()} in %")


def print_classes(report: Mapping[str, Any], type_name: str) -> None:
    """Recall@1 of every class of one type that the split has, most frequent first, and the type's mAP.

    Raises:
        UnknownNameError: no such attribute type was measured.
    """
    stages = {stage: m["types"][type_name] for stage, m in report["stages"].items() if type_name in m["types"]}
    if not stages:
        known = next(iter(report["stages"].values()))["types"]
        raise UnknownNameError(f"no attribute type {type_name!r}. {near_matches(type_name, known)}")
    counts = {c: row["n"] for c, row in next(iter(stages.values()))["classes"].items()}
    rows: list[dict[str, Any]] = [
        {type_name: c, "n": n} | {s: 100 * at["classes"][c]["recall@1"] for s, at in stages.items()}
        for c, n in sorted(counts.items(), key=lambda item: -item[1])
    ]
    rows.append({type_name: "mAP", "n": None} | {s: 100 * at["mAP"] for s, at in stages.items()})
    print_table(rows, title=f"{type_name}: recall@1 of each class in %")


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _interval(gain: list[float]) -> str:
    point, low, high = gain
    return f"{point:+.1f} [{low:+.1f}, {high:+.1f}]"
