"""Pseudo labels: what a teacher takes for true, mixed in pairs, and the loss against them.

N unlabelled pictures, C classes of a type. Nothing here has a gradient but the student's scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from mtss_zoo_strategies.mixing import blend, draw_pairs, mix_batch


@dataclass(frozen=True)
class PseudoLabels:
    """The labels NC of one attribute type, each row a distribution, and the confidence N in them."""

    labels: Tensor
    confidence: Tensor


def pseudo_labels(scores: Tensor, targets: Tensor, known: Tensor) -> PseudoLabels:
    """The teacher's best class of every picture, and its probability, from scores NC.

    Where a picture's own label is known (``targets`` NC under ``known`` NC), that is taken instead, with confidence 1.
    """
    confidence, best = scores.softmax(1, dtype=torch.float32).max(1)
    guesses = F.one_hot(best, scores.shape[1]).to(confidence)
    own, labelled = known_labels(targets, known)
    labels = torch.where(labelled[:, None], own.to(confidence), guesses)
    return PseudoLabels(labels, torch.where(labelled, 1.0, confidence))


def known_labels(targets: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """The known labels NC of pictures as distributions, and which of the N pictures have any."""
    own = targets.where(known, 0)
    total = own.sum(1)
    return own / total.where(total > 0, 1)[:, None], total > 0


Pseudo: TypeAlias = Mapping[str, PseudoLabels]
Mixing: TypeAlias = Callable[[Tensor, Pseudo], tuple[Tensor, Pseudo]]


def unmixed(images: Tensor, pseudo: Pseudo) -> tuple[Tensor, Pseudo]:
    """Everything as it is."""
    return images, pseudo


def mix_ordinarily(images: Tensor, pseudo: Pseudo) -> tuple[Tensor, Pseudo]:
    """One random share for the whole batch, as for labelled pictures.

    The confidence stays the picture's own, so that the label of an unreliable partner leaks in.
    """
    mixed, share = mix_batch(images, mixup=0.8, cutmix=1.0)
    shares = torch.full((len(images),), share, device=images.device)
    partner = torch.arange(len(images), device=images.device).flip(0)
    return mixed, {t: PseudoLabels(_mixed(p.labels, partner, shares), p.confidence) for t, p in pseudo.items()}


def mix_by_confidence(images: Tensor, pseudo: Pseudo) -> tuple[Tensor, Pseudo]:
    """Probabilistic pseudo mixup: the surer of two pictures keeps the larger share, and vouches for the pair.

    p_i / (p_i + p_j) is the share of picture i with its partner j, and max(p_i, p_j) the confidence in what they make.
    Half of the pictures are blended and half cut (Cai et al., NeurIPS 2022).

    Beyond the paper, with several types the pixels follow the mean confidence of a picture, and the labels of a type
    its own: see `type_share`.
    """
    partner, cut = (drawn.to(images.device) for drawn in draw_pairs(len(images)))
    mean = torch.stack([p.confidence for p in pseudo.values()]).mean(0)
    mixed, share = blend(images, images[partner], mean / (mean + mean[partner]), cut)
    labels = {}
    for name, p in pseudo.items():
        shares = type_share(share, p.confidence / mean, partner)
        confidence = torch.maximum(p.confidence, p.confidence[partner])
        labels[name] = PseudoLabels(_mixed(p.labels, partner, shares), confidence)
    return mixed, labels


def type_share(share: Tensor, surer: Tensor, partner: Tensor) -> Tensor:
    """The share N of a picture's own label of one type, from the share N of its pixels.

    ``surer``: N, the confidence in this type over the mean of the picture's types. Where pictures are blended, the
    result is p_i / (p_i + p_j) of this type, and with one type it is ``share``, to the last bit.
    """
    own, other = share * surer, (1 - share) * surer[partner]
    return own / (own + other)


MIXINGS: Mapping[str, Mixing] = {
    "none": unmixed,
    "ordinary": mix_ordinarily,
    "probabilistic": mix_by_confidence,
}


def smoothed(labels: Tensor, trained: Tensor, smoothing: float) -> Tensor:
    """Labels NC of which a part, ``smoothing``, is spread evenly over the ``trained`` classes (C booleans)."""
    return (1 - smoothing) * labels + smoothing * trained / trained.sum()


def kept_cross_entropy(scores: Tensor, targets: Tensor, kept: Tensor, trained: Tensor) -> Tensor:
    """The sum of the ``kept`` (N booleans) pictures' cross entropies, over all N: few kept pictures weigh little.

    Untrained classes (``trained``: C booleans) leave the softmax.
    """
    log_shares = scores.masked_fill(~trained, -torch.inf).log_softmax(1, dtype=torch.float32)
    losses = -(targets * log_shares.where(trained, 0)).sum(1)
    return losses.where(kept, 0).mean()


def _mixed(labels: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    return torch.lerp(labels[partner], labels, share[:, None])
