"""Weights that replace those of a model under construction."""

import pytest
import torch
from torch import nn

from mtss_zoo.weights import NothingToFill


def test_without_filling_initialisers_leave_the_meta_device_alone_and_work_elsewhere() -> None:
    with NothingToFill():
        there = nn.Linear(4, 3, device="meta")
        here = nn.Linear(4, 3)
        nn.init.ones_(here.bias)
    assert there.weight.is_meta and there.weight.requires_grad
    assert here.weight.std() > 0
    assert here.bias.tolist() == [1, 1, 1]


def test_it_skips_what_fills_and_nothing_else() -> None:
    with NothingToFill():
        meta = torch.empty(2, 3, device="meta")
        assert meta.normal_() is meta
        assert (meta @ torch.empty(3, 5, device="meta")).shape == (2, 5)


def test_initialisers_are_skipped_under_a_device_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with NothingToFill(), torch.device("meta"):
        layer = nn.Conv2d(3, 4, 3)
        monkeypatch.setattr(torch.Tensor, "normal_", None)  # calling it would fail
        assert nn.init.normal_(layer.weight) is layer.weight
