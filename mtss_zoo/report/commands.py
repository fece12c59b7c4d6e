"""Where numbers come from: every input with its facts, and the commands that make it again."""

from __future__ import annotations

import shlex
from pathlib import Path

from mtss_zoo.report.collect import Evaluation, Inputs, Run, Study
from mtss_zoo.report.document import Command
from mtss_zoo.report.evaluation_file import Across, Corrupted


def commands(found: Inputs) -> tuple[tuple[Command, ...], dict[Path, int]]:
    """The numbered list, and the folder or file of every input, and of every cell of a study, to its number."""
    listed: list[Command] = []
    numbers: dict[Path, int] = {}
    for thing in (*found.runs, *found.studies, *found.evaluations):
        number = len(listed) + 1
        match thing:
            case Run():
                listed.append(Command(number, thing.name, _train(thing.folder), facts(thing)))
                numbers[thing.folder] = number
            case Study():
                listed.append(Command(number, thing.name, _study(thing.folder), f"a study of {len(thing.cells)} cells"))
                numbers |= {cell.run.folder: number for cell in thing.cells}
            case Evaluation():
                listed.append(Command(number, thing.name, _evaluate(thing), thing.data.split))
                numbers[thing.path] = number
    return tuple(listed), numbers


def facts(run: Run) -> str:
    """What was trained, on what, how long, and with which seed."""
    data = run.recipe.data
    height, width = data.image_size
    words = [f"recipe {run.recipe.name}", data.dataset.name, f"{width} x {height} pixels", seeds(run)]
    if data.label_share < 1:
        words.append(f"{100 * data.label_share:g} % of the labels")
    if data.unlabelled_share < 1:
        words.append(f"{100 * data.unlabelled_share:g} % of the unlabelled pictures")
    return f"{', '.join(words)}; {', '.join(_length(run, stage) for stage in run.stages)}"


def seeds(run: Run) -> str:
    """``seed 0``, or ``mean of seeds 0, 1, 2``."""
    listed = ", ".join(map(str, run.seeds))
    return f"seed {listed}" if len(run.seeds) == 1 else f"mean of seeds {listed}"


def _length(run: Run, stage: str) -> str:
    spec = run.recipe.stages[stage]
    return f"{stage} {spec.epochs} epochs" if spec.epochs else f"{stage} {spec.steps:,} steps"


def _train(folder: Path) -> tuple[str, ...]:
    return _again("train", folder), f"mtss-zoo evaluate {shlex.quote(str(folder))}"


def _study(folder: Path) -> tuple[str, ...]:
    return (_again("study", folder),)


def _again(command: str, folder: Path) -> str:
    return f"mtss-zoo {command} {shlex.quote(str(folder / 'recipe.yaml'))} --out {shlex.quote(f'{folder}-again')}"


def _evaluate(evaluation: Evaluation) -> tuple[str, ...]:
    options = ""
    match evaluation.data:
        case Corrupted(variant=variant):
            options = f" --corruptions --variant {shlex.quote(variant)}"
        case Across(dataset=dataset):
            options = f" --aliases MAP.yaml --dataset {shlex.quote(dataset)}"
    split = f" --split {shlex.quote(evaluation.data.split)}" if evaluation.data.split else ""
    run = shlex.quote(str(evaluation.run)) if evaluation.run else "RUN"
    return (f"mtss-zoo evaluate {run}{options}{split} --json > {shlex.quote(str(evaluation.path))}",)
