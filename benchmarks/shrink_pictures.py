"""Copies a fashion-products folder with every picture resized, so that a small run does not decode large ones.

    python benchmarks/shrink_pictures.py ROOT OUT HEIGHT WIDTH

The pictures are what `data.image_size` would make of the originals, without loss: PNG data under the old names.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from torchvision.io import encode_png

from mtss_zoo.images import Preprocess, decode


def main() -> None:
    root, out, (height, width) = Path(sys.argv[1]), Path(sys.argv[2]), map(int, sys.argv[3:5])
    size = Preprocess(height=height, width=width, fit="squash", mean=(0, 0, 0), std=(1, 1, 1))
    (out / "images").mkdir(parents=True)
    for table in root.glob("*.csv"):
        shutil.copy(table, out)
    for path in sorted((root / "images").iterdir()):
        (out / "images" / path.name).write_bytes(encode_png(size.resize(decode(path, str(path)))).numpy().tobytes())


if __name__ == "__main__":
    main()
