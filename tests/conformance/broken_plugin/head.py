"""Good heads, and copies that each break one promise."""

import torch
from torch import nn
from torch.nn import functional as F


class good_head(nn.Module):
    def __init__(self, num_features, num_classes):
        super().__init__()
        self.layer = nn.Linear(num_features, num_classes)

    def forward(self, features):
        return self.layer(features)


class wrong_shape(good_head):
    def __init__(self, num_features, num_classes):
        super().__init__(num_features, num_classes + 1)


class centres_its_batch(good_head):
    def forward(self, features):
        scores = super().forward(features)
        return scores - scores.mean(0)


class detaches(good_head):
    def forward(self, features):
        return super().forward(features.detach())


class half_an_embedding_head(good_head):
    def embed(self, features):
        return features


class no_num_classes(good_head):
    def __init__(self, num_features):
        super().__init__(num_features, 3)


class good_embedding_head(nn.Module):
    def __init__(self, num_features, num_classes):
        super().__init__()
        self.layer = nn.Linear(num_features, 5)
        self.dictionary = nn.Parameter(torch.randn(num_classes, 5))

    def embed(self, features):
        return self.layer(features)

    def score(self, embeddings):
        return F.normalize(embeddings, dim=1) @ F.normalize(self.dictionary, dim=1).t()

    def forward(self, features):
        return self.score(self.embed(features))


class disagrees(good_embedding_head):
    def forward(self, features):
        return 10 * super().forward(features)
