"""A recipe that leaves the machine tells nothing of its folders; everything else of it stays."""

from __future__ import annotations

import pytest

from mtss_zoo.errors import UsageError
from mtss_zoo.local_paths import without_local_paths
from mtss_zoo.recipe_source import load_recipe

RECIPE = {
    "name": "shop",
    "schema": {"types": [{"name": "colour", "classes": ["red", "blue"]}]},
    "data": {"dataset": {"name": "manifest", "args": {"root": "shop", "min_agree": 3}}, "image_size": [32, 32]},
    "model": {"backbone": {"name": "timm", "args": {"name": "resnet18"}}, "head": "linear"},
    "stages": {
        "first": {"strategy": "supervised", "loss": "bce", "epochs": 1, "optimizer": {"lr": 0.1}},
        "second": {
            "strategy": "supervised",
            "loss": "bce",
            "epochs": 1,
            "optimizer": {"lr": 0.1},
            "init_from": "first",
        },
    },
}


def stripped(**overrides):
    return without_local_paths(load_recipe(RECIPE, {k.replace("__", "."): v for k, v in overrides.items()}))


def test_the_folder_of_the_dataset_goes_and_all_else_stays():
    assert stripped() == load_recipe(RECIPE, {"data.dataset.args.root": None})


@pytest.mark.parametrize("path", ["/data/m.csv", "~/m.csv", "../m.csv", "C:\\data\\m.csv", "\\\\server\\share\\m.csv"])
def test_a_path_gives_way_to_the_default(path):
    assert stripped(data__dataset__args__file=path).data.dataset.args["file"] == "manifest.csv"
    assert stripped(data__dataset__args__file="train/m.csv").data.dataset.args["file"] == "train/m.csv"


def test_a_relative_path_is_known_by_the_file_that_it_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vit = {"name": "mae_vit_tiny", "args": {"weights": "mae.safetensors"}}
    assert stripped(model__backbone=vit).model.backbone.args["weights"] == "mae.safetensors"
    (tmp_path / "mae.safetensors").touch()
    assert stripped(model__backbone=vit).model.backbone.args["weights"] is None


def test_a_word_is_no_path_because_a_folder_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for word in ("resnet18", "manifest.csv", "first"):
        (tmp_path / word).mkdir()
    assert stripped() == load_recipe(RECIPE, {"data.dataset.args.root": None})


def test_a_stage_starts_from_no_folder_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for folder in ("runs", "/runs/mine", "../mine", "runs/gone/backbone"):
        assert stripped(stages__second__init_from=folder).stages["second"].init_from is None
    assert stripped().stages["second"].init_from == "first"
    assert stripped(stages__second__init_from="you/base@v1").stages["second"].init_from == "you/base@v1"


def test_a_path_that_cannot_be_left_out_is_refused(install_plugin):
    install_plugin(
        "acme",
        "import dataclasses, mtss_zoo\n"
        "@dataclasses.dataclass(frozen=True)\n"
        "class Args:\n    words: list[str]\n"
        "@mtss_zoo.hookimpl\n"
        "def mtss_zoo_components():\n"
        "    return [mtss_zoo.Component('head', 'vectors', 'acme_plugin:Vectors', args=Args)]\n",
    )
    head = {"name": "vectors", "args": {"words": ["a", "b"]}}
    assert stripped(model__head=head).model.head.args == {"words": ["a", "b"]}
    head["args"]["words"] = ["/home/me/vectors.txt"]
    with pytest.raises(UsageError, match="argument words of head 'vectors' names a file of this machine"):
        stripped(model__head=head)
