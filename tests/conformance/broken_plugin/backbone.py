"""A good backbone, and copies that each break one promise."""

import torch
from torch import nn


class good_backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.num_features = 6
        self.first, self.second = nn.Conv2d(3, 4, 8, stride=8), nn.Conv2d(4, 6, 1)

    def forward(self, images):
        return self.second(self.first(images).relu()).mean((2, 3))

    def layer_groups(self):
        return [list(self.first.parameters()), list(self.second.parameters())]


class forgets_a_parameter(good_backbone):
    def layer_groups(self):
        return [[self.first.weight], list(self.second.parameters())]


class repeats_a_parameter(good_backbone):
    def layer_groups(self):
        return [*super().layer_groups(), [self.first.bias]]


class random_in_eval(good_backbone):
    def forward(self, images):
        return nn.functional.dropout(super().forward(images), 0.5, training=True)


class buffer_on_meta(good_backbone):
    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.ones(()), persistent=False)

    def forward(self, images):
        return super().forward(images) * self.scale


class wrong_num_features(good_backbone):
    def __init__(self):
        super().__init__()
        self.num_features = 4


class unused_parameter(good_backbone):
    def __init__(self):
        super().__init__()
        self.classifier = nn.Linear(6, 1000)

    def layer_groups(self):
        return [*super().layer_groups(), list(self.classifier.parameters())]


class sees_its_batch(good_backbone):
    def forward(self, images):
        features = super().forward(images)
        return features - features.mean(0)


class state_outside(good_backbone):
    def __init__(self):
        super().__init__()
        self.scale = 1 + torch.rand(1, device="cpu").item()

    def forward(self, images):
        return super().forward(images) * self.scale
