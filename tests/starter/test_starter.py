"""The trained student that comes with the package, and packages that carry trained models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mtss_zoo_starter.pack import MOST_BYTES, pack

import mtss_zoo
from mtss_zoo import registry
from mtss_zoo.checkpoint_files import METRICS, WEIGHTS, Recorded, read_json
from mtss_zoo.checkpoint_files import RECIPE as RECIPE_FILE
from mtss_zoo.errors import CheckpointError, UsageError
from mtss_zoo.recipe_source import load_recipe

RECIPE = "mtss_student_fashion_products"


@pytest.fixture(scope="module")
def folder() -> Path:
    found = registry.bundled(RECIPE)
    assert found is not None
    return found


def test_the_trained_model_of_a_recipe_needs_no_download() -> None:
    model = mtss_zoo.build(RECIPE, pretrained=True)
    assert not model.training
    assert model.schema.names == ("category", "colour", "gender", "season", "usage", "pattern")
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_it_knows_colours_that_are_plain() -> None:
    """A shirt-like patch of one colour on white."""
    picture = torch.full((3, 80, 60), 255, dtype=torch.uint8)
    for name, rgb in {"Red": (200, 20, 30), "Blue": (30, 70, 180), "Black": (15, 15, 15)}.items():
        picture[:, 15:65, 12:48] = torch.tensor(rgb, dtype=torch.uint8)[:, None, None]
        (prediction,) = mtss_zoo.build(RECIPE, pretrained=True).predict(picture)
        assert name in [colour for colour, _ in prediction["colour"]]


def test_it_is_small_and_says_how_good_it_is(folder: Path) -> None:
    assert (folder / WEIGHTS).stat().st_size <= MOST_BYTES
    measured = read_json(folder / METRICS)
    assert measured["types"]["category"]["n"] == 1500
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "the pictures belong to the shop" in card and f"mtss-zoo train {RECIPE}" in card
    recipe = load_recipe(folder / RECIPE_FILE)
    assert all(stage.init_from in (None, *recipe.stages) for stage in recipe.stages.values())
    assert "/tmp" not in recipe.to_yaml() and recipe.license == "other"


def test_weights_of_another_size_do_not_fit() -> None:
    with pytest.raises(CheckpointError, match="does not fit its recipe"):
        mtss_zoo.build(RECIPE, pretrained=True, **{"model.head.args.dim": 8})


def test_a_recipe_of_the_same_name_that_names_its_own_weights_gets_those(folder: Path) -> None:
    """Offline, so that they cannot be had."""
    pinned = {"weights.repo": "me/mine", "weights.revision": "a" * 40}
    with pytest.raises(CheckpointError, match="me/mine"):
        mtss_zoo.build(RECIPE, pretrained=True, **pinned, **{"weights.sha256": "b" * 64})
    carried = Recorded.of(folder / WEIGHTS).sha256
    assert (
        mtss_zoo.build(RECIPE, pretrained=True, **pinned, **{"weights.sha256": carried}).schema.names[0] == "category"
    )


def test_a_recipe_of_the_same_name_with_other_classes_gets_no_weights_of_these() -> None:
    mine = load_recipe(RECIPE).to_dict()
    mine["schema"]["types"][0]["classes"].reverse()
    with pytest.raises(CheckpointError, match="trained for other attribute types or classes"):
        mtss_zoo.build(mine, pretrained=True)


def test_what_is_too_large_leaves_the_model_that_was_there(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("mtss_zoo_starter.pack.__file__", str(tmp_path / "pack.py"))
    packed = pack(folder)
    before = {path.name: path.read_bytes() for path in packed.iterdir()}
    monkeypatch.setattr("mtss_zoo_starter.pack.MOST_BYTES", 1_000_000)
    with pytest.raises(UsageError, match="more than 1 MB"):
        pack(folder)
    assert {path.name: path.read_bytes() for path in packed.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == [RECIPE]


def test_a_recipe_without_weights_names_one_that_has_them() -> None:
    with pytest.raises(CheckpointError, match=RECIPE):
        mtss_zoo.build("mtss_quickstart", pretrained=True)


def test_packing_halves_the_numbers_and_keeps_the_predictions(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("mtss_zoo_starter.pack.__file__", str(tmp_path / "pack.py"))
    packed = pack(folder, "mtss-zoo train {name} --seed 3")
    assert packed == tmp_path / RECIPE
    assert f"\nmtss-zoo train {RECIPE} --seed 3\n" in (packed / "README.md").read_text(encoding="utf-8")
    images = torch.randn(2, 3, 80, 60)
    before, after = (mtss_zoo.load(f)(images) for f in (folder, packed))
    assert all(torch.equal(before[name], after[name]) for name in before)
