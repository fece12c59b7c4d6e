"""Finds the pictures of a tree in which a folder is a class, and perhaps the folder above it a split."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mtss_zoo.errors import DataError
from mtss_zoo.files.file_names import PICTURES, as_text, is_picture
from mtss_zoo_datasets.hub_splits import OURS
from mtss_zoo_datasets.labels import Integers, shortened
from mtss_zoo_datasets.picture_files import paths_array
from mtss_zoo_datasets.splitting import SPLITS

UNLABELLED = ("unlabelled", "unlabeled")


@dataclass(frozen=True)
class ClassFolders:
    """What a tree holds: R labelled pictures and U without a label.

    ``files`` (R,) and ``pool`` (U,) are paths below the root, as bytes; ``names`` the classes, sorted; ``classes`` (R,)
    places in them; ``split`` (R,) TRAIN, VAL or TEST, ``None`` where the tree has no splits. ``notes`` are problems.
    """

    files: pa.Array
    pool: pa.Array
    names: tuple[str, ...]
    classes: Integers
    split: npt.NDArray[np.int8] | None
    notes: list[str]
    remarks: list[str]


def find_class_folders(root: Path) -> ClassFolders:
    """Walks through the tree once, in an order that does not depend on the disk.

    Raises:
        DataError: there is no picture of a class and none in ``unlabelled``, or no unlabelled one and a folder test or
            val but none train.
    """
    walk = _Walk(root)
    folders, loose = walk.look("")
    pool_folders = [name for name in folders if name.lower() in UNLABELLED]
    splits = {name: SPLITS.index(OURS[name.lower()]) for name in folders if name.lower() in OURS}
    pool = _paths([path for name in pool_folders for path in walk.below(name)])
    if splits and 0 not in splits.values() and not len(pool):
        raise DataError(f"{root} has a folder {next(iter(splits))} but none that is called train.")
    found: list[tuple[str, int, list[str]]] = []
    if splits:
        for split, code in splits.items():
            found += [(name, code, files) for name, files in walk.classes(split)]
        walk.leave_out(loose, "lie directly in the root")
        walk.unread += [as_text(name) for name in folders if name not in splits and name not in pool_folders]
    else:
        found = [(name, 0, files) for name, files in walk.classes("", [n for n in folders if n not in pool_folders])]
        walk.leave_out(loose, "lie directly in the root, so in no class")
    if not any(files for _, _, files in found) and not len(pool):
        raise DataError(
            f"{root}: no folder of a class holds a picture ({', '.join(PICTURES)}). imagefolder reads "
            f"<split>/<class>/<picture> or <class>/<picture>, and unlabelled/<picture>. {' '.join(walk.notes)}".rstrip()
        )
    names = tuple(sorted({name for name, _, _ in found}))
    index = {name: i for i, name in enumerate(names)}
    counts = np.array([len(files) for _, _, files in found], np.int64)
    return ClassFolders(
        files=pa.concat_arrays([_paths([]), *(_paths(files) for _, _, files in found)]),
        pool=pool,
        names=names,
        classes=np.repeat(np.array([index[name] for name, _, _ in found], np.int64), counts),
        split=np.repeat(np.array([code for _, code, _ in found], np.int8), counts) if splits else None,
        notes=walk.notes,
        remarks=walk.remarks(),
    )


@dataclass
class _Walk:
    """Lists folders by paths below ``root``, sorted; counts what is no picture, and notes what cannot be read."""

    root: Path
    notes: list[str] = field(default_factory=list)
    hidden: int = 0
    others: int = 0
    examples: list[str] = field(default_factory=list)
    """The first few of those others."""
    unread: list[str] = field(default_factory=list)
    """Folders beside those of splits."""

    def classes(self, above: str, names: list[str] | None = None) -> Iterator[tuple[str, list[str]]]:
        """The classes in a folder, with the pictures of each."""
        if names is None:
            names, loose = self.look(above)
            self.leave_out(loose, f"lie directly in {above}, so in no class")
        for name in names:
            folder = f"{above}/{name}" if above else name
            files = list(self.below(folder))
            if not files:
                self.notes.append(f"{folder} holds no pictures.")
            yield as_text(name), files

    def below(self, folder: str) -> Iterator[str]:
        """Every picture in a folder and the folders in it."""
        inside, files = self.look(folder)
        yield from files
        for name in inside:
            if os.path.islink(self.root / folder / name):
                self.notes.append(f"{as_text(f'{folder}/{name}')} is a link to a folder, which is not followed.")
            else:
                yield from self.below(f"{folder}/{name}")

    def look(self, folder: str) -> tuple[list[str], list[str]]:
        """The names of the folders in a folder, and the paths of its pictures."""
        try:
            with os.scandir(self.root / folder) as entries:
                found = sorted((entry.name, entry.is_dir()) for entry in entries)
        except OSError as error:
            self.notes.append(f"{as_text(folder) or self.root} cannot be read: {error.strerror}.")
            return [], []
        folders, files = [], []
        for name, is_folder in found:
            path = f"{folder}/{name}" if folder else name
            if name.startswith("."):
                self.hidden += 1
            elif is_folder:
                folders.append(name)
            elif is_picture(name):
                files.append(path)
            else:
                self.others += 1
                self.examples += [as_text(path)] if self.others <= 6 else []
        return folders, files

    def leave_out(self, files: list[str], why: str) -> None:
        """Notes pictures that have no class."""
        if files:
            which = shortened([as_text(path) for path in files[:6]])
            self.notes.append(f"{len(files)} pictures {why}, and are left out: {which}.")

    def remarks(self) -> list[str]:
        """How many files were passed over."""
        said = [f"{self.hidden} hidden files and folders are passed over."] if self.hidden else []
        if self.others:
            said.append(f"{self.others} files are no pictures and are passed over: {shortened(self.examples)}.")
        if self.unread:
            said.append(f"folders that are called like no split are not read: {shortened(self.unread)}.")
        return said


def _paths(paths: list[str]) -> pa.Array:
    return paths_array([os.fsencode(path) for path in paths])
