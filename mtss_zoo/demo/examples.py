"""The pictures that the page offers for a first try."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from mtss_zoo.errors import ImageError, UnknownNameError, UsageError
from mtss_zoo.pil_images import decode

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
MOST = 6


def example_pictures(folder: str | Path | None, into: Path) -> list[Path]:
    """The first pictures of a folder by name, or drawn garments, which are written to ``into``.

    Raises:
        UsageError: the folder holds no picture that can be read.
    """
    if folder is None:
        return _drawn(into)
    found = [path for path in sorted(Path(folder).glob("*")) if path.suffix.lower() in SUFFIXES and _readable(path)]
    if not found:
        raise UsageError(f"{folder} holds no picture that could be an example ({', '.join(sorted(SUFFIXES))}).")
    return found[:MOST]


def _readable(path: Path) -> bool:
    try:
        decode(path, str(path))
    except ImageError:
        return False
    return True


def _drawn(into: Path) -> list[Path]:
    """Garments of as many categories as there is room for; none where nothing draws them."""
    from mtss_zoo.build import build_dataset
    from mtss_zoo.recipe import DataSpec, Part

    try:
        args = {"image_size": 256, "n_train": 1, "n_val": 1, "n_test": 60, "n_unlabelled": 1}
        dataset = build_dataset(DataSpec(dataset=Part(name="garments", args=args)))
    except UnknownNameError:
        return []
    rows, classes = dataset.split("test").label_pairs("category")
    first = {int(c): int(r) for r, c in zip(rows[::-1], classes[::-1], strict=True)}
    paths = []
    for number, row in enumerate(sorted(first.values())[:MOST], 1):
        image = dataset.split("test")[row].image
        assert isinstance(image, Image.Image)
        paths.append(into / f"garment_{number}.png")
        image.save(paths[-1])
    return paths
