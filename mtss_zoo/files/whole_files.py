"""Files that are whole or not there, however the process that writes them ends."""

from __future__ import annotations

import csv
import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import IO, Any


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write what then takes the place of ``path``; after an error all is as it was.

    Every call has a place of its own, so that processes that write the same file at once do not spoil each other's.
    What a killed one leaves is for `drop_parts`.
    """
    part = path.with_name(f".{path.name}.{token_hex(4)}.part")
    try:
        yield part
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    os.replace(part, path)


def drop_parts(folder: Path, name: str | None = None) -> None:
    """Removes what killed processes left of the file of this name, or of all; no other process may write them now."""
    for part in folder.glob(f".{glob.escape(name) if name else '*'}.{'[0-9a-f]' * 8}.part"):
        part.unlink()


@contextmanager
def synced_file(path: Path) -> Iterator[IO[bytes]]:
    """A `whole_file` to write to, which is there after a power cut, too, once the context has ended."""
    with whole_file(path) as part, part.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)  # else the name may be lost with the power
    os.close(folder)


def write_whole(path: Path, text: str) -> None:
    """A text file in UTF-8."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A CSV file with the names of its columns in the first line; what a row lacks is an empty cell."""
    with whole_file(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
