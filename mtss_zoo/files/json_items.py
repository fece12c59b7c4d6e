"""Reads the lists in a large JSON file item by item, so that no more than one item is in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from mtss_zoo.errors import DataError

BLOCK = 1 << 20
LONGEST_ITEM = 1 << 24
"""Characters. A file in which no item ends in so many is not such a file."""
SPACE = " \t\r\n"
_DECODER = json.JSONDecoder()


def read_items(path: Path) -> Iterator[tuple[str, int, Any]]:
    """The items of every list in a file ``{"name": [item, ...], ...}``: name of the list, number from 0, item.

    Other values beside the lists are left out.

    Raises:
        DataError: the file is missing, or is not such JSON; the message says where.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing.")
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from _items(_Scanner(path, file))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: this is not JSON in UTF-8: {error}") from None


def _items(scanner: _Scanner) -> Iterator[tuple[str, int, Any]]:
    scanner.expect("{")
    if scanner.skip("}"):
        return
    while True:
        name = scanner.value()
        scanner.expect(":")
        if not scanner.skip("["):
            scanner.value()
        elif not scanner.skip("]"):
            number = 0
            while True:
                scanner.place = f"{name}[{number}]"
                yield str(name), number, scanner.value()
                number += 1
                if not scanner.skip(","):
                    scanner.expect("]")
                    break
        scanner.place = f"after {name!r}"
        if not scanner.skip(","):
            scanner.expect("}")
            return


class _Scanner:
    """A window on the text, which grows only as far as one value needs."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path, self.file = path, file
        self.text, self.at, self.ended = "", 0, False
        self.place = "at the start"

    def value(self) -> Any:
        """The JSON value that comes next."""
        self._next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except (ValueError, RecursionError) as error:
                if self.ended or len(self.text) - self.at > LONGEST_ITEM:
                    raise self._fail(f"this is not JSON ({getattr(error, 'msg', error)})") from None
            else:
                if end + 3 <= len(self.text) or self.ended:  # else a number might go on, at most with `e+` and a digit
                    self.at = end
                    return value
            self._read()

    def skip(self, sign: str) -> bool:
        """Whether this sign comes next; if so, it is passed."""
        passed = self._next() == sign
        self.at += passed
        return passed

    def expect(self, sign: str) -> None:
        """Passes this sign."""
        if not self.skip(sign):
            found = repr(self.text[self.at]) if self.at < len(self.text) else "the end of the file"
            raise self._fail(f"{sign!r} is expected, not {found}")

    def _next(self) -> str:
        while True:
            while self.at < len(self.text) and self.text[self.at] in SPACE:
                self.at += 1
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self._read()

    def _read(self) -> None:
        more = self.file.read(max(BLOCK, len(self.text) - self.at))
        self.text, self.at = self.text[self.at :] + more, 0
        self.ended = not more

    def _fail(self, message: str) -> DataError:
        return DataError(f"{self.path}, {self.place}: {message}.")
