"""The classes that a model recognises worst: what it takes them for, with pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch

from mtss_zoo.interfaces import AttributeType, Samples
from mtss_zoo.measures import Scored
from mtss_zoo.report.collect import Run
from mtss_zoo.report.document import Block, Cell, Pictures, Row, Value
from mtss_zoo.report.pictures import thumbnail

WORST, CONFUSIONS, FEWEST = 5, 3, 5


@dataclass(frozen=True)
class Misses:
    """One class c with n pictures: how many were recognised, what the others were taken for, and their rows."""

    label: int
    n: int
    found: int
    taken_for: tuple[tuple[int, int], ...]
    """Class and number of pictures, the most frequent first."""
    rows: tuple[tuple[int, int], ...]
    """Row of the split, and the class that the picture was taken for."""


def worst_classes(scored: Scored, most: int = WORST, fewest: int = FEWEST) -> list[Misses]:
    """The classes with the lowest recall@1 among those with at least ``fewest`` pictures, the worst first."""
    best = scored.scores.max(1).indices
    found: list[Misses] = []
    for c in torch.nonzero(scored.labels.sum(0) >= fewest)[:, 0].tolist():
        of_class = scored.labels[:, c]
        # A picture with several true classes is no miss of this one, if another of its own was put first.
        missed = of_class & ~scored.labels.gather(1, best[:, None])[:, 0]
        pairs = list(zip(scored.rows[missed].tolist(), best[missed].tolist(), strict=True))
        common = sorted(Counter(b for _, b in pairs).items(), key=lambda item: (-item[1], item[0]))
        n = int(of_class.sum())
        found.append(Misses(c, n, n - len(pairs), tuple(common), tuple(pairs)))
    wrong = [m for m in found if m.found < m.n]
    return sorted(wrong, key=lambda m: (m.found / m.n, -m.n))[:most]


def mistakes(
    attribute_type: AttributeType, scored: Scored, samples: Samples, pictures: int, made_by: int, run: Run
) -> Block | None:
    """A table of the worst classes of one type, each with up to ``pictures`` of its misses."""
    names, rows = attribute_type.classes, []
    for m in worst_classes(scored):
        words = ", ".join(f"{names[c]} {count}" for c, count in m.taken_for[:CONFUSIONS])
        cells: list[Cell] = [Value(m.n, "count"), Value(100 * m.found / m.n, decimals=1), words]
        if pictures:
            cells.append(_examples(m, names, samples, pictures))
        rows.append(Row(names[m.label], tuple(cells)))
    columns = ("n", "R@1", "taken for", *(["examples"] if pictures else []))
    caption = f"{attribute_type.name}, {run.name}, seed {run.recipe.seed}, command [{made_by}]"
    return Block(caption, columns, tuple(rows), first="true class") if rows else None


def _examples(misses: Misses, names: tuple[str, ...], samples: Samples, pictures: int) -> Pictures:
    items = []
    for row, taken in misses.rows[:pictures]:
        if uri := thumbnail(samples[row]):
            items.append((uri, f"{names[misses.label]}, taken for {names[taken]}"))
    return Pictures(tuple(items))
