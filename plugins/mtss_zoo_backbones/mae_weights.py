"""Weights of masked autoencoders, as they are published, into a backbone."""

from __future__ import annotations

from collections.abc import MutableMapping
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from timm.models import load_state_dict_from_hf
from torch import Tensor

from mtss_zoo.errors import CheckpointError, UsageError
from mtss_zoo.positions import resampled_positions
from mtss_zoo.weights import differences, read_tensors
from mtss_zoo_backbones.timm_network import cannot_fetch

if TYPE_CHECKING:
    from mtss_zoo_backbones.vit_mae import MAEViT

NOT_ENCODER = ("mask_token", "decoder_", "norm.", "head.")
"""Beginnings of keys that pretraining or another task adds to the encoder."""


def load_start(network: MAEViT, pretrained: str | None, weights: str | None) -> None:
    """Loads timm's weights of the name ``pretrained``, or the file ``weights``; on the meta device neither.

    Raises:
        UsageError: there is no such file.
        CheckpointError: it does not hold the weights of this network.
        MtssZooError: the pretrained weights cannot be fetched.
    """
    if network.cls_token.is_meta:
        return
    if pretrained is not None:
        _load(network, _fetch(pretrained), pretrained)
    if weights is not None:
        _load(network, _read(Path(weights)), weights)


@torch.no_grad()
def accept_encoder(network: MAEViT, state: MutableMapping[str, Tensor], prefix: str = "", *_: Any) -> None:
    """A hook before ``load_state_dict``: changes ``state`` in place from the encoder of an MAE file to this network.

    What belongs to the decoder or a classifier is left out. So is the encoder's final ``norm``, which averaged tokens
    do not pass; ``fc_norm`` then stays as it is, and is not made from it. Where the number of patches differs, the grid
    is taken for a square, as in MAE's files, and its positions are resampled: weights alone do not say their grid.
    """
    is_encoder = f"{prefix}norm.weight" in state
    for key in [k for k in state if k.startswith(tuple(prefix + name for name in NOT_ENCODER))]:
        del state[key]
    if is_encoder:
        for name, parameter in network.fc_norm.named_parameters():
            state.setdefault(f"{prefix}fc_norm.{name}", parameter.detach())
    positions = state.get(f"{prefix}pos_embed")
    if positions is not None and (side := _square_side(positions, like=network.pos_embed)):
        state[f"{prefix}pos_embed"] = resampled_positions(positions, (side, side), network.grid)


def _square_side(positions: Tensor, like: Tensor) -> int:
    """Of the square grid of a table 1(1+P)F, for another P than that of ``like``; 0 where there is none."""
    if positions.shape == like.shape or positions.shape[::2] != like.shape[::2] or positions.ndim != like.ndim:
        return 0
    patches = positions.shape[1] - 1
    return isqrt(patches) if patches == isqrt(max(patches, 0)) ** 2 else 0


def _load(network: MAEViT, state: dict[str, Tensor], source: str) -> None:
    accept_encoder(network, state)
    wrong = differences(network.state_dict(), state)
    if wrong:
        raise CheckpointError(f"{source} does not hold the weights of this backbone: it {wrong}.")
    network.load_state_dict(state)


def _fetch(name: str) -> dict[str, Tensor]:
    try:
        return dict(load_state_dict_from_hf(f"timm/{name}"))
    except Exception as error:  # what timm and the clients below it raise shares no base class
        raise cannot_fetch(name, error) from error


def _read(path: Path) -> dict[str, Tensor]:
    """A safetensors file, or one that torch saved, with its tensors under the key ``model`` or without."""
    if not path.is_file():
        raise UsageError(f"the backbone's `weights` name no file: there is no {path}. Give the path of one, or null.")
    if path.suffix == ".safetensors":
        return read_tensors(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # readers of zip, tar and pickle raise classes that share no base
        raise CheckpointError(
            f"{path} cannot be read as weights alone: it is damaged, or holds more than tensors. Save its state dict "
            "by itself, best as a safetensors file."
        ) from error
    state = found.get("model", found) if isinstance(found, dict) else None
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise CheckpointError(f"{path} holds no state dict, neither by itself nor under the key `model`.")
    return {str(key): tensor for key, tensor in state.items()}
