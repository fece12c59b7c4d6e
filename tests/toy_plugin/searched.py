"""Searches in processes of their own that may be killed: ``python searched.py '{"out": ..., "attempts": [...]}'``.

Every attempt is the same search, forked from here so that the libraries are imported once. An attempt
``[module, name, n, number]`` gets a signal where it calls that function for the n-th time, before it does anything.
"""

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mtss_zoo.fit  # noqa: F401  imported once, for all attempts
from mtss_zoo.tuning.tune import tune

RECIPE = Path(__file__).with_name("recipe.yaml")


def signal_at(module: str, name: str, n: int, number: int) -> None:
    """The n-th call of ``module.name`` first sends this process a signal."""
    *path, last = name.split(".")
    owner: Any = importlib.import_module(module)
    for part in path:
        owner = getattr(owner, part)
    plain, calls = getattr(owner, last), []

    def replacement(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        if len(calls) == n:
            os.kill(os.getpid(), number)
        return plain(*args, **kwargs)

    setattr(owner, last, replacement)


def attempt(moment: list[Any] | None, out: str, run: Callable[..., Any] = tune, **arguments: Any) -> int:
    """How one attempt ended: 0, 130 after Ctrl-C, or less than zero for a signal."""
    child = os.fork()
    if not child:
        try:
            if moment:
                signal_at(*moment)
            run(out=out, **{"recipe": RECIPE} | arguments)
            os._exit(0)
        except KeyboardInterrupt:
            os._exit(128 + signal.SIGINT)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    print(json.dumps([attempt(moment, job["out"], **job["arguments"]) for moment in job["attempts"]]))
