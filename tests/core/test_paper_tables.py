"""The printed numbers, checked by what the papers say of them elsewhere: a digit that was mistyped would not fit."""

from __future__ import annotations

from statistics import fmean

import pytest

from mtss_zoo.errors import UnknownNameError
from mtss_zoo.paper_tables import PaperTable, paper_table, paper_tables
from mtss_zoo.recipe_source import load_recipe

OWN = ("small", "fashion")


def row(table: PaperTable, *labels: str) -> list[float]:
    (found,) = [r[len(table.labels) :] for r in table.rows if r[: len(table.labels)] == labels]
    return [number for number in found if number is not None]


def gains(after: list[float], before: list[float]) -> list[float]:
    return [round(100 * (a - b) / b, 2) for a, b in zip(after, before, strict=True)]


def test_every_row_is_as_long_as_labels_and_columns() -> None:
    for table in paper_tables().values():
        width = len(table.labels)
        for r in table.rows:
            assert len(r) == width + len(table.columns)
            assert all(isinstance(word, str) for word in r[:width])
            assert all(cell is None or isinstance(cell, float) for cell in r[width:])


def test_table_2_is_counted_as_the_metrics_page_says() -> None:
    """With pooled counts k P / R is G / N, the same for every k: 0.718."""
    f1_1, r1, f1_3, r3, f1_5, r5 = row(paper_table("table2"), "S, gamma tuned")
    for k, f1, recall in ((1, f1_1, r1), (3, f1_3, r3), (5, f1_5, r5)):
        precision = f1 * recall / (2 * recall - f1)
        assert k * precision / recall == pytest.approx(0.718, abs=0.001)


def test_table_1_and_2_agree() -> None:
    assert row(paper_table("table1"), "S, gamma tuned")[-2:] == row(paper_table("table2"), "S, gamma tuned")[3::2]


def test_table_3_gains_062_percent_on_average() -> None:
    table = paper_table("table3")
    averages = [fmean(row(table, "FiccY", model)) for model in ("T LE", "T BCE")]
    assert gains(averages[:1], averages[1:]) == [0.62]


def test_in_table_4_the_student_loses_one_cell() -> None:
    table = paper_table("table4")
    lost = [
        (data, student - teacher)
        for data in ("iMatFashion", "DeepFashion", "FiccY")
        for student, teacher in zip(row(table, data, "S"), row(table, data, "T"), strict=True)
        if student < teacher
    ]
    assert lost == [("iMatFashion", pytest.approx(-0.07))]


def test_table_5_has_the_printed_gains() -> None:
    table = paper_table("table5")
    teachers = row(table, "FiccY", "T")
    assert gains(row(table, "FiccY", "S single"), teachers) == [0.62, 0.69, 0.64, 1.64]
    assert gains(row(table, "FiccY", "S several"), teachers) == [0.62, 1.14, 1.14, 2.35]


def test_table_7_has_the_printed_gains() -> None:
    table = paper_table("table7")
    base = row(table, "S, no mixing")
    assert gains(row(table, "S, 1M corrupted"), base) == [0.49, 2.33]
    assert gains(row(table, "S, 10M corrupted"), base) == [0.57, 2.14]
    assert gains(row(table, "S, 15M corrupted"), base) == [0.47, 2.05]


def test_in_appendix_b_the_student_passes_its_teachers_between_50_and_100_thousand_pictures() -> None:
    table = paper_table("appendix_b")
    category = {label: row(table, "FiccY", label)[0] for label in ("T", "S, 50K", "S, 100K")}
    assert category["S, 50K"] < category["T"] < category["S, 100K"]


@pytest.mark.parametrize(
    ("task", "pictures"), [("vest neck style", 1061), ("phone case pattern", 2091), ("apron food bib pattern", 2249)]
)
def test_every_accuracy_of_semi_vit_is_a_whole_number_of_pictures(task: str, pictures: int) -> None:
    table = paper_table("semi_vit_table2")
    for r in table.rows:
        if r[0] == task:
            for accuracy in r[2:4]:
                right = float(accuracy) * pictures / 100
                assert min(abs(100 * n / pictures - accuracy) for n in (int(right), int(right) + 1)) < 0.0015, r


def test_the_tables_of_semi_vit_agree() -> None:
    half = row(paper_table("semi_vit_table2"), "apron food bib pattern", "Semi-ViT 50%")
    assert row(paper_table("semi_vit_table3"), "apron food bib pattern", "284K, 100%") == half


def test_a_table_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(UnknownNameError, match="no table 'table8'; there are table1, "):
        paper_table("table8")


def test_what_stands_beside_a_papers_row_is_not_measured_where_the_epoch_was_chosen() -> None:
    """Both papers measure on test. The other recipe sets have no split for it: the public pack, drawn garments."""
    ready = [ready for table in paper_tables().values() for name, ready in table.filled_by.items() if name not in OWN]
    recipes = {part.study: load_recipe(part.study) for parts in ready for part in parts}
    assert len(recipes) > 5
    for name, recipe in recipes.items():
        unlabelled_test = recipe.data.dataset.name == "imaterialist_fashion"
        assert recipe.evaluate.split == ("val" if unlabelled_test else "test"), name
