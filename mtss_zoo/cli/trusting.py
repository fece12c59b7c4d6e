"""``data duplicates`` and ``data suspects``: what in a dataset should be looked at before its numbers are trusted."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mtss_zoo.cli.given_data import Changes, changes
from mtss_zoo.cli.output import Json, print_json, print_table

Root = Annotated[Path | None, typer.Option(help="The dataset's folder.")]
Out = Annotated[Path | None, typer.Option(help="Write all of it into this CSV file.")]
SHOWN = 20
"""Groups that are printed."""


def duplicates(
    name: Annotated[str, typer.Argument(help="A dataset component, or a recipe that uses one.")],
    root: Root = None,
    overrides: Changes = None,
    distance: Annotated[int, typer.Option(help="Bits of 64 in which hashes of similar pictures may differ.")] = 4,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Find pictures that are there twice, saved anew or resized, in train, val, test and the unlabelled ones."""
    from mtss_zoo.named_data import open_named
    from mtss_zoo.trust.duplicates import UNLABELLED, find_duplicates

    _, data = open_named(name, root, shares=False, overrides=changes(overrides))
    parts = {split: data.split(split) for split in data.splits} | {UNLABELLED: data.pool}
    report = find_duplicates(parts, data.schema, distance)
    if out:
        _write(out, ["group", "kind", "split", "id", "product", "labels that contradict"], _rows(report["groups"]))
    if as_json:
        print_json(report)
        return
    print_table([{"split": split, "pictures": n} for split, n in report["pictures"].items()])
    if report["crossing"]:
        crossing = [{"splits": splits, "groups": n} for splits, n in report["crossing"].items()]
        print_table(crossing, title="Pictures that are in several splits")
    groups = report["groups"]
    if groups:
        print_table([_shown(g) for g in groups[:SHOWN]], title=f"{len(groups)} groups of pictures that look alike")
    more = f", {len(groups) - SHOWN} more groups with --out" if len(groups) > SHOWN else ""
    print(f"{report['of_one_product']} groups of one product in one split are left out{more}.")
    if report["unreadable"]:
        print(f"{report['unreadable']} pictures could not be read.")


def suspects(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    split: Annotated[str, typer.Option(help="The split whose labels are doubted.")] = "train",
    top: Annotated[int, typer.Option(min=1, help="Labels of each attribute type.")] = 50,
    root: Root = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """List labels that are perhaps wrong: where all models of a run agree with each other against the label."""
    from mtss_zoo.trust.suspects import find_suspects

    report = find_suspects(run, split=split, top=top, data_root=root)
    rows = [{"type": name} | suspect for name, found in report["types"].items() for suspect in found["suspects"]]
    if out:
        _write(out, ["type", "id", "image", "label", "suggested", "score"], (row.values() for row in rows))
    if as_json:
        print_json(report)
        return
    for name, found in report["types"].items():
        title = f"{name}: {found['found']} of {found['n']} labels of {split} doubted by {' and '.join(found['models'])}"
        print_table([{k: v for k, v in s.items() if k != "image"} for s in found["suspects"]], title=title)


def _shown(group: Mapping[str, Any]) -> dict[str, Any]:
    ids = [p["id"] for p in group["pictures"]]
    conflicts = [f"{name}: {' / '.join(said)}" for name, said in group["conflicts"].items()]
    return {
        "kind": group["kind"],
        "splits": " + ".join(group["splits"]),
        "pictures": ", ".join(ids[:4]) + (f" and {len(ids) - 4} more" if len(ids) > 4 else ""),
        "labels that contradict": "; ".join(conflicts),
    }


def _rows(groups: Sequence[Mapping[str, Any]]) -> Iterator[list[Any]]:
    for number, group in enumerate(groups):
        for p in group["pictures"]:
            yield [number, group["kind"], p["split"], p["id"], p["product"] or "", _said(group, p["id"])]


def _said(group: Mapping[str, Any], picture: str) -> str:
    conflicts = group["conflicts"].items()
    return "; ".join(f"{t}={labels}" for t, said in conflicts for labels, ids in said.items() if picture in ids)


def _write(path: Path, head: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)
