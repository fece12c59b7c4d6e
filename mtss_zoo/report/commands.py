"""Where numbers come from: every input with its facts, and the commands that make it again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from mtss_zoo.checkpoint_files import RECIPE
from mtss_zoo.corruption import CORRUPTIONS
from mtss_zoo.report.collect import Evaluation, Inputs, Run, Study
from mtss_zoo.report.document import Command
from mtss_zoo.report.evaluation_file import Across, Corrupted
from mtss_zoo.studies.study import ASKED


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
                listed.append(Command(number, thing.name, _study(thing), f"a study of {len(thing.cells)} cells"))
                numbers |= {folder: number for cell in thing.cells for folder in cell.run.folders}
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


def _study(study: Study) -> tuple[str, ...]:
    recipe = ASKED if (study.folder / ASKED).is_file() else RECIPE
    return (_again("study", study.folder, recipe) + _options(seeds=",".join(map(str, study.seeds)) or None),)


def _again(command: str, folder: Path, recipe: str = RECIPE) -> str:
    return f"mtss-zoo {command} {shlex.quote(str(folder / recipe))}" + _options(out=f"{folder}-again")


def _evaluate(evaluation: Evaluation) -> tuple[str, ...]:
    data, lines, options = evaluation.data, [], ""
    match data:
        case Corrupted():
            some = ",".join(data.names) if data.names and set(data.names) != set(CORRUPTIONS) else None
            options = " --corruptions" + _options(
                variant=data.variant,
                names=some,
                max_images=data.max_images,
                seed=data.seed,
                save_quality=data.save_quality,
                data_root=data.data_root,
            )
        case Across():
            aliases = data.aliases
            if not isinstance(aliases, str):  # it came as plain data; JSON is YAML too
                text, aliases = json.dumps(aliases), str(evaluation.path.with_name("aliases.yaml"))
                lines.append(f"echo {shlex.quote(text)} > {shlex.quote(aliases)}")
            options = _options(aliases=aliases, dataset=data.dataset, data_root=data.data_root)
    run = shlex.quote(str(evaluation.run)) if evaluation.run else "RUN"
    options += _options(split=data.split or None)
    return *lines, f"mtss-zoo evaluate {run}{options} --json > {shlex.quote(str(evaluation.path))}"


def _options(**values: object) -> str:
    """Those that have a value, as they are typed."""
    given = [(name.replace("_", "-"), str(value)) for name, value in values.items() if value is not None]
    return "".join(f" --{name} {shlex.quote(value)}" for name, value in given)
