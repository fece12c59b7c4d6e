"""Splits made of lists of pictures that may be missing on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from mtss_zoo.errors import DataError
from mtss_zoo.interfaces import AttributeSchema
from mtss_zoo_datasets.given_schema import under_schema
from mtss_zoo_datasets.labels import Labels, known_split
from mtss_zoo_datasets.picture_files import FileSamples, locate, named, paths_array, sample_size, unreadable


class ListedSplits:
    """A dataset that takes in one list after the other when it is made.

    Labelled pictures make a split, those without a label join the pool. A picture that is not on disk is left out
    and counted.

    Args:
        dataset: what messages call it.
        folder: what the listed paths are relative to.
        own: the types in which the labels are given.
        schema: the types as a checkpoint states them; ``None`` takes ``own``.
    """

    def __init__(self, dataset: str, folder: Path, own: AttributeSchema, schema: AttributeSchema | None) -> None:
        self.dataset, self.folder, self.own, self.schema = dataset, folder, own, schema or own
        self.notes: list[str] = []
        self.parts: dict[str, FileSamples] = {}
        self._pool = [(paths_array([]), paths_array([]))]
        self._files = [paths_array([])]

    def add(self, split: str, name: str, paths: pa.Array, labels: Labels) -> None:
        """Takes in N different paths with their labels from the list that is called ``name``."""
        _, labels, lost = under_schema(self.dataset, self.own, labels, self.schema)
        files = locate(self.folder, paths)
        found = files.is_valid().to_numpy(zero_copy_only=False)
        labelled = np.logical_or.reduce([t.known for t in labels.types.values()])
        self.notes += [f"{name}: {note}" for note in lost]
        if len(missing := np.flatnonzero(~found)):
            which = named(paths, missing)
            self.notes.append(f"{name}: {len(missing)} of {len(paths)} pictures are missing, left out: {which}.")
        rows, rest = np.flatnonzero(found & labelled), pa.array(np.flatnonzero(found & ~labelled))
        if len(rows):
            ids, mine = paths.take(pa.array(rows)), files.take(pa.array(rows))
            self.parts[split] = FileSamples(self.folder, ids, mine, labels.take(rows))
        self._pool.append((paths.take(rest), files.take(rest)))
        self._files.append(files.drop_null())

    def require_train(self) -> None:
        """Called after the last list.

        Raises:
            DataError: there is nothing to train on.
        """
        if "train" not in self.parts:
            said = " ".join(self.notes)
            raise DataError(f"{self.folder}: no picture of train is here with a label. {said}".rstrip())

    @property
    def splits(self) -> tuple[str, ...]:
        """Train, and val and test as far as they have labels and pictures."""
        return tuple(self.parts)

    def split(self, name: str) -> FileSamples:
        """The labelled pictures of one split, in the order of its list."""
        return self.parts[known_split(name, self.splits)]

    def unlabelled(self) -> FileSamples:
        """The pictures without any label, of all lists."""
        ids, files = (pa.concat_arrays(part) for part in zip(*self._pool, strict=True))
        return FileSamples(self.folder, ids, files, Labels.unknown(self.schema, len(ids)))

    def check(self) -> list[str]:
        """What the lists and the folders of pictures lack; some pictures are decoded to see whether they can be."""
        return self.notes + unreadable(self.folder, pa.concat_arrays(self._files))

    @property
    def tried(self) -> int:
        """How many pictures `check` decodes."""
        return sample_size(sum(map(len, self._files)))
