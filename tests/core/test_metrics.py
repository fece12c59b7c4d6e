"""The metrics, as a specification: the worked numbers, and what happens at the edges."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from mtss_zoo import metrics
from mtss_zoo.metrics import Counts, count_at_k, hit_at_k, recall_at_k

INF = float("inf")
NAN = float("nan")
# Example A: one type, classes a to e, four images, the last without ground truth (G = 6).
A_SCORES = torch.tensor(
    [[0.9, 0.8, 0.1, 0.3, 0.2], [0.1, 0.7, 0.6, 0.5, 0.4], [0.2, 0.3, 0.9, 0.8, 0.7], [0.5, 0.4, 0.3, 0.2, 0.1]]
)
A_LABELS = torch.tensor([[1, 0, 0, 1, 0], [0, 0, 1, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]]).bool()
LOGITS = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 3.0, 2.0]])
TARGETS = torch.tensor([0, 2, 2])


def near(value: float | list[float], digits: int = 4) -> Any:
    """The printed number or numbers, NaN included, to half a unit of the last digit."""
    return pytest.approx(value, abs=0.5 * 10**-digits + 1e-9, nan_ok=True)


# --- worked numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("k", "tp", "recall", "precision", "f1"),
    [
        (1, 2, 0.3333, {"exclude": 0.6667, "include": 0.5}, {"exclude": 0.4444, "include": 0.4}),
        (2, 3, 0.5, {"exclude": 0.5, "include": 0.375}, {"exclude": 0.5, "include": 0.4286}),
        (3, 4, 0.6667, {"exclude": 0.4444, "include": 0.3333}, {"exclude": 0.5333, "include": 0.4444}),
    ],
)
@pytest.mark.parametrize(("empty", "images"), [("include", 4), ("exclude", 3)])
def test_example_a_pooled(
    k: int, tp: int, recall: float, precision: dict[str, float], f1: dict[str, float], empty: metrics.Empty, images: int
) -> None:
    counts = count_at_k(A_SCORES, A_LABELS, k, empty=empty)
    assert counts == Counts(tp=tp, returned=k * images, positives=6)
    assert counts.recall == near(recall)
    assert counts.precision == near(precision[empty])
    assert counts.f1 == near(f1[empty])


@pytest.mark.parametrize(
    ("k", "micro", "image", "by_class", "capped", "image_f1", "hit"),
    [
        (1, 0.3333, 0.2778, 0.25, 0.6667, 0.3889, 0.6667),
        (2, 0.5, 0.6111, 0.375, 0.6667, 0.5222, 1.0),
        (3, 0.6667, 0.7778, 0.625, 0.7778, 0.5444, 1.0),
    ],
)
def test_example_a_averages(
    k: int, micro: float, image: float, by_class: float, capped: float, image_f1: float, hit: float
) -> None:
    assert recall_at_k(A_SCORES, A_LABELS, k) == near(micro)
    assert recall_at_k(A_SCORES, A_LABELS, k, average="image") == near(image)
    assert recall_at_k(A_SCORES, A_LABELS, k, average="class") == near(by_class)
    assert recall_at_k(A_SCORES, A_LABELS, k, average="capped") == near(capped)
    assert metrics.image_f1_at_k(A_SCORES, A_LABELS, k) == near(image_f1)
    assert hit_at_k(A_SCORES, A_LABELS, k) == near(hit)


@pytest.mark.parametrize(
    ("k", "recalls"), [(1, [0.5, 0, 0.5, 0, NAN]), (2, [0.5, 0, 1, 0, NAN]), (3, [0.5, 0, 1, 1, NAN])]
)
def test_example_a_class_table(k: int, recalls: list[float]) -> None:
    table = metrics.class_recall_at_k(A_SCORES, A_LABELS, k)
    assert table.recall_C.tolist() == near(recalls)
    assert table.positives_C.tolist() == [2, 1, 2, 1, 0]


def test_example_b_all_is_the_pooled_sum_over_types() -> None:
    types = [Counts(tp=2, returned=4, positives=6), Counts(tp=3, returned=4, positives=4)]
    total = sum(types, Counts())
    assert total == Counts(tp=5, returned=8, positives=10)
    assert (total.recall, total.precision, total.f1) == (near(0.5), near(0.625), near(0.5556))
    assert metrics.macro_types(counts.recall for counts in types) == near(0.5417)


@pytest.mark.parametrize(
    ("k", "recall", "f1", "precision"), [(1, 40.11, 33.53, 28.80), (3, 58.02, 22.41, 13.89), (5, 64.35, 16.16, 9.24)]
)
def test_example_c_pooled_counts_explain_table_2_of_mtss(k: int, recall: float, f1: float, precision: float) -> None:
    """One G / N = 0.718 gives the printed F1 from the printed recall at every k, so the paper pools."""
    counts = Counts(tp=round(718 * recall), returned=k * 100_000, positives=71_800)
    assert 100 * counts.recall == pytest.approx(recall, abs=0.005)
    assert 100 * counts.f1 == pytest.approx(f1, abs=0.01)
    assert 100 * counts.precision == pytest.approx(precision, abs=0.01)


def test_average_precision_of_example_a() -> None:
    valid = A_LABELS.any(1)
    assert metrics.average_precision(A_SCORES[valid], A_LABELS[valid]).tolist() == near([1, 1 / 3, 1, 1 / 3, NAN])
    assert metrics.average_precision(A_SCORES, A_LABELS).tolist() == near([0.8333, 0.25, 1, 0.3333, NAN])
    assert metrics.mean_average_precision(A_SCORES, A_LABELS) == near(0.6667)
    assert metrics.mean_average_precision(A_SCORES, A_LABELS, rows="all") == near(0.6042)


@pytest.mark.parametrize(("k", "accuracy"), [(1, 1 / 3), (2, 2 / 3), (3, 1.0), (5, 1.0)])
def test_accuracy_takes_stable_ties_and_k_above_the_number_of_classes(k: int, accuracy: float) -> None:
    assert metrics.accuracy_at_k(LOGITS, TARGETS, k) == pytest.approx(accuracy)


def test_cross_entropy_is_the_mean_natural_log() -> None:
    rows = [metrics.cross_entropy(LOGITS[i : i + 1], TARGETS[i : i + 1]) for i in range(3)]
    assert rows == near([0.4076, 1.0986, 1.4076])
    assert metrics.cross_entropy(LOGITS, TARGETS) == near(0.9713)


def test_gain_is_relative_and_undefined_over_a_teacher_at_zero() -> None:
    assert metrics.relative_gain(43.96, 42.96).item() == near(2.33, digits=2)  # MTSS Table 7
    assert -metrics.relative_gain(42.96, 57.47).item() == near(25.2, digits=1)  # "approximately 25 %"
    gains = metrics.relative_gain(torch.tensor([0.75, 0.5, 0.0, 0.0]), torch.tensor([0.5, 0.0, 0.0, 0.5]))
    assert gains.tolist() == near([50.0, NAN, NAN, -100.0])


# --- what happens at the edges --------------------------------------------------------------------------------------


def test_a_type_without_ground_truth_is_nan_and_left_out_of_means() -> None:
    nothing = torch.zeros_like(A_LABELS)
    counts = count_at_k(A_SCORES, nothing, 2)
    averages: list[metrics.Average] = ["micro", "class", "image", "capped"]
    values = [counts.recall, counts.precision, counts.f1, hit_at_k(A_SCORES, nothing, 2)]
    values += [recall_at_k(A_SCORES, nothing, 2, average=average) for average in averages]
    values += [metrics.mean_average_precision(A_SCORES, nothing), metrics.image_f1_at_k(A_SCORES, nothing, 2)]
    assert all(math.isnan(value) for value in values)
    assert metrics.macro_types([0.25, counts.recall, 0.75]) == 0.5


def test_a_type_without_ground_truth_still_brings_its_predictions_to_all() -> None:
    nothing = count_at_k(A_SCORES, torch.zeros_like(A_LABELS), 1)
    assert count_at_k(A_SCORES, A_LABELS, 1) + nothing == Counts(tp=2, returned=8, positives=6)


def test_no_images_is_nan_too() -> None:
    scores, labels, targets = torch.zeros(0, 3), torch.zeros(0, 3).bool(), torch.zeros(0).long()
    assert count_at_k(scores, labels, 1) == Counts(0, 0, 0)
    assert math.isnan(metrics.mean_average_precision(scores, labels, rows="all"))
    assert math.isnan(metrics.accuracy_at_k(scores, targets, 1))
    assert math.isnan(metrics.cross_entropy(scores, targets))


@pytest.mark.parametrize("k", [2, 3, 4])
def test_untrained_classes_are_never_predicted_and_their_labels_stay(k: int) -> None:
    """Two of four classes trained: at k > 2 the list is filled up with -inf classes, which are no hits."""
    scores = torch.tensor([[0.1, -INF, 0.2, -INF], [0.2, -INF, 0.1, -INF]])
    labels = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 1]]).bool()
    assert count_at_k(scores, labels, k) == Counts(tp=2, returned=2 * k, positives=5)
    assert recall_at_k(scores, labels, k, average="image") == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert recall_at_k(scores, labels, k, average="class") == 0.5
    assert metrics.class_recall_at_k(scores, labels, k).recall_C.tolist() == [1, 0, 1, 0]
    assert metrics.accuracy_at_k(scores, torch.tensor([1, 2]), k) == 0.5


def test_untrained_classes_stay_in_the_mean_of_average_precision_with_zero() -> None:
    scores = torch.tensor([[0.9, -INF], [0.1, -INF], [-INF, -INF]])
    labels = torch.tensor([[1, 1], [0, 1], [1, 0]]).bool()
    assert metrics.average_precision(scores, labels).tolist() == [0.5, 0.0]
    assert metrics.mean_average_precision(scores, labels) == 0.25


def test_an_untrained_target_costs_infinitely_but_an_untrained_rival_nothing() -> None:
    logits = torch.tensor([[0.0, 0.0, -INF]])
    assert metrics.cross_entropy(logits, torch.tensor([0])) == pytest.approx(math.log(2))
    assert metrics.cross_entropy(logits, torch.tensor([2])) == INF


def test_gender_with_three_classes_at_k_5_returns_three() -> None:
    scores, labels = torch.tensor([[0.1, 0.3, 0.2], [0.3, 0.1, 0.2]]), torch.tensor([[1, 0, 0], [0, 1, 0]]).bool()
    counts = count_at_k(scores, labels, 5)
    assert counts == Counts(tp=2, returned=6, positives=2)
    assert counts.recall == 1.0
    assert counts.precision == pytest.approx(1 / 3)
    assert metrics.top_k(scores, 5).tolist() == [[1, 2, 0], [0, 2, 1]]
    assert recall_at_k(scores, labels, 5, average="capped") == 1.0


def test_ties_in_a_wide_row_are_stable_too() -> None:
    """torch sorts short rows stably whether asked or not; from 17 classes on it does not."""
    assert metrics.top_k(torch.arange(300).remainder(3).float()[None], 4).tolist() == [[2, 5, 8, 11]]


def test_capped_recall_of_a_perfect_ranking_is_one_below_the_number_of_labels() -> None:
    scores, labels = torch.tensor([[3.0, 2.0, 1.0, 0.0]]), torch.tensor([[True, True, True, False]])
    assert recall_at_k(scores, labels, 2, average="capped") == 1.0
    assert recall_at_k(scores, labels, 2, average="image") == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("scores", "labels", "k", "words"),
    [
        (A_SCORES, A_LABELS, 0, "k must be at least 1"),
        (A_SCORES, A_LABELS.long(), 1, "labels must be bool"),
        (A_SCORES, A_LABELS[:, :1], 1, "labels must be bool"),
        (A_SCORES[0], A_LABELS[0], 1, "scores must be floating point"),
        (A_SCORES.long(), A_LABELS, 1, "scores must be floating point"),
        (torch.where(A_LABELS, NAN, A_SCORES), A_LABELS, 1, "scores contain NaN"),
    ],
)
def test_wrong_arguments_are_named(scores: Tensor, labels: Tensor, k: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        count_at_k(scores, labels, k)


@pytest.mark.parametrize("targets", [torch.tensor([0, 1, 3]), torch.tensor([0, 1, -1]), torch.tensor([0, 1])])
def test_targets_outside_the_classes_are_refused(targets: Tensor) -> None:
    with pytest.raises(ValueError, match="3 class indices below 3"):
        metrics.accuracy_at_k(LOGITS, targets, 1)
    with pytest.raises(ValueError, match="3 class indices below 3"):
        metrics.cross_entropy(LOGITS, targets)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValueError, match="empty must be"):
        count_at_k(A_SCORES, A_LABELS, 1, empty="skip")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="average must be"):
        recall_at_k(A_SCORES, A_LABELS, 1, average="macro")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rows must be"):
        metrics.mean_average_precision(A_SCORES, A_LABELS, rows="some")  # type: ignore[arg-type]
