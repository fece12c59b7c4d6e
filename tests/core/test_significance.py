"""The paired bootstrap: what it returns, that it is paired, and that its interval covers."""

import math

import pytest
import torch
from torch import Tensor

from mtss_zoo.metrics import ImageCounts, image_counts, relative_gain
from mtss_zoo.significance import Metric, bootstrap_gain

METRICS: list[Metric] = ["recall", "precision", "f1"]


def split_of(n: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Labels, noisy teacher scores and less noisy student scores of N images and five classes."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.rand(n, 5, generator=generator) < 0.3
    teacher = labels + torch.randn(n, 5, generator=generator)
    return labels, teacher, 0.7 * teacher + 0.3 * labels


def counts_of(n: int = 200, k: int = 1, seed: int = 0) -> tuple[ImageCounts, ImageCounts]:
    labels, teacher, student = split_of(n, seed)
    return image_counts(student, labels, k), image_counts(teacher, labels, k)


def single(tp: list[int]) -> ImageCounts:
    """Images with one prediction and one label each: recall = precision = F1 = mean of tp."""
    ones = torch.ones(len(tp), 1, dtype=torch.int64)
    return ImageCounts(torch.tensor(tp)[:, None], ones, ones)


@pytest.mark.parametrize("metric", METRICS)
def test_identical_models_gain_nothing(metric: Metric) -> None:
    _, teacher = counts_of()
    gain = bootstrap_gain(teacher, teacher, metric)
    for interval in (gain.relative, gain.absolute):
        assert (interval.point, interval.low, interval.high) == (0, 0, 0)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("metric", METRICS)
def test_point_is_the_pooled_difference(metric: Metric, k: int) -> None:
    student, teacher = counts_of(k=k)
    s, t = (getattr(counts.pooled(), metric) for counts in (student, teacher))
    gain = bootstrap_gain(student, teacher, metric, resamples=200)
    assert gain.absolute.point == pytest.approx(100 * (s - t))
    assert gain.relative.point == pytest.approx(relative_gain(s, t).item())
    assert gain.absolute.low < gain.absolute.point < gain.absolute.high
    assert gain.relative.low < gain.relative.point < gain.relative.high


def test_types_are_pooled_and_drawn_together() -> None:
    """A second type in which the student loses what it wins in the first: with pairs kept, every resample is 0."""
    win, lose = single([1, 0, 1, 0, 1]), single([0, 1, 0, 1, 0])
    gain = bootstrap_gain(ImageCounts.stack([win, lose]), ImageCounts.stack([lose, win]), "f1", resamples=100)
    assert gain.absolute.low == gain.absolute.high == 0
    assert bootstrap_gain(win, lose, "f1", resamples=100).absolute.high > 0


def test_both_models_are_drawn_on_the_same_images() -> None:
    """The student hits one image more than the teacher. Paired, it never loses; unpaired, it often would."""
    teacher = [1, 0] * 20
    gain = bootstrap_gain(single([1, 1, *teacher[2:]]), single(teacher), "recall")
    assert gain.absolute.point == pytest.approx(2.5)
    assert gain.absolute.low == 0
    assert gain.relative.low == 0


def test_interval_is_the_one_of_statistics() -> None:
    """For a difference of means the percentile interval tends to +- 1.96 standard errors."""
    student, teacher = counts_of(n=2000)
    difference = (student.tp_NT - teacher.tp_NT).double()
    half = 100 * 1.96 * difference.std().item() / math.sqrt(2000)
    absolute = bootstrap_gain(student, teacher, "precision", resamples=2000).absolute
    assert absolute.high - absolute.point == pytest.approx(half, rel=0.1)
    assert absolute.point - absolute.low == pytest.approx(half, rel=0.1)


def test_a_lower_level_gives_a_narrower_interval() -> None:
    wide, narrow = (bootstrap_gain(*counts_of(), "recall", level=level).absolute for level in (0.95, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_seed_decides_and_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = (bootstrap_gain(*counts_of(), "f1", seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.absolute != other.absolute
    assert first.absolute.point == other.absolute.point
    assert torch.equal(torch.get_rng_state(), before)


def test_drawing_in_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap_gain(*counts_of(), "f1", resamples=100)
    monkeypatch.setattr("mtss_zoo.significance.CHUNK_ELEMENTS", 7 * 200)
    assert bootstrap_gain(*counts_of(), "f1", resamples=100) == whole


def test_a_teacher_at_zero_has_no_relative_gain_but_an_absolute_one() -> None:
    gain = bootstrap_gain(single([1, 1]), single([0, 0]), "f1", resamples=50)
    assert all(map(math.isnan, (gain.relative.point, gain.relative.low, gain.relative.high)))
    assert (gain.absolute.point, gain.absolute.low, gain.absolute.high) == (100, 100, 100)


@pytest.mark.parametrize("n", [0, 3])
def test_no_ground_truth_is_nan(n: int) -> None:
    none = torch.zeros(n, 1, dtype=torch.int64)
    empty = ImageCounts(none, none + 1, none)
    for metric in METRICS:
        gain = bootstrap_gain(empty, empty, metric, resamples=10)
        assert all(map(math.isnan, (gain.absolute.point, gain.absolute.low, gain.relative.high)))


def test_resamples_without_ground_truth_are_left_out() -> None:
    """One labelled image of two: a quarter of the resamples has no label; the others are all 1 against 0."""
    labels = torch.tensor([[1], [0]])
    student, teacher = (ImageCounts(tp, torch.ones_like(labels), labels) for tp in (labels, torch.zeros_like(labels)))
    gain = bootstrap_gain(student, teacher, "recall")
    assert (gain.absolute.low, gain.absolute.high) == (100, 100)


def test_unpaired_counts_and_wrong_options_are_refused() -> None:
    student, teacher = counts_of(n=20)
    other, _ = counts_of(n=20, seed=1)
    with pytest.raises(ValueError, match="different ground truth"):
        bootstrap_gain(other, teacher, "f1")
    with pytest.raises(ValueError, match="metric must be"):
        bootstrap_gain(student, teacher, "accuracy")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="resamples must be"):
        bootstrap_gain(student, teacher, "f1", resamples=0)
    with pytest.raises(ValueError, match="level in"):
        bootstrap_gain(student, teacher, "f1", level=95)
