"""Reads the lists of DeepFashion (category and attribute prediction) in both variants."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mtss_zoo.errors import DataError
from mtss_zoo_datasets.deepfashion_attributes import concatenated, read_signs, read_vocabulary
from mtss_zoo_datasets.deepfashion_joined import (
    SPLITS,
    Annotated,
    Listed,
    Splits,
    noted,
    read_category,
    read_numbers,
    unique,
)
from mtss_zoo_datasets.labels import Integers
from mtss_zoo_datasets.padded_lists import check_count, read_head, read_rows, shown
from mtss_zoo_datasets.picture_files import paths_array

SUBSET = b"img_highres_subset/"


def read_coarse(annotations: Path, partition: Path, zeros_unknown: bool) -> Annotated:
    """Reads ``Anno_coarse`` (``Anno`` in the first release), whose lists name their pictures in any order.

    Args:
        partition: list_eval_partition.txt.
        zeros_unknown: a 0 in list_attr_img.txt makes its whole type unknown for the picture; else it is a -1.
    """
    category = read_category(annotations / "list_category_cloth.txt")
    vocabulary = read_vocabulary(annotations / "list_attr_cloth.txt", "coarse")
    paths, split, notes = _read_partition(partition)
    listed, numbers = read_numbers(annotations / "list_category_img.txt", 1, True, len(category))
    place, on_categories = _places(listed, paths, "list_category_img.txt")
    categories = np.full(len(paths), -1, np.int64)
    categories[place[place >= 0]] = numbers[place >= 0, 0] - 1
    listed, numbers = read_numbers(annotations / "list_bbox.txt", 4, True)
    place, on_boxes = _places(listed, paths, "list_bbox.txt")
    boxes = np.full((len(paths), 4), np.nan, np.float32)
    boxes[place[place >= 0]] = numbers[place >= 0]
    signs = read_signs(annotations / "list_attr_img.txt", vocabulary, named=True)
    place, on_attributes = _places(signs.paths, paths, "list_attr_img.txt")
    notes += on_categories + on_boxes + on_attributes
    signs = signs if zeros_unknown else signs.without_doubt()
    return Listed(paths, split, categories, boxes, signs, place, notes).labelled(category, vocabulary)


def read_fine(annotations: Path) -> Annotated:
    """Reads ``Anno_fine``: row i of train_attr.txt, train_cate.txt and train_bbox.txt is of row i of train.txt."""
    category = read_category(annotations / "list_category_cloth.txt")
    vocabulary = read_vocabulary(annotations / "list_attr_cloth.txt", "fine")
    listed: list[bytes] = []
    split, categories, boxes, signs = [], [], [], []
    for code, name in enumerate(SPLITS):
        mine = [_below_img(path) for rows in read_rows(annotations / f"{name}.txt", 1) for path in rows.words(0)]
        categories.append(read_numbers(annotations / f"{name}_cate.txt", 1, False, len(category))[1][:, 0] - 1)
        boxes.append(read_numbers(annotations / f"{name}_bbox.txt", 4, False)[1])
        signs.append(read_signs(annotations / f"{name}_attr.txt", vocabulary, named=False).without_doubt())
        counts = {"cate": len(categories[-1]), "bbox": len(boxes[-1]), "attr": len(signs[-1])}
        for what, count in counts.items():
            if count != len(mine):
                raise DataError(
                    f"{annotations}: {name}_{what}.txt has {count} rows and {name}.txt {len(mine)}. Row i of one is "
                    "of row i of the other, so it is not known which labels are whose: fetch both again."
                )
        listed += mine
        split.append(np.full(len(mine), code, np.int8))
    splits = np.concatenate(split)
    paths, kept, notes = unique(listed, splits, lambda row: str(annotations), "the lists")
    place = np.full(len(listed), -1)
    place[kept] = np.arange(len(kept))
    return Listed(
        paths,
        splits[kept],
        np.concatenate(categories)[kept],
        np.concatenate(boxes)[kept].astype(np.float32),
        concatenated(signs),
        place,
        notes,
    ).labelled(category, vocabulary)


def _read_partition(path: Path) -> tuple[pa.Array, Splits, list[str]]:
    """The pictures in the order of list_eval_partition.txt, and the split of each."""
    listed: list[bytes] = []
    split: list[int] = []
    lines: list[Integers] = []
    codes = {name.encode(): code for code, name in enumerate(SPLITS)}
    for rows in read_rows(path, 2, skip=2):
        words = rows.words(1)
        if wrong := [row for row, word in enumerate(words) if word not in codes]:
            raise rows.fail(wrong[0], f"train, val or test is expected, not {shown(words[wrong[0]])}.")
        listed += rows.words(0)
        split += [codes[word] for word in words]
        lines.append(rows.lines)
    check_count(path, read_head(path), len(listed))
    if not listed:
        raise DataError(f"{path} names no picture.")
    splits, line = np.array(split, np.int8), np.concatenate(lines)
    paths, kept, notes = unique(listed, splits, lambda row: f"{path}, line {line[row]}", path.name)
    return paths, splits[kept], notes


def _places(listed: list[bytes], paths: pa.Array, name: str) -> tuple[Integers, list[str]]:
    """Which of N pictures each row of a list is of, -1 for none and where an earlier row was of it; and notes."""
    rows = paths_array(listed)
    place = pc.fill_null(pc.index_in(rows, value_set=paths), -1).to_numpy(zero_copy_only=False).astype(np.int64)
    unknown = np.flatnonzero(place < 0)
    seen, first = np.unique(place, return_index=True)
    again = np.setdiff1d(np.flatnonzero(place >= 0), first)
    missing = np.setdiff1d(np.arange(len(paths)), seen)
    place[again] = -1
    return place, [
        *noted(name, unknown, rows, "pictures are in no split and are left out"),
        *noted(name, again, rows, "rows repeat a picture; only its first row counts"),
        *noted(name, missing, paths, "pictures of the splits are not in it"),
    ]


def _below_img(path: bytes) -> bytes:
    """``img_highres_subset/Item-img_1.jpg``, as some fine lists have it, is ``img/Item/img_1.jpg``."""
    if not path.startswith(SUBSET):
        return path
    item, _, name = path.removeprefix(SUBSET).rpartition(b"-")
    return b"img/" + item + b"/" + name
