"""The tables of the papers: the printed rows, and ours set in the same columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from math import nan
from pathlib import Path

from mtss_zoo.paper_tables import PaperTable
from mtss_zoo.report.commands import seeds
from mtss_zoo.report.document import Block, Row, Table, Value
from mtss_zoo.report.fillings import READING, Line
from mtss_zoo.report.measured import ALL, MEAN
from mtss_zoo.report.roles import Model
from mtss_zoo.report.scores import Scores
from mtss_zoo.report.values import gain, short_name, value

WITH_GAINS = {"table3", "table4", "table5", "table7", "semi_vit_table2"}
OVER_THE_FIRST = WITH_GAINS - {"semi_vit_table2"}
"""Where the paper's own gains are over the first row of a group."""
COUNT = "n"


def table(paper: PaperTable, own: Iterable[Block]) -> Table:
    """A table of the paper with our blocks; those with the same columns and data stand in one with the paper's rows."""
    blocks = paper_blocks(paper)
    for block in own:
        i = next((i for i, b in enumerate(blocks) if b.rows[0].paper and _side_by_side(paper, b, block)), None)
        if i is None:
            blocks.append(block)
        else:
            blocks[i] = _joined(blocks[i], block)
    return Table(paper.name, f"{paper.source}: {paper.title}", READING[paper.name], tuple(blocks))


def paper_blocks(paper: PaperTable) -> list[Block]:
    """The printed rows: a block for each dataset and, where columns are attribute types, for each measure."""
    blocks: list[Block] = []
    start, depth = len(paper.labels), len(paper.labels) - 1
    for data, group in groupby(paper.rows, key=lambda row: row[:depth]):
        rows = list(group)
        for measure in paper.measures if paper.of == "types" else paper.measures[:1]:
            suffix = f" {short_name(measure)}" if paper.of == "types" and len(paper.measures) > 1 else ""
            used = [
                start + i
                for i, column in enumerate(paper.columns)
                if column.endswith(suffix) and any(row[start + i] is not None for row in rows)
            ]
            names = [paper.columns[i - start] for i in used]
            printed = [
                Row(str(row[depth]), tuple(_printed(row[i], paper, i - start) for i in used), paper=True)
                for row in rows
            ]
            if paper.name in OVER_THE_FIRST:
                printed += [_printed_gain(printed[0], row) for row in printed[1:]]
            caption = ", ".join([*map(str, data), "the paper's numbers"])
            columns = tuple(name.removesuffix(suffix) if suffix else name for name in names)
            blocks.append(Block(caption + (f",{suffix}" if suffix else ""), columns, tuple(printed)))
    return blocks


def _printed(number: object, paper: PaperTable, column: int) -> Value:
    is_ce = paper.of != "types" and paper.columns[column] == "CE"
    known = float(number) if isinstance(number, int | float) else None
    return Value(known, "plain" if is_ce else "percent", decimals=3 if "nats" in paper.unit else 2)


def _printed_gain(first: Row, row: Row) -> Row:
    pairs = zip(first.cells, row.cells, strict=True)
    cells = tuple(Value(_relative(b, a), "gain") for a, b in pairs if isinstance(a, Value) and isinstance(b, Value))
    return Row(f"{row.label} over {first.label}", cells, True)


def _relative(after: Value, before: Value) -> float:
    return 100 * (after.number - before.number) / before.number if after.number and before.number else nan


def own_blocks(paper: PaperTable, lines: list[Line], scores: Scores, numbers: Mapping[Path, int]) -> list[Block]:
    """Our rows in the columns of a table, a block for each set of pictures that models were measured on.

    Args:
        lines: what fills it.
        numbers: the folder of a run to the number of the command that made it.
    """
    setter = _Setter(paper, scores, numbers)
    blocks: list[Block] = []
    groups: dict[tuple[str, str, int], list[Line]] = {}
    for line in lines:
        groups.setdefault(line.data, []).append(line)
    for group in groups.values():
        if paper.of == "types":
            blocks += [setter.by_type(group, measure) for measure in paper.measures]
        elif paper.of == "all":
            blocks.append(setter.pooled(group))
        else:
            of_each = [[t for m in line.models for t in m.measured.types] for line in group]
            shared = [name for name in of_each[0] if all(name in names for names in of_each)]
            blocks += [setter.of_type(group, name) for name in shared]
    return blocks


