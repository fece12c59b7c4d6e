"""Metrics of attribute prediction: pure functions on (N, C) tensors, one attribute type at a time.

Letters: N images, C classes of the type, T attribute types, K = k' = min(k, C), the predictions really returned.
Scores are floating point, labels bool. A class that was never trained has the score -inf: it is never predicted, while
its ground truth stays in the count, so that the label set cannot shrink silently. Unknown labels are no ground truth:
pass `labels & known`. A value without any ground truth is NaN, and means leave it out. All values are fractions, gains
are percent. Faults in the arguments raise ValueError.

Source: Shin, ECCV 2020 (MTSS, arXiv 2007.06769), appendix C: always k predictions per (image, type). Its Table 2 obeys
k * P / R = G / N for every k, hence its averages are pooled ("micro") and images without ground truth stay in the
denominator of precision ("include").
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Average = Literal["micro", "class", "image", "capped"]
Empty = Literal["include", "exclude"]
NAN = float("nan")


@dataclass(frozen=True)
class Counts:
    """Pooled counts of one type, or of several: `sum(counts_of_types, Counts())` is the column `All`.

    tp: true positives; returned: predictions made, k' * N; positives: ground-truth labels, G. All three ratios are NaN
    when positives == 0. In a sum such a type still brings its returned predictions, as in MTSS.
    """

    tp: int = 0
    returned: int = 0
    positives: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.tp + other.tp, self.returned + other.returned, self.positives + other.positives)

    @property
    def recall(self) -> float:
        """TP / G."""
        return self.tp / self.positives if self.positives else NAN

    @property
    def precision(self) -> float:
        """TP / (k' * N)."""
        return self.tp / self.returned if self.positives and self.returned else NAN

    @property
    def f1(self) -> float:
        """2PR / (P + R) = 2TP / (k'N + G), 0 if P and R are 0. Where k exceeds G / N its ceiling is below 1."""
        return 2 * self.tp / (self.returned + self.positives) if self.positives else NAN


@dataclass(frozen=True)
class ImageCounts:
    """The same counts image by image, each field int64 (N, T): what a bootstrap over images resamples."""

    tp_NT: Tensor
    returned_NT: Tensor
    positives_NT: Tensor

    @classmethod
    def stack(cls, types: Sequence["ImageCounts"]) -> "ImageCounts":
        """Puts the types of the same N images side by side; whatever is pooled from the result is `All`."""
        fields = zip(*((t.tp_NT, t.returned_NT, t.positives_NT) for t in types), strict=True)
        return cls(*(torch.cat(field, dim=1) for field in fields))

    def pooled(self) -> Counts:
        """Sum over images and types."""
        return Counts(int(self.tp_NT.sum()), int(self.returned_NT.sum()), int(self.positives_NT.sum()))


class ClassRecall(NamedTuple):
    """recall_C: float64 (C,), NaN for a class without ground truth; positives_C: int64 (C,), the n beside it."""

    recall_C: Tensor
    positives_C: Tensor


def top_k(scores_NC: Tensor, k: int) -> Tensor:
    """Indices (N, k') of the k' = min(k, C) best classes, best first, ties by (-score, class index)."""
    _check_scores(scores_NC)
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    return scores_NC.sort(dim=1, descending=True, stable=True).indices[:, :k]


def image_counts(scores_NC: Tensor, labels_NC: Tensor, k: int, empty: Empty = "include") -> ImageCounts:
    """TP, returned and ground truth of every image for one type, as (N, 1).

    empty="include" counts k' predictions for every image (MTSS), "exclude" none for images without ground truth. k'
    stays min(k, C) where fewer classes were trained.
    """
    if empty not in ("include", "exclude"):
        raise ValueError(f"empty must be 'include' or 'exclude', got {empty!r}")
    tp_N = _hits(scores_NC, labels_NC, k).sum(1, keepdim=True)
    positives_N = labels_NC.sum(1, keepdim=True)
    returned_N = torch.full_like(positives_N, min(k, scores_NC.shape[1]))
    return ImageCounts(tp_N, returned_N if empty == "include" else returned_N * (positives_N > 0), positives_N)


def count_at_k(scores_NC: Tensor, labels_NC: Tensor, k: int, empty: Empty = "include") -> Counts:
    """Pooled counts of one type; its recall, precision and f1 are the headline numbers (MTSS Tables 1 to 7)."""
    return image_counts(scores_NC, labels_NC, k, empty).pooled()


def recall_at_k(scores_NC: Tensor, labels_NC: Tensor, k: int, average: Average = "micro") -> float:
    """Recall@k of one type, T_i the k' predictions for image i and Y_i its ground truth.

    micro: sum_i |T_i & Y_i| / sum_i |Y_i|, the headline. class: mean over classes with ground truth of the class
    recall. image: mean over images with ground truth of |T_i & Y_i| / |Y_i|. capped: the same over min(k, |Y_i|), so
    that a perfect ranking reaches 1 at every k.
    """
    if average == "class":
        return float(class_recall_at_k(scores_NC, labels_NC, k).recall_C.nanmean())
    counts = image_counts(scores_NC, labels_NC, k)
    if average == "micro":
        return counts.pooled().recall
    if average == "image":
        return float((counts.tp_NT.double() / counts.positives_NT).nanmean())
    if average == "capped":
        return float((counts.tp_NT.double() / counts.positives_NT.clamp(max=k)).nanmean())
    raise ValueError(f"average must be 'micro', 'class', 'image' or 'capped', got {average!r}")


def image_f1_at_k(scores_NC: Tensor, labels_NC: Tensor, k: int) -> float:
    """Mean over images with ground truth of 2 |T_i & Y_i| / (k' + |Y_i|). The headline F1 is `count_at_k(...).f1`."""
    counts = image_counts(scores_NC, labels_NC, k)
    f1_N = 2 * counts.tp_NT.double() / (counts.returned_NT + counts.positives_NT)
    return float(f1_N[counts.positives_NT > 0].nanmean())


def hit_at_k(scores_NC: Tensor, labels_NC: Tensor, k: int) -> float:
    """Share of the images with ground truth that have at least one true class among their k' predictions."""
    counts = image_counts(scores_NC, labels_NC, k)
    return float((counts.tp_NT > 0)[counts.positives_NT > 0].double().nanmean())


def class_recall_at_k(scores_NC: Tensor, labels_NC: Tensor, k: int) -> ClassRecall:
    """Recall@k and number of ground-truth images of every class (MTSS Fig. 8; for single labels at k=1 its Acc@1)."""
    tp_C, positives_C = _hits(scores_NC, labels_NC, k).sum(0), labels_NC.sum(0)
    return ClassRecall(tp_C.double() / positives_C, positives_C)


def macro_types(values: Iterable[float]) -> float:
    """Unweighted mean over attribute types; types that are NaN (no ground truth) are left out."""
    return float(torch.tensor(list(values), dtype=torch.float64).nanmean())


def average_precision(scores_NC: Tensor, labels_NC: Tensor) -> Tensor:
    """Non-interpolated AP of every class over the N images, float64 (C,), NaN for a class without positives.

    AP_c = mean over the positives i of (positives with s >= s_i) / (images with s >= s_i). Tied images share one rank,
    as in sklearn's average_precision_score: the order of the rows does not matter. A positive at -inf is never
    retrieved and adds 0, so an untrained class has AP 0.
    """
    _check_pair(scores_NC, labels_NC)
    negated_CN, order_CN = scores_NC.T.neg().contiguous().sort(dim=1)  # the best image first
    hits_CN = labels_NC.T.gather(1, order_CN)
    reached_CN = torch.searchsorted(negated_CN, negated_CN, right=True)
    precision_CN = hits_CN.cumsum(1).gather(1, reached_CN - 1).double() / reached_CN
    retrieved_CN = hits_CN & (negated_CN < torch.inf)
    return (precision_CN * retrieved_CN).sum(1) / hits_CN.sum(1)


def mean_average_precision(scores_NC: Tensor, labels_NC: Tensor, rows: Literal["valid", "all"] = "valid") -> float:
    """Mean of `average_precision` over classes with at least one positive.

    rows="valid" ranks the images with ground truth in the type, "all" every image. MTSS (appendix B) does not say
    which; "valid" is our choice.
    """
    if rows not in ("valid", "all"):
        raise ValueError(f"rows must be 'valid' or 'all', got {rows!r}")
    _check_pair(scores_NC, labels_NC)
    keep = labels_NC.any(1) if rows == "valid" else slice(None)
    return float(average_precision(scores_NC[keep], labels_NC[keep]).nanmean())


def accuracy_at_k(scores_NC: Tensor, targets_N: Tensor, k: int) -> float:
    """Share of the images whose one label, class indices int64 (N,), is among the k' predictions; NaN when N == 0."""
    return hit_at_k(scores_NC, _one_hot(scores_NC, targets_N), k)


def cross_entropy(logits_NC: Tensor, targets_N: Tensor) -> float:
    """Mean over images of -log softmax(logits)[target], natural log, no smoothing; inf where a target is untrained."""
    _one_hot(logits_NC, targets_N)
    return float(functional.cross_entropy(logits_NC.double(), targets_N))


def relative_gain(student: Tensor | float, teacher: Tensor | float) -> Tensor:
    """100 * (student - teacher) / teacher in percent, element by element, float64 (MTSS Tables 5, 7 and Fig. 8).

    NaN where the teacher is 0: undefined, neither inf nor 0. List these apart. A drop is the negated gain over clean.
    """
    student, teacher = torch.as_tensor(student).double(), torch.as_tensor(teacher).double()
    return torch.where(teacher == 0, NAN, 100 * (student - teacher) / teacher)


def _hits(scores_NC: Tensor, labels_NC: Tensor, k: int) -> Tensor:
    """Bool (N, C): class c was predicted for image i, and rightly."""
    _check_pair(scores_NC, labels_NC)
    predicted_NC = torch.zeros_like(labels_NC).scatter(1, top_k(scores_NC, k), True)
    return predicted_NC & labels_NC & (scores_NC > -torch.inf)


def _one_hot(scores_NC: Tensor, targets_N: Tensor) -> Tensor:
    _check_scores(scores_NC)
    if targets_N.shape != scores_NC.shape[:1] or bool(((targets_N < 0) | (targets_N >= scores_NC.shape[1])).any()):
        raise ValueError(
            f"targets must be {len(scores_NC)} class indices below {scores_NC.shape[1]}; drop the unlabelled"
        )
    return torch.zeros_like(scores_NC, dtype=torch.bool).scatter(1, targets_N[:, None], True)


def _check_scores(scores_NC: Tensor) -> None:
    if scores_NC.ndim != 2 or not scores_NC.is_floating_point():
        raise ValueError(f"scores must be floating point (N, C), got {scores_NC.dtype} {tuple(scores_NC.shape)}")
    if bool(scores_NC.isnan().any()):
        raise ValueError("scores contain NaN, which has no rank: the model diverged")


def _check_pair(scores_NC: Tensor, labels_NC: Tensor) -> None:
    _check_scores(scores_NC)
    if labels_NC.dtype != torch.bool or labels_NC.shape != scores_NC.shape:
        raise ValueError(
            f"labels must be bool {tuple(scores_NC.shape)}, got {labels_NC.dtype} {tuple(labels_NC.shape)}"
        )
