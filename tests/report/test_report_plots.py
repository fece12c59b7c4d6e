"""What the drawings and the table of mistakes show: their numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from mtss_zoo.measures import Scored
from mtss_zoo.report.measured import TypeRow
from mtss_zoo.report.mistakes import worst_classes
from mtss_zoo.report.plots.calibration import reliability, reliability_diagram
from mtss_zoo.report.plots.classes import ClassGain, gain_bars, gains_at_1, gains_at_k
from mtss_zoo.report.plots.curves import columns, points
from mtss_zoo.report.plots.embeddings import chosen_rows, flat
from mtss_zoo.report.plots.style import drawing, short, to_svg


def scored(scores, truth, classes=3):
    labels = one_hot(torch.tensor(truth), classes).bool()
    return Scored(torch.tensor(scores, dtype=torch.float32), labels, torch.arange(len(truth)))


def test_the_calibration_error_is_the_mean_distance_weighted_by_pictures():
    """Three of 4 right at confidence 0.9, 1 of 1 at 0.6: ECE = 4/5 |0.75 - 0.9| + 1/5 |1 - 0.6| = 0.2."""
    p = torch.tensor([[0.9, 0.1]] * 4 + [[0.4, 0.6]])
    found = reliability(Scored(p.log(), one_hot(torch.tensor([0, 0, 0, 1, 1]), 2).bool(), torch.arange(5)), scale=1.0)
    assert found.counts == [1, 4]
    assert found.confidence == pytest.approx([0.6, 0.9])
    assert found.accuracy == pytest.approx([1.0, 0.75])
    assert found.ece == pytest.approx(0.2)


def test_cosines_become_confidences_by_the_scale_of_their_loss():
    """Softmax of 16 (0.5, 0.25) is a logistic function of 4."""
    found = reliability(scored([[0.5, 0.25]], [0], 2), scale=16.0)
    assert found.confidence == pytest.approx([1 / (1 + np.exp(-4))])


def test_pictures_without_a_known_label_have_no_calibration():
    nothing = Scored(torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool), torch.arange(2))
    assert reliability(nothing, scale=1.0) is None


def test_the_error_counts_every_picture():
    p = torch.tensor([[0.9, 0.1]] * 5 + [[0.4, 0.6]])
    found = reliability(Scored(p.log(), one_hot(torch.tensor([0] * 6), 2).bool(), torch.arange(6)), scale=1.0)
    figure = reliability_diagram("student", {"pattern": found}, "x")
    assert "ECE 18.3" in figure.svg
    assert "pattern 18.3 (n 6)" in figure.alt


def test_a_gain_over_nothing_is_not_defined():
    """MTSS, figure 8: where the teacher's recall is 0, the gain is neither infinite nor 0."""
    assert ClassGain("a", 4, 0.5, 0.75).relative == pytest.approx(50)
    assert ClassGain("a", 4, 0.0, 0.75).relative is None
    assert ClassGain("a", 4, 0.0, 0.75).points == pytest.approx(75)


def test_classes_whose_gain_is_not_defined_are_listed_apart():
    gains = [ClassGain("often", 9, 0.5, 0.6), ClassGain("new", 3, 0.0, 1.0), ClassGain("never", 2, 0.0, 0.0)]
    figure = gain_bars("pattern", gains, 3, "x")
    assert "often (9)" in figure.svg
    assert "+20 %" in figure.svg
    assert "new" not in figure.svg and "never" not in figure.svg
    assert "The student is better on 2 of 3 classes, worse on 0." in figure.caption
    assert "Found by the student alone, so without a relative gain: new (+100 points, n 3)." in figure.caption
    assert "Found by neither: never (2)." in figure.caption


def test_without_any_defined_gain_nothing_is_drawn():
    assert gain_bars("pattern", [ClassGain("new", 3, 0.0, 1.0)], 3, "x") is None


