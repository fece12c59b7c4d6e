"""A good strategy, and copies that each break one promise."""

import numpy as np
import torch
from torch import nn

from mtss_zoo import Draws
from mtss_zoo.sampling import SampleStream, shuffled


class good_strategy(nn.Module):
    compares = "scores"
    predicts = True

    def __init__(self, model, context):
        super().__init__()
        self.model, self.context = model, context
        teachers = context.finished("teachers")
        self.teachers = [teacher.requires_grad_(False) for teacher in teachers.values()]

    def prepare(self, steps):
        pass

    def draw(self, epoch):
        return shuffled(len(self.context.train), self.context.seed, epoch)

    def streams(self):
        return {"labelled": SampleStream(self.context.train, self.context.batch_size, ("train",), self.draw)}

    def step(self, batches):
        batch = batches["labelled"]
        scores = self.model(batch.images)
        parts = [self.context.losses[n](s, batch.targets[n], batch.mask[n]) for n, s in scores.items()]
        agreement = [(scores[n] - s).square().mean() for t in self.teachers for n, s in t(batch.images).items()]
        return {"loss": sum(parts) + sum(agreement)}

    def after_step(self):
        pass

    def delivered(self):
        return self.model

    def others(self):
        return {}


class global_draws(good_strategy):
    def draw(self, epoch):
        return Draws(np.random.permutation(len(self.context.train)))


class restless_draws(good_strategy):
    calls = 0

    def draw(self, epoch):
        self.calls += 1
        return shuffled(len(self.context.train), self.context.seed, self.calls)


class uneven_epochs(good_strategy):
    def draw(self, epoch):
        return Draws(super().draw(epoch).rows[: 20 - epoch])


class no_loss(good_strategy):
    def step(self, batches):
        return {"total": super().step(batches)["loss"]}


class detached_loss(good_strategy):
    def step(self, batches):
        return {"loss": super().step(batches)["loss"].detach()}


class forgetful(good_strategy):
    steps = 0

    def step(self, batches):
        return {"loss": super().step(batches)["loss"] * (1 + self.steps)}

    def after_step(self):
        self.steps += 1


class trains_its_teachers(good_strategy):
    def __init__(self, model, context):
        super().__init__(model, context)
        self.teachers = nn.ModuleList(self.teachers).requires_grad_(True)


class measures_one_model_twice(good_strategy):
    def others(self):
        return {"student": self.model}


class delivers_nothing(good_strategy):
    def delivered(self):
        return torch.nn.Identity()
