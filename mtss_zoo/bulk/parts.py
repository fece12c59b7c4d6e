"""What is predicted so far, on disk as numbered parts, so that a run goes on after any kind of end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mtss_zoo.errors import MtssZooError, UsageError
from mtss_zoo.files.locks import alone
from mtss_zoo.files.whole_files import synced_file

RUN, LOCK = "run.json", "lock"
_PART = re.compile(r"(\d{12})-(\d{12})\.parquet")


class Parts:
    """The folder ``<out>.parts``: what the run is about, and the rows that are done, of unusable pictures too.

    A part is named by its first row and the row after its last one. It appears whole or not at all, so the names
    alone say what is done.

    Args:
        out: the file that the parts will become.
        about: what must be the same when the run goes on, as plain data.

    Raises:
        UsageError: ``out`` is there already, another process writes it, or it was begun with something else.
        MtssZooError: a part is missing.
    """

    def __init__(self, out: Path, about: Mapping[str, Any]) -> None:
        self.out, self.folder = out, out.with_name(f"{out.name}.parts")
        self._added: list[pa.Table] = []
        if out.exists() and not (self.folder / RUN).exists():
            raise UsageError(f"{out} is there already. Remove it, or name another file with --out.")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = ExitStack()
        self._lock.enter_context(alone(self.folder / LOCK, "process"))
        try:
            self._claim(about)
            self.done = self._count()
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Whatever ended the run, what was added goes to disk."""
        try:
            self.write()
        finally:
            self._lock.close()

    def add(self, rows: pa.Table) -> None:
        """Rows for the next part."""
        self._added.append(rows)

    @property
    def added(self) -> int:
        """Rows that no part has yet."""
        return sum(table.num_rows for table in self._added)

    def write(self) -> None:
        """Makes a part of what was added, if anything was; it is on disk when this returns."""
        added, self._added = self._added, []  # first, so that an interrupt cannot have rows written twice
        if not added:
            return
        rows = pa.concat_tables(added)
        end = self.done + rows.num_rows
        with synced_file(self.folder / f"{self.done:012d}-{end:012d}.parquet") as file:
            pq.write_table(rows, file)
        self.done = end

    def tables(self) -> Iterator[pa.Table]:
        """The rows so far, part by part."""
        for _, _, path in self._found():
            yield pq.read_table(path)

    def remove(self) -> None:
        """Removes the parts, which ``out`` now holds. What is about the run goes first: without it they are nothing."""
        (self.folder / RUN).unlink()
        self._clear()
        (self.folder / LOCK).unlink()
        with suppress(OSError):  # somebody keeps other files in it
            self.folder.rmdir()

    def _claim(self, about: Mapping[str, Any]) -> None:
        path = self.folder / RUN
        if not path.exists():
            self._clear()
            with synced_file(path) as file:
                file.write(json.dumps(dict(about), indent=2).encode() + b"\n")
            return
        before = json.loads(path.read_bytes())
        if other := [key for key in about if before.get(key) != about[key]]:
            raise UsageError(
                f"{self.folder} was begun with another {' and another '.join(other)}. Go on with the same, or remove "
                "that folder to begin again."
            )

    def _count(self) -> int:
        done = 0
        for first, end, path in self._found():
            if first != done:
                raise MtssZooError(f"{path.parent} lacks the rows {done} to {first - 1}. Remove it to begin again.")
            done = end
        return done

    def _found(self) -> list[tuple[int, int, Path]]:
        """First row, row after the last and path of every part, in order."""
        names = sorted(path.name for path in self.folder.iterdir())
        return [(int(m[1]), int(m[2]), self.folder / m[0]) for name in names if (m := _PART.fullmatch(name))]

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if _PART.fullmatch(path.name) or path.suffix == ".part":
                path.unlink()
