"""The metrics once more: properties that hold for any scores, ties and untrained classes included, and oracles."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy, MultilabelAveragePrecision
from torchmetrics.retrieval import RetrievalHitRate, RetrievalRecall

from mtss_zoo import metrics
from mtss_zoo.metrics import count_at_k, hit_at_k, recall_at_k

INF = float("inf")
NAN = float("nan")
Table = tuple[Tensor, Tensor]
quick = settings(max_examples=60, deadline=None)


@st.composite
def tables(draw: st.DrawFn, values: tuple[float, ...] = (0.0, 0.25, 1.0, -INF), distinct: bool = False) -> Table:
    """Scores and labels: few values, hence many ties and untrained classes; or all scores distinct."""
    n, c = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    cells = st.lists(st.sampled_from(values), min_size=n * c, max_size=n * c)
    scores = draw(st.permutations(range(n * c)) if distinct else cells)
    labels = draw(st.lists(st.booleans(), min_size=n * c, max_size=n * c))
    return torch.tensor(scores, dtype=torch.float32).view(n, c), torch.tensor(labels).view(n, c)


def rows_with_labels(table: Table) -> Iterator[tuple[list[float], set[int]]]:
    for scores, labels in zip(table[0].tolist(), table[1].tolist(), strict=True):
        if any(labels):
            yield scores, {c for c, label in enumerate(labels) if label}


def predictions(scores: list[float], k: int) -> set[int]:
    """The definition in words: the k best by (-score, class index), and never an untrained class."""
    best = sorted(range(len(scores)), key=lambda c: (-scores[c], c))[:k]
    return {c for c in best if scores[c] > -INF}


# --- what holds for any scores --------------------------------------------------------------------------------------


@quick
@given(tables(), st.integers(1, 8))
def test_every_average_is_its_definition(table: Table, k: int) -> None:
    rows = [(len(predictions(scores, k) & truth), len(truth)) for scores, truth in rows_with_labels(table)]
    assume(rows)
    returned = min(k, table[0].shape[1])
    assert recall_at_k(*table, k) == pytest.approx(sum(tp for tp, _ in rows) / sum(g for _, g in rows))
    assert recall_at_k(*table, k, average="image") == pytest.approx(sum(tp / g for tp, g in rows) / len(rows))
    assert recall_at_k(*table, k, average="capped") == pytest.approx(sum(tp / min(k, g) for tp, g in rows) / len(rows))
    assert hit_at_k(*table, k) == pytest.approx(sum(tp > 0 for tp, _ in rows) / len(rows))
    image_f1 = sum(2 * tp / (returned + g) for tp, g in rows) / len(rows)
    assert metrics.image_f1_at_k(*table, k) == pytest.approx(image_f1)
    assert count_at_k(*table, k, empty="exclude").returned == returned * len(rows)


@quick
@given(tables(), st.integers(1, 8))
def test_top_k_breaks_ties_by_class_index(table: Table, k: int) -> None:
    expected = [sorted(range(len(row)), key=lambda c: (-row[c], c))[:k] for row in table[0].tolist()]
    assert metrics.top_k(table[0], k).tolist() == expected


@quick
@given(tables(), st.data())
def test_k_p_over_r_is_g_over_n_for_any_scores(table: Table, data: st.DataObject) -> None:
    """The identity that tells pooled counts from any other average, for two types of different size together."""
    scores, labels = table
    wider = (scores.repeat(1, 2), torch.cat([labels, ~labels], dim=1))
    k = data.draw(st.integers(1, scores.shape[1]))
    total = count_at_k(*table, k) + count_at_k(*wider, k)
    assume(total.tp > 0)
    pairs = 2 * len(scores)
    assert k * total.precision / total.recall == pytest.approx(total.positives / pairs)
    assert total.f1 == pytest.approx(2 * total.precision * total.recall / (total.precision + total.recall))


@quick
@given(tables())
def test_recall_grows_with_k_and_ends_at_the_share_of_trained_labels(table: Table) -> None:
    scores, labels = table
    assume(labels.any())
    recalls = [recall_at_k(scores, labels, k) for k in range(1, scores.shape[1] + 2)]
    assert recalls == sorted(recalls)
    assert recalls[-1] == pytest.approx(float((labels & (scores > -INF)).sum() / labels.sum()))


@quick
@given(tables(distinct=True), st.integers(1, 4), st.integers(0, 1000))
def test_the_order_of_classes_does_not_matter_without_ties(table: Table, k: int, seed: int) -> None:
    order = torch.randperm(table[0].shape[1], generator=torch.Generator().manual_seed(seed))
    assert summary((table[0][:, order], table[1][:, order]), k) == pytest.approx(summary(table, k), nan_ok=True)


@quick
@given(tables(), st.integers(1, 4), st.integers(0, 1000))
def test_the_order_of_images_never_matters(table: Table, k: int, seed: int) -> None:
    order = torch.randperm(len(table[0]), generator=torch.Generator().manual_seed(seed))
    assert summary((table[0][order], table[1][order]), k) == pytest.approx(summary(table, k), nan_ok=True)


def summary(table: Table, k: int) -> list[float]:
    averages: list[metrics.Average] = ["micro", "class", "image", "capped"]
    values = [recall_at_k(*table, k, average=average) for average in averages]
    values += [metrics.mean_average_precision(*table, rows="valid"), metrics.mean_average_precision(*table, rows="all")]
    return [*values, count_at_k(*table, k).f1, hit_at_k(*table, k)]


@quick
@given(tables(), st.integers(1, 4))
def test_counts_of_images_pool_to_the_counts_of_the_types(table: Table, k: int) -> None:
    flipped = (table[0], ~table[1])
    stacked = metrics.ImageCounts.stack([metrics.image_counts(*one, k) for one in (table, flipped)])
    assert stacked.tp_NT.shape == (len(table[0]), 2)
    assert stacked.pooled() == count_at_k(*table, k) + count_at_k(*flipped, k)


# --- other libraries as oracles -------------------------------------------------------------------------------------


@quick
@given(tables(distinct=True), st.integers(1, 4))
def test_against_sklearn_on_indicator_matrices(table: Table, k: int) -> None:
    scores, labels = table
    assume(labels.any() and labels.shape[1] > 1)
    predicted = torch.zeros_like(labels).scatter(1, metrics.top_k(scores, k), True)
    micro = precision_recall_fscore_support(labels.numpy(), predicted.numpy(), average="micro", zero_division=0)
    counts = count_at_k(scores, labels, k)
    assert (counts.precision, counts.recall, counts.f1) == pytest.approx(micro[:3])
    known = labels.any(0)
    by_class = precision_recall_fscore_support(labels.numpy(), predicted.numpy(), average=None, zero_division=0)[1]
    assert metrics.class_recall_at_k(scores, labels, k).recall_C[known].tolist() == pytest.approx(by_class[known])


@quick
@given(tables(values=(0.0, 0.25, 1.0)))
def test_average_precision_against_sklearn_with_ties(table: Table) -> None:
    ours = metrics.average_precision(*table)
    for column, value in enumerate(ours.tolist()):
        truth = table[1][:, column]
        expected = average_precision_score(truth.numpy(), table[0][:, column].numpy()) if truth.any() else NAN
        assert value == pytest.approx(expected, nan_ok=True)


def random_table(seed: int, n: int = 40, c: int = 7) -> Table:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, c, generator=generator), torch.rand(n, c, generator=generator) < 0.2


@pytest.mark.parametrize("k", [1, 3, 5])
def test_image_recall_and_hit_against_torchmetrics(k: int) -> None:
    scores, labels = random_table(k)
    query = torch.arange(len(scores))[:, None].expand_as(scores)
    recall = RetrievalRecall(empty_target_action="skip", top_k=k)(scores, labels, indexes=query)
    hit = RetrievalHitRate(empty_target_action="skip", top_k=k)(scores, labels, indexes=query)
    assert recall_at_k(scores, labels, k, average="image") == pytest.approx(recall.item())
    assert hit_at_k(scores, labels, k) == pytest.approx(hit.item())


def test_mean_average_precision_against_torchmetrics() -> None:
    scores, labels = random_table(7)
    valid = labels.any(1)
    oracle = MultilabelAveragePrecision(num_labels=7, average="macro", thresholds=None)
    expected = {
        "valid": oracle(scores[valid], labels[valid].long()).item(),
        "all": oracle(scores, labels.long()).item(),
    }
    assert expected["valid"] > expected["all"]
    assert metrics.mean_average_precision(scores, labels) == pytest.approx(expected["valid"])
    assert metrics.mean_average_precision(scores, labels, rows="all") == pytest.approx(expected["all"])


@pytest.mark.parametrize("k", [1, 2, 5])
def test_accuracy_and_cross_entropy_against_torchmetrics_and_sklearn(k: int) -> None:
    logits, _ = random_table(k)
    targets = torch.arange(len(logits)) % logits.shape[1]
    ours = metrics.accuracy_at_k(logits, targets, k)
    oracle = MulticlassAccuracy(num_classes=7, top_k=k, average="micro")
    assert ours == pytest.approx(oracle(logits, targets).item())
    assert ours == pytest.approx(top_k_accuracy_score(targets.numpy(), logits.numpy(), k=k))
    expected = log_loss(targets.numpy(), logits.double().softmax(1).numpy())
    assert metrics.cross_entropy(logits, targets) == pytest.approx(expected)
