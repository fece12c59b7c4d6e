"""Trains in several processes at once: ``python at_once.py '{"out": ..., "waits": {...}, "starts": [...]}'``.

A first process trains with the arguments ``waits`` as far as its second step. There it waits, while processes with the
arguments ``starts`` begin at the same moment and come to their ends; then it goes on. All use the folder ``out``.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mtss_zoo

RECIPE = Path(__file__).with_name("recipe.yaml")


def fork(work: Callable[[], Any]) -> int:
    """Starts a process; it ends with 0, or with 1 after an error."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def end(child: int) -> int:
    """How a process ended, once it has."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def wait_in_step(number: int, reached: int, go_on: int) -> None:
    """The training step of this number tells that it is reached, and waits."""
    from mtss_zoo.training_module import TrainingModule

    plain = TrainingModule.training_step

    def training_step(module: TrainingModule, batch: Any, batch_idx: int) -> Any:
        if batch_idx == number:
            os.write(reached, b"!")
            os.read(go_on, 1)
        return plain(module, batch, batch_idx)

    TrainingModule.training_step = training_step  # type: ignore[method-assign]


def main(out: str, waits: dict[str, Any], starts: list[dict[str, Any]]) -> list[int]:
    """How all processes ended, the first one last."""
    reached, go_on, start = os.pipe(), os.pipe(), os.pipe()

    def first() -> None:
        wait_in_step(1, reached[1], go_on[0])
        mtss_zoo.train(RECIPE, out, **waits)

    def other(arguments: dict[str, Any]) -> None:
        os.read(start[0], 1)
        mtss_zoo.train(RECIPE, out, **arguments)

    waiting = fork(first)
    os.read(reached[0], 1)
    others = [fork(lambda arguments=arguments: other(arguments)) for arguments in starts]
    os.write(start[1], b"!" * len(others))
    ends = [end(child) for child in others]
    os.write(go_on[1], b"!")
    return [*ends, end(waiting)]


if __name__ == "__main__":
    importlib.import_module("mtss_zoo.fit")  # once, for all processes
    print(json.dumps(main(**json.loads(sys.argv[1]))))
