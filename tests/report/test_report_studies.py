"""A study's folder: its table, its axes, and the papers' tables that its cells fill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from toy_runs import MTSS

from mtss_zoo.errors import UsageError
from mtss_zoo.measures import Scored
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.report.assemble import assemble
from mtss_zoo.report.collect import collect
from mtss_zoo.report.plots.sweeps import along
from mtss_zoo.report.scores import Scores
from mtss_zoo.studies.answers import COUNTS, write_answers


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


def table_of(document, name):
    (found,) = [t for s in document.sections for t in s.tables if t.id == name]
    return found


def keep_answers(folder: Path, right: int) -> None:
    """What the models of a stage answered in 100 pictures: the first ``right`` of them as it is."""
    rows, scored = torch.arange(100), {}
    for name, classes in (("pattern", 3), ("colour", 2)):
        truth = torch.nn.functional.one_hot(rows % classes, classes).bool()
        scored[name] = Scored(torch.where(rows[:, None] < right, truth.float(), -truth.float()), truth, rows)
    folder.mkdir(parents=True, exist_ok=True)
    write_answers(folder, scored)


def keep_all_answers(study: Path) -> None:
    for share in (0.1, 1.0):
        for name in (f"unlabelled_share-{share}", f"unlabelled_share-{share}-seed1"):
            keep_answers(study / name / "teachers", 55)
            keep_answers(study / name / "student", 60)


def test_gains_of_a_study_have_the_interval_of_what_it_kept_of_every_picture(study):
    keep_all_answers(study)
    document = assemble(collect([study]), Scores([]), "t", pictures=0, plots=False)
    gains = [r for b in table_of(document, "table4").blocks for r in b.rows if r.label == "S: gain"]
    assert len(gains) == 2
    for cell in gains[1].cells:
        low, high = cell.interval
        assert 0 < low < cell.number < high, "60 pictures right instead of 55, and those 55 among them"


def test_answers_that_cannot_be_read_are_named_and_cost_the_interval_alone(study):
    keep_all_answers(study)
    broken = study / "unlabelled_share-1.0" / "teachers"
    (broken / COUNTS).write_bytes(b"no archive")
    document = assemble(collect([study]), Scores([]), "t", pictures=0, plots=False)
    gains = [r for b in table_of(document, "table4").blocks for r in b.rows if r.label == "S: gain"]
    assert [row.cells[0].interval is None for row in gains] == [False, True]
    assert str(broken) in dict(document.skipped)


def test_the_first_training_of_a_study_has_a_section_of_its_own(study, write_run):
    write_run("amounts/first")
    table = json.loads((study / "study.json").read_text())
    table["cells"][0]["runs"] = {"0": "first"}
    (study / "study.json").write_text(json.dumps(table))
    found = collect([study])
    assert [run.name for run in found.shown] == ["amounts/unlabelled_share-0.1"]
    document = assemble(found, Scores(found.shown), "t", pictures=0, plots=True)
    (own,) = [s for s in document.sections if s.id == "run-0"]
    assert own.title == "Run amounts/unlabelled_share-0.1"
    assert [f.title for f in own.figures] == ["teachers: loss and validation", "student: loss and validation"]


def test_the_command_of_a_study_has_its_grid_and_its_seeds(study):
    document = assemble(collect([study]), Scores([]), "t", pictures=0, plots=False)
    assert document.commands[0].lines == (f"mtss-zoo study {study}/recipe.yaml --out {study}-again --seeds 0,1",)
    (study / "study.yaml").touch()
    document = assemble(collect([study]), Scores([]), "t", pictures=0, plots=False)
    assert document.commands[0].lines == (f"mtss-zoo study {study}/study.yaml --out {study}-again --seeds 0,1",)


def kept(study: Path, name: str, file: str, **data: object) -> Path:
    path = study / name / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"split": "val", **data}))
    return path


def corrupted(clean: float, mean: float, **asked: object) -> dict:
    rows = {"clean": {"all": {"recall@3": clean}}, "mean": {"all": {"recall@3": mean}}}
    means = {"by_group": {"noise": rows["mean"]}, "by_severity": {"1": rows["clean"], "5": rows["mean"]}}
    return {"n": 9, "variant": "imaug", "stages": {"student": rows | means}} | asked


def last_command(study: Path) -> tuple[str, ...]:
    return assemble(collect([study]), Scores([]), "t", pictures=0, plots=False).commands[-1].lines


def test_the_command_of_a_measurement_has_all_that_was_asked(study):
    cell = study / "unlabelled_share-1.0"
    asked = {"names": ["fog"], "max_images": 9, "seed": 3, "save_quality": 85, "data_root": "my photos"}
    path = kept(study, cell.name, "corruptions.json", **corrupted(0.5, 0.4, **asked))
    assert last_command(study) == (
        f"mtss-zoo evaluate {cell} --corruptions --variant imaug --names fog --max-images 9 --seed 3 --save-quality 85 "
        f"--data-root 'my photos' --split val --json > {path}",
    )
    shared = {"n": 9, "f1@1": 0.6, "classes": {"floral": {"n": 9, "f1@1": 0.6}}}
    across = {"dataset": "darn", "data_root": "street", "pictures": 20, "stages": {"student": {"types": {"p": shared}}}}
    path = kept(study, cell.name, "across.json", **across, aliases="to_street.yaml")
    options = f"--dataset darn --data-root street --split val --json > {path}"
    assert last_command(study) == (f"mtss-zoo evaluate {cell} --aliases to_street.yaml {options}",)
    kept(study, cell.name, "across.json", **across, aliases={"types": {"p": {"classes": {"floral": ["Floral"]}}}})
    assert last_command(study) == (
        f"""echo '{{"types": {{"p": {{"classes": {{"floral": ["Floral"]}}}}}}}}' > {cell}/aliases.yaml""",
        f"mtss-zoo evaluate {cell} --aliases {cell}/aliases.yaml {options}",
    )


def test_every_seed_of_a_cell_is_read_of_what_was_measured_on_top(study):
    for name in ("unlabelled_share-1.0", "unlabelled_share-1.0-seed1"):
        kept(study, name, "corruptions.json", **corrupted(0.5, 0.4))
    assert [e.name for e in collect([study]).evaluations] == [
        "amounts/unlabelled_share-1.0",
        "amounts/unlabelled_share-1.0, unlabelled_share-1.0-seed1",
    ]


def test_table_7_has_the_gain_of_mixing_and_the_means_by_group_and_severity(study):
    """R@3 from 50 to 51 on clean pictures, +2 %, and from 40 to 44 on corrupted ones, +10 %."""
    mixed = load_recipe(MTSS, {"stages.student.views": {"train": {"corrupt": 0.5}}})
    (study / "unlabelled_share-1.0" / "recipe.yaml").write_text(mixed.to_yaml())
    kept(study, "unlabelled_share-0.1", "corruptions.json", **corrupted(0.5, 0.4))
    kept(study, "unlabelled_share-1.0", "corruptions.json", **corrupted(0.51, 0.44))
    document = assemble(collect([study]), Scores([]), "t", pictures=0, plots=False)
    (block,) = table_of(document, "table7").blocks
    own = [row for row in block.rows if not row.paper]
    assert [(row.label, [c.text for c in row.cells]) for row in own] == [
        ("student", ["50.00", "40.00", "-20.00 %"]),
        ("student", ["51.00", "44.00", "-13.73 %"]),
        ("student: gain", ["+2.00 %", "+10.00 %", "-"]),
    ]
    assert own[-1].origin == "amounts/unlabelled_share-1.0 over amounts/unlabelled_share-0.1"
    assert own[-1].made_by == (3, 2)
    *_, means = table_of(document, "corruption-means").blocks
    assert means.columns == ("noise", "severity 1", "severity 5")
    assert [c.text for c in means.rows[0].cells] == ["44.00", "51.00", "44.00"]
    # On other pictures there is nothing to compare with.
    kept(study, "unlabelled_share-0.1", "corruptions.json", **corrupted(0.5, 0.4, seed=1))
    document = assemble(collect([study]), Scores([]), "t", pictures=0, plots=False)
    assert "student: gain" not in [r.label for r in table_of(document, "table7").blocks[0].rows]


def test_table_6_has_the_papers_columns_the_gain_and_all_types_pooled(study):
    def of_type(f1: float, *classes: str) -> dict:
        return {"n": 9, "f1@1": f1, "classes": {c: {"n": 9, "f1@1": f1} for c in classes}}

    stages = {
        stage: {
            "types": {"p": of_type(f1, "dotted", "floral", "paisley"), "q": of_type(f1, "red")},
            "all": {"f1@1": f1},
        }
        for stage, f1 in (("teachers", 0.5), ("student", 0.6))
    }
    gain = {"p": {"f1@1 relative": [20.0, 3.0, 41.0]}, "all": {"f1@1 relative": [20.0, 5.0, 36.0]}}
    asked = {"columns": {"floral": "Flower", "dotted": "Dot"}, "dataset": "darn"}
    across = {"dataset": "darn", "pictures": 20, "stages": stages, "gain": gain, "asked": asked}
    kept(study, "unlabelled_share-1.0", "across.json", **across)
    document = assemble(collect([study]), Scores([]), "t", pictures=0, plots=False)
    *_, patterns, _, pooled = table_of(document, "table6").blocks
    assert patterns.columns == ("Flower", "Dot", "paisley", "All")
    assert [(r.label, [c.text for c in r.cells]) for r in patterns.rows] == [
        ("n", ["9"] * 4),
        ("teachers", ["50.00"] * 4),
        ("student", ["60.00"] * 4),
        ("student: gain", ["-", "-", "-", "+20.00 %"]),
    ]
    assert patterns.rows[-1].cells[-1].detail == "[+3.0, +41.0]"
    assert pooled.columns == ("p", "q", "All")
    assert [c.text for c in pooled.rows[-1].cells] == ["+20.00 %", "-", "+20.00 %"]
    assert pooled.rows[-1].cells[-1].detail == "[+5.0, +36.0]"


@pytest.mark.parametrize(("share", "filled"), [(0.1, True), (1.0, False)])
def test_pictures_that_lost_their_labels_are_unlabelled_ones_too(write_run, share, filled):
    """As in the study on DeepFashion, which has no unlabelled pictures of its own."""
    runs = [
        write_run(dropped, **{"data.label_share": share, "data.dropped": dropped})
        for dropped in ("unlabelled", "ignore")
    ]
    document = assemble(collect(runs), Scores([]), "t", pictures=0, plots=False)
    assert ("MTSS, appendix B" not in document.unfilled) == filled
    if filled:
        rows = [row.label for row in table_of(document, "appendix_b").blocks[-1].rows if not row.paper]
        assert rows[1:] == ["T", "S, 100 % unlabelled, none of the dropped", "S, 100 % unlabelled"]