def test_gains_come_from_measurements_at_1_or_from_scores_at_k():
    teacher = TypeRow.model_validate(
        {"n": 5, "classes": {"a": {"n": 4, "recall@1": 0.5}, "b": {"n": 1, "recall@1": 0}}}
    )
    student = TypeRow.model_validate({"n": 5, "classes": {"a": {"n": 4, "recall@1": 1}, "b": {"n": 1, "recall@1": 1}}})
    assert gains_at_1(teacher, student) == [ClassGain("a", 4, 0.5, 1.0), ClassGain("b", 1, 0.0, 1.0)]
    first = scored([[3, 2, 1], [3, 2, 1], [3, 2, 1]], [0, 1, 2])
    second = scored([[1, 2, 3], [1, 2, 3], [1, 2, 3]], [0, 1, 2])
    names = ("a", "b", "c")
    assert gains_at_k(first, second, names, 2) == [
        ClassGain("a", 1, 1.0, 0.0), ClassGain("b", 1, 1.0, 1.0), ClassGain("c", 1, 0.0, 1.0),
    ]  # fmt: skip


def test_the_worst_classes_come_first_with_what_they_were_taken_for():
    """Class 0: 1 of 3 found, taken for 1 and for 2. Class 1: 0 of 3, always taken for 2. Class 2: all found."""
    best, truth = [0, 1, 2, 2, 2, 2, 2, 2, 2], [0, 0, 0, 1, 1, 1, 2, 2, 2]
    misses = worst_classes(scored(one_hot(torch.tensor(best), 3).tolist(), truth), fewest=3)
    assert [(m.label, m.n, m.found, m.taken_for) for m in misses] == [
        (1, 3, 0, ((2, 3),)),
        (0, 3, 1, ((1, 1), (2, 1))),
    ]
    assert misses[1].rows == ((1, 1), (2, 2))
    assert worst_classes(scored(one_hot(torch.tensor(best), 3).tolist(), truth), fewest=4) == []


def test_a_picture_of_several_classes_is_no_miss_when_another_of_its_own_was_put_first():
    labels = torch.tensor([[True, True, False]] * 2)
    both = Scored(torch.tensor([[0.9, 0.1, 0.0], [0.0, 0.1, 0.9]]), labels, torch.arange(2))
    assert [(m.label, m.found) for m in worst_classes(both, fewest=1)] == [(0, 1), (1, 1)]


def test_the_pictures_of_the_cloud_are_drawn_by_seed_from_the_frequent_classes():
    labels = np.zeros((900, 10), bool)
    labels[np.arange(900), np.arange(900) % 9] = True
    rows, classes = chosen_rows(labels, seed=3)
    assert len(rows) == len(set(rows.tolist())) == 400
    assert set(classes.tolist()) <= set(range(8))
    assert (rows % 9 == classes).all()
    assert (chosen_rows(labels, seed=3)[0] == rows).all()
    assert (chosen_rows(labels, seed=4)[0] != rows).any()


def test_too_few_pictures_or_classes_make_no_cloud():
    assert chosen_rows(np.ones((50, 1), bool)) is None
    assert chosen_rows(np.eye(11, dtype=bool)) is None


def test_two_dimensions_keep_what_is_alike_together_and_repeat():
    cloud = np.random.default_rng(0).normal(0, 0.05, (40, 4)).astype(np.float32)
    cloud[:20, 0] += 1
    cloud[20:, 1] += 1
    places = flat(cloud)
    assert places.min() == 0 and places.max() == 1
    centres = places[:20].mean(0), places[20:].mean(0)
    assert np.linalg.norm(places[:20] - centres[0], axis=1).max() < np.linalg.norm(centres[0] - centres[1])
    assert (flat(cloud) == places).all()


def test_a_log_gives_points_where_it_has_numbers():
    rows = [
        {"epoch": "1", "loss": "0.5"},
        {"epoch": "2", "loss": "oops"},
        {"loss": "1"},
        {"epoch": "3", "val/f1@1": "1"},
    ]
    assert points(rows, "loss") == ([1.0], [0.5])
    assert columns(rows, "val/f1@1") == ["val/f1@1"]
    assert columns([{"loss": "", "lossy": "", "loss/a": ""}], "loss") == ["loss", "loss/a"]


def test_text_of_a_drawing_stays_text_and_colours_follow_the_page():
    with drawing(2) as (canvas, (axis,)):
        axis.set_title("</svg><script>$a$ & b")
        svg = to_svg(canvas, "x")
    assert "&lt;/svg&gt;&lt;script&gt;$a$ &amp; b" in svg
    assert "<script" not in svg
    assert "var(--ink)" in svg
    assert "<metadata" not in svg


@pytest.mark.parametrize(("name", "label"), [("a\nb\t c", "a b c"), ("\x00x\u202e", "x"), ("m" * 30, "m" * 21 + "…")])
def test_labels_are_short_and_printable(name, label):
    assert short(name) == label
