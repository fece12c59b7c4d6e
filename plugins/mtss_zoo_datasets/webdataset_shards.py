"""Which tars make which split of the dataset `webdataset`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mtss_zoo.errors import DataError, UsageError
from mtss_zoo.files.file_names import written_out
from mtss_zoo.files.tars import is_compressed

USUAL = {"train": ("train*",), "val": ("val*", "dev*"), "test": ("test*",), "unlabelled": ("unlabel*",)}
"""How the names of tars begin where nothing is said."""
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


def find_shards(root: Path, patterns: Mapping[str, str | None]) -> dict[str, list[Path]]:
    """The tars of each split that has some, in the order of their names.

    Args:
        patterns: by split, relative to ``root``: ``train-{000..009}.tar``, ``train-*.tar``; ``None``: the usual names.

    Raises:
        UsageError: a pattern fits no file, or a tar is in two splits.
        DataError: there are no tars of train and no unlabelled ones, or a tar is compressed.
    """
    found = {split: _fitting(root, split, pattern) for split, pattern in patterns.items()}
    if not found["train"] and not found["unlabelled"]:
        have = sorted(path.name for path in root.glob("*.tar*"))[:5]
        raise DataError(
            f"{root} has no tar of train, such as train-000.tar{'; it has ' + ', '.join(have) if have else ''}. "
            "Say which are, such as train: '*.tar'."
        )
    seen: dict[Path, str] = {}
    for split, paths in found.items():
        for path in paths:
            if path in seen:
                raise UsageError(f"{path} is in {seen[path]} and in {split}; change one of the patterns.")
            seen[path] = split
            _refuse_compressed(path)
    return {split: paths for split, paths in found.items() if paths}


def _fitting(root: Path, split: str, pattern: str | None) -> list[Path]:
    if pattern is None:
        usual = sorted(path for name in USUAL[split] for path in root.glob(f"{name}.t*"))
        return [path for path in usual if path.suffix == ".tar"] or [path for path in usual if is_compressed(path)]
    found: list[Path] = []
    for name in written_out(pattern):
        here = sorted(root.glob(name)) if set(name) & set("*?[") and not Path(name).is_absolute() else [root / name]
        if not here or not here[0].is_file():
            raise UsageError(f"{split}: no file {root / name}.")
        found += here
    return list(dict.fromkeys(found))


def _refuse_compressed(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(8)
    kind = next((kind for magic, kind in MAGIC.items() if start.startswith(magic)), None)
    if kind or is_compressed(path):
        raise DataError(
            f"{path} is compressed{f' with {kind}' if kind else ''}, so a picture in it cannot be found by its offset. "
            "Uncompress it; pictures are compressed already, so it hardly grows."
        )
