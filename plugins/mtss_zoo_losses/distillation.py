"""The distillation loss of an MTSS student (Shin, ECCV 2020, equations 3 and 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class EmbeddingDistillationLoss(nn.Module):
    """``[1 - cos(e_S, e_T)] * cos(d, e_T)^beta``, the mean over the batch, for one attribute type (equation 4).

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


def _directions(vectors: Tensor) -> Tensor:
    """Unit vectors in at least float32; ``eps`` bounds the gradient of a zero vector."""
    return F.normalize(vectors.to(torch.promote_types(vectors.dtype, torch.float32)), dim=1, eps=1e-4)
