"""Every study that is built in can be trained: its cells resolve, their models can be built, their losses fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from mtss_zoo import registry
from mtss_zoo.build import build_losses, build_model, build_schema
from mtss_zoo.paper_tables import paper_tables
from mtss_zoo.recipe_files import list_recipes, list_studies
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.studies.cells import Study, plan_study

every_study = pytest.mark.parametrize("name", list_studies())


def cells(name: str) -> Study:
    return plan_study(load_recipe(name), Path("nowhere"))


@every_study
def test_its_cells_resolve_and_what_it_prints_loads(name: str) -> None:
    recipe = load_recipe(name)
    assert load_recipe(recipe.to_dict()) == recipe
    assert recipe.name == name and recipe.summary
    runs = cells(name).runs
    assert recipe.grid is None or len(runs) > 1
    assert len({json.dumps(run.recipe.to_dict()) for run in runs}) == len(runs), "two cells are the same."


@every_study
def test_its_models_can_be_built_and_their_losses_fit(name: str) -> None:
    seen: set[str] = set()
    for run in cells(name).runs:
        recipe = run.recipe if run.recipe.attribute_schema else run.recipe.with_schema(build_schema(run.recipe))
        for stage, spec in recipe.stages.items():
            model = recipe.model_of(stage)
            if (key := model.model_dump_json() + spec.model_dump_json()) in seen:
                continue
            seen.add(key)
            with torch.device("meta"):
                build_model(recipe, spec=model)
            strategy = registry.resolve(registry.find("strategy", spec.strategy.name))
            losses = build_losses(spec, recipe.attribute_schema)
            assert {loss.compares for loss in losses.values()} <= {strategy.compares}


def test_studies_and_recipes_have_names_of_their_own() -> None:
    assert not set(list_studies()) & set(list_recipes())


def owned(name: str) -> dict[str, list[str]]:
    """Stage to the cells that train it themselves."""
    study = cells(name)
    found: dict[str, list[str]] = {}
    for run in study.runs:
        for stage in run.recipe.stages:
            if study.owner(run, stage) is run:
                found.setdefault(stage, []).append(run.name)
    return found


@pytest.mark.parametrize(
    ("name", "once"),
    [
        ("study_gamma_fashion_products", {"backbone"}),
        ("study_dim_fashion_products", {"backbone"}),
        ("study_labels_fashion_products", set()),
        ("study_unlabelled_fashion_products", {"backbone", "teachers"}),
        ("study_loss_fashion_products", {"backbone"}),
        ("study_beta_fashion_products", {"backbone", "teachers"}),
        ("study_corrupted_fashion_products", {"backbone", "teachers"}),
        ("study_domains_fashion_products", {"backbone", "teachers"}),
        ("study_semi_vit_labels_fashion_products", {"pretrain"}),
        ("study_semi_vit_unlabelled_fashion_products", {"pretrain", "finetune"}),
    ],
)
def test_expensive_stages_are_trained_once(name: str, once: set[str]) -> None:
    assert {stage for stage, cells in owned(name).items() if len(cells) == 1} == once


def test_of_the_three_ways_to_be_taught_two_have_the_same_teachers() -> None:
    assert owned("study_teachers_fashion_products") == {
        "backbone": ["several"],
        "teachers": ["several", "one_for_all_types"],
        "student": ["several", "single", "one_for_all_types"],
    }


FILLINGS = [
    (name, which, part) for name, t in paper_tables().items() for which, ps in t.filled_by.items() for part in ps
]


@pytest.mark.parametrize(("table", "which", "part"), FILLINGS, ids=[f"{n} {w} {p.study}" for n, w, p in FILLINGS])
def test_what_fills_a_table_has_the_stages_that_it_shows(table: str, which: str, part: Any) -> None:
    assert part.study in list_recipes() + list_studies()
    assert set(part.rows.values()) <= {stage for run in cells(part.study).runs for stage in run.recipe.stages}


def test_the_guide_names_every_study() -> None:
    page = (Path(__file__).parents[2] / "docs/studies.md").read_text(encoding="utf-8")
    kinds = {name.split("_garments")[0] for name in list_studies("study_*_garments")}
    assert {kind for kind in kinds if f"`{kind}_...`" not in page} == set()
    assert {
        name for name in list_studies("study_*") if not name.startswith(tuple(f"{kind}_" for kind in kinds))
    } == set()
