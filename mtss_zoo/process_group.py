"""The processes of a distributed run, or a run's only one."""

from __future__ import annotations

from torch import Tensor, distributed


def in_group() -> bool:
    """Whether this process is one of a distributed run that has begun."""
    return distributed.is_available() and distributed.is_initialized()


def group_size() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if in_group() else 1


def group_rank() -> int:
    """The number of this process, from 0."""
    return distributed.get_rank() if in_group() else 0


def sum_over_group(values: Tensor) -> None:
    """Replaces values by their sum over all processes."""
    if in_group():
        distributed.all_reduce(values)
