"""The papers' tables: which runs fill which, the printed rows, gains and intervals by hand."""

from __future__ import annotations

import json
from math import isnan, nan

import pytest
import torch
from toy_runs import MTSS, SCHEMA, STAGE, STUDENT, TEACHER, of_type

from mtss_zoo.measures import Scored
from mtss_zoo.paper_tables import paper_tables
from mtss_zoo.report.assemble import assemble
from mtss_zoo.report.collect import collect
from mtss_zoo.report.document import Value
from mtss_zoo.report.scores import Scores
from mtss_zoo.report.tables import paper_blocks
from mtss_zoo.report.values import short_name, wilson

BCE = MTSS | {
    "name": "bce",
    "model": MTSS["model"] | {"head": "linear"},
    "stages": {"teachers": STAGE | {"per_type": True, "loss": "bce"}},
}
SEMI = {
    "name": "semi",
    "schema": {"types": SCHEMA["types"][:1]},
    "data": {"dataset": "garments", "workers": 0, "label_share": 0.25},
    "model": {"backbone": "mae_vit_tiny", "head": "linear"},
    "stages": {
        "finetune": STAGE | {"loss": "cross_entropy"},
        "semi": STAGE
        | {"strategy": "semi_vit", "loss": "cross_entropy", "init_from": "finetune", "init_parts": "all"}
        | {"views": {"train": {}, "weak": {}, "strong": {}}},
    },
}
MEASURED = {"acc@1": 0.8, "acc@5": 1.0, "ce": 0.6123}


def written(*paths):
    return assemble(collect(paths), Scores([]), "title", pictures=0, plots=False)


def table_of(document, name):
    (found,) = [t for s in document.sections for t in s.tables if t.id == name]
    return found


def rows_of(block):
    """Label to the printed cells, of the rows that were measured here."""
    return {row.label: [cell.text for cell in row.cells] for row in block.rows if not row.paper}


def test_table_4_teachers_beside_their_student_with_the_relative_gain(write_run):
    """pattern: 0.42 over 0.35 is +20 %; pooled, 2 (42 + 40) / 380 over 2 (35 + 40) / 380 is +9.33 %."""
    *_, own = table_of(written(write_run("a")), "table4").blocks
    assert own.caption == "garments, val, 100 pictures, F1@1"
    assert own.columns == ("pattern", "colour", "all")
    assert rows_of(own) == {
        "n, label known": ["100", "50", "-"],
        "T": ["35.00", "44.44", "39.47"],
        "S": ["42.00", "44.44", "43.16"],
        "S: gain": ["+20.00 %", "+0.00 %", "+9.33 %"],
    }


def test_the_papers_gains_are_those_of_its_own_numbers():
    """MTSS, Table 5: pattern 90.11 -> 90.73 is +0.69 %; Table 7: 42.96 -> 43.96 is +2.33 %."""
    table5, table7 = (paper_blocks(paper_tables()[name])[0] for name in ("table5", "table7"))
    gains = {row.label: [cell.text for cell in row.cells] for row in table5.rows if "over" in row.label}
    assert gains["S single over T"] == ["+0.62 %", "+0.69 %", "+0.64 %", "+1.64 %"]
    assert gains["S several over T"] == ["+0.62 %", "+1.14 %", "+1.14 %", "+2.35 %"]
    corrupted = {row.label: row.cells[1].text for row in table7.rows}
    assert corrupted["S, 1M corrupted over S, no mixing"] == "+2.33 %"


def test_every_printed_number_of_the_papers_is_shown_once():
    for paper in paper_tables().values():
        printed = [n for row in paper.rows for n in row[len(paper.labels) :] if n is not None]
        rows = [row for block in paper_blocks(paper) for row in block.rows if " over " not in row.label]
        shown = [cell.number for row in rows for cell in row.cells if cell.known]
        assert sorted(shown) == sorted(printed), paper.name


def test_a_column_of_another_dataset_is_not_shown():
    blocks = {block.caption.partition(",")[0]: block for block in paper_blocks(paper_tables()["table4"])}
    assert blocks["FiccY"].columns == ("category", "pattern", "colour", "texture")


def test_table_1_has_a_block_for_each_measure():
    assert [block.caption for block in paper_blocks(paper_tables()["table1"])] == [
        "the paper's numbers, R@3",
        "the paper's numbers, R@5",
    ]


