"""A Markdown table of several runs on one split, from the metrics.json of their checkpoint folders.

    python benchmarks/fashion_table.py multitask=runs/a/multitask teachers=runs/b/teachers student=runs/b/student

Each column is one name and one folder: a checkpoint, or the folder of a stage that is trained type by type.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mtss_zoo.metrics import macro_types

MEASURES = {"F1@1": "f1@1_valid", "R@3": "recall@3"}


def types_of(folder: Path) -> dict[str, Any]:
    """Attribute type to its measures."""
    files = [folder / "metrics.json"] if (folder / "metrics.json").is_file() else sorted(folder.glob("*/metrics.json"))
    return {name: row for file in files for name, row in json.loads(file.read_text())["types"].items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("columns", nargs="+", metavar="NAME=FOLDER")
    columns = {}
    for name, _, folder in (argument.partition("=") for argument in parser.parse_args().columns):
        columns[name] = types_of(Path(folder))
        if not columns[name]:
            parser.error(f"{folder or name} holds no metrics.json, and neither do the folders in it.")
    types = list(next(iter(columns.values())))
    print(f"| type | n | {' | '.join(columns)} |")
    print(f"|---|---|{'---|' * len(columns)}")
    for t in types:
        n = next(iter(columns.values()))[t]["n"]
        cells = [" / ".join(f"{100 * rows[t][key]:.1f}" for key in MEASURES.values()) for rows in columns.values()]
        print(f"| {t} | {n} | {' | '.join(cells)} |")
    means = [
        " / ".join(f"{100 * macro_types(rows[t][key] for t in types):.2f}" for key in MEASURES.values())
        for rows in columns.values()
    ]
    print(f"| mean of types | | {' | '.join(means)} |")


if __name__ == "__main__":
    main()
