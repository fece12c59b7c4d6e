"""The files of iMaterialist-Fashion-2018: the label map, and one JSON file a split."""

from __future__ import annotations

import csv
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtss_zoo.errors import DataError
from mtss_zoo.files.json_items import read_items
from mtss_zoo.interfaces import AttributeType
from mtss_zoo_datasets.given_schema import distinct
from mtss_zoo_datasets.labels import Integers

MAP_COLUMNS = ("labelId", "taskId", "labelName", "taskName")


@dataclass(frozen=True)
class LabelMap:
    """T types, and for M label ids, sorted, the type of each and its class there."""

    types: tuple[AttributeType, ...]
    ids: Integers
    type_of: Integers
    class_of: Integers

    def places(self, label_ids: Integers) -> tuple[Integers, Integers]:
        """Type and class of labels, both -1 for an id that does not exist."""
        row = np.searchsorted(self.ids, label_ids).clip(max=len(self.ids) - 1)
        known = self.ids[row] == label_ids
        return np.where(known, self.type_of[row], -1), np.where(known, self.class_of[row], -1)


@dataclass(frozen=True)
class SplitFile:
    """One JSON file: the pictures it lists, and L labels."""

    listed: Integers
    """(I,) image ids of ``images``."""
    annotated: Integers
    """(A,) image ids of ``annotations``."""
    rows: Integers
    """(L,) the annotation of each label, sorted."""
    label_ids: Integers
    """(L,) labels as the label map numbers them."""


def read_label_map(path: Path) -> LabelMap:
    """Reads the CSV file ``labelId,taskId,labelName,taskName``. A task's labels are not a range of ids.

    Raises:
        DataError: it is not such a table, or gives one id twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(reader.line_num, row) for reader in [csv.DictReader(file)] for row in reader]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: this is not CSV in UTF-8: {error}") from None
    if not rows or (lacking := [name for name in MAP_COLUMNS if name not in rows[0][1]]):
        raise DataError(f"{path}: a table is expected with columns {', '.join(lacking if rows else MAP_COLUMNS)}.")
    labels: dict[int, tuple[int, str]] = {}
    tasks: dict[int, str] = {}
    for line, row in rows:
        label, task = (_number(row[name], f"{path}, line {line}, column {name}") for name in MAP_COLUMNS[:2])
        if label in labels:
            raise DataError(f"{path}, line {line}, column labelId: {label} is there twice.")
        labels[label] = (task, (row["labelName"] or "").strip())
        tasks.setdefault(task, (row["taskName"] or "").strip())
    ids = np.array(sorted(labels), np.int64)
    task_of = np.array([labels[label][0] for label in ids.tolist()])
    types, type_of, class_of = [], np.empty_like(ids), np.empty_like(ids)
    for number, (task, name) in enumerate(sorted(tasks.items())):
        mine = np.flatnonzero(task_of == task)
        names = [labels[label][1] for label in ids[mine].tolist()]
        types.append(AttributeType(name, "multi", distinct(names, ids[mine].tolist())))
        type_of[mine], class_of[mine] = number, np.arange(len(mine))
    return LabelMap(tuple(types), ids, type_of, class_of)


def read_split(path: Path) -> SplitFile:
    """Reads ``{"images": [...], "annotations": [...]}``; test.json has no annotations.

    Keys are ``imageId, labelId`` (as downloaded) or ``image_id, label_id`` (as documented), ids text or numbers.

    Raises:
        DataError: an entry has another form.
    """
    listed, annotated, counts, label_ids = (array("q") for _ in range(4))
    for name, number, entry in read_items(path):
        if name not in ("images", "annotations"):
            continue
        where = f"{path}, {name}[{number}]"
        image = _number(_either(entry, "imageId", "image_id", where), where)
        if name == "images":
            listed.append(image)
            continue
        labels = _either(entry, "labelId", "label_id", where)
        if not isinstance(labels, list):
            raise DataError(f"{where}: a list of labels is expected, not {str(labels)[:40]!r}.")
        annotated.append(image)
        counts.append(len(labels))
        label_ids.extend(_number(label, where) for label in labels)
    images, annotations, lengths, ids = (np.array(x, np.int64) for x in (listed, annotated, counts, label_ids))
    return SplitFile(images, annotations, np.repeat(np.arange(len(lengths)), lengths), ids)


def _either(entry: Any, key: str, other: str, where: str) -> Any:
    if not isinstance(entry, dict) or (key not in entry and other not in entry):
        raise DataError(f"{where}: an entry with {key} is expected.")
    return entry[key] if key in entry else entry[other]


def _number(value: Any, where: str) -> int:
    try:
        number = int(value)
        if isinstance(value, float | bool) or not 0 <= number < 2**62:
            raise ValueError
    except (TypeError, ValueError):
        raise DataError(f"{where}: an id is expected, not {str(value)[:40]!r}.") from None
    return number