def test_table_2_sets_our_rows_below_the_papers(write_run):
    (block,) = table_of(written(write_run("a")), "table2").blocks
    assert [row.paper for row in block.rows] == [True, True, False]
    assert block.rows[-1].label == "S, gamma 1"
    assert block.rows[-1].origin == "a, seed 0"
    assert block.rows[-1].cells[0].text == "43.16"


def test_table_3_needs_teachers_of_both_kinds_on_the_same_pictures(write_run):
    le, bce = write_run("le"), write_run("bce", {"teachers": TEACHER}, BCE)
    *_, own = table_of(written(le, bce), "table3").blocks
    assert list(rows_of(own)) == ["n, label known", "T BCE", "T LE, gamma 1", "T LE, gamma 1: gain"]
    assert any("Table 3" in name for name in written(le).unfilled)


def test_table_5_joins_the_students_of_one_teacher_each(write_run):
    single = [
        write_run(t, {"teachers": {t: TEACHER[t]}, "student": {t: STUDENT[t]}}, MTSS | {"schema": {"types": [spec]}})
        for t, spec in zip(TEACHER, SCHEMA["types"], strict=True)
    ]
    *_, own = table_of(written(write_run("all"), *single), "table5").blocks
    lines = {row.label: row for row in own.rows}
    assert [cell.text for cell in lines["S single"].cells] == ["100.00", "100.00", "-"]
    assert lines["S single"].origin == "pattern, seed 0, colour, seed 0"
    assert lines["S single"].made_by == (2, 3)


def test_students_of_one_type_each_are_no_teachers(write_run):
    stages = MTSS["stages"] | {"student": MTSS["stages"]["student"] | {"per_type": True}}
    apart = write_run("apart", recipe=MTSS | {"stages": stages})
    document = written(write_run("all"), apart)
    *_, own = table_of(document, "table5").blocks
    assert [row.origin for row in own.rows if row.label == "S single"] == ["apart, seed 0"]
    assert [row.label for row in table_of(document, "table1").blocks[-1].rows].count("T, embedding_distillation") == 0


def test_appendix_b_sorts_by_the_amount_of_unlabelled_pictures(write_run):
    whole = write_run("whole")
    tenth = write_run("tenth", **{"data.unlabelled_share": 0.1})
    *_, own = table_of(written(whole, tenth), "appendix_b").blocks
    assert list(rows_of(own)) == ["n, label known", "T", "S, 10 % unlabelled", "S, 100 % unlabelled"]
    assert own.columns == ("pattern", "colour", "mean of types")


def test_semi_vit_table_2_sets_semi_vit_beside_the_vit_that_it_started_from(write_run):
    row = of_type(100, {"solid": (100, 0.8)}, **MEASURED)
    better = of_type(100, {"solid": (100, 0.84)}, **MEASURED | {"acc@1": 1525 / 2091})
    folder = write_run("semi", {"finetune": {"pattern": row}, "semi": {"pattern": better}}, SEMI)
    *_, own = table_of(written(folder), "semi_vit_table2").blocks
    assert own.columns == ("Acc@1", "Acc@5", "CE", "n")
    assert rows_of(own) == {
        "ViT 25%": ["80.000", "100.000", "0.612", "100"],
        "Semi-ViT 25%": ["72.931", "100.000", "0.612", "100"],
        "Semi-ViT 25%: gain": ["-8.84 %", "+0.00 %", "-", "-"],
    }


def test_tables_that_nothing_fills_are_named_and_not_shown(write_run):
    document = written(write_run("a"))
    assert {"MTSS, Table 6", "MTSS, Table 7", "Semi-ViT, Table 2"} <= set(document.unfilled)
    assert not {"table6", "table7"} & {t.id for s in document.sections for t in s.tables}


def test_a_share_has_wilsons_interval():
    """80 of 100: Wilson 1927 gives 71.1 to 86.7."""
    assert wilson(0.8, 100) == pytest.approx((71.11, 86.66), abs=0.01)
    assert wilson(0.0, 10)[0] == 0
    assert wilson(1.0, 10)[1] == pytest.approx(100)
    assert all(map(isnan, wilson(nan, 10)))


def test_f1_over_pictures_without_a_label_is_no_share_and_has_no_interval(write_run):
    *_, own = table_of(written(write_run("a")), "table4").blocks
    teachers = next(row for row in own.rows if row.label == "T")
    assert teachers.cells[0].interval == pytest.approx(wilson(0.35, 100))
    assert [cell.interval for cell in teachers.cells[1:]] == [None, None]


