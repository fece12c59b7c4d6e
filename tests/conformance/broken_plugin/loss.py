"""Good losses, and copies that each break one promise."""

import torch
from torch import nn
from torch.nn import functional as F


def losses(scores, targets):
    return F.binary_cross_entropy_with_logits(scores.float(), targets, reduction="none")


class good_loss(nn.Module):
    compares = "scores"

    def forward(self, scores, targets, mask):
        return losses(scores, targets).where(mask, 0).sum() / mask.sum().clamp(min=1)


class scaled(good_loss):
    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale


class ignores_mask(good_loss):
    def forward(self, scores, targets, mask):
        return losses(scores, targets).mean() if mask.any() else scores.sum() * 0


class nan_when_masked(good_loss):
    def forward(self, scores, targets, mask):
        return losses(scores, targets)[mask].mean()


class constant_when_masked(good_loss):
    def forward(self, scores, targets, mask):
        return super().forward(scores, targets, mask) if mask.any() else torch.tensor(0.0)


class ordered(good_loss):
    def forward(self, scores, targets, mask):
        weights = torch.arange(len(scores)).unsqueeze(1)
        return (weights * losses(scores, targets)).where(mask, 0).mean()


class changes_targets(good_loss):
    def forward(self, scores, targets, mask):
        return super().forward(scores, targets.mul_(0.9), mask)


class overflows(good_loss):
    def forward(self, scores, targets, mask):
        naive = (1 + scores.exp()).log() - targets.to(scores.dtype) * scores
        return naive.where(mask, 0).sum() / mask.sum().clamp(min=1)


class not_a_scalar(good_loss):
    def forward(self, scores, targets, mask):
        return losses(scores, targets).where(mask, 0).sum(0, keepdim=True).mean(1)


class hard_targets_only(good_loss):
    def forward(self, scores, targets, mask):
        hard = ((targets == 0) | (targets == 1)).float()
        return super().forward(scores, targets, mask) - (hard.log().where(mask, 0).sum())


class says_nothing(good_loss):
    compares = None


class good_embedding_loss(nn.Module):
    compares = "embeddings"

    def forward(self, student, teacher, dictionary):
        return (1 - F.cosine_similarity(student.float(), teacher.float())).mean()


class prefers_the_opposite(good_embedding_loss):
    def forward(self, student, teacher, dictionary):
        return -super().forward(student, teacher, dictionary)
