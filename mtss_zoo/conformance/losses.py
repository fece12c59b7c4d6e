"""What is asked of losses of both kinds."""

from __future__ import annotations

from typing import Any

import torch


def check_inputs_stay(loss: Any, problem: Any) -> None:
    """Computes the loss of a named tuple of tensors, and compares these with what they were.

    Raises:
        AssertionError: one was changed; the message names it.
    """
    given = type(problem)(*(t.clone() for t in problem))
    with torch.no_grad():
        loss(*given)
    for name, before, after in zip(problem._fields, problem, given, strict=True):
        assert torch.equal(before, after), f"the loss changes its {name}: no operation whose name ends in _ on inputs."
