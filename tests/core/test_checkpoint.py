"""A checkpoint folder: what was saved loads bit-equal, and what is broken is refused in words."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from mtss_zoo.build import build, build_losses, build_model, build_strategy
from mtss_zoo.checkpoint import load, save
from mtss_zoo.errors import CheckpointError, RecipeError
from mtss_zoo.model_card import model_card, published_card
from mtss_zoo.recipe_source import load_recipe

from .test_model import RECIPE


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model(load_recipe(RECIPE)).eval()


@pytest.fixture
def folder(model, tmp_path):
    return save(model, tmp_path / "model", {"types": {"colour": {"f1@1_valid": 0.5, "n": 3, "recall@3": float("nan")}}})


@pytest.mark.parametrize("backbone", ["resnet18", {"name": "timm", "args": {"name": "test_vit"}}])
@pytest.mark.parametrize("head", ["linear", {"name": "label_embedding", "args": {"dim": 4}}])
def test_what_was_saved_loads_bit_equal(tmp_path, backbone, head):
    recipe = load_recipe(
        {
            **RECIPE,
            "data": {"dataset": "garments", "image_size": [160, 160]},
            "model": {"backbone": backbone, "head": head},
        }
    )
    saved = build_model(recipe).eval()
    loaded = load(save(saved, tmp_path))
    images = torch.randn(2, 3, 160, 160)
    for name, scores in saved(images).items():
        assert torch.equal(loaded(images)[name], scores)
    assert not loaded.training
    assert loaded.schema == saved.schema
    assert loaded.preprocess == saved.preprocess


def test_loading_draws_no_random_numbers(folder):
    state = torch.get_rng_state()
    load(folder)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_folder_holds_a_resolved_recipe_metrics_and_a_card(folder):
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "metrics.json", "model.safetensors", "recipe.yaml"]
    assert load_recipe(folder).attribute_schema == load(folder).schema
    assert json.loads((folder / "metrics.json").read_text())["types"]["colour"]["recall@3"] is None
    assert "| colour | single | 3 | 3 | 50.00% |" in (folder / "README.md").read_text()


def test_whoever_may_read_the_recipe_may_read_the_weights(folder):
    modes = {path.name: path.stat().st_mode for path in folder.iterdir()}
    assert modes["model.safetensors"] == modes["recipe.yaml"]


def test_the_card_says_of_what_pictures_a_model_was_made():
    street = {"name": "garments", "args": {"domain": "street"}}
    changes = {"data.label_share": 0.25, "data.also_unlabelled": [street], "data.boxes": "here/found.parquet"}
    said = model_card(recipe := load_recipe(RECIPE, changes), build_model(recipe), {})
    assert "with 25% of its labels, and on pictures of `garments` without labels. Pictures were cropped" in said
    assert "to the boxes of `found.parquet`: crop yours to the item too." in said


def test_which_classes_were_trained_survives(model, tmp_path):
    model.trained("colour")[0] = False
    try:
        assert load(save(model, tmp_path)).trained("colour").tolist() == [False, True, True]
    finally:
        model.trained("colour")[0] = True


@pytest.mark.parametrize("name", ["recipe.yaml", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"has no {name}"):
        load(folder)


def test_a_truncated_file_is_named(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load(folder)


def test_a_pickle_in_place_of_weights_is_not_executed(folder, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    torch.save({"x": Bomb()}, folder / "model.safetensors")
    with pytest.raises(CheckpointError):
        load(folder)
    assert not (tmp_path / "executed").exists()


def test_weights_that_do_not_fit_the_recipe_say_where(folder):
    path = folder / "model.safetensors"
    whole = load_file(path)
    first = min(whole)
    for tensors, words in (
        ({k: v for k, v in whole.items() if k != first}, f"misses {first}"),
        (whole | {"extra": torch.zeros(1)}, "has unknown extra"),
        (whole | {"colour_trained": torch.ones(9, dtype=torch.bool)}, "has other shapes for colour_trained"),
    ):
        save_file(tensors, path)
        with pytest.raises(CheckpointError, match=f"does not fit its recipe: it {words}"):
            load(folder)


def test_a_recipe_of_a_checkpoint_is_checked_like_any_other(folder):
    path = folder / "recipe.yaml"
    path.write_text(path.read_text().replace("resnet18", "os.system"))
    with pytest.raises(RecipeError, match=r"recipe\.yaml:\d+: model\.backbone\.name: no backbone 'os\.system'"):
        load(folder)


def test_a_name_that_is_neither_folder_nor_repository_says_so():
    with pytest.raises(CheckpointError, match="neither a folder nor a repository"):
        load("no such/folder/at all")


def test_a_recipe_without_published_weights_says_what_to_do():
    with pytest.raises(CheckpointError, match="mtss-zoo train tiny"):
        build(RECIPE, pretrained=True)


def test_a_loss_that_compares_something_else_is_refused():
    stage = load_recipe(
        RECIPE
        | {
            "stages": {
                "s": {
                    "strategy": "supervised",
                    "loss": "embedding_distillation",
                    "epochs": 1,
                    "optimizer": {"lr": 1},
                }
            }
        }
    ).stages["s"]
    model = build_model(load_recipe(RECIPE))
    context = SimpleNamespace(losses=build_losses(stage, model.schema))
    with pytest.raises(
        RecipeError, match="takes losses that compare scores, but the recipe gives embedding_distillation"
    ):
        build_strategy(stage, model, context)


def test_some_types_with_a_loss_and_others_without_is_a_fault():
    stage = {"strategy": "supervised", "losses": {"colour": "bce"}, "epochs": 1, "optimizer": {"lr": 1}}
    recipe = load_recipe(RECIPE | {"stages": {"s": stage}})
    with pytest.raises(RecipeError, match="no loss is given for type"):
        build_losses(recipe.stages["s"], recipe.attribute_schema)


def test_a_model_without_a_recipe_cannot_be_saved(model, tmp_path):
    recipe, model.recipe = model.recipe, None
    try:
        with pytest.raises(CheckpointError, match="not built from a recipe"):
            save(model, tmp_path / "x")
        assert not (tmp_path / "x").exists()
    finally:
        model.recipe = recipe


@pytest.mark.parametrize("types", [[], {"colour": 3}])
def test_metrics_that_somebody_broke_make_no_card(types):
    with pytest.raises(CheckpointError, match=r"metrics.json: `types` is no mapping"):
        published_card("# Mine", load_recipe(RECIPE), {"types": types}, "me/mine")
