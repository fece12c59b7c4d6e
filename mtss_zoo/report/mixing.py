"""What a student that saw corrupted pictures gains over the same one that saw none: the gains of Table 7."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mtss_zoo.report.collect import Evaluation, Inputs, Run
from mtss_zoo.report.document import Row, Value
from mtss_zoo.report.evaluation_file import Corrupted
from mtss_zoo.report.evaluations import relative, share
from mtss_zoo.report.measured import ALL


def gains_of_mixing(evaluation: Evaluation, found: Inputs, numbers: Mapping[Path, int]) -> Iterator[Row]:
    """For every stage that saw corrupted pictures its gain in R@3, clean and corrupted, over the one that saw none.

    Both were trained with one seed and measured on the same pictures, of several the first.
    """
    every = list(_trained(found))
    for one in (one for one in every if one.evaluation == evaluation):
        for stage, measured in one.data.stages.items():
            base = next(
                (b for b in every if stage in b.data.stages and not b.mixes(stage) and b.like == one.like), None
            )
            if base is None or not one.mixes(stage):
                continue
            before = base.data.stages[stage]
            sides = (before.clean, measured.clean), (before.mean, measured.mean)
            gains = [relative(*(share(side.get(ALL, {}), "recall@3") for side in pair)) for pair in sides]
            origin = f"{evaluation.name} over {base.evaluation.name}"
            made_by = (numbers[evaluation.path], numbers[base.evaluation.path])
            yield Row(f"{stage}: gain", (*(Value(g, "gain") for g in gains), Value(None)), False, origin, made_by)


@dataclass(frozen=True)
class _Trained:
    """An evaluation whose training is known."""

    evaluation: Evaluation
    data: Corrupted
    run: Run
    seed: int

    @property
    def like(self) -> tuple[object, ...]:
        """Equal where only the training views may differ."""
        return self.run.recipe.data.dataset, self.seed, self.data.pictures

    def mixes(self, stage: str) -> bool:
        """Whether a stage was trained on corrupted pictures too."""
        spec = self.run.recipe.stages.get(stage)
        return spec is not None and any(view.corrupt for view in spec.views.values())


def _trained(found: Inputs) -> Iterator[_Trained]:
    runs = {at: (run, seed) for run in found.every_run for at, seed in zip(run.folders, run.seeds, strict=True)}
    for evaluation in found.evaluations:
        if evaluation.run is not None and isinstance(evaluation.data, Corrupted):
            yield _Trained(evaluation, evaluation.data, *runs[evaluation.run])
