"""The columns of a manifest beside its labels: pictures, ids, boxes, groups, metadata."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mtss_zoo_datasets.labels import Integers
from mtss_zoo_datasets.manifest_table import ManifestTable

CORNERS = ("x1", "y1", "x2", "y2")
GROUPS = ("group", "item_id")
"""The metadata that keep pictures in one split; the first one that there is counts."""


def read_images_and_ids(table: ManifestTable) -> tuple[pa.Array, pa.Array]:
    """The paths (R,), and the ids (R,): where there is none, the path."""
    if "image" not in table.columns:
        raise table.fail_file(f"there is no column 'image'; the columns are {', '.join(table.columns)}")
    images = table.text("image")
    _refuse(table, "image", pc.is_null(images), "a path is needed")
    _refuse(table, "image", pc.match_substring_regex(images, r"^[a-z]+://"), "a file is needed, not an address")
    if "id" not in table.columns:
        return images, images
    ids = table.text("id")
    return images, pc.if_else(pc.is_null(ids), images, ids)


def _refuse(table: ManifestTable, column: str, wrong: pa.Array, message: str) -> None:
    if pc.any(wrong).as_py():
        raise table.fail(pc.index(wrong, pa.scalar(True)).as_py(), column, f"{message}.")


def read_boxes(table: ManifestTable) -> npt.NDArray[np.float32] | None:
    """The boxes (R, 4) as x1 y1 x2 y2, NaN where a row has none."""
    if "bbox" in table.columns:
        column, boxes = "bbox", table.boxes("bbox")
    elif set(CORNERS) <= set(table.columns):
        column, boxes = "x1", np.stack([table.numbers(name) for name in CORNERS], axis=1)
    else:
        return None
    some = ~np.isnan(boxes).all(1)
    fits = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & np.isfinite(boxes).all(1)
    if len(wrong := np.flatnonzero(some & ~fits)):
        box = " ".join(f"{v:g}" for v in boxes[wrong[0]])
        raise table.fail(int(wrong[0]), column, f"x1 < x2 and y1 < y2 are expected, not {box}.")
    return boxes.astype(np.float32)


def read_metadata(table: ManifestTable, labels: set[str]) -> dict[str, pa.Array]:
    """The other columns, and the group, as text; ``labels`` are the columns of labels."""
    taken = {"image", "id", "split", "bbox", *CORNERS, *labels}
    return {name: table.text(name) for name in table.columns if name not in taken}


def read_groups(metadata: Mapping[str, pa.Array], rows: int) -> Integers:
    """A number for each row (R,), equal for rows of one group; a row without a group is one of its own."""
    alone = np.arange(rows)
    texts = next((metadata[name] for name in GROUPS if name in metadata), None)
    if texts is None:
        return alone
    codes = pc.fill_null(pc.dictionary_encode(texts).indices, -1).to_numpy()
    return np.where(codes < 0, alone + int(codes.max(initial=-1)) + 1, codes).astype(np.int64)