class Known(Scores):
    """Scores that are known beforehand, by stage."""

    def __init__(self, by_stage):
        super().__init__([])
        self.by_stage = by_stage

    def of(self, model):
        return self.by_stage[model.stage.name]


def test_gains_have_an_interval_where_the_pictures_are_at_hand(write_run):
    """The student puts every second picture right on top of what the teachers do, so its gain is never below zero."""
    truth = torch.arange(40) % 3
    labels = torch.nn.functional.one_hot(truth, 3).bool()
    right = torch.where(torch.arange(40) % 4 == 0, truth, (truth + 1) % 3)
    better = torch.where(torch.arange(40) % 2 == 0, truth, right)
    scored = [
        {"pattern": Scored(torch.nn.functional.one_hot(x, 3).float(), labels, torch.arange(40))}
        for x in (right, better)
    ]
    only = {"teachers": {"pattern": TEACHER["pattern"]}, "student": {"pattern": STUDENT["pattern"]}}
    run = write_run("one", only, MTSS | {"schema": {"types": SCHEMA["types"][:1]}})
    scores = Known({"teachers": scored[0], "student": scored[1]})
    document = assemble(collect([run]), scores, "title", pictures=0, plots=False)
    *_, own = table_of(document, "table4").blocks
    (cell,) = own.rows[-1].cells
    assert 0 <= cell.interval[0] < 100 < cell.interval[1]


def test_evaluations_of_corrupted_pictures_and_of_other_domains_fill_tables_7_and_6(tmp_path):
    row = {"all": {"recall@3": 0.5}}
    corrupted = {
        "split": "val", "n": 40, "variant": "imaug", "package": "p 1", "seed": 3,
        "stages": {"student": {"clean": row, "mean": {"all": {"recall@3": 0.4}}, "by_corruption": {"fog": row}}},
    }  # fmt: skip
    shared = {"n": 9, "f1@1": 0.6, "classes": {"Stripe": {"n": 9, "f1@1": 0.75}, "Dot": {"n": 0, "f1@1": None}}}
    across = {
        "split": "test",
        "dataset": "darn",
        "pictures": 20,
        "stages": {"student": {"n": 9, "types": {"p": shared}}},
    }
    for name, data in (("corrupted", corrupted), ("across", across)):
        (tmp_path / f"{name}.json").write_text(json.dumps(data))
    document = written(tmp_path / "corrupted.json", tmp_path / "across.json")
    (block,) = table_of(document, "table7").blocks
    assert rows_of(block) == {"student": ["50.00", "40.00", "-20.00 %"]}
    assert block.rows[-1].origin == "corrupted, seed 3"
    *_, block = table_of(document, "table6").blocks
    assert block.columns == ("Stripe", "Dot", "All")
    assert rows_of(block) == {"n": ["9", "0", "9"], "student": ["75.00", "-", "60.00"]}


def test_a_plain_evaluation_shows_its_stages_and_its_own_interval(tmp_path):
    file = tmp_path / "eval.json"
    stages = {
        name: {"n": 100, "types": types, "all": {"f1@1": 0.4}} for name, types in (("T", TEACHER), ("S", STUDENT))
    }
    gain = {"pattern": {"f1@1 relative": [20.0, 3.2, 41.0]}}
    file.write_text(json.dumps({"split": "val", "stages": stages, "gain": gain}))
    (block,) = table_of(written(file), "stages").blocks
    assert block.rows[-1].label == "S: gain"
    assert block.rows[-1].cells[0] == Value(20.0, "gain", (3.2, 41.0))
    assert block.rows[-1].cells[0].detail == "[+3.2, +41.0]"


def test_json_of_something_else_is_left_out_with_a_reason(tmp_path, write_run):
    (tmp_path / "other.json").write_text('{"hello": "world"}')
    document = written(write_run("a"), tmp_path / "other.json")
    assert (str(tmp_path / "other.json"), "it is not what `mtss-zoo evaluate --json` prints") in document.skipped


@pytest.mark.parametrize(
    ("metric", "printed"), [("recall@3", "R@3"), ("f1@1", "F1@1"), ("acc@5", "Acc@5"), ("ce", "CE"), ("mAP", "mAP")]
)
def test_metrics_are_called_as_in_the_papers(metric, printed):
    assert short_name(metric) == printed
