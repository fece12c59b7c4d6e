"""Locks between processes. The system lets them go when the process ends, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mtss_zoo.errors import UsageError


@contextmanager
def locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[IO[bytes]]:
    """Holds a lock on a file, for which it may have to wait.

    Raises:
        BlockingIOError: with ``LOCK_NB``, another process holds it.
    """
    with path.open("ab") as file:
        fcntl.flock(file, how)
        yield file


@contextmanager
def alone(path: Path, user: str) -> Iterator[IO[bytes]]:
    """Holds the lock of a folder, which is a file in it, without waiting.

    Raises:
        UsageError: another ``user`` of the folder, such as another search, holds it.
    """
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{path.parent} is in use by another {user}; wait for its end, or stop it.") from None
        yield file
