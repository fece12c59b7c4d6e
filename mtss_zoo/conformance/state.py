"""How a part of a model gets its weights back, step by step as `mtss_zoo.checkpoint` does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn


def reloaded(module: nn.Module, build: Callable[[], nn.Module], folder: Path) -> nn.Module:
    """A new instance, built without memory, that got the weights of ``module`` through a file.

    Raises:
        AssertionError: something has no value then; the message says how to mend it.
    """
    path = folder / "state.safetensors"
    save_file({name: t.detach().contiguous() for name, t in module.state_dict().items()}, path)
    with torch.device("meta"):
        copy = build()
    copy.load_state_dict(load_file(path), assign=True)
    restored = copy.state_dict()
    changed = [name for name, t in module.state_dict().items() if not t.equal(restored[name])]
    assert not changed, f"{', '.join(changed)} is not what was saved: does state_dict() compute it?"
    refill = getattr(copy, "init_non_persistent_buffers", None)
    if refill is not None and any(b.is_meta for b in copy.buffers()):
        refill()
    empty = [name for name, t in (*copy.named_parameters(), *copy.named_buffers()) if t.is_meta]
    assert not empty, (
        f"{', '.join(empty)} has no value after loading, because it is not in the state dict: register it with "
        "persistent=True, or, in a backbone, compute it in a method init_non_persistent_buffers()."
    )
    return copy.train(module.training)
