"""The dataset `imaterialist_fashion`: iMaterialist Challenge (Fashion) 2018, after its pictures were downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtss_zoo.errors import DataError
from mtss_zoo.interfaces import AttributeSchema
from mtss_zoo_datasets.imaterialist_files import LabelMap, SplitFile, read_label_map, read_split
from mtss_zoo_datasets.labels import Integers, Labels, TypeLabels, folder, shortened
from mtss_zoo_datasets.listed_splits import ListedSplits
from mtss_zoo_datasets.picture_files import paths_array

NAMES = {"train": ("train",), "val": ("validation", "val"), "test": ("test",)}
"""What the JSON file of a split, and the folder of its pictures, may be called."""


class IMaterialistFashion(ListedSplits):
    """Pictures of garments with eight multi-label types, such as category, color, gender and material.

    The set is a list of web addresses, many of them dead: a picture that was not downloaded is left out, and `check`
    counts them. A type of which a picture has no label is unknown. Pictures without any label, such as those of
    test.json, are unlabelled. An image id is used again in other splits, so a picture's id is its path.

    Args:
        root: the folder with train.json, validation.json (or val.json) and perhaps test.json, with the label map
            (``*label_map*.csv``), and with the pictures as ``train/<id>.jpg``, ``validation/<id>.jpg`` and so on,
            here or in ``images``.
        schema: the types as a checkpoint states them; default is the eight of the label map, in its order of tasks.
    """

    def __init__(self, root: str | None = None, *, schema: AttributeSchema | None = None) -> None:
        self.root = folder(root, "imaterialist_fashion", "train.json, validation.json and the label map")
        label_map = read_label_map(_label_map(self.root))
        own = AttributeSchema(label_map.types)
        super().__init__("imaterialist_fashion", self.root, own, schema)
        for split, names in NAMES.items():
            path = next((p for name in names if (p := self.root / f"{name}.json").is_file()), None)
            if path is None:
                if split == "train":
                    raise DataError(f"{self.root / 'train.json'} is missing.")
                continue
            read = read_split(path)
            keys, place, said = _pictures(read)
            labels, strange = _labels(label_map, read, place, len(keys))
            self.notes += [f"{path.name}: {sentence}" for sentence in said + strange]
            below = _picture_folder(self.root, names)
            self.add(split, path.name, paths_array([b"%s/%d.jpg" % (below, key) for key in keys]), labels)
        self.require_train()


def _label_map(root: Path) -> Path:
    found = sorted(path for path in root.glob("*.csv") if "label_map" in path.name.lower())
    if not found:
        raise DataError(
            f"{root}: the label map is missing, a CSV file with label_map in its name, such as "
            "iMat_fashion_2018_label_map_228.csv. Save it as CSV if you have it as a spreadsheet."
        )
    return found[0]


def _picture_folder(root: Path, names: tuple[str, ...]) -> bytes:
    """The folder of a split's pictures, relative to the root."""
    places = [f"{above}{name}" for above in ("", "images/") for name in names]
    return next((place for place in places if (root / place).is_dir()), places[0]).encode()


def _pictures(read: SplitFile) -> tuple[list[int], Integers, list[str]]:
    """The image ids (N,) in order, the picture of each annotation (A,), -1 if an earlier one was of it; and notes."""
    everything = np.concatenate([read.listed, read.annotated])
    different, first, number = np.unique(everything, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    place = rank[number[len(read.listed) :]]
    _, earliest = np.unique(place, return_index=True)
    again = np.setdiff1d(np.arange(len(place)), earliest)
    place[again] = -1
    notes = []
    if len(again):
        which = _some(read.annotated[again])
        notes.append(f"{len(again)} annotations repeat a picture; only its first one counts: {which}.")
    if len(read.listed) and (foreign := np.setdiff1d(read.annotated, read.listed)).size:
        notes.append(f"{len(foreign)} pictures have annotations but are not among images: {_some(foreign)}.")
    return different[order].tolist(), place, notes


def _labels(label_map: LabelMap, read: SplitFile, place: Integers, pictures: int) -> tuple[Labels, list[str]]:
    """The labels of N pictures; a type of which a picture has none is unknown."""
    types, classes = label_map.places(read.label_ids)
    rows = place[read.rows]
    found: dict[str, TypeLabels] = {}
    for number, attribute_type in enumerate(label_map.types):
        mine = (types == number) & (rows >= 0)
        known = np.zeros(pictures, bool)
        known[rows[mine]] = True
        found[attribute_type.name] = TypeLabels.from_pairs(rows[mine], classes[mine], known)
    strange = read.label_ids[types < 0]
    which = _some(np.unique(strange))
    said = [f"{len(strange)} labels are not in the label map and are left out: {which}."] if len(strange) else []
    return Labels(found), said


def _some(numbers: Integers) -> str:
    return shortened([str(number) for number in numbers[:6]])