class _Setter:
    """Sets lines in columns."""

    def __init__(self, paper: PaperTable, scores: Scores, numbers: Mapping[Path, int]) -> None:
        self.paper, self.scores, self.numbers = paper, scores, numbers

    def by_type(self, lines: list[Line], measure: str) -> Block:
        """Columns are the attribute types, then all of them."""
        types = list(dict.fromkeys(t for line in lines for m in line.models for t in m.measured.types))
        last = MEAN if measure == "mAP" else ALL
        columns = [*types, *([last] if len(types) > 1 else [])]
        counts = [next((m.measured.types[t].n for line in lines if (m := line.model_of(t))), None) for t in types]
        empty = [None] * (len(columns) - len(types))
        rows = [Row("n, label known", tuple(Value(n, "count") for n in [*counts, *empty]))]
        for line in lines:
            cells = tuple(self._cell(line, column, measure) for column in columns)
            rows.append(self._row(line, line.label, cells))
            if line.beside and self.paper.name in WITH_GAINS:
                cells = tuple(self._gain(line, column, measure) for column in columns)
                rows.append(self._row(line, f"{line.label}: gain", cells))
        return Block(f"{where(lines[0].models[0])}, {short_name(measure)}", tuple(columns), tuple(rows))

    def pooled(self, lines: list[Line]) -> Block:
        """Columns are the measures, of all types together."""
        rows = [
            self._row(line, line.label, tuple(self._cell(line, ALL, m) for m in self.paper.measures)) for line in lines
        ]
        columns = tuple(map(short_name, self.paper.measures))
        return Block(where(lines[0].models[0]), columns, tuple(rows))

    def of_type(self, lines: list[Line], type_name: str) -> Block:
        """Columns are the measures of one type, and its pictures."""
        measures, rows = self.paper.measures, []
        for line in lines:
            cells = [self._cell(line, type_name, m) for m in measures]
            model = line.model_of(type_name)
            count = Value(model.measured.types[type_name].n if model else None, "count")
            rows.append(self._row(line, line.label, (*cells, count)))
            if line.beside and self.paper.name in WITH_GAINS:
                gains = [self._gain(line, type_name, m) if m != "ce" else Value(None) for m in measures]
                rows.append(self._row(line, f"{line.label}: gain", (*gains, Value(None))))
        columns = (*map(short_name, measures), COUNT)
        return Block(f"{where(lines[0].models[0])}, {type_name}", columns, tuple(rows))

    def _cell(self, line: Line, column: str, measure: str) -> Value:
        model = line.model_of(column) if column not in (ALL, MEAN) else line.models[0]
        apart = column in (ALL, MEAN) and len(line.models) > 1
        return value(model, column, measure) if model and not apart else Value(None)

    def _gain(self, line: Line, column: str, measure: str) -> Value:
        if column in (ALL, MEAN):
            if len(line.models) > 1 or set(line.models[0].measured.types) != set(line.beside[0].measured.types):
                return Value(None, "gain")
            return gain(line.models[0], line.beside[0], column, measure, self.scores)
        model, base = line.model_of(column), line.model_of(column, of_beside=True)
        return gain(model, base, column, measure, self.scores) if model and base else Value(None, "gain")

    def _row(self, line: Line, label: str, cells: tuple[Value, ...]) -> Row:
        runs = list({m.run.folder: m.run for m in line.models}.values())
        origin = ", ".join(f"{run.name}, {seeds(run)}" for run in runs)
        return Row(label, cells, origin=origin, made_by=tuple(self.numbers[run.folder] for run in runs))


def where(model: Model) -> str:
    """What a model was measured on, in words."""
    name, split, n = model.data
    return f"{name}, {split or 'split not named'}, {n:,} pictures"


def _side_by_side(paper: PaperTable, printed: Block, own: Block) -> bool:
    """Whether our rows can stand below the paper's: the same columns and, where the paper names data, the same data."""
    plain = [_plain(block.caption) for block in (printed, own)]
    same_data = len(paper.labels) == 1 or _plain(printed.caption.partition(",")[0]) in plain[1]
    suffixes = {own.caption.rpartition(", ")[2], printed.caption.rpartition(", ")[2]}
    measures = {short_name(m) for m in paper.measures} if paper.of == "types" and len(paper.measures) > 1 else set()
    return same_data and set(printed.columns) <= set(own.columns) and len(suffixes & measures) < 2


def _joined(printed: Block, own: Block) -> Block:
    def moved(row: Row) -> Row:
        cells = dict(zip(printed.columns, row.cells, strict=True))
        return replace(row, cells=tuple(cells.get(column, Value(None)) for column in own.columns))

    caption = f"{printed.caption}; here: {own.caption}"
    return Block(caption, own.columns, (*map(moved, printed.rows), *own.rows), own.first)


def _plain(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
