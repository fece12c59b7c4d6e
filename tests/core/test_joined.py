"""Pictures of other datasets in a recipe's unlabelled pool: which ones, under which ids, and never a measured one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mtss_zoo.build import build_dataset
from mtss_zoo.errors import RecipeError, UsageError
from mtss_zoo.interfaces import Samples
from mtss_zoo.local_paths import without_local_paths
from mtss_zoo.plan import plan
from mtss_zoo.recipe import DataSpec, Part
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.regime import RecipeDataset

SMALL = {"n_train": 8, "n_val": 4, "n_test": 4, "n_unlabelled": 6, "image_size": 32}
STREET = {"name": "garments", "args": SMALL | {"domain": "street"}}
TINY = {
    "name": "tiny",
    "data": {
        "dataset": {"name": "garments", "args": SMALL},
        "also_unlabelled": [STREET],
        "image_size": [32, 32],
        "workers": 0,
    },
    "model": {"backbone": {"name": "timm", "args": {"name": "test_resnet"}}, "head": "label_embedding"},
    "stages": {
        "teachers": {
            "strategy": "supervised",
            "loss": "focal_ranking",
            "steps": 1,
            "batch_size": 4,
            "optimizer": {"lr": 0.1},
        },
    },
}


def ids(samples: Samples) -> list[str]:
    return [samples[row].id for row in range(len(samples))]


def used(**data: object) -> RecipeDataset:
    spec = DataSpec.model_validate({"dataset": {"name": "garments", "args": SMALL}, **data})
    return RecipeDataset(build_dataset(spec), spec)


def test_train_and_unlabelled_pictures_of_the_others_come_last_and_show_nothing() -> None:
    again = STREET | {"args": STREET["args"] | {"seed": 1}}  # type: ignore[operator]
    pool = used(also_unlabelled=[STREET, again]).unlabelled()
    assert len(pool) == 6 + 2 * (8 + 6)
    assert ids(pool)[:6] == ids(used().unlabelled())
    assert ids(pool)[6:8] == ["also_unlabelled.0/train-0", "also_unlabelled.0/train-1"]
    assert ids(pool)[14] == "also_unlabelled.0/unlabelled-0" and ids(pool)[20] == "also_unlabelled.1/train-0"
    assert max(Counter(ids(pool)).values()) == 1
    assert [pool[row].metadata["domain"] for row in (0, 6)] == ["studio", "street"]
    assert all(not pool[row].labels for row in range(len(pool)))
    assert len(pool.label_pairs("colour")[0]) == 0


def test_shares_of_the_recipe_are_of_its_own_pictures() -> None:
    pool = used(also_unlabelled=[STREET], unlabelled_share=0.5, label_share=0.5).unlabelled()
    assert Counter(name.split("/")[0] for name in ids(pool))["also_unlabelled.0"] == 14


def test_the_recipe_s_own_dataset_cannot_join_itself() -> None:
    with pytest.raises(UsageError, match="Leave it out"):
        used(also_unlabelled=[{"name": "garments", "args": SMALL}]).unlabelled()


def shop(folder: Path, **contents: str) -> dict[str, object]:
    """A manifest whose pictures are these; the first letter of each says the split."""
    splits = {"t": "train", "v": "val", "e": "test", "u": "unlabeled"}
    folder.mkdir()
    rows = ["image,split,colour"]
    for name, content in contents.items():
        (folder / name).write_text(content)
        rows.append(f"{name},{splits[name[0]]},{'' if name[0] == 'u' else 'red'}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    (folder / "schema.yaml").write_text("types: [{name: colour, kind: single, classes: [red, blue]}]\n")
    return {"name": "manifest", "args": {"root": str(folder)}}


def test_what_is_measured_in_the_recipe_or_in_the_other_dataset_is_left_out(tmp_path: Path) -> None:
    own = shop(tmp_path / "own", t1="a", v1="shared with the other", u1="the other's test")
    other = shop(tmp_path / "other", t1="c", t2="shared with the other", v1="d", e1="the other's test", u1="e")
    spec = DataSpec.model_validate({"dataset": own, "also_unlabelled": [other]})
    data = RecipeDataset(build_dataset(spec), spec)
    assert ids(data.unlabelled()) == ["also_unlabelled.0/t1", "also_unlabelled.0/u1"]
    assert data.repeated["unlabelled"] == {"u1": "also_unlabelled.0/e1", "also_unlabelled.0/t2": "v1"}


def test_files_join_generated_pictures_and_are_compared_all_the_same(tmp_path: Path) -> None:
    other = shop(tmp_path / "other", t1="a", v1="b", u1="b")
    data = used(also_unlabelled=[other])
    assert ids(data.unlabelled())[6:] == ["also_unlabelled.0/t1"]


def test_check_tells_what_the_others_lack(tmp_path: Path) -> None:
    other = shop(tmp_path / "other", t1="a", v1="b")
    (tmp_path / "other" / "t1").unlink()
    missing, unreadable = used(also_unlabelled=[other]).check()
    assert missing.startswith("also_unlabelled.0 (manifest): 1 of 2 pictures are missing")
    assert unreadable.startswith("also_unlabelled.0 (manifest): 1 of 1 pictures that were tried cannot be used")


def test_the_arguments_of_a_joined_dataset_are_checked_and_filled_in() -> None:
    recipe = load_recipe(TINY)
    assert recipe.data.also_unlabelled[0].args["label_share"] == 0.5
    assert load_recipe(recipe.to_dict()) == recipe
    with pytest.raises(RecipeError, match=r"data.also_unlabelled.0.args.domian.*Did you mean domain\?"):
        load_recipe({**TINY, "data": TINY["data"] | {"also_unlabelled": [{"name": "garments", "args": {"domian": 1}}]}})  # type: ignore[operator]
    with pytest.raises(RecipeError, match="garmnets"):
        load_recipe({**TINY, "data": TINY["data"] | {"also_unlabelled": ["garmnets"]}})  # type: ignore[operator]


def test_a_published_recipe_does_not_say_where_the_others_were(tmp_path: Path) -> None:
    recipe = load_recipe(TINY)
    joined = [Part(name="manifest", args={"root": str(tmp_path)})]
    recipe = load_recipe(recipe.model_copy(update={"data": recipe.data.model_copy(update={"also_unlabelled": joined})}))
    assert str(tmp_path) not in without_local_paths(recipe).to_yaml()


def test_the_plan_counts_them() -> None:
    rows = {row["split"]: row["pictures"] for row in plan(TINY)["tables"]["pictures and labels"]}
    assert rows == {"train": 8, "val": 4, "test": 4, "unlabelled": 6 + 14}
