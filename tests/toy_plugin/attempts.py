"""Trains in processes of its own that may be killed: ``python attempts.py '{"out": ..., "attempts": [...]}'``.

Every attempt trains the toy recipe into ``out``, in as many processes as ``world_size`` says, each forked from here,
so that the libraries are imported once. ``kill`` is ``[module, name, n]``: the processes get a SIGKILL where they call
that function for the n-th time, before it does anything. What each process learned lies in ``out/rank<n>.json``.
"""

import importlib
import json
import os
import random
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mtss_zoo

if TYPE_CHECKING:
    from mtss_zoo.training_module import TrainingModule

RECIPE = Path(__file__).with_name("recipe.yaml")


def kill_at(module: str, name: str, n: int) -> None:
    """The n-th call of ``module.name`` is the last thing that this process does."""
    *path, last = name.split(".")
    owner: Any = importlib.import_module(module)
    for part in path:
        owner = getattr(owner, part)
    plain, calls = getattr(owner, last), []

    def replacement(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        if len(calls) == n:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(*args, **kwargs)

    setattr(owner, last, replacement)


def recording(step: Callable[..., Any], seen: list[list[int]], modules: "list[TrainingModule]") -> Callable[..., Any]:
    """A training step that notes which pictures it saw."""

    def training_step(module: "TrainingModule", batch: Any, batch_idx: int) -> Any:
        modules[:] = [module]
        seen.append(next(iter(batch.values())).rows.tolist())
        return step(module, batch, batch_idx)

    return training_step


def attempt(out: Path, rank: int, kill: list[Any] | None, arguments: dict[str, Any]) -> None:
    """One process of one attempt."""
    random.seed(os.getpid())  # a run must not depend on the state that it finds
    if kill:
        kill_at(*kill)
    from mtss_zoo.training_module import TrainingModule

    seen: list[list[int]] = []
    modules: list[TrainingModule] = []
    TrainingModule.training_step = recording(TrainingModule.training_step, seen, modules)
    mtss_zoo.train(RECIPE, out, **arguments)
    weights = {name: p.double().sum().item() for name, p in modules[-1].named_parameters()} if modules else {}
    (out / f"rank{rank}.json").write_text(json.dumps({"rows": seen, "weights": weights}))


def fork(rank: int, world_size: int, port: int, **job: Any) -> int:
    """Starts one process; it ends with 0, or with the signal that killed it."""
    child = os.fork()
    if child:
        return child
    if world_size > 1:
        os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "WORLD_SIZE": str(world_size)}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    try:
        attempt(rank=rank, **job)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def main(jobs: dict[str, Any]) -> list[list[int]]:
    """Runs all attempts, and tells how each of their processes ended: negative is a signal."""
    ends = []
    for kill in jobs["attempts"]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        world_size = jobs.get("world_size", 1)
        job = {"out": Path(jobs["out"]), "kill": kill, "arguments": jobs["arguments"]}
        children = [fork(rank, world_size, port, **job) for rank in range(world_size)]
        ends.append([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
    return ends


if __name__ == "__main__":
    importlib.import_module("mtss_zoo.fit")  # here, as the workers of a distributed run import this file too
    print(json.dumps([main(jobs) for jobs in json.loads(sys.argv[1])]))
