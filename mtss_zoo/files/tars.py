"""Files inside uncompressed tars: where each one is, and its bytes. Nothing is ever unpacked to disk."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from mtss_zoo.errors import DataError, ImageError

MAX_OPEN = 64
"""Tars that one process keeps open; systems allow 1,024 files and fewer."""
_COMPRESSED = re.compile(r"\.(tgz|tbz2?|txz|tzst|tar\.(gz|bz2|xz|lzma|zst|lz4|z))$", re.IGNORECASE)


class TarMember(NamedTuple):
    """A file inside a tar: its ``size`` bytes begin at ``offset``."""

    name: str
    offset: int
    size: int
    plain: bool = True
    """False: it is a link or sparse, so its bytes are not here."""
    twin: str = ""
    """The member whose bytes are also those of this one, a hard link: GNU tar's second name of one file."""


def is_compressed(path: Path) -> bool:
    """Whether a name is that of a compressed tar, in which no file can be found by an offset."""
    return bool(_COMPRESSED.search(path.name))


def tar_members(path: Path) -> Iterator[TarMember]:
    """Every file of a tar in its order, folders left out. Headers alone are read, about 25 us each.

    The names are those of the tar, whatever they hold: do not use them as paths.

    Raises:
        DataError: after the last file that is listed: what follows is cut off or damaged, or there is no such tar.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            while member := tar.next():
                tar.members.clear()  # type: ignore[attr-defined]  # else every header would stay in memory
                if not member.isdir():
                    plain = member.isreg() and not member.issparse()
                    twin = member.linkname if member.islnk() else ""
                    yield TarMember(member.name, member.offset_data, member.size, plain, twin)
            with path.open("rb") as file:
                file.seek(tar.offset)
                whole = file.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)
    except (tarfile.TarError, OSError) as error:
        raise DataError(f"{path} is no uncompressed tar, or is damaged ({error}).") from error
    if not whole:
        raise DataError(f"{path} is cut off or damaged at byte {tar.offset:,}; what should follow is lost.")


def hard_links(path: Path) -> dict[int, TarMember]:
    """The offset of each hard link of a tar to what it stands for: the last member of that name before it.

    The tar is gone through twice, so that no more than the links and what they stand for is in memory. A link to what
    is not there, or is not plain itself, is left out; so is everything behind a damage.
    """
    wanted: set[str] = set()
    with suppress(DataError):
        wanted.update(member.twin for member in tar_members(path) if member.twin)
    seen: dict[str, TarMember] = {}
    found: dict[int, TarMember] = {}
    with suppress(DataError):
        for member in tar_members(path):
            if member.twin in seen:
                found[member.offset] = seen[member.twin]
            if member.name in wanted and (stands_for := member if member.plain else seen.get(member.twin)):
                seen[member.name] = stands_for
    return found


class TarReader:
    """Reads parts of some tars, from any process and thread.

    A few tars stay open. Reading moves no position in them, so forked processes may share them; a pickled reader
    opens its own.

    Args:
        paths: the tars, by whose places in this list they are read.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = paths
        self._opened = lru_cache(MAX_OPEN)(_Handle)

    def __reduce__(self) -> tuple[Any, ...]:
        return TarReader, (self.paths,)

    def read(self, tar: int, offset: int, size: int, name: str) -> bytes:
        """The bytes of one file.

        Args:
            name: what an error calls it.

        Raises:
            ImageError: the tar cannot be read, or ends before the file does.
        """
        path = self.paths[tar]
        try:
            handle = self._opened(path)
            inside = 0 <= offset <= offset + size <= handle.size  # else a false size would ask for all memory
            data = os.pread(handle.file, size, offset) if inside else b""
        except OSError as error:
            raise ImageError(f"picture {name} cannot be used: {path} cannot be read: {error.strerror}.") from error
        if not inside or len(data) < size:
            raise ImageError(f"picture {name} cannot be used: {path} ends before it does.")
        return data


class _Handle:
    """An open file, closed with the last reference to it: a thread may still read what the cache let go."""

    def __init__(self, path: str) -> None:
        self.file = -1
        self.file = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self.file).st_size

    def __del__(self) -> None:
        if self.file >= 0:
            os.close(self.file)
