"""The dataset `deepfashion`: Category and Attribute Prediction of DeepFashion, as it is unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from mtss_zoo.errors import DataError
from mtss_zoo.interfaces import AttributeSchema
from mtss_zoo_datasets.deepfashion_attributes import Variant
from mtss_zoo_datasets.deepfashion_joined import SPLITS, Annotated
from mtss_zoo_datasets.deepfashion_lists import read_coarse, read_fine
from mtss_zoo_datasets.given_schema import under_schema
from mtss_zoo_datasets.labels import Labels, folder, known_split
from mtss_zoo_datasets.picture_files import FileSamples, locate, named, paths_array, sample_size, unreadable

ANNOTATIONS: dict[Variant, tuple[str, ...]] = {"coarse": ("anno_coarse", "anno"), "fine": ("anno_fine",)}
SIZES: dict[Variant, dict[str, int]] = {
    "coarse": {"train": 209_222, "val": 40_000, "test": 40_000},
    "fine": {"train": 14_000, "val": 2_000, "test": 4_000},
}
"""Pictures of each split as published."""
PATHS_TRIED = 100


class DeepFashion:
    """Garment photos with category, attributes and box, in the official split.

    ``coarse``: 50 categories (single) and 1,000 attributes in five types (multi): texture, fabric, shape, part, style.
    ``fine``: category and six single types: texture, sleeve, length, neckline, fabric, fit.

    The coarse attributes are weak tags: -1 says that a tag was not there, not that the garment lacks it. Landmarks are
    not read.

    Args:
        root: the folder with ``Anno_coarse`` (``Anno`` in the first release) or ``Anno_fine``, ``Eval`` and ``Img``.
        variant: which annotations.
        zeros: what a 0 among the coarse attributes is: as good as -1, or its type unknown for that picture.
        bbox_pad: pixels by which boxes grow on each side, as far as the picture goes.
        schema: the types as a checkpoint states them.
    """

    def __init__(
        self,
        root: str | None = None,
        variant: Variant = "coarse",
        zeros: Literal["negative", "unknown"] = "negative",
        bbox_pad: int = 0,
        *,
        schema: AttributeSchema | None = None,
    ) -> None:
        self.root = folder(root, "deepfashion", "Anno_coarse/ (or Anno/), Eval/ and Img/")
        self.variant: Variant = variant
        read = _read(self.root, variant, zeros == "unknown")
        self.schema, self._labels, lost = under_schema("deepfashion", read.schema, read.labels, schema)
        self._folder = _picture_folder(self.root, read.paths)
        self._paths, self._split = read.paths, read.split
        self._files = locate(self._folder, read.paths)
        self._found = self._files.is_valid().to_numpy(zero_copy_only=False)
        self._notes = read.notes + lost + list(self._missing())
        self._boxes = read.boxes + np.array([-bbox_pad, -bbox_pad, bbox_pad, bbox_pad], np.float32)
        self._boxes[:, :2] = np.maximum(self._boxes[:, :2], 0)
        if "train" not in self.splits:
            raise DataError(f"{self._folder} holds no picture of the split train.")

    @property
    def splits(self) -> tuple[str, ...]:
        """Train, val and test, as far as their pictures are there."""
        return tuple(name for code, name in enumerate(SPLITS) if (self._found & (self._split == code)).any())

    def split(self, name: str) -> FileSamples:
        """The pictures of one official split, in its order."""
        code = SPLITS.index(known_split(name, self.splits))
        rows = np.flatnonzero(self._found & (self._split == code))
        ids, files = (paths.take(pa.array(rows)) for paths in (self._paths, self._files))
        return FileSamples(self._folder, ids, files, self._labels.take(rows), self._boxes[rows])

    def unlabelled(self) -> FileSamples:
        """None: every picture of the set has labels."""
        return FileSamples(self._folder, paths_array([]), paths_array([]), Labels.unknown(self.schema, 0))

    def check(self) -> list[str]:
        """What the lists and the folder of pictures lack, and pictures that cannot be decoded among some tried."""
        return self._notes + unreadable(self._folder, self._files.drop_null())

    @property
    def tried(self) -> int:
        """How many pictures `check` decodes."""
        return sample_size(int(self._found.sum()))

    def remarks(self) -> list[str]:
        """How the set differs in size from the published one, and how many classes of each type occur."""
        counts = np.bincount(self._split[self._found], minlength=len(SPLITS)).tolist()
        have, published = dict(zip(SPLITS, counts, strict=True)), SIZES[self.variant]
        used = {t.name: len(np.unique(self._labels.types[t.name].classes)) for t in self.schema}
        classes = ", ".join(f"{used[t.name]} of {len(t)} of {t.name}" for t in self.schema)
        differ = [f"{name} {have[name]:,} of {n:,}" for name, n in published.items() if have[name] != n]
        size = [f"This is not the whole published set: {', '.join(differ)} pictures."] if differ else []
        return [*size, f"Classes that occur: {classes}."]

    def _missing(self) -> Iterator[str]:
        missing = np.flatnonzero(~self._found)
        if len(missing):
            names = named(self._paths, missing)
            yield f"{len(missing)} pictures are missing in {self._folder} and are left out: {names}."


def _read(root: Path, variant: Variant, zeros_unknown: bool) -> Annotated:
    annotations = _annotations(root, variant)
    cloth = [annotations / f"list_{what}_cloth.txt" for what in ("category", "attr")]
    if variant == "fine":
        lists = [annotations / f"{split}{what}.txt" for split in SPLITS for what in ("", "_cate", "_attr", "_bbox")]
        _require(root, cloth + lists)
        return read_fine(annotations)
    partition = _partition(root, annotations)
    lists = [annotations / f"list_{what}.txt" for what in ("category_img", "attr_img", "bbox")]
    _require(root, [*cloth, *lists, partition])
    return read_coarse(annotations, partition, zeros_unknown)


def _annotations(root: Path, variant: Variant) -> Path:
    """The first of the known folders, in any case; then one that was renamed but still begins with anno."""
    folders = {entry.name.lower(): entry for entry in _folders(root)}
    known = [folders[name] for name in ANNOTATIONS[variant] if name in folders]
    known += [f for n, f in folders.items() if n.startswith("anno") and ("fine" in n) == (variant == "fine")]
    if not known:
        expected = "Anno_fine" if variant == "fine" else "Anno_coarse (or Anno)"
        have = ", ".join(entry.name for entry in folders.values()) or "no folder"
        way_out = " For Anno_fine set variant: fine, as with --set data.dataset.args.variant=fine."
        fine = way_out if variant == "coarse" and "anno_fine" in folders else ""
        raise DataError(f"{root}: the folder {expected} with the lists is missing; there is {have}.{fine}")
    return known[0]


def _partition(root: Path, annotations: Path) -> Path:
    folders = [entry for entry in _folders(root) if entry.name.lower().startswith("eval")]
    places = [place / "list_eval_partition.txt" for place in (*folders, annotations, root)]
    return next((place for place in places if place.is_file()), root / "Eval" / "list_eval_partition.txt")


def _require(root: Path, files: list[Path]) -> None:
    if missing := [str(path.relative_to(root)) for path in files if not path.is_file()]:
        raise DataError(f"{root}: of the lists {', '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing.")


def _picture_folder(root: Path, paths: pa.Array) -> Path:
    """What the listed paths are relative to: Img, the root itself, or a folder in which the pictures were unpacked."""
    tried = paths.take(pa.array(np.unique(np.linspace(0, len(paths) - 1, PATHS_TRIED).astype(np.int64))))
    inside = [entry for entry in _folders(root) if entry.name.lower() == "img"]
    places = [*inside, root, *(entry for place in inside for entry in _folders(place) if entry.name.lower() == "img")]
    found: list[int] = []
    for place in places:
        found.append(len(locate(place, tried).drop_null()))
        if found[-1] == len(tried):
            return place
    if not max(found):
        example = named(paths, np.arange(1))
        raise DataError(f"{root}: the pictures are missing, such as Img/{example}; unpack img.zip in Img.")
    return places[found.index(max(found))]


def _folders(place: Path) -> list[Path]:
    return [entry for entry in sorted(place.iterdir()) if entry.is_dir()]
