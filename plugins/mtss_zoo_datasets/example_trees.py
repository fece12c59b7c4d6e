"""Tiny trees of the published datasets, byte by byte in the format in which they are unpacked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mtss_zoo_datasets.examples import COLOURS, picture

CATEGORIES = (("Blouse", 1), ("Jeans", 2), ("Dress", 3))
ATTRIBUTES = (
    ("floral", 1),
    ("abstract chevron print", 1),
    ("denim", 2),
    ("faux fur", 2),
    ("maxi", 3),
    ("a-line", 3),
    ("sleeve", 4),
    ("collar", 4),
    ("summer", 5),
    ("print", 5),
)
LABEL_MAP = (
    "labelId,taskId,labelName,taskName",
    "1,6,Argyle,pattern",
    "2,1,Blouses,category",
    "3,2,Blue,color",
    '4,1,"Hosiery, Stockings, Tights",category',
    "5,6,Plain,pattern",
    "6,2,Red,color",
)
NUMBERS = {"train": range(24), "val": range(24, 36), "test": range(36, 48)}


def deepfashion(folder: Path) -> Mapping[str, Any]:
    """Writes 48 pictures with three categories and ten attributes; the lists differ in order."""
    paths = [f"img/Item_{n // 6}/img_{n:08d}.jpg" for n in range(48)]
    for number, path in enumerate(paths):
        picture(folder / "Img" / path, COLOURS[number % 3], number)
    signs = [[1 if (number + i) % 4 == 0 else -1 for i in range(len(ATTRIBUTES))] for number in range(48)]
    anno = folder / "Anno_coarse"
    anno.mkdir()
    _names(anno / "list_category_cloth.txt", "category", CATEGORIES)
    _names(anno / "list_attr_cloth.txt", "attribute", ATTRIBUTES)
    _list(anno / "list_category_img.txt", "category_label", [(p, f"{n % 3 + 1}") for n, p in enumerate(paths)])
    _list(anno / "list_bbox.txt", "x_1  y_1  x_2  y_2", [(p, "002 003 020 030") for p in paths[::-1]])
    rows = [(p, "".join(f"{s:3d}" for s in row)) for p, row in zip(paths, signs, strict=True)]
    _list(anno / "list_attr_img.txt", "attribute_labels", rows)
    landmarks = [(p, "1 3" + "  0 010 012" * 6) for p in paths]
    _list(anno / "list_landmarks.txt", "clothes_type  variation_type  landmark_visibility_1", landmarks)
    split = {number: name for name, numbers in NUMBERS.items() for number in numbers}
    (folder / "Eval").mkdir()
    status = [(p, split[number]) for number, p in enumerate(paths)]
    _list(folder / "Eval" / "list_eval_partition.txt", "evaluation_status", status)
    return {"root": str(folder)}


def imaterialist_fashion(folder: Path) -> Mapping[str, Any]:
    """Writes 24 pictures of train, 12 of validation and 12 unlabelled ones of test; ids start again in each."""
    for split, numbers in (("train", NUMBERS["train"]), ("validation", NUMBERS["val"]), ("test", NUMBERS["test"])):
        images, annotations = [], []
        for key, number in enumerate(numbers, 1):
            picture(folder / split / f"{key}.jpg", COLOURS[number % 3], number)
            labels = [("2", "4"), ("3", "6"), ("1", "5")][: number % 3 + 1]
            images.append({"url": f"http://example.org/{number}.jpg", "imageId": str(key)})
            annotations.append({"labelId": [pair[key % 2] for pair in labels], "imageId": str(key)})
        data = {"info": {"year": 2018}, "images": images, "annotations": annotations, "license": {"name": "none"}}
        if split == "test":
            del data["annotations"]
        (folder / f"{split}.json").write_text(json.dumps(data))
    (folder / "iMat_fashion_2018_label_map_228.csv").write_bytes("\r\n".join(LABEL_MAP).encode())
    return {"root": str(folder)}


def darn(folder: Path) -> Mapping[str, Any]:
    """Writes 48 pictures with two attributes; val and test have queries and candidates, as for retrieval."""
    attributes = {"clothes pattern": 3, "sleeve length": 2}
    meta = {"DARN": {"ATTRIBUTES": list(attributes), "ATTRIBUTES_NUM": attributes}}
    (folder / "meta.json").write_text(json.dumps(meta))
    for split, numbers in (("train", NUMBERS["train"]), ("valid", NUMBERS["val"]), ("test", NUMBERS["test"])):
        paths = [f"pic/{number}.jpg" for number in numbers]
        for number, path in zip(numbers, paths, strict=True):
            picture(folder / "DARN" / path, COLOURS[number % 3], number)
        _lines(folder / "DARN" / f"filenames_{split}.txt", paths)
        pattern, sleeve = ([f"{row} {a} {row % n}" for row in range(len(paths))] for a, n in enumerate((3, 2)))
        if split == "train":
            both = (f"{p} {' '.join(s.split()[1:])}" for p, s in zip(pattern, sleeve, strict=True))
            _lines(folder / "DARN" / "label_train.txt", both)
        else:
            _lines(folder / "DARN" / f"candidate_{split}.txt", pattern)
            _lines(folder / "DARN" / f"query_{split}.txt", sleeve)
    return {"root": str(folder)}


def _names(path: Path, what: str, rows: Iterable[tuple[str, int]]) -> None:
    lines = [f"{name:<30}{number}" for name, number in rows]
    _lines(path, [f"{len(lines)}", f"{what + '_name':<30}{what}_type", *lines])


def _list(path: Path, columns: str, rows: list[tuple[str, str]]) -> None:
    _lines(path, [f"{len(rows)}", f"{'image_name':<70}{columns}", *(f"{name:<70}{text}" for name, text in rows)])


def _lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
