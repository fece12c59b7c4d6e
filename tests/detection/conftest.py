"""A detector of rectangles that are drawn on white, and a shop of photos with one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtss_zoo.detection.contract import Found


class Rectangles:
    """Finds what is not white, and is as sure of it as it is red."""

    name, revision, classes = "rectangles", "1", ("dress", "zipper")

    def __init__(self) -> None:
        self.seen: list[list[tuple[int, int]]] = []

    def detect(self, pictures):
        self.seen.append([picture.size for picture in pictures])
        return [self._found(np.asarray(picture, np.int64)) for picture in pictures]

    def _found(self, pixels) -> Found:
        rows, columns = np.nonzero((pixels < 200).any(2))
        if not len(rows):
            return Found([], [], [])
        x1, y1, x2, y2 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        red = pixels[(y1 + y2) // 2, (x1 + x2) // 2, 0] / 255
        return Found([[x1, y1, x2, y2]], [red], ["dress"])


@pytest.fixture
def rectangles() -> Rectangles:
    return Rectangles()


def photo(path: Path, size: tuple[int, int], box: tuple[int, int, int, int] | None, orientation: int = 1) -> None:
    """A white PNG or JPEG with a red rectangle x1 y1 x2 y2, in the coordinates of the stored pixels."""
    pixels = np.full((size[1], size[0], 3), 255, np.uint8)
    if box:
        pixels[box[1] : box[3], box[0] : box[2]] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, exif=exif, quality=100, subsampling=0)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Seven photos in all parts: one with a box of its own, one without a garment, one broken, one on its side."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "schema.yaml").write_text("types: [{name: colour, kind: single, classes: [red, blue]}]")
    rows = ["a,train,red,,,,", "b,train,blue,1,2,30,40", "c,train,red,,,,", "d,val,red,,,,", "e,test,red,,,,"]
    rows += ["f,unlabeled,,,,,", "g,unlabeled,,,,,"]
    names = "".join(f"photos/{row[0]}.jpg,{row}\n" for row in rows)
    (root / "manifest.csv").write_text("image,id,split,colour,x1,y1,x2,y2\n" + names)
    for name in "abcfg":
        photo(root / f"photos/{name}.jpg", (60, 80), (16, 24, 48, 56))
    photo(root / "photos/c.jpg", (60, 80), None)
    photo(root / "photos/d.jpg", (80, 60), (24, 16, 56, 32), orientation=6)
    (root / "photos/e.jpg").write_bytes(b"\xff\xd8\xff")
    return root
