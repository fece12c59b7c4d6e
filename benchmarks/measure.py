"""Times things against each other in one run: in turn, A B A B, because a machine's speed drifts."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def in_turn(actions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every action in each round, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for counted in range(-1, rounds):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            if counted >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def report(title: str, seconds: Mapping[str, list[float]], reference: str, aim: str) -> None:
    """Prints medians and the median ratio to the reference, round by round, and writes ``results/<title>.json``."""
    rows = {
        name: {
            "median ms": 1000 * statistics.median(values),
            "ratio": statistics.median(v / r for v, r in zip(values, seconds[reference], strict=True)),
        }
        for name, values in seconds.items()
    }
    print(f"\n{title}  (aim: {aim})")
    for name, row in rows.items():
        print(f"  {name:<44} {row['median ms']:>10.1f} ms   {row['ratio']:>7.3f} x {reference}")
    RESULTS.mkdir(exist_ok=True)
    record = {"title": title, "aim": aim, "reference": reference, "rows": rows, "machine": platform.platform()}
    (RESULTS / f"{title.replace(' ', '_')}.json").write_text(json.dumps(record, indent=2) + "\n")
