"""A study's folder: its table, its axes, and the papers' tables that its cells fill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toy_runs import MTSS

from mtss_zoo.errors import UsageError
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.report.assemble import assemble
from mtss_zoo.report.collect import collect
from mtss_zoo.report.plots.sweeps import along
from mtss_zoo.report.scores import Scores


def stage(recall: float, sd: float | None = None) -> dict:
    """Stats as `mtss-zoo study` gathers them."""
    stat = {"mean": recall, "sd": sd, "gain": [1.0, -0.5, 2.5] if sd else [1.0, None, None]}
    of_type = {"n": 50, "f1@1": stat, "recall@3": stat, "mAP": stat}
    return {"n": 100, "runs": 1, "same_as": None, "types": {"pattern": of_type, "colour": of_type}, "all": of_type}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two amounts of unlabelled pictures at two seeds, one cell that failed and one that is open."""
    folder = tmp_path / "amounts"
    axis = "data.unlabelled_share"
    cells = []
    for share, recall in ((0.1, 0.5), (1.0, 0.6)):
        name = f"unlabelled_share-{share}"
        (folder / name).mkdir(parents=True)
        (folder / name / "recipe.yaml").write_text(load_recipe(MTSS, {axis: share}).to_yaml())
        stages = {"teachers": stage(0.55), "student": stage(recall, sd=0.01)}
        runs = {"0": name, "1": f"{name}-seed1"}
        cells.append({"cell": name, "settings": {axis: share}, "state": "finished", "runs": runs, "stages": stages})
    cells.append({"cell": "broken", "settings": {axis: 0.5}, "state": "failed", "error": "out of memory", "stages": {}})
    cells.append({"cell": "later", "settings": {axis: 0.7}, "state": "open", "error": None, "stages": {}})
    table = {"study": "amounts", "split": "val", "seeds": [0, 1], "grid": {axis: [0.1, 1.0, 0.5, 0.7]}, "cells": cells}
    (folder / "study.json").write_text(json.dumps(table))
    return folder


def test_cells_that_are_not_finished_are_named(study):
    found = collect([study])
    assert [cell.run.name for cell in found.studies[0].cells] == [
        "amounts/unlabelled_share-0.1",
        "amounts/unlabelled_share-1.0",
    ]
    assert found.skipped == [
        (f"{study}/broken", "out of memory"),
        (f"{study}/later", "open; nothing of it is measured yet"),
    ]


def test_the_cells_fill_appendix_b_and_show_their_deviations(study):
    document = assemble(collect([study]), Scores([]), "t", pictures=0, plots=True)
    papers, own = document.sections
    (table,) = [t for t in papers.tables if t.id == "appendix_b"]
    lines = {row.label: row for row in table.blocks[-1].rows}
    assert [c.text for c in lines["S, 10 % unlabelled"].cells] == ["50.00", "50.00", "50.00"]
    assert lines["S, 10 % unlabelled"].origin == "amounts/unlabelled_share-0.1, mean of seeds 0, 1"
    block, gains = own.tables[0].blocks
    assert block.columns == ("teachers F1@1", "teachers R@3", "student F1@1", "student R@3")
    assert [(c.text, c.detail) for c in block.rows[1].cells[1:3]] == [("55.00", ""), ("60.00", "± 1.00")]
    assert gains.caption == "Gain over amounts/unlabelled_share-0.1, relative"
    assert [(row.label, [(c.text, c.detail) for c in row.cells]) for row in gains.rows] == [
        ("amounts/unlabelled_share-1.0", 2 * [("+1.00 %", "")] + 2 * [("+1.00 %", "[-0.5, +2.5]")])
    ]
    assert [f.alt for f in own.figures] == [
        "R@3 against data.unlabelled_share: teachers from 55.00 to 55.00 %; student from 50.00 to 60.00 %.",
        "Change of R@3 of student by attribute type against data.unlabelled_share.",
    ]


def test_a_sweep_follows_one_axis_and_leaves_the_others_where_they_start(study):
    file = study / "study.json"
    table = json.loads(file.read_text())
    first, second = table["cells"][:2]
    for cell, settings in ((first, {"x": 1, "y": 1}), (second, {"x": 2, "y": 1})):
        cell |= {"settings": settings}
    third = second | {"settings": {"x": 1, "y": 2}}
    file.write_text(json.dumps(table | {"grid": {"x": [1, 2], "y": [1, 2]}, "cells": [first, second, third]}))
    (read,) = collect([study]).studies
    assert [cell.settings for cell in along(read, "x")] == [{"x": 1, "y": 1}, {"x": 2, "y": 1}]
    assert [cell.settings for cell in along(read, "y")] == [{"x": 1, "y": 1}, {"x": 1, "y": 2}]


@pytest.mark.parametrize("text", ["{}", '{"cells": 3}', '{"cells": []}'])
def test_a_table_of_another_shape_is_refused_in_words(study, text):
    (study / "study.json").write_text(text)
    with pytest.raises(UsageError, match=r"amounts: (its study\.json is not one|no cell of the study)"):
        collect([study])


def test_what_was_measured_on_top_of_a_cell_fills_its_table(study):
    row = {"all": {"recall@3": 0.5}}
    kept = {"split": "val", "n": 9, "variant": "imaug", "stages": {"student": {"clean": row, "mean": row}}, "asked": {}}
    (study / "unlabelled_share-1.0" / "corruptions.json").write_text(json.dumps(kept))
    document = assemble(collect([study]), Scores([]), "t", pictures=3, plots=False)
    (table,) = [t for t in document.sections[0].tables if t.id == "table7"]
    assert table.blocks[0].rows[-1].origin == "amounts/unlabelled_share-1.0"
    assert f"mtss-zoo evaluate {study}/unlabelled_share-1.0 --corruptions" in document.commands[-1].lines[0]
