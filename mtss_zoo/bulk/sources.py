"""Where many pictures come from. A source lists them one by one, always in the same order, and opens none of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from mtss_zoo.errors import DataError
from mtss_zoo.files.file_names import PICTURES as PICTURES
from mtss_zoo.files.file_names import as_text as as_text
from mtss_zoo.files.file_names import is_picture
from mtss_zoo.files.tars import TarMember, hard_links, tar_members

if TYPE_CHECKING:
    from mtss_zoo.interfaces import ImageSource

Box: TypeAlias = "tuple[float, float, float, float]"
"""x1 y1 x2 y2 in pixels, half-open."""


class Member(NamedTuple):
    """A file inside an uncompressed tar: where its bytes are."""

    tar: str
    offset: int
    size: int


class Unusable(NamedTuple):
    """Stands for pictures that could not even be listed, and says why."""

    reason: str


class Item(NamedTuple):
    """One picture before it is read."""

    id: str
    image: ImageSource | Member | Unusable
    bbox: Box | None = None


class Survey(NamedTuple):
    """What is known of a source before anything is predicted."""

    fingerprint: str
    """Of the list of pictures, not of their pixels."""
    total: int | None
    """Pictures; ``None`` where counting them would take as long as reading them."""


class Source(Protocol):
    """Lists pictures; iterating again lists the same ones again."""

    def survey(self) -> Survey:
        """Looks through the list once.

        Raises:
            DataError: it is empty, or cannot be read.
        """
        ...

    def __iter__(self) -> Iterator[Item]: ...


@dataclass(frozen=True)
class Files:
    """Pictures named one by one; the id is the path as it was given."""

    paths: Sequence[Path]

    def survey(self) -> Survey:
        """Counts the paths."""
        return _survey(str(path) for path in self.paths)

    def __iter__(self) -> Iterator[Item]:
        return (Item(as_text(str(path)), str(path)) for path in self.paths)


@dataclass(frozen=True)
class Folder:
    """Every picture of a folder and the folders in it, by their endings; the id is the path inside the folder.

    Names that begin with a dot are left out, and links to other folders are not followed. No more than the names of
    one folder are in memory at a time.
    """

    root: Path

    def survey(self) -> Survey:
        """Walks through the folder once."""
        found = _survey(self._names())
        if not found.total:
            tars = f" For tars, name them: {self.root}/*.tar" if any(self.root.glob("*.tar")) else ""
            raise DataError(f"{self.root} holds no pictures ({', '.join(PICTURES)}).{tars}")
        return found

    def __iter__(self) -> Iterator[Item]:
        return (Item(as_text(name), f"{self.root}/{name}") for name in self._names())

    def _names(self) -> Iterator[str]:
        def refuse(error: OSError) -> None:
            raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from error

        for folder, inside, names in os.walk(self.root, onerror=refuse):
            inside[:] = sorted(name for name in inside if not name.startswith("."))
            prefix = "" if folder == str(self.root) else Path(folder).relative_to(self.root).as_posix() + "/"
            yield from (prefix + name for name in sorted(names) if is_picture(name))


@dataclass(frozen=True)
class Tars:
    """The pictures in uncompressed tars, as webdataset and others write them; the id is ``shard.tar/member.jpg``.

    Only the headers are read here; the pictures are read by their offsets.
    """

    paths: Sequence[Path]

    def survey(self) -> Survey:
        """Takes the names and lengths of the tars."""
        facts = []
        for name, path in self._shards():
            try:
                status = path.stat()
            except OSError as error:
                raise DataError(f"{path} cannot be read: {error.strerror}.") from error
            facts.append(f"{name} {status.st_size} {status.st_mtime_ns}")
        return Survey(_survey(iter(facts)).fingerprint, None)

    def __iter__(self) -> Iterator[Item]:
        for name, path in self._shards():
            yield from _members(name, path)

    def _shards(self) -> Iterator[tuple[str, Path]]:
        """Each tar with its name below the folder that all are in."""
        above = os.path.commonpath([path.parent.absolute() for path in self.paths])
        return ((path.absolute().relative_to(above).as_posix(), path) for path in self.paths)


def _survey(names: Iterator[str]) -> Survey:
    digest, total = hashlib.sha256(), 0
    for name in names:
        digest.update(os.fsencode(name) + b"\0")
        total += 1
    return Survey(digest.hexdigest(), total)


def _members(name: str, path: Path) -> Iterator[Item]:
    links: dict[int, TarMember] | None = None
    try:
        for member in tar_members(path):
            if not is_picture(member.name):
                continue
            if member.twin and links is None:
                links = hard_links(path)
            place = member if member.plain else (links or {}).get(member.offset)
            yield _member(as_text(f"{name}/{member.name}"), path, place)
    except DataError as error:
        yield Item(as_text(name), Unusable(str(error).removesuffix(".")))


def _member(name: str, path: Path, place: TarMember | None) -> Item:
    if place is None:
        return Item(name, Unusable(f"picture {name} cannot be used: it is a link inside the tar, or sparse"))
    return Item(name, Member(str(path), place.offset, place.size))
