"""Which source is meant by the paths that somebody names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtss_zoo.bulk.manifest import Manifest
from mtss_zoo.bulk.sources import Files, Folder, Source, Tars
from mtss_zoo.errors import UsageError
from mtss_zoo.files.file_names import written_out
from mtss_zoo.files.tars import is_compressed

MANIFESTS = (".csv", ".jsonl", ".parquet")


def find_source(named: str | Path | Sequence[str | Path]) -> Source:
    """A folder, a manifest, tars (``shop-{000..017}.tar`` stands for 18 of them), or pictures named one by one.

    A file that has such a name itself is that file. Of pictures some may not exist: they are listed, to be bad ones.

    Raises:
        UsageError: a path does not exist, or paths of several kinds, two folders or two manifests are named.
    """
    names = [named] if isinstance(named, str | Path) else named
    paths = [path for name in names for path in _meant(Path(name))]
    kinds = {_kind(path) for path in paths}
    missing = [str(path) for path in paths if not path.exists()]
    if missing and (kinds != {"pictures"} or len(missing) == len(paths)):
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UsageError(f"{missing[0]}{more}: no such file or folder.")
    if len(kinds) != 1:
        said = ", ".join(sorted(kinds)) if kinds else "nothing"
        raise UsageError(f"name one folder, one manifest, tars or pictures; here is {said}.")
    (kind,) = kinds
    if kind == "a compressed tar":
        raise UsageError(f"{paths[0]} is compressed, so pictures in it cannot be found by their offsets. Unpack it.")
    if kind in ("tars", "pictures"):
        return Tars(paths) if kind == "tars" else Files(paths)
    if len(paths) > 1:
        raise UsageError(f"{paths[0]} and {paths[1]}: name {kind} at a time, as ids are relative to it.")
    return Folder(paths[0]) if kind == "one folder" else Manifest(paths[0])


def is_plain(named: Sequence[str | Path]) -> bool:
    """Whether these are pictures named one by one, of which some may not exist."""
    return all(_kind(Path(name)) == "pictures" for name in named)


def _meant(name: Path) -> list[Path]:
    return [name] if name.exists() else [Path(text) for text in written_out(str(name))]


def _kind(path: Path) -> str:
    if path.is_dir():
        return "one folder"
    if path.suffix.lower() in MANIFESTS:
        return "one manifest"
    if path.suffix.lower() == ".tar":
        return "tars"
    return "a compressed tar" if is_compressed(path) else "pictures"
