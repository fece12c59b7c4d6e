"""Cross-domain results on the street of the generated garments, as Table 6 of MTSS has them: from finished runs.

    mtss-zoo train mtss_quickstart --out runs/studio
    mtss-zoo train mtss_garments_street --out runs/joined
    python benchmarks/cross_domain.py without=runs/studio with=runs/joined

Each argument is a name and a run's folder. A row is a stage of a run: F1@1 in % of every shared pattern, and over all.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from measure import RESULTS

from mtss_zoo.cross_domain import evaluate_across
from mtss_zoo.json_text import to_json

ALIASES = Path(__file__).parents[1] / "docs/garments_street.yaml"
STREET = "mtss_quickstart_street"


def table(reports: dict[str, dict[str, Any]]) -> list[str]:
    """Lines of Markdown."""
    rows = {
        f"{stage}, {name}": measured["types"]["pattern"]
        for name, report in reports.items()
        for stage, measured in report["stages"].items()
    }
    classes = next(iter(rows.values()))["classes"]
    head = " | ".join(f"{c} (n {at['n']})" for c, at in classes.items())
    lines = [f"| | {head} | all |", f"|---|{'---|' * len(classes)}---|"]
    for title, row in rows.items():
        cells = [*(at["f1@1"] for at in row["classes"].values()), row["f1@1"]]
        lines.append(f"| {title} | {' | '.join(f'{100 * cell:.1f}' for cell in cells)} |")
    return lines


def main() -> None:
    runs = dict(arg.partition("=")[::2] for arg in sys.argv[1:])
    reports = {name: evaluate_across(folder, ALIASES, STREET) for name, folder in runs.items()}
    print("\n".join(table(reports)))
    for name, report in reports.items():
        point, low, high = report["gain"]["pattern"]["f1@1 relative"]
        print(f"{name}: student over teachers {point:+.1f} % [{low:+.1f}, {high:+.1f}]")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "cross_domain.json").write_text(to_json(reports))


if __name__ == "__main__":
    main()
