"""The dataset `darn`: Dual Attribute-aware Ranking Network (ICCV 2015), in the layout of the ASEN lists."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mtss_zoo.errors import DataError
from mtss_zoo.interfaces import AttributeSchema
from mtss_zoo_datasets.asen_lists import SPLITS, Values, label_files, read_meta, read_pictures, read_values
from mtss_zoo_datasets.labels import Integers, Labels, TypeLabels, folder
from mtss_zoo_datasets.listed_splits import ListedSplits
from mtss_zoo_datasets.picture_files import paths_array


class Darn(ListedSplits):
    """Garment photos with single-label types, such as category, button, color, length and pattern.

    There is no official download: the lists come with ASEN, the pictures from a list of web addresses of which many
    are dead. A picture that was not downloaded is left out, and `check` counts them. A type of which a picture has no
    value is unknown; a picture without any is unlabelled.

    Args:
        root: the folder with ``meta.json`` and ``<name>/``, which holds ``filenames_train.txt``, ``label_train.txt``,
            the same for ``valid`` and ``test`` (or ``query_test.txt`` and ``candidate_test.txt``), and the pictures.
        name: which of the datasets in meta.json; the same lists exist for FashionAI.
        schema: the types as a checkpoint states them; default is those of meta.json, in its order.
    """

    def __init__(self, root: str | None = None, name: str = "DARN", *, schema: AttributeSchema | None = None) -> None:
        self.root = folder(root, "darn", f"meta.json and {name}/")
        place = self.root / name
        if not place.is_dir():
            raise DataError(f"{place}: no such folder; it holds filenames_train.txt and the pictures.")
        own = read_meta(self.root, name)
        super().__init__("darn", place, own, schema)
        for split, spelt in SPLITS.items():
            listed = f"filenames_{spelt}.txt"
            if split == "train" or (place / listed).is_file():
                paths = paths_array(read_pictures(place / listed))
                values = [read_values(path, len(paths), own) for path in label_files(place, spelt)]
                self._add_list(split, listed, paths, values)
        self.require_train()

    def _add_list(self, split: str, name: str, paths: pa.Array, values: list[Values]) -> None:
        first = pc.index_in(paths, value_set=paths).to_numpy(zero_copy_only=False).astype(np.int64)
        kept = np.unique(first)
        labels, notes = _labels(self.own, values, np.searchsorted(kept, first), len(kept))
        if again := len(first) - len(kept):
            notes.append(f"{again} lines repeat a picture, which counts once.")
        self.notes += [f"{name}: {note}" for note in notes]
        self.add(split, name, paths.take(pa.array(kept)), labels)


def _labels(schema: AttributeSchema, read: list[Values], place: Integers, n: int) -> tuple[Labels, list[str]]:
    """The labels of N pictures; ``place`` is the picture of each line. Of two values of a type the first one counts."""
    parts = ([getattr(v, key) for v in read] for key in ("rows", "attributes", "values"))
    rows, attributes, values = (np.concatenate(part) for part in parts)
    rows = place[rows]
    found: dict[str, TypeLabels] = {}
    notes = []
    for number, attribute_type in enumerate(schema):
        mine = attributes == number
        here, value = rows[mine], values[mine]
        codes = np.full(n, -1, np.int64)
        codes[here[::-1]] = value[::-1]  # of equal rows, the last one written stays
        if differ := len(np.unique(here[codes[here] != value])):
            notes.append(f"{differ} pictures have several values of {attribute_type.name}; the first one counts.")
        found[attribute_type.name] = TypeLabels.from_codes(codes)
    return Labels(found), notes
