"""The text files by which ASEN (AAAI 2020) gives the labels of DARN: pictures, and which value of which attribute."""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtss_zoo.errors import DataError
from mtss_zoo.interfaces import AttributeSchema, AttributeType
from mtss_zoo_datasets.given_schema import distinct
from mtss_zoo_datasets.labels import Integers
from mtss_zoo_datasets.padded_lists import opened, shown

SPLITS = {"train": "train", "val": "valid", "test": "test"}
"""Our name of a split, and that of its files."""


@dataclass(frozen=True)
class Values:
    """L labels: the row in the list of pictures, the attribute and its value, each from 0, all (L,)."""

    rows: Integers
    attributes: Integers
    values: Integers


def read_meta(folder: Path, dataset: str) -> AttributeSchema:
    """The attributes of a dataset from ``meta.json``, one for all datasets or one in the dataset's own folder.

    ``ATTRIBUTES`` are their names in order, ``ATTRIBUTES_NUM`` the number of values of each; ``ATTRIBUTES_VALUES``,
    where it is given, names the values. Otherwise these are numbers.

    Raises:
        DataError: there is no such file, or it does not describe the dataset.
    """
    path = next((p for p in (folder / "meta.json", folder / dataset / "meta.json") if p.is_file()), None)
    if path is None:
        raise DataError(f"{folder / 'meta.json'} is missing; it names the attributes.")
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: this is not JSON in UTF-8: {error}") from None
    meta = data.get(dataset, data) if isinstance(data, dict) else None
    if not isinstance(meta, dict) or not isinstance(meta.get("ATTRIBUTES"), list) or not meta["ATTRIBUTES"]:
        have = f" It describes {', '.join(data)}." if isinstance(data, dict) else ""
        raise DataError(f"{path}: {dataset} with a list ATTRIBUTES is expected.{have}")
    return AttributeSchema(tuple(_attribute(path, meta, str(name)) for name in meta["ATTRIBUTES"]))


def read_pictures(path: Path) -> list[bytes]:
    """One path a line; a path may contain spaces."""
    with opened(path) as file:
        lines = [line.strip() for line in file]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def read_values(path: Path, pictures: int, schema: AttributeSchema) -> Values:
    """Lines ``row attribute value [attribute value ...]``, all numbers from 0.

    Raises:
        DataError: a line has another form, or a number is out of range.
    """
    found = array("q"), array("q"), array("q")
    sizes = [len(t) for t in schema]
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            if not (words := line.split()):
                continue
            try:
                row, *pairs = [int(word) for word in words]
            except ValueError:
                raise DataError(f"{path}, line {number}: numbers are expected, not {shown(line.strip())}.") from None
            if len(pairs) % 2:
                raise DataError(f"{path}, line {number}: an attribute without a value is at the end.")
            if not 0 <= row < pictures:
                raise DataError(f"{path}, line {number}: there is no picture {row}; they are 0 to {pictures - 1}.")
            for attribute, value in zip(pairs[::2], pairs[1::2], strict=True):
                if not 0 <= attribute < len(sizes):
                    raise DataError(f"{path}, line {number}: there is no attribute {attribute}, only {len(sizes)}.")
                if not 0 <= value < sizes[attribute]:
                    name = schema.names[attribute]
                    raise DataError(f"{path}, line {number}: {name} has no value {value}, only {sizes[attribute]}.")
                for column, entry in zip(found, (row, attribute, value), strict=True):
                    column.append(entry)
    return Values(*(np.array(column, np.int64) for column in found))


def label_files(folder: Path, split: str) -> list[Path]:
    """The files with the labels of one split: ``label_<split>.txt``, or queries and candidates of a retrieval test.

    Raises:
        DataError: there are none.
    """
    whole = folder / f"label_{split}.txt"
    parts = [path for part in ("candidate", "query") if (path := folder / f"{part}_{split}.txt").is_file()]
    if not whole.is_file() and not parts:
        raise DataError(f"{whole} is missing.")
    return [whole] if whole.is_file() else parts


def _attribute(path: Path, meta: dict[str, Any], name: str) -> AttributeType:
    counts, values = (meta.get(key) for key in ("ATTRIBUTES_NUM", "ATTRIBUTES_VALUES"))
    count = counts.get(name) if isinstance(counts, dict) else None
    names = values.get(name) if isinstance(values, dict) else None
    if not isinstance(count, int) or count < 1:
        raise DataError(f"{path}: ATTRIBUTES_NUM does not say how many values {name!r} has.")
    if names is not None and (not isinstance(names, list) or len(names) != count):
        raise DataError(
            f"{path}: ATTRIBUTES_VALUES does not name the {count} values that ATTRIBUTES_NUM gives {name!r}."
        )
    classes = [str(i) for i in range(count)] if names is None else [str(value) for value in names]
    return AttributeType(name.replace("/", "-").replace(".", "-"), "single", distinct(classes, range(count)))
