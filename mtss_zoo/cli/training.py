"""``train``, ``evaluate`` and ``quickstart``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mtss_zoo.cli.output import DataRoot, Json, Overrides, parse_overrides, print_json, print_table
from mtss_zoo.errors import UnknownNameError
from mtss_zoo.registry import near_matches

Out = Annotated[Path | None, typer.Option(help="The run's folder; the same command again goes on where it was.")]


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or a YAML file.")],
    out: Out = None,
    data_root: DataRoot = None,
    overrides: Overrides = None,
    stage: Annotated[str | None, typer.Option(help="Train this stage alone.")] = None,
    type_name: Annotated[str | None, typer.Option("--type", help="Train this attribute type's model alone.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Build everything, print the plan, train nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a recipe, stage after stage."""
    values = parse_overrides(overrides)
    if dry_run:
        from mtss_zoo.plan import plan

        report = plan(recipe, data_root=data_root, overrides=values)
        print_json(report) if as_json else _print_plan(report)
        return
    from mtss_zoo import train as run

    folder = run(recipe, out=out, data_root=data_root, overrides=values, stage=stage, type_name=type_name)
    print(f"trained: {folder}")


def evaluate(
    folder: Annotated[Path, typer.Argument(help="A run's folder, or one checkpoint folder.")],
    split: Annotated[str | None, typer.Option(help="Default: the recipe's.")] = None,
    data_root: DataRoot = None,
    classes: Annotated[str | None, typer.Option(help="Show mAP and the classes of this attribute type too.")] = None,
    as_json: Json = False,
) -> None:
    """Measure every finished stage of a run side by side, or one checkpoint."""
    from mtss_zoo import evaluate as measure_one
    from mtss_zoo.evaluate import evaluate_run

    if (folder / "model.safetensors").is_file():
        measured = measure_one(folder, split=split, data_root=data_root)
        report: dict[str, Any] = {"split": measured["split"], "stages": {folder.name: measured}}
    else:
        report = evaluate_run(folder, split=split, data_root=data_root)
    if as_json:
        print_json(report)
        return
    print_report(report)
    if classes:
        print_classes(report, classes)


def quickstart(
    out: Annotated[Path, typer.Option(help="The run's folder.")] = Path("runs/quickstart"),
) -> None:
    """Train teachers and a student on generated garments, compare them, and predict. No download; minutes on a CPU."""
    from mtss_zoo import load
    from mtss_zoo import train as run
    from mtss_zoo.build import build_dataset
    from mtss_zoo.cli.use import predict
    from mtss_zoo.evaluate import evaluate_run
    from mtss_zoo.recipe_source import load_recipe

    recipe = load_recipe("mtss_quickstart")
    last = run(recipe, out=out)
    print_report(evaluate_run(out))
    dataset = build_dataset(recipe.data, load(last).schema)
    pictures = out / "pictures"
    pictures.mkdir(exist_ok=True)
    paths = [pictures / f"garment_{row}.png" for row in range(3)]
    for row, path in enumerate(paths):
        dataset.split(recipe.evaluate.split)[row].image.save(path)  # type: ignore[union-attr]
    print(f"\n$ mtss-zoo predict {last} {' '.join(map(str, paths))}")
    predict(str(last), paths)


def print_report(report: Mapping[str, Any]) -> None:
    """The stages side by side for every type, with n and the last stage's gain over its teachers."""
    stages = report["stages"]
    first = next(iter(stages.values()))
    ks = [key.removeprefix("recall@") for key in first["all"] if key.startswith("recall@")]
    shown = {f"F1@{ks[0]}": f"f1@{ks[0]}", **{f"R@{k}": f"recall@{k}" for k in ks[:2]}}
    rows = []
    for name in [*first["types"], "all", "macro_types"]:
        row: dict[str, Any] = {"attribute": "mean of types" if name == "macro_types" else name}
        for stage, measured in stages.items():
            at = measured["types"].get(name) or measured[name]
            row[stage] = " ".join(_percent(at[key]) for key in shown.values())
        row["n"] = first["types"][name]["n"] if name in first["types"] else None
        gain = report.get("gain", {}).get(name)
        row["gain in F1@1"] = _interval(gain["f1@1 relative"]) if gain else None
        rows.append(row)
    print_table(rows, title=f"split {report['split']}, {first['n']} pictures: {', '.join(shown)} in %")


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


def _percent(share: float) -> str:
    return "   -" if share != share else f"{100 * share:4.1f}"


def _interval(gain: list[float]) -> str:
    point, low, high = gain
    return f"{point:+.1f} [{low:+.1f}, {high:+.1f}]"


def _print_plan(report: Mapping[str, Any]) -> None:
    for title, rows in report["tables"].items():
        print_table(rows, title=title)
    for problem in report["problems"]:
        print(f"problem: {problem}")
