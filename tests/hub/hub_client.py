"""What a user of the Hub does, each in a process of its own, whose environment names the Hub before it is imported."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from pathlib import Path
from typing import Any

TOY = Path(__file__).parents[1] / "toy_plugin"


def enter(environment: dict[str, str], folder: str) -> None:
    """The first thing that the process does. Waits between the client's attempts take no time."""
    assert "huggingface_hub" not in sys.modules
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, str(TOY))
    time.sleep = lambda _: None


def save_toys(seeds: dict[str, int]) -> None:
    """Untrained models of the toy plugin as checkpoint folders, with made-up results."""
    import torch

    import mtss_zoo

    colour = {"f1@1_valid": 0.5, "recall@3": 0.75, "mAP": 0.625, "n": 12}
    for folder, seed in seeds.items():
        torch.manual_seed(seed)
        metrics = {"split": "val", "types": {"colour": colour, "marks": {"f1@1_valid": None, "n": 0}}}
        mtss_zoo.save(mtss_zoo.build(toy_recipe()), folder, metrics)


def toy_recipe() -> dict[str, Any]:
    import yaml

    recipe: dict[str, Any] = yaml.safe_load((TOY / "recipe.yaml").read_text())
    return recipe


def answers(source: str, **options: Any) -> list[Any]:
    """What the model of a folder or a repository says of two pictures: exact scores."""
    from mtss_zoo.model import AttributeModel

    return _of(AttributeModel.from_pretrained(source, **options))


def _of(model: Any) -> list[Any]:
    import torch

    said: list[Any] = model.predict(torch.arange(2 * 3 * 16 * 16, dtype=torch.uint8).view(2, 3, 16, 16))
    return said


def answers_of_recipe(weights: dict[str, str]) -> list[Any]:
    """The same of a recipe that names published weights."""
    import mtss_zoo

    return _of(mtss_zoo.build(toy_recipe() | {"weights": weights}, pretrained=True))


def push_model(folder: str, repo: str, **options: Any) -> str:
    """By the method that the Hub's ecosystem expects on a model."""
    import mtss_zoo

    return mtss_zoo.load(folder).push_to_hub(repo, **options)


def push(folder: str, repo: str, **options: Any) -> str:
    import mtss_zoo

    pushed = mtss_zoo.push(folder, repo, **options)
    return f"{pushed.repo}@{pushed.revision}"


def pull(name: str, out: str | None = None, **client: Any) -> str:
    from mtss_zoo.hub import pull

    return str(pull(name, out, **client))


def read_dataset(**args: Any) -> dict[str, Any]:
    """What the dataset `huggingface` makes of a repository: labels and pictures by id, and what it says."""
    from mtss_zoo_datasets.huggingface import HuggingFace

    dataset = HuggingFace(**args)
    parts = {name: dataset.split(name) for name in dataset.splits} | {"unlabelled": dataset.unlabelled()}
    samples = {name: [part[row] for row in range(len(part))] for name, part in parts.items()}
    return {
        "pictures": {name: {s.id: (dict(s.labels), s.image) for s in part} for name, part in samples.items()},
        "remarks": dataset.remarks(),
        "problems": dataset.check(),
    }


def read_labels(**args: Any) -> dict[str, int]:
    """The sizes of its splits; no picture is looked at."""
    from mtss_zoo_datasets.huggingface import HuggingFace

    dataset = HuggingFace(**args)
    return {name: len(dataset.split(name)) for name in dataset.splits}


def read_rows(rows: list[int], **args: Any) -> list[bytes]:
    """The pictures of some rows of train."""
    from mtss_zoo_datasets.huggingface import HuggingFace

    train = HuggingFace(**args).split("train")
    return [train[row].image for row in rows]


def read_with_workers(workers: int, **args: Any) -> list[bytes]:
    """The pictures of train, by as many worker processes, after this one has read one itself."""
    from mtss_zoo_datasets.huggingface import HuggingFace

    from mtss_zoo.workers import read_ahead

    train = HuggingFace(**args).split("train")
    assert train[0].image
    return [sample.image for sample in read_ahead(train, range(len(train)), workers, pin_memory=False)]


def download_dataset(repo: str, **options: Any) -> str:
    """What `hf download --repo-type dataset` does."""
    from huggingface_hub import snapshot_download

    return snapshot_download(repo, repo_type="dataset", **options)


def command(*arguments: str) -> tuple[int, str, str]:
    """``mtss-zoo`` with these arguments: exit code, standard output, standard error."""
    from mtss_zoo.cli import main

    sys.argv = ["mtss-zoo", *arguments]
    code = 0
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
    return code, out.getvalue(), err.getvalue()


def execute(code: str) -> dict[str, Any]:
    """Runs a piece of a guide or a card; gives the plain values that it leaves."""
    names: dict[str, Any] = {"__name__": "page"}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, "page", "exec", dont_inherit=True), names)
    return {"printed": out.getvalue()}
