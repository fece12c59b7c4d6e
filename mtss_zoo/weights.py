"""Weights in a safetensors file: written whole, and read into a model that was built without them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

from mtss_zoo.errors import CheckpointError
from mtss_zoo.files.whole_files import whole_file
from mtss_zoo.model import AttributeModel

MOST_BUFFERS = 256_000_000
"""Bytes that the tables of a small model may take beside its weights; a large one's may be as large as its weights."""
_FILLS = {Tensor.normal_, Tensor.uniform_, Tensor.zero_, Tensor.fill_}


class NothingToFill(TorchFunctionMode):
    """A context in which tensors on the meta device are not filled.

    They hold nothing, so initialisers have no effect on them, but dispatching those takes 40 % of building there.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs every function but those."""
        kwargs = kwargs or {}
        # An initialiser that asks for modes itself is seen here whole, and what it calls is not.
        if func in _FILLS or getattr(func, "__module__", None) == "torch.nn.init":
            tensor = args[0] if args else kwargs.get("tensor")
            if isinstance(tensor, Tensor) and tensor.is_meta:
                return tensor
        return func(*args, **kwargs)


def save_weights(model: AttributeModel, path: Path) -> None:
    """Writes the model's tensors into a safetensors file, which appears whole or not at all."""
    tensors = {name: t.detach().contiguous().cpu() for name, t in model.state_dict().items()}
    with whole_file(path) as part:
        part.touch()
        mode = part.stat().st_mode
        save_file(tensors, part, metadata={"format": "pt"})
        part.chmod(mode)  # safetensors lets nobody but the owner read; who trains need not be who serves


def digest(state: Mapping[str, Tensor]) -> str:
    """The SHA-256 of the names, types, shapes and bytes of tensors, on whatever device and in whatever order."""
    sha = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file: {error}.") from error


def fill(model: AttributeModel, state: Mapping[str, Tensor], path: Path) -> None:
    """Makes the tensors of ``state``, read from ``path``, the model's own.

    Raises:
        CheckpointError: names, shapes or types differ from the model's; of floats the precision may.
    """
    wanted = model.state_dict()
    wrong = differences(wanted, state)
    if wrong:
        raise CheckpointError(f"{path} does not fit its recipe: it {wrong}.")
    model.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in state.items()}, assign=True)


def differences(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """How names, shapes and types of ``state`` differ from those wanted, in words; empty where they do not."""
    missing, surplus = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    both = sorted(wanted.keys() & state.keys())
    shapes = [k for k in both if wanted[k].shape != state[k].shape]
    types = [k for k in both if wanted[k].dtype != state[k].dtype and not _are_floats(wanted[k], state[k])]
    words = []
    for verb, names in (
        ("misses", missing),
        ("has unknown", surplus),
        ("has other shapes for", shapes),
        ("has other types for", types),
    ):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            words.append(f"{verb} {', '.join(names[:3])}{more}")
    return "; it ".join(words)


def _are_floats(*tensors: Tensor) -> bool:
    return all(t.is_floating_point() for t in tensors)


def check_finite(model: AttributeModel, path: Path) -> None:
    """Refuses weights, read from ``path``, with which every score would be NaN.

    Raises:
        CheckpointError: a tensor holds NaN or infinite numbers.
    """
    for name, tensor in model.state_dict().items():
        # A sum is six times as fast as `isfinite`, and finite in nearly every file.
        if tensor.is_floating_point() and not tensor.sum().isfinite() and not tensor.isfinite().all():
            raise CheckpointError(
                f"{path} holds NaN or infinite numbers in {name}: the training diverged or the file is damaged. "
                "Take an earlier checkpoint, or train again with a smaller learning rate."
            )


@contextmanager
def no_larger_than(state: Mapping[str, Tensor], path: Path) -> Iterator[None]:
    """A context in which a model is built for ``state``, read from ``path``; one of far more parts is given up early.

    A recipe of one line can ask for a network of 10^9 blocks, which takes all memory before it can be compared.

    Raises:
        CheckpointError: more parameters were made than the file could fill.
    """
    limit, made = 1000 + 4 * len(state), 0  # some networks make parts that they replace before they are finished

    def count(*_: Any) -> None:
        nonlocal made
        made += 1
        if made > limit:
            raise CheckpointError("too many parameters.")

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    except Exception as error:
        if made > limit:
            raise CheckpointError(
                f"{path} does not fit its recipe: it holds {len(state)} tensors, and the recipe asks for far more."
            ) from error
        raise
    finally:
        handle.remove()


def refill_buffers(model: AttributeModel, path: Path) -> None:
    """Buffers that no checkpoint holds, such as window tables, are computed by the backbone's own hook.

    Raises:
        CheckpointError: they would be far larger than the weights in ``path``; a recipe of one line can ask for that.
    """
    missing = sum(b.numel() * b.element_size() for b in model.buffers() if b.is_meta)
    if missing > max(MOST_BUFFERS, path.stat().st_size):
        raise CheckpointError(
            f"{path} does not fit its recipe, whose model has tables of {missing / 1e6:,.0f} MB beside its weights."
        )
    refill = getattr(model.backbone, "init_non_persistent_buffers", None)
    if refill is not None and missing:
        refill()
