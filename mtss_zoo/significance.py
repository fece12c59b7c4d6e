"""Is the student really better than its teacher? A paired bootstrap over the images of one split.

Letters: N images, T attribute types, R resamples.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mtss_zoo.metrics import ImageCounts, relative_gain

Metric = Literal["recall", "precision", "f1"]
CHUNK_ELEMENTS = 1 << 22  # (resamples, images) drawn at once: 32 MB of int64, whatever N is


@dataclass(frozen=True)
class Interval:
    """A point estimate on the whole split and its percentile interval."""

    point: float
    low: float
    high: float


@dataclass(frozen=True)
class Gain:
    """Student over teacher: relative in percent of the teacher, absolute in percentage points."""

    relative: Interval
    absolute: Interval


def bootstrap_gain(
    student: ImageCounts,
    teacher: ImageCounts,
    metric: Metric,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Gain:
    """Paired percentile bootstrap (Efron and Tibshirani 1993, chapter 13) of a pooled metric's gain.

    Both models must be counted on the same images in the same order at the same k: (N, T) each, T > 1 pools the types
    into `All`. A resample draws N images with replacement, with all their types, the same for both models. Its gain is
    100 * (m_S - m_T) points and 100 * (m_S - m_T) / m_T percent. `low` and `high` are the (1 - level) / 2 and
    (1 + level) / 2 quantiles over the R resamples. A resample whose gain is undefined (no ground truth, or for the
    relative one a teacher at 0) is left out; NaN when all are. The seed fixes the result; torch's global generator is
    left alone. Raises ValueError for counts that are not paired.
    """
    if metric not in ("recall", "precision", "f1"):
        raise ValueError(f"metric must be 'recall', 'precision' or 'f1', got {metric!r}")
    if resamples < 1 or not 0 < level < 1:
        raise ValueError(f"resamples must be at least 1 and level in (0, 1), got {resamples} and {level}")
    if not torch.equal(student.positives_NT, teacher.positives_NT):
        raise ValueError("student and teacher have different ground truth: count both on the same images, in one order")
    sums = [_image_sums(student), _image_sums(teacher)]
    whole = [_ratio(x_N3.sum(0, keepdim=True), metric) for x_N3 in sums]
    drawn = [_ratio(x_R3, metric) for x_R3 in _resample(torch.cat(sums, dim=1), resamples, seed).chunk(2, dim=1)]
    return Gain(
        relative=_interval(relative_gain(*whole), relative_gain(*drawn), level),
        absolute=_interval(100 * (whole[0] - whole[1]), 100 * (drawn[0] - drawn[1]), level),
    )


def _image_sums(counts: ImageCounts) -> Tensor:
    """TP, returned and positives of every image, pooled over its types: float64 (N, 3)."""
    fields = (counts.tp_NT, counts.returned_NT, counts.positives_NT)
    return torch.stack([field.sum(1) for field in fields], dim=1).double().cpu()


def _resample(values_NX: Tensor, resamples: int, seed: int) -> Tensor:
    """Sums (R, X) of the rows of R resamples. Rows are drawn as weights, so that a chunk is one matrix product."""
    n = len(values_NX)
    if n == 0:
        return values_NX.new_zeros(resamples, values_NX.shape[1])
    generator, step = torch.Generator().manual_seed(seed), max(1, CHUNK_ELEMENTS // n)
    sums: list[Tensor] = []
    for start in range(0, resamples, step):
        index_RN = torch.randint(n, (min(step, resamples - start), n), generator=generator)
        weight_RN = torch.zeros_like(index_RN, dtype=torch.float64)
        sums.append(weight_RN.scatter_add_(1, index_RN, torch.ones_like(weight_RN)) @ values_NX)
    return torch.cat(sums)


def _ratio(sums_R3: Tensor, metric: Metric) -> Tensor:
    """The ratios of `metrics.Counts` for many sums at once: (R,), NaN without ground truth."""
    tp, returned, positives = sums_R3.unbind(1)
    value = {"recall": tp / positives, "precision": tp / returned, "f1": 2 * tp / (returned + positives)}[metric]
    return torch.where(positives > 0, value, torch.nan)


def _interval(point: Tensor, drawn_R: Tensor, level: float) -> Interval:
    tail = (1 - level) / 2
    low, high = drawn_R.nanquantile(torch.tensor([tail, 1 - tail], dtype=drawn_R.dtype)).tolist()
    return Interval(float(point), low, high)
