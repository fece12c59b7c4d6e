"""Boxes from a file for the pictures of a dataset that have none of their own."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from mtss_zoo.errors import DataError
from mtss_zoo.files.file_names import as_text
from mtss_zoo.interfaces import Sample, Samples
from mtss_zoo.recipe import DataSpec
from mtss_zoo.sampling import Pairs

ID, CORNERS = "id", ("x1", "y1", "x2", "y2")
Box: TypeAlias = tuple[float, float, float, float]
CHUNK = 65_536


class Boxes:
    """A box, or that there is none, for each of N ids. Memory is that of the ids and of 24 bytes a picture.

    Args:
        path: Parquet, or CSV in UTF-8, with the columns ``id`` and ``x1 y1 x2 y2``: pixels of the upright picture,
            half-open; all four empty for the whole picture. Other columns are not read.

    Raises:
        DataError: the file is missing or damaged, or a row cannot be used; its id is named.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        table = _read(path)
        ids = pa.concat_arrays(table[ID].chunks) if table.num_rows else pa.array([], pa.large_string())
        corners = np.stack([table[name].to_numpy() for name in CORNERS], 1).astype(np.float32)
        _check(path, ids, corners)
        order = pc.sort_indices(ids)
        self.ids, self._corners = ids.take(order), corners[order.to_numpy()]
        twice = pc.equal(self.ids[1:], self.ids[:-1])
        if (found := pc.index(twice, True).as_py()) >= 0:
            raise DataError(f"{path}: the id {self.ids[found].as_py()!r} occurs twice. Leave one of the rows out.")

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, picture: str) -> Box | None:
        """The box of this id; ``None`` where the picture is whole or not listed."""
        picture = as_text(picture)
        row = bisect_left(range(len(self)), picture, key=lambda i: self.ids[i].as_py())
        if row == len(self) or self.ids[row].as_py() != picture or np.isnan(self._corners[row, 0]):
            return None
        x1, y1, x2, y2 = self._corners[row].tolist()
        return x1, y1, x2, y2

    def rows(self, pictures: list[str]) -> npt.NDArray[np.int64]:
        """The row of each id, -1 where it is not listed."""
        found = pc.index_in(pa.array(pictures, pa.large_string()), value_set=self.ids)
        return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)

    @property
    def whole(self) -> npt.NDArray[np.bool_]:
        """Which rows say that the picture is used whole (N,)."""
        whole: npt.NDArray[np.bool_] = np.isnan(self._corners[:, 0])
        return whole


class BoxedSamples:
    """The same pictures; one without a box of its own has that of its id."""

    def __init__(self, samples: Samples, boxes: Boxes) -> None:
        self.samples, self.boxes = samples, boxes

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> Sample:
        sample = self.samples[row]
        return sample if sample.bbox is not None else replace(sample, bbox=self.boxes.of(sample.id))

    def label_pairs(self, type_name: str) -> Pairs:
        """Those of the pictures."""
        return self.samples.label_pairs(type_name)


class Coverage:
    """Where the pictures of a recipe have their boxes from. Looks at every picture's id once.

    Args:
        boxes: of a file.
        parts: all pictures.
    """

    def __init__(self, boxes: Boxes, parts: Iterable[Samples]) -> None:
        self.boxes = boxes
        self.own = self.listed = self.whole = self.missing = 0
        seen = np.zeros(len(boxes), np.bool_)
        for ids, own in (chunk for part in parts for chunk in chunks(part)):
            rows = boxes.rows(ids)
            found = rows[(rows >= 0) & ~own]
            whole = int(boxes.whole[found].sum())
            self.own, self.whole = self.own + int(own.sum()), self.whole + whole
            self.listed += len(found) - whole
            self.missing += int((~own).sum()) - len(found)
            seen[rows[rows >= 0]] = True
        self.strange = np.flatnonzero(~seen)
        """Rows of the file whose ids no picture has."""

    def problems(self, limit: int = 3) -> list[str]:
        """Whether the boxes are those of other pictures."""
        path, anew = self.boxes.path, "Make the boxes of this one with `mtss-zoo data boxes`"
        if not len(self.strange):
            return []
        if len(self.strange) == len(self.boxes):
            return [f"no id of {path} occurs in this dataset: it belongs to another one. {anew}."]
        named = ", ".join(self.boxes.ids.take(self.strange[:limit]).to_pylist())
        return [
            f"{len(self.strange):,} of the {len(self.boxes):,} ids of {path} do not occur in this dataset: {named}"
            f"{' ...' if len(self.strange) > limit else ''}. It was made for another version of it. {anew}, or take "
            "those rows out."
        ]

    def remark(self) -> str:
        """The numbers in a sentence."""
        return (
            f"boxes: {self.own:,} pictures have their own, {self.listed:,} have one from {self.boxes.path}, "
            f"{self.whole:,} are whole because it says so, {self.missing:,} because they are not in it."
        )


def recipe_boxes(data: DataSpec) -> Boxes | None:
    """The boxes that a recipe names, if it names any.

    A relative path is that of a file in the dataset's folder, else in the working folder.

    Raises:
        DataError: there is no such file, or it holds no boxes.
    """
    if data.boxes is None:
        return None
    beside = Path(data.dataset.args.get("root") or "", data.boxes)
    return Boxes(beside if beside.is_file() else Path(data.boxes))


def chunks(samples: Samples) -> Iterator[tuple[list[str], npt.NDArray[np.bool_]]]:
    """The ids of some pictures after the other, and which of them have a box of their own."""
    rest = ((as_text(sample.id), sample.bbox is not None) for sample in (samples[row] for row in range(len(samples))))
    while chunk := list(islice(rest, CHUNK)):
        ids, own = zip(*chunk, strict=True)
        yield list(ids), np.array(own)


def _read(path: Path) -> Any:
    types = {ID: pa.large_string()} | dict.fromkeys(CORNERS, pa.float64())
    try:
        if path.suffix.lower() == ".csv":
            options = pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(types))
            return pyarrow.csv.read_csv(path, convert_options=options)
        return pq.read_table(path, columns=list(types)).select(list(types)).cast(pa.schema(list(types.items())))
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist. Make it with `mtss-zoo data boxes`, or set data.boxes to null to use the pictures "
            "whole."
        ) from None
    except (pa.ArrowException, OSError, KeyError) as error:
        first = str(error).splitlines()[0]
        raise DataError(
            f"{path} is no list of boxes, Parquet or CSV with the columns {', '.join(types)}: {first}"
        ) from error


def _check(path: Path, ids: Any, corners: npt.NDArray[np.float32]) -> None:
    if ids.null_count:
        raise DataError(f"{path}: {ids.null_count:,} rows have no id.")
    none = np.isnan(corners).all(1)
    x1, y1, x2, y2 = corners.T
    good = none | (np.isfinite(corners).all(1) & (x1 < x2) & (y1 < y2))
    if not good.all():
        row = int(np.argmin(good))
        given = " ".join(f"{x:g}" for x in corners[row].tolist())
        raise DataError(
            f"{path}, id {ids[row].as_py()!r}: four numbers x1 < x2 and y1 < y2 are expected as a box, or none, "
            f"not {given}."
        )
