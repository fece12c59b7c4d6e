"""The distillation losses of an MTSS student: of embeddings, as published, and of the scores that follow from them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class EmbeddingDistillationLoss(nn.Module):
    """``[1 - cos(e_S, e_T)] * cos(d, e_T)^beta``, the mean over the batch, for one type (Shin, ECCV 2020, equation 4).

    d is the label embedding nearest to the teacher's embedding e_T, so its cosine says how sure the teacher is.
    That cosine can be negative, where a fractional beta would give NaN: it is clamped to [0, 1]. The weight is a
    constant, and beta 0 is equation 3.
    """

    compares = "embeddings"

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, student: Tensor, teacher: Tensor, dictionary: Tensor) -> Tensor:
        """Student BD, teacher BD, the teacher's dictionary ND, all of any length, to a scalar."""
        with torch.autocast(student.device.type, enabled=False):
            target = _directions(teacher.detach())
            certainty = (target @ _directions(dictionary.detach()).t()).amax(1).clamp(0, 1)
            distance = 1 - (_directions(student) * target).sum(1)
            return (certainty**self.beta * distance).mean()


class ScoreDistillationLoss(nn.Module):
    """``KL(p_T || p_S)``, the mean over the batch, where p is the softmax of ``scale`` times an embedding's cosines.

    Beyond the paper. A distance of embeddings counts all their directions alike, and of those the classes of a
    dictionary use few: a student too small to follow its teacher everywhere gives way where the answer is decided as
    readily as elsewhere. This distance sees the scores alone (Hinton et al., Distilling the Knowledge in a Neural
    Network, 2015, with 1 / scale as the temperature, and without its factor for the gradient's size).
    """

    compares = "embeddings"

    def __init__(self, scale: float = 16.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, student: Tensor, teacher: Tensor, dictionary: Tensor) -> Tensor:
        """Student BD, teacher BD, the teacher's dictionary ND, all of any length, to a scalar."""
        with torch.autocast(student.device.type, enabled=False):
            classes = self.scale * _directions(dictionary.detach()).t()
            learnt = (_directions(student) @ classes).log_softmax(1)
            taught = (_directions(teacher.detach()) @ classes).log_softmax(1)
            return F.kl_div(learnt, taught, reduction="batchmean", log_target=True)


def _directions(vectors: Tensor) -> Tensor:
    """Unit vectors in at least float32; ``eps`` bounds the gradient of a zero vector."""
    return F.normalize(vectors.to(torch.promote_types(vectors.dtype, torch.float32)), dim=1, eps=1e-4)
