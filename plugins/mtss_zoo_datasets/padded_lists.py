"""Long text files with one row a line and any white space between words, read in flat memory: arrays of places."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from mtss_zoo.errors import DataError
from mtss_zoo_datasets.labels import Integers

BLOCK = 1 << 22
"""Bytes that are read at a time."""
LONGEST_LINE = 1 << 20
SPACE, NEWLINE = 32, 10
"""Every byte up to SPACE separates words, so line ends of Windows need no care."""


@dataclass(frozen=True)
class Rows:
    """L lines of a file with C words each; empty lines are left out."""

    path: Path
    text: bytes
    starts: Integers
    """(L, C) where each word begins in ``text``."""
    ends: Integers
    """(L,) where each line ends."""
    lines: Integers
    """(L,) the number of each line in the file, from 1."""

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def data(self) -> npt.NDArray[np.uint8]:
        """The text as bytes; two more follow every word."""
        return np.frombuffer(self.text, np.uint8)

    def words(self, column: int) -> list[bytes]:
        """One word of each row."""
        last = column == self.starts.shape[1] - 1
        ends = self.ends if last else self.starts[:, column + 1]
        places = zip(self.starts[:, column].tolist(), ends.tolist(), strict=True)
        return [self.text[start:end].rstrip() for start, end in places]

    def integers(self, column: int) -> Integers:
        """One word of each row as a number; ``072`` is 72."""
        words = self.words(column)
        try:
            return np.array([int(word) for word in words], np.int64)
        except (ValueError, OverflowError):
            row = next(i for i, word in enumerate(words) if not re.fullmatch(rb"-?\d{1,18}", word))
            raise self.fail(row, f"a number is expected, not {shown(words[row])}.") from None

    def fail(self, row: int, message: str) -> DataError:
        """An error about one row, for `raise`."""
        return DataError(f"{self.path}, line {self.lines[row]}: {message}")


def read_rows(path: Path, columns: int, skip: int = 0) -> Iterator[Rows]:
    """The rows of a file, some thousand at a time.

    Args:
        columns: how many words each row has.
        skip: lines of a head that are no rows.

    Raises:
        DataError: the file is missing, or a line has another number of words.
    """
    line, rest = skip + 1, b""
    with opened(path) as file:
        for _ in range(skip):
            file.readline()
        while block := file.read(BLOCK):
            cut = block.rfind(b"\n") + 1
            if not cut:
                rest += block
                if len(rest) > LONGEST_LINE:
                    raise DataError(f"{path}, line {line}: the line has no end; this is not such a list.")
                continue
            text, rest = rest + block[:cut], block[cut:]
            yield _split(path, text, columns, line)
            line += text.count(b"\n")
    if rest.strip():
        yield _split(path, rest + b"\n", columns, line)


def read_head(path: Path) -> int:
    """The number of rows that the first line of a list promises; a line with the names of the columns follows it."""
    with opened(path) as file:
        first = file.readline(LONGEST_LINE).strip()
    if not first:
        raise DataError(f"{path} is empty.")
    if not first.isdigit():
        raise DataError(f"{path}, line 1: the number of rows is expected, not {shown(first)}.")
    return int(first)


def check_count(path: Path, promised: int, found: int) -> None:
    """Compares the first line of a list with its rows.

    Raises:
        DataError: they differ. A list that is cut off would otherwise pass for a smaller one.
    """
    if promised != found:
        raise DataError(
            f"{path}: line 1 says {promised} rows, but there are {found}. The file is cut off or was changed: "
            "fetch it again, or correct line 1 if these rows are what you want."
        )


def read_names(path: Path) -> list[tuple[str, int]]:
    """A short list of names with a number each, such as the attributes and their types. Names may contain spaces.

    Raises:
        DataError: a row has no number, or the rows are not as many as the first line says.
    """
    promised, found = read_head(path), []
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            words = line.rsplit(None, 1)
            if number < 3 or not words:
                continue
            if len(words) < 2 or not words[1].isdigit():
                raise DataError(f"{path}, line {number}: a name and a number are expected, not {shown(line.strip())}.")
            found.append((" ".join(words[0].decode("utf-8", "backslashreplace").split()), int(words[1])))
    check_count(path, promised, len(found))
    return found


def opened(path: Path) -> BinaryIO:
    """The file, to read bytes from; they begin after the mark that some editors put before UTF-8."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise DataError(f"{path} is missing.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    if file.read(len(BOM_UTF8)) != BOM_UTF8:
        file.seek(0)
    return file


def shown(word: bytes) -> str:
    """Some bytes of a file, for a message."""
    text = word.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= 40 else text[:40] + "...")


def _split(path: Path, text: bytes, columns: int, line: int) -> Rows:
    text = b" " + text + b" "
    data = np.frombuffer(text, np.uint8)
    space = data <= SPACE
    starts = np.flatnonzero(space[:-1] > space[1:]) + 1
    ends = np.flatnonzero(data == NEWLINE)
    counts = np.diff(np.searchsorted(starts, ends), prepend=0)
    filled = np.flatnonzero(counts)
    if (wrong := filled[counts[filled] != columns]).size:
        raise DataError(f"{path}, line {line + wrong[0]}: {counts[wrong[0]]} words where {columns} are expected.")
    return Rows(path, text, starts.reshape(-1, columns), ends[filled], line + filled)
