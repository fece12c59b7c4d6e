"""One table of a study: means and deviations over the seeds, and gains over the first cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from mtss_zoo.grid import axes
from mtss_zoo.metrics import relative_gain as relative
from mtss_zoo.studies.answers import GAINS, read_answers, read_measured, relative_gain
from mtss_zoo.studies.cells import Study
from mtss_zoo.studies.queue import failure, finished

Stat = dict[str, Any]
POOLED, MEANS = "all", "macro_types"


def gather(study: Study) -> dict[str, Any]:
    """What a study has measured so far, as plain data.

    Returns:
        ``study`` its name, ``summary``, ``split``, ``seeds``, ``grid`` (axis to values) and ``cells``, each with
        ``cell``, ``settings`` (axis to value), ``state`` (finished, failed or open), ``error``, ``runs`` (seed to
        folder) and ``stages``. A stage has ``n`` pictures, ``runs``, ``same_as`` (the cell that trained it, if that
        was another one), and ``types``, ``all`` and ``macro_types``: metric to ``mean``, ``sd`` (``None`` for one
        run), and for F1@1 and recall@3 ``gain`` over the first cell in percent: the number, and the ends of its 95 %
        interval, which are ``None`` where the cells were measured on different pictures. A type has ``n`` too.
    """
    cells = [_Cell(study, name) for name in dict.fromkeys(run.point.name for run in study.runs)]
    return {
        "study": study.recipe.name,
        "summary": study.recipe.summary,
        "split": study.recipe.evaluate.split,
        "seeds": list(dict.fromkeys(run.seed for run in study.runs)),
        "grid": axes(study.recipe.grid or {}),
        "cells": [cell.report(cells[0]) for cell in cells],
    }


class _Cell:
    """All trainings of one cell, and what those that are finished answered."""

    def __init__(self, study: Study, name: str) -> None:
        self.study, self.name = study, name
        self.runs = [run for run in study.runs if run.point.name == name]
        self.done = {run.seed: run for run in self.runs if finished(study, run)}
        self.stages = {
            stage: table
            for stage in dict.fromkeys(stage for run in self.done.values() for stage in run.recipe.stages)
            if (table := self._table(stage))["types"]
        }

    def report(self, first: _Cell) -> dict[str, Any]:
        """One entry of ``cells``."""
        errors = [f"{run.name}: {said}" for run in self.runs if (said := failure(self.study, run))]
        for stage in self.stages if self is not first else ():
            if stage in first.stages:
                self._add_gains(stage, first)
        return {
            "cell": self.name,
            "settings": dict(self.runs[0].point.settings),
            "state": "failed" if errors else "finished" if len(self.done) == len(self.runs) else "open",
            "error": "; ".join(errors) or None,
            "runs": {str(run.seed): run.name for run in self.runs},
            "stages": self.stages,
        }

    def _kept(self, seed: int, stage: str) -> Path:
        return self.study.folder(self.study.owner(self.done[seed], stage)) / stage

    def _table(self, stage: str) -> dict[str, Any]:
        measured = [read_measured(self._kept(seed, stage)) for seed in self.done]
        trained_by = {self.study.owner(run, stage).point.name for run in self.done.values()}
        return {
            "n": measured[0].get("n"),
            "runs": len(measured),
            "same_as": None if self.name in trained_by else min(trained_by),
            "types": {name: _stats([m["types"][name] for m in measured]) for name in measured[0]["types"]},
            POOLED: _stats([m.get(POOLED, {}) for m in measured]),
            MEANS: _stats([m.get(MEANS, {}) for m in measured]),
        }

    def _add_gains(self, stage: str, first: _Cell) -> None:
        """Over the first cell with the same seeds; the interval is over pictures, so only where those are the same."""
        mine, other = self.stages[stage], first.stages[stage]
        seeds = [seed for seed in self.done if seed in first.done]
        answers, before_answers = ([read_answers(c._kept(seed, stage)) for seed in seeds] for c in (self, first))
        names = [name for name in mine["types"] if name in other["types"]]
        rows = [(mine["types"][name], other["types"][name], [name]) for name in names]
        if len(names) == len(mine["types"]) == len(other["types"]):
            rows.append((mine[POOLED], other[POOLED], names))
        for row, before, of in rows:
            for metric, k in GAINS:
                key = f"{metric}@{k}"
                if key in row and key in before:
                    paired = relative_gain(answers, before_answers, of, metric, k) if seeds else None
                    plain = _number(relative(_or_nan(row[key]["mean"]), _or_nan(before[key]["mean"])))
                    row[key]["gain"] = [_number(x) for x in paired] if paired else [plain, None, None]


def _stats(rows: Sequence[Mapping[str, Any]]) -> Stat:
    """Metric to mean and sample standard deviation over some trainings; ``n`` is that of the first."""
    stats: Stat = {"n": rows[0]["n"]} if "n" in rows[0] else {}
    for key in rows[0]:
        if key not in ("n", "ce_n", "classes"):
            known = [row[key] for row in rows if row.get(key) is not None]
            stats[key] = {"mean": fmean(known) if known else None, "sd": stdev(known) if len(known) > 1 else None}
    return stats


def _or_nan(value: float | None) -> float:
    return nan if value is None else value


def _number(value: Any) -> float | None:
    return None if value != value else float(value)
