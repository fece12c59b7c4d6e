"""Pretraining needs pictures alone: no labels, no label column, no split to measure on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mtss_zoo_datasets.examples import COLOURS, picture

import mtss_zoo
from mtss_zoo.errors import UsageError
from mtss_zoo.packing.run import pack
from mtss_zoo.recipe import DataSpec
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.stage import open_data

STAGE = {"batch_size": 4, "epochs": 1, "optimizer": {"name": "adamw", "lr": 1e-3}}
PRETRAIN: dict[str, Any] = {
    "name": "pretrain",
    "data": {"dataset": "manifest", "image_size": [16, 16], "workers": 0},
    "model": {
        "backbone": {"name": "mae_vit_tiny", "args": {"image_size": [16, 16], "depth": 1}},
        "head": "linear",
    },
    "stages": {
        "pretrain": STAGE
        | {"strategy": {"name": "mae", "args": {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2}}}
    },
}
LEARN = {**PRETRAIN, "stages": {"learn": STAGE | {"strategy": "supervised", "loss": "cross_entropy"}}}


def manifest(folder: Path, lines: list[str], schema: str = "{name: colour, kind: single}") -> dict[str, Any]:
    """Twelve pictures, of which the lines are to be made."""
    for number in range(12):
        picture(folder / f"{number}.png", COLOURS[number % 3], number)
    (folder / "manifest.csv").write_text("".join(f"{line}\n" for line in lines))
    (folder / "schema.yaml").write_text(f"types: [{schema}]")
    return {"name": "manifest", "args": {"root": str(folder)}}


def no_column(folder: Path) -> dict[str, Any]:
    return manifest(folder, ["image", *(f"{n}.png" for n in range(12))])


def empty_column(folder: Path) -> dict[str, Any]:
    return manifest(folder, ["image,colour,split", *(f"{n}.png,,train" for n in range(12))])


def no_val(folder: Path) -> dict[str, Any]:
    return manifest(folder, ["image,colour,split", *(f"{n}.png,{'red' if n < 6 else ''},train" for n in range(12))])


def labels_in_test_alone(folder: Path) -> dict[str, Any]:
    return manifest(folder, ["image,colour,split", "0.png,red,test", *(f"{n}.png,," for n in range(1, 12))])


def folder_of_pictures(folder: Path) -> dict[str, Any]:
    for number in range(12):
        picture(folder / "unlabelled" / f"{number}.png", COLOURS[number % 3], number)
    return {"name": "imagefolder", "args": {"root": str(folder)}}


POOLS = [no_column, empty_column, no_val, labels_in_test_alone, folder_of_pictures]


def on(recipe: dict[str, Any], dataset: dict[str, Any]) -> dict[str, Any]:
    return {**recipe, "data": {**recipe["data"], "dataset": dataset}}


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.__name__)
def test_pretraining_takes_any_pool(tmp_path: Path, pool: Callable[[Path], dict[str, Any]]) -> None:
    folder = mtss_zoo.train(on(PRETRAIN, pool(tmp_path / "shop")), tmp_path / "run")
    assert json.loads((folder / "metrics.json").read_text())["training"]["steps"] == (
        2 if "test" in pool.__name__ else 3
    )
    assert mtss_zoo.load(folder).recipe is not None
    assert mtss_zoo.train(on(PRETRAIN, pool(tmp_path / "shop")), tmp_path / "run") == folder


@pytest.mark.parametrize("pool", [no_column, empty_column, folder_of_pictures], ids=lambda pool: pool.__name__)
def test_what_learns_from_labels_says_that_there_are_none(
    tmp_path: Path, pool: Callable[[Path], dict[str, Any]]
) -> None:
    with pytest.raises(UsageError, match="no picture of train has a label, as the recipe needs"):
        open_data(load_recipe(on(LEARN, pool(tmp_path))))


def test_a_misspelt_column_is_found_in_the_message(tmp_path: Path) -> None:
    dataset = manifest(tmp_path, ["image,color", *(f"{n}.png,red" for n in range(12))])
    with pytest.raises(UsageError, match=r"manifest\.csv: no row with a known label .*\(columns: image, color\)"):
        open_data(load_recipe(on(LEARN, dataset)))


def test_what_is_measured_still_needs_its_split(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="select_on is 'val', but the dataset has train"):
        open_data(load_recipe(on(LEARN, no_val(tmp_path))))


def test_a_packed_pool_is_one_too(tmp_path: Path) -> None:
    pack(DataSpec.model_validate({"dataset": folder_of_pictures(tmp_path / "shop")}), tmp_path / "packed", workers=0)
    packed = {"name": "packed", "args": {"root": str(tmp_path / "packed")}}
    recipe, data = open_data(load_recipe(on(PRETRAIN, packed)))
    assert recipe.evaluate.select_on == "train" and (len(data.split("train")), len(data.unlabelled())) == (0, 12)
