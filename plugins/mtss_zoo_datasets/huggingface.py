"""The dataset `huggingface`: any dataset repository of the Hub with a column of pictures and columns of labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from mtss_zoo.errors import DataError, ImageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Sample
from mtss_zoo.pil_images import decode
from mtss_zoo_datasets.given_schema import under_schema
from mtss_zoo_datasets.hub_files import CARD, find_files
from mtss_zoo_datasets.hub_rows import POOL, HubRows, read_rows
from mtss_zoo_datasets.hub_splits import chosen_splits, missing_files, split_files
from mtss_zoo_datasets.labels import Integers, Labels, known_split
from mtss_zoo_datasets.parquet_pictures import Pictures
from mtss_zoo_datasets.row_samples import Classes, RowSamples
from mtss_zoo_datasets.splitting import SPLITS, split_by_hash

TRIED_GROUPS, TRIED_EACH = 5, 10
"""How many row groups `check` opens, and how many pictures of each it decodes."""


class HuggingFace:
    """Pictures and labels in the Parquet files of a Hub dataset repository, its own or the Hub's conversion.

    Label columns are read at once into flat arrays, pictures when they are asked for, a row group at a time. Nothing
    is fetched unless ``stream`` says so. A picture without any label is unlabelled.

    Args:
        root: a folder with the files, such as `hf download --local-dir` writes; then ``repo`` is not looked at.
        repo: ``owner/name``, in the Hub's cache.
        revision: a commit; a branch may move.
        config: the subset, where there are several.
        image: the column of pictures.
        types: attribute type to column, ``objects.category`` for one inside a column; default: the columns whose
            numbers have names, under their own names.
        id: the column that names a picture; default: its split and row.
        splits: ours to theirs, ``{train: train, val: validation}``; default: by their usual names. A repository with
            one split alone is divided by a hash of the ids.
        unlabelled: their split of pictures without labels.
        separator: between the classes in a text, where one text names several.
        val_share, test_share, split_seed: of a division by hash.
        stream: read over the network, what is needed when it is needed.
        schema: the types as a recipe or checkpoint states them; a class that it lacks is its ``other``, or unknown.
    """

    def __init__(
        self,
        root: str | None = None,
        repo: str | None = None,
        revision: str | None = None,
        config: str | None = None,
        image: str = "image",
        types: Mapping[str, str] | None = None,
        id: str | None = None,
        splits: Mapping[str, str] | None = None,
        unlabelled: str | None = None,
        separator: str | None = None,
        val_share: float = 0.15,
        test_share: float = 0.1,
        split_seed: int = 0,
        stream: bool = False,
        *,
        schema: AttributeSchema | None = None,
    ) -> None:
        files = find_files(root, repo, revision, stream)
        theirs = split_files(files.names, files.text(CARD), config, files.name)
        chosen = chosen_splits(theirs, splits, unlabelled, files.name)
        read = read_rows(files, theirs, chosen, image, types, id, separator)
        self._ids, self._pictures = read.ids, Pictures(files, read.names, read.groups, image)
        self._remarks = [] if root else _pinning(str(repo), revision, files.commit)
        self._rows, self._pool = _placed(read, list(chosen.labelled))
        if chosen.only:
            self._rows = _divided(read, val_share, test_share, split_seed)
            self._remarks.append(f"{files.name} has one split; a hash of the ids makes {', '.join(self._rows)} of it.")
        if "train" not in self._rows:
            raise DataError(f"{files.name}: no row of train has a known label.")
        own = _schema(read, schema)
        wanted = schema or _that_occurs(own, read, self._rows["train"])
        self.schema, self._labels, lost = under_schema("huggingface", own, read.labels, wanted)
        self._notes = missing_files(read.names) + lost

    @property
    def splits(self) -> tuple[str, ...]:
        """Train, val and test, and others that the repository has, as far as they have labelled pictures."""
        return tuple(self._rows)

    def split(self, name: str) -> RowSamples:
        """The labelled pictures of one split, in the order of the files."""
        rows = self._rows[known_split(name, self.splits)]
        return RowSamples(self, rows, self._labels.take(rows), Labels({}))

    def unlabelled(self) -> RowSamples:
        """The pictures without any label, of all splits that are used."""
        return RowSamples(self, self._pool, Labels.unknown(self.schema, len(self._pool)), Labels({}))

    def check(self) -> list[str]:
        """Missing files, labels that could not be used, and pictures that cannot be decoded among some."""
        rows, faults = self._pictures.spread(TRIED_GROUPS, TRIED_EACH), []
        for row in rows:
            try:
                decode(self._pictures[row], self._ids[row].as_py())
            except ImageError as error:
                faults.append(str(error))
        tried = f"{len(faults)} of {len(rows)} pictures that were tried cannot be used: {''.join(faults[:1])}"
        return self._notes + ([tried] if faults else [])

    @property
    def tried(self) -> int:
        """How many pictures `check` decodes."""
        return len(self._pictures.spread(TRIED_GROUPS, TRIED_EACH))

    def remarks(self) -> list[str]:
        """What is worth knowing and no problem: a revision that may move, and how splits came about."""
        return self._remarks

    def sample(self, row: int, labels: Classes, answers: Classes) -> Sample:
        """One row of the files with these labels."""
        return Sample(self._ids[row].as_py(), self._pictures[row], labels)


def _placed(read: HubRows, names: list[str]) -> tuple[dict[str, Integers], Integers]:
    """The labelled rows of each split, and all rows without a label."""
    codes = np.where(read.known, read.splits, POOL)
    rows = {name: np.flatnonzero(codes == i) for i, name in enumerate(names)}
    return {name: here for name, here in rows.items() if len(here)}, np.flatnonzero(codes == POOL)


def _divided(read: HubRows, val: float, test: float, seed: int) -> dict[str, Integers]:
    """The labelled rows, divided by a hash of their ids."""
    labelled = np.flatnonzero(read.known & (read.splits != POOL))
    places = (SPLITS.index(split_by_hash(read.ids[row].as_py(), val, test, seed)) for row in labelled)
    codes = np.fromiter(places, np.int8, len(labelled))
    return {name: here for i, name in enumerate(SPLITS) if len(here := labelled[codes == i])}


def _schema(read: HubRows, given: AttributeSchema | None) -> AttributeSchema:
    """Every class that the columns hold. A column of single classes may be read under a type that allows several.

    Raises:
        DataError: a column holds none.
    """
    several = {t.name for t in given or () if t.kind == "multi"} | {name for name, many in read.several.items() if many}
    if empty := [name for name, classes in read.classes.items() if not classes]:
        raise DataError(f"no row has a label of {', '.join(empty)}; leave it out of `types`.")
    kinds: dict[str, Literal["single", "multi"]] = {n: "multi" if n in several else "single" for n in read.classes}
    return AttributeSchema(tuple(AttributeType(n, kinds[n], classes) for n, classes in read.classes.items()))


def _that_occurs(own: AttributeSchema, read: HubRows, train: Integers) -> AttributeSchema:
    """The classes that occur in train; where they were declared with the column, all of them.

    Raises:
        DataError: a type has none.
    """
    types = []
    for t in own:
        seen = np.unique(read.labels.types[t.name].take(train).classes)
        if not len(seen):
            raise DataError(f"no row of train has a label of {t.name}, so its classes are not known.")
        classes = t.classes if read.declared[t.name] else tuple(t.classes[i] for i in seen)
        types.append(AttributeType(t.name, t.kind, classes))
    return AttributeSchema(tuple(types))


def _pinning(repo: str, revision: str | None, commit: str | None) -> list[str]:
    """What to write into the recipe where a branch was read, which may move."""
    if revision == commit:
        return []
    return [f"{repo} is not pinned: {revision or 'its newest commit'} may move. It was read at revision: {commit}"]
