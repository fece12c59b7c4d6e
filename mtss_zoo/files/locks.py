"""Locks between processes. The system lets them go when the process ends, however it ends.

A fork, such as a worker that reads pictures, has no part in the locks of the process that it was forked from.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mtss_zoo.errors import UsageError

_held: set[IO[bytes]] = set()


def _close_in_fork() -> None:
    for file in _held:  # left open here, it would keep the lock of a process that was killed
        file.close()
    _held.clear()


os.register_at_fork(after_in_child=_close_in_fork)


@contextmanager
def locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[IO[bytes]]:
    """Holds a lock on a file, for which it may have to wait.

    Raises:
        BlockingIOError: with ``LOCK_NB``, another process holds it.
    """
    with _opened(path) as file:
        fcntl.flock(file, how)
        yield file


@contextmanager
def alone(path: Path, user: str) -> Iterator[IO[bytes]]:
    """Holds the lock of a folder, which is a file in it, without waiting.

    Raises:
        UsageError: another ``user`` of the folder, such as another search, holds it.
    """
    with _opened(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{path.parent} is in use by another {user}; wait for its end, or stop it.") from None
        yield file


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("ab") as file:
        _held.add(file)
        try:
            yield file
        finally:
            _held.discard(file)
