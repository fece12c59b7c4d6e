"""The dataset `imagefolder`: one folder a class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mtss_zoo.errors import DataError
from mtss_zoo.interfaces import AttributeSchema, AttributeType
from mtss_zoo_datasets.class_folders import ClassFolders, find_class_folders
from mtss_zoo_datasets.given_schema import under_schema
from mtss_zoo_datasets.labels import NO_CLASSES, Integers, Labels, TypeLabels, folder, known_split, shortened
from mtss_zoo_datasets.picture_files import FileSamples, sample_size, unreadable
from mtss_zoo_datasets.splitting import SPLITS, TRAIN, split_balanced


class ImageFolder:
    """Pictures in ``<root>/<split>/<class>/``, or in ``<root>/<class>/`` without splits, with one single-label type.

    Splits are called train; val, valid, validation or dev; test; in any case. Without split folders, pictures are split
    about 75/15/10 with a test set that is balanced by class. A folder ``unlabelled`` (or ``unlabeled``) beside them
    holds pictures without labels. Folders below that of a class are part of the class; links to folders are followed
    where they stand for a split or a class, not deeper down. The classes are those of train, sorted, unless ``schema``
    is given; without train, those that there are. The id of a picture is its path.

    Args:
        root: the folder.
        label: the name of the type.
        split_seed: of assigned splits.
        schema: the type as a checkpoint states it; a class that it lacks is its ``other``, or unknown.
    """

    def __init__(
        self,
        root: str | None = None,
        label: str = "category",
        split_seed: int = 0,
        *,
        schema: AttributeSchema | None = None,
    ) -> None:
        self.root = folder(root, "imagefolder", "<split>/<class>/<picture> or <class>/<picture>")
        found = find_class_folders(self.root)
        self._files, self._pool = found.files, found.pool
        self._split = _assigned(found, split_seed) if found.split is None else found.split
        self._remarks = found.remarks + _without_training(found, self._split)
        own, codes, strange = _frozen(label, found, self._split)
        labels = Labels({label: TypeLabels.from_codes(codes)})
        if schema and not len(codes):  # no class is known that could be compared with the schema's
            own, labels = schema, Labels.unknown(schema, 0)
        self.schema, self._labels, lost = under_schema("imagefolder", own, labels, schema)
        self._notes = found.notes + strange + lost

    @property
    def splits(self) -> tuple[str, ...]:
        """Train, and val and test as far as they have pictures."""
        return tuple(name for code, name in enumerate(SPLITS) if code == TRAIN or (self._split == code).any())

    def split(self, name: str) -> FileSamples:
        """The pictures of one split, class by class."""
        rows = np.flatnonzero(self._split == SPLITS.index(known_split(name, self.splits)))
        files = self._files.take(pa.array(rows))
        return FileSamples(self.root, files, files, self._labels.take(rows))

    def unlabelled(self) -> FileSamples:
        """The pictures of the folder ``unlabelled``."""
        return FileSamples(self.root, self._pool, self._pool, Labels.unknown(self.schema, len(self._pool)))

    def check(self) -> list[str]:
        """Folders that are empty, unreadable or of no use; some pictures are decoded to see whether they can be."""
        return self._notes + unreadable(self.root, pa.concat_arrays([self._files, self._pool]))

    @property
    def tried(self) -> int:
        """How many pictures `check` decodes."""
        return sample_size(len(self._files) + len(self._pool))

    def remarks(self) -> list[str]:
        """How many files are no pictures, and that nothing is labelled."""
        return self._remarks


def _assigned(found: ClassFolders, seed: int) -> npt.NDArray[np.int8]:
    return split_balanced(found.classes, np.arange(len(found.classes)), seed)


def _without_training(found: ClassFolders, split: npt.NDArray[np.int8]) -> list[str]:
    """A remark if train has no picture; an error if nothing is unlabelled either."""
    if (split == TRAIN).any():
        return []
    lacking = f"no class of train has a picture. {' '.join(found.notes)}".rstrip()
    if not len(found.pool):
        raise DataError(lacking)
    return [f"{lacking} A stage can only learn from the pictures alone, as with the strategy mae."]


def _frozen(
    label: str, found: ClassFolders, split: npt.NDArray[np.int8]
) -> tuple[AttributeSchema, Integers, list[str]]:
    """The classes of train, the class of each picture, and a note on classes that train lacks.

    Without pictures of train, they are the classes that there are.
    """
    in_train = np.unique(found.classes[split == TRAIN]) if (split == TRAIN).any() else np.unique(found.classes)
    place = np.full(len(found.names), -1, np.int64)
    place[in_train] = np.arange(len(in_train))
    codes = place[found.classes]
    notes = []
    if (codes < 0).any():
        strange = [found.names[i] for i in np.unique(found.classes[codes < 0])]
        notes.append(
            f"{int((codes < 0).sum())} pictures are of classes that train lacks, unknown: {shortened(strange)}."
        )
    names = tuple(found.names[i] for i in in_train) or NO_CLASSES
    return AttributeSchema((AttributeType(label, "single", names),)), codes, notes
