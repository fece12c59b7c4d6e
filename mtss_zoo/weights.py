"""Weights from a safetensors file into a model that was built without them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from mtss_zoo.errors import CheckpointError
from mtss_zoo.model import AttributeModel


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file: {error}.") from error


def fill(model: AttributeModel, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Makes the tensors of ``state``, read from ``path``, the model's own.

    Raises:
        CheckpointError: names or shapes differ from the model's.
    """
    wanted = model.state_dict()
    missing, surplus = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    wrong = sorted(k for k in wanted.keys() & state.keys() if wanted[k].shape != state[k].shape)
    for word, names in (("misses", missing), ("has unknown", surplus), ("has other shapes for", wrong)):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise CheckpointError(f"{path} does not fit its recipe: it {word} {', '.join(names[:3])}{more}.")
    model.load_state_dict(dict(state), assign=True)


def refill_buffers(model: AttributeModel) -> None:
    """Buffers that no checkpoint holds, such as window tables, are computed by the backbone's own hook."""
    refill = getattr(model.backbone, "init_non_persistent_buffers", None)
    if refill is not None and any(b.is_meta for b in model.buffers()):
        refill()
