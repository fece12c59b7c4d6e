"""``evaluate --corruptions``: how far the models of a run fall on corrupted pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from mtss_zoo.cli.output import print_json, print_table

Corruptions = Annotated[
    bool, typer.Option("--corruptions", help="On pictures with 15 corruptions in 5 severities, too.")
]
Variant = Annotated[str | None, typer.Option(help="Corruptions: imaug, or imagenet-c for its frost and elastic.")]
Names = Annotated[str | None, typer.Option(help="Corruptions: some only, such as fog,snow.")]
MaxImages = Annotated[int | None, typer.Option(min=1, help="Corruptions: measure on a fixed random part.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Corruptions: which noise, and which random part; default 0.")]
SaveQuality = Annotated[
    int | None, typer.Option(min=1, max=100, help="Corruptions: save as JPEG of this quality, 85 in ImageNet-C.")
]
Workers = Annotated[int | None, typer.Option(min=0, help="Corruptions: processes that corrupt pictures.")]


def evaluate_corruptions(
    folder: Path,
    split: str | None,
    data_root: Path | None,
    variant: str | None,
    names: str | None,
    max_images: int | None,
    seed: int | None,
    save_quality: int | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Measures and prints: a summary of all stages, then the last stage by corruption and by attribute type."""
    from mtss_zoo import evaluate_corrupted

    report = evaluate_corrupted(
        folder,
        split=split,
        data_root=data_root,
        variant=cast("Any", variant or "imaug"),
        names=[name.strip() for name in names.split(",")] if names else None,
        max_images=max_images,
        seed=seed or 0,
        save_quality=save_quality,
        workers=workers,
    )
    print_json(report) if as_json else print_corruptions(report)


def print_corruptions(report: Mapping[str, Any]) -> None:
    """Tables of one metric, recall@3 of all types where it was measured; JSON holds every number."""
    stages = report["stages"]
    last = list(stages)[-1]
    clean = stages[last]["clean"]
    metric = "recall@3" if "recall@3" in clean["all"] else next(iter(clean["all"]))
    made_by = f"variant {report['variant']} of {report['package']}, seed {report['seed']}"
    if report["save_quality"]:
        made_by += f", JPEG of quality {report['save_quality']}"
    print_table(
        [
            {"stage": stage, **_clean_mean_drop(at, "all", metric)} | _percents(at["by_group"], metric)
            for stage, at in stages.items()
        ],
        title=f"{report['split']}, {report['n']} pictures, {made_by}: {metric} of all types in %",
    )
    print_table(
        [{"stage": stage} | _percents(at["by_severity"], metric) for stage, at in stages.items()],
        title="By severity",
    )
    of_last = stages[last]
    print_table(
        [
            {"corruption": name}
            | _percents(by_severity, metric)
            | _percents({"mean": of_last["by_corruption"][name]}, metric)
            for name, by_severity in of_last["cells"].items()
        ],
        title=f"{last} by corruption and severity",
    )
    print_table(
        [{"attribute": name} | _clean_mean_drop(of_last, name, metric) for name in clean],
        title=f"{last} by attribute type",
    )


def _clean_mean_drop(at: Mapping[str, Any], attribute: str, metric: str) -> dict[str, float]:
    of = {key: at[key][attribute][metric] for key in ("clean", "mean", "drop")}
    return {"clean": 100 * of["clean"], "corrupted": 100 * of["mean"], "drop in %": of["drop"]}


def _percents(rows: Mapping[str, Any], metric: str) -> dict[str, float]:
    return {name: 100 * row["all"][metric] for name, row in rows.items()}
