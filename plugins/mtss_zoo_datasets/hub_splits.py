"""Which Parquet files of a Hub dataset repository make which split: its card says so, or the names of the files do."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import yaml

from mtss_zoo.errors import DataError, UnknownNameError, UsageError
from mtss_zoo.registry import near_matches

OURS = {"train": "train", "validation": "val", "valid": "val", "val": "val", "dev": "val", "test": "test"}
"""What splits are usually called on the Hub, and what the recipes call them."""

_SHARD = re.compile(r"(.*/)?(?P<split>[\w.]+)-(?P<number>\d{5})-of-(?P<total>\d{5})(-[0-9a-f]+)?\.parquet")
_CONVERTED = re.compile(r"(?P<config>[^/]+)/(?P<split>[^/]+)/\d{4}\.parquet")
PARTIAL = "partial-"
"""How the Hub marks a split of which it converted the beginning only."""


def split_files(names: Sequence[str], card: str, config: str | None, where: str) -> dict[str, list[str]]:
    """The files of each split, in the order of their names.

    Args:
        names: all Parquet files, relative to the repository.
        card: the text of its README.md.
        config: which subset, where there are several.
        where: what messages call the repository.

    Raises:
        DataError: there are several subsets, and none is chosen.
        UnknownNameError: there is no such subset.
    """
    found = _by_card(names, card) or _by_converted_names(names)
    if not found:
        if config is not None:
            raise UnknownNameError(f"{where} has no subsets, so none that is called {config!r}; leave out `config`.")
        return _by_names(names)
    if config is None and len(found) > 1 and "default" not in found:
        raise DataError(f"{where} has several subsets; name one as `config`: {', '.join(found)}.")
    chosen = config or ("default" if "default" in found else next(iter(found)))
    if chosen not in found:
        raise UnknownNameError(f"{where} has no subset {chosen!r}. {near_matches(chosen, found)}")
    return found[chosen]


@dataclass(frozen=True)
class ChosenSplits:
    """Which of their splits are read: those with labels by our names, and perhaps one without."""

    labelled: dict[str, str]
    unlabelled: str | None = None
    only: bool = False
    """There is one split with labels, and nothing says what it is for."""


def chosen_splits(
    theirs: Mapping[str, list[str]], splits: Mapping[str, str] | None, unlabelled: str | None, where: str
) -> ChosenSplits:
    """What `HuggingFace` is asked for, or what the usual names of splits mean.

    Raises:
        UnknownNameError: a split does not exist.
        UsageError: none of several is train.
    """
    have = [name for name in theirs if name != unlabelled]
    labelled: dict[str, str] = dict(splits or {})
    if splits is None:
        for name in have:
            ours = OURS.get(name, name)
            labelled[name if ours in labelled else ours] = name
        if len(have) == 1:
            return ChosenSplits({"train": have[0]}, unlabelled, only=True)
    for name in (*labelled.values(), *([unlabelled] if unlabelled else ())):
        if name not in theirs:
            raise UnknownNameError(f"{where} has no split {name!r}; it has {', '.join(theirs)}.")
    if "train" not in labelled:
        raise UsageError(
            f"{where} has the splits {', '.join(have)}; say which one is train, such as splits: {{train: {have[0]}}}."
        )
    return ChosenSplits(labelled, unlabelled)


def missing_files(names: Sequence[str]) -> list[str]:
    """What is missing of sets of files that say in their names how many they are."""
    sets: dict[tuple[str, int], set[int]] = defaultdict(set)
    for name in names:
        if match := _SHARD.fullmatch(name):
            sets[(match[1] or "") + match["split"], int(match["total"])].add(int(match["number"]))
    said = []
    for (stem, total), numbers in sets.items():
        if gone := sorted(set(range(total)) - numbers):
            said.append(
                f"{len(gone)} of {total} Parquet files are missing, such as {stem}-{gone[0]:05d}-of-{total:05d}."
            )
    partial = sorted({name.rpartition("/")[0] for name in names if f"/{PARTIAL}" in name})
    return said + [
        f"{folder} is only the beginning of the split: the Hub converted no more of it." for folder in partial
    ]


def _by_card(names: Sequence[str], card: str) -> dict[str, dict[str, list[str]]]:
    """Subset to split to files, as the list ``configs`` of the card's front matter says."""
    match = re.match(r"---\s*\n(.*?)\n---", card, re.DOTALL)
    try:
        data = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError:
        return {}
    found: dict[str, dict[str, list[str]]] = {}
    for entry in _list(data.get("configs")) if isinstance(data, Mapping) else ():
        if isinstance(entry, Mapping):
            splits = {
                split: files
                for split, patterns in _patterns(entry.get("data_files")).items()
                if (files := sorted(name for name in names if any(fnmatchcase(name, p) for p in patterns)))
            }
            if splits:
                found["default" if entry.get("default") is True else str(entry.get("config_name", "default"))] = splits
    return found


def _patterns(data_files: Any) -> dict[str, list[str]]:
    """``data_files`` may be a pattern, a list of them (all train), or a list of ``{split, path}``."""
    found: dict[str, list[str]] = defaultdict(list)
    for entry in _list(data_files):
        split, paths = (entry.get("split"), entry.get("path")) if isinstance(entry, Mapping) else ("train", entry)
        found[str(split)] += [path for path in _list(paths) if isinstance(path, str)]
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _by_converted_names(names: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """``<subset>/<split>/0000.parquet``, as the Hub names its own conversions."""
    found: dict[str, dict[str, list[str]]] = {}
    for name in sorted(names):
        match = _CONVERTED.fullmatch(name)
        if match is None:
            return {}
        split = match["split"].removeprefix(PARTIAL)
        found.setdefault(match["config"], {}).setdefault(split, []).append(name)
    return found


def _by_names(names: Sequence[str]) -> dict[str, list[str]]:
    """``data/train-00000-of-00002.parquet``, or any path with the word for a split in it; else all is train."""
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        shard = _SHARD.fullmatch(name)
        words = re.split(r"[^a-z0-9]+", name.lower())
        split = shard["split"] if shard else next((word for word in words if word in OURS), "train")
        found.setdefault(split, []).append(name)
    return found
