"""``train``, ``evaluate`` and ``quickstart``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mtss_zoo.cli import corrupted, crossing
from mtss_zoo.cli.measured import print_classes, print_report, print_slices
from mtss_zoo.cli.output import DataRoot, Json, Overrides, parse_overrides, print_json, print_table, refuse

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
    asked: dict[str, Any] = {"data_root": data_root, "overrides": parse_overrides(overrides)}
    asked |= {"stage": stage, "type_name": type_name}
    if dry_run:
        from mtss_zoo.plan import plan

        report = plan(recipe, **asked)
        print_json(report) if as_json else _print_plan(report)
        if report["problems"]:
            raise typer.Exit(1)
        return
    refuse("can be given with --dry-run only", json=as_json)
    from mtss_zoo import train as run

    folder = run(recipe, out=out, **asked)
    print(f"trained: {folder}")


def evaluate(
    folder: Annotated[Path, typer.Argument(help="A run's folder, or one checkpoint folder.")],
    split: Annotated[str | None, typer.Option(help="Default: the recipe's.")] = None,
    data_root: DataRoot = None,
    classes: Annotated[str | None, typer.Option(help="Show mAP and the classes of this attribute type too.")] = None,
    slices: Annotated[
        list[str] | None, typer.Option("--slice", help="A metadata column: show each of its values. May be repeated.")
    ] = None,
    corruptions: corrupted.Corruptions = False,
    variant: corrupted.Variant = None,
    names: corrupted.Names = None,
    max_images: corrupted.MaxImages = None,
    seed: corrupted.Seed = None,
    save_quality: corrupted.SaveQuality = None,
    workers: corrupted.Workers = None,
    aliases: crossing.Aliases = None,
    dataset: crossing.Target = None,
    as_json: Json = False,
) -> None:
    """Measure every finished stage of a run, or one checkpoint."""
    plain = {"classes": classes, "slice": slices or None}
    of_corruptions: dict[str, Any] = {"variant": variant, "names": names, "max_images": max_images, "seed": seed}
    of_corruptions |= {"save_quality": save_quality, "workers": workers}
    if aliases or dataset:
        refuse("cannot be given with --aliases", corruptions=corruptions, **plain, **of_corruptions)
        crossing.evaluate_across(folder, aliases, dataset, split, data_root, as_json)
        return
    if corruptions:
        refuse("cannot be given with --corruptions", **plain)
        corrupted.evaluate_corruptions(folder, split, data_root, **of_corruptions, as_json=as_json)
        return
    refuse("can be given with --corruptions only", **of_corruptions)
    from mtss_zoo import evaluate as measure_one
    from mtss_zoo.evaluate import evaluate_run

    if (folder / "model.safetensors").is_file():
        measured = measure_one(folder, split=split, data_root=data_root, slices=slices or None)
        report: dict[str, Any] = {"split": measured["split"], "stages": {folder.name: measured}}
    else:
        report = evaluate_run(folder, split=split, data_root=data_root, slices=slices or None)
    if as_json:
        print_json(report)
        return
    print_report(report)
    print_slices(report)
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


def _print_plan(report: Mapping[str, Any]) -> None:
    for title, rows in report["tables"].items():
        print_table(rows, title=title)
    for problem in report["problems"]:
        print(f"problem: {problem}")
