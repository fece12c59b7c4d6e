"""What became of each address, line by line in a file, so that a second call knows what is still to be done."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple

from mtss_zoo.errors import DataError

Kind = Literal["fetched", "dead", "refused", "failed"]
FINAL: tuple[Kind, ...] = ("dead", "refused")
"""What is not tried again: nobody has the picture there, or it is none that can be used."""


class Outcome(NamedTuple):
    """What became of a picture, and in a few words why."""

    kind: Kind
    reason: str = ""


class Record:
    """A file of JSON lines ``{"id": ..., "outcome": ..., "reason": ...}``; the last line of an id counts.

    Lines are never changed, so whatever ends the process costs no more than the line that was being written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.final: dict[str, Outcome] = {}

    def __enter__(self) -> Record:
        self._mend()
        if self.path.is_file():
            with self.path.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):
                    self._read(number, line)
        self._file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def write(self, id: str, outcome: Outcome) -> None:
        """Adds a line, which is the system's to keep from then on."""
        self._file.write(json.dumps({"id": id, "outcome": outcome.kind, "reason": outcome.reason}) + "\n")
        self._file.flush()

    def _read(self, number: int, line: str) -> None:
        try:
            entry = json.loads(line)
            id, outcome = entry["id"], Outcome(entry["outcome"], entry["reason"])
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{self.path}, line {number} is no line of this record; delete that line.") from None
        if outcome.kind in FINAL:
            self.final[id] = outcome
        else:
            self.final.pop(id, None)

    def _mend(self) -> None:
        """Cuts off a last line that a killed process did not finish."""
        if self.path.is_file() and not (text := self.path.read_bytes()).endswith(b"\n"):
            with self.path.open("r+b") as file:
                file.truncate(text.rfind(b"\n") + 1)
