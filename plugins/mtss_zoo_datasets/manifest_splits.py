"""Which row of a manifest goes where: given splits, assigned splits, and the pool of unlabelled pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mtss_zoo_datasets.labels import Integers, TypeLabels
from mtss_zoo_datasets.manifest_table import ManifestTable
from mtss_zoo_datasets.splitting import SPLITS, TEST, TRAIN, VAL, split_balanced

POOL = len(SPLITS)
NOWHERE = POOL + 1
_NAMES = {**{name: i for i, name in enumerate(SPLITS)}, "unlabeled": POOL, "unlabelled": POOL}
Codes = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Placement:
    """Where each of R rows goes: ``codes`` (R,) TRAIN, VAL, TEST, POOL or NOWHERE; and what `check` should say."""

    codes: Codes
    notes: list[str]

    def rows(self, code: int) -> Integers:
        """The rows of one place, in the manifest's order."""
        return np.flatnonzero(self.codes == code)


def given_splits(table: ManifestTable) -> Codes:
    """The column `split` as codes (R,), -1 where it is empty."""
    if "split" not in table.columns:
        return np.full(len(table), -1, np.int8)
    names = pc.utf8_lower(table.text("split"))
    codes = pc.fill_null(pc.index_in(names, pa.array(list(_NAMES), pa.large_string())), -1).to_numpy()
    wrong = np.flatnonzero((codes < 0) & names.is_valid().to_numpy(zero_copy_only=False))
    if len(wrong):
        row = int(wrong[0])
        raise table.fail(
            row,
            "split",
            f"{names[row].as_py()!r} is none of {', '.join(SPLITS)}, unlabeled; leave it empty to assign one.",
        )
    given: Codes = np.array([*_NAMES.values(), -1], np.int8)[codes]
    return given


def place(
    given: Codes, classes: npt.NDArray[np.int32], known: npt.NDArray[np.bool_], groups: Integers, seed: int
) -> Codes:
    """Assigns the rows without a split.

    Rows of which nothing is known go to the pool, unless they are given to val or test. The others go where their
    group already is, or are split 75/15/10 with a test set that is balanced by ``classes``.

    Args:
        given: (R,) TRAIN, VAL, TEST, POOL, or -1.
        classes: (R,) the class to balance by, -1 where there is none.
        known: (R,) whether any label of the row is known.
    """
    codes = given.copy()
    codes[~known & (given != VAL) & (given != TEST)] = POOL
    open_rows = np.flatnonzero(codes < 0)
    for code in (TEST, VAL, TRAIN):
        held = np.unique(groups[given == code])
        codes[open_rows[np.isin(groups[open_rows], held)]] = code
    open_rows = np.flatnonzero(codes < 0)
    codes[open_rows] = split_balanced(classes[open_rows], groups[open_rows], seed)
    return codes


def without_leaks(codes: Codes, ids: pa.Array, images: pa.Array, table: ManifestTable) -> Placement:
    """Drops pool rows that share an id or a path with val or test; a repeated id elsewhere is an error."""
    evaluated = (codes == VAL) | (codes == TEST)
    pool = codes == POOL
    leaks = pool & (_among(ids, evaluated) | _among(images, evaluated))
    codes = np.where(leaks, np.int8(NOWHERE), codes).astype(np.int8)
    notes = []
    if leaks.any():
        notes.append(f"{int(leaks.sum())} unlabelled pictures are also in val or test and were dropped.")
    _refuse_repeated_ids(ids, leaks, table)
    both = (codes == TRAIN) & _among(images, evaluated)
    if both.any():
        row = int(np.flatnonzero(both)[0])
        notes.append(f"{int(both.sum())} pictures of train are also in val or test, such as {images[row].as_py()}.")
    return Placement(codes, notes)


def keep_answered(
    codes: Codes, given: Codes, crowd: Mapping[str, TypeLabels], known: npt.NDArray[np.bool_], groups: Integers
) -> npt.NDArray[np.bool_]:
    """Which rows (R,) of the pool may train, because people answered, though they agreed on nothing.

    Not those that the manifest gives to the pool, nor those of a group that is in val or test, which stay as they are.

    Args:
        crowd: the answers of R rows by type.
        known: (R,) whether any label of the row is known.
    """
    evaluated = np.unique(groups[(codes == VAL) | (codes == TEST)])
    answered = np.zeros(len(codes), bool)
    for answers in crowd.values():
        answered |= answers.known
    kept: npt.NDArray[np.bool_] = answered & (codes == POOL) & (given != POOL) & ~known & ~np.isin(groups, evaluated)
    return kept


def split_groups(codes: Codes, groups: Integers) -> int:
    """How many groups lie in more than one of train, val and test."""
    labelled = codes < POOL
    seen = np.zeros((int(groups.max(initial=0)) + 1, POOL), bool)
    seen[groups[labelled], codes[labelled]] = True
    return int((seen.sum(1) > 1).sum())


def comparable_paths(images: pa.Array, root: Path) -> pa.Array:
    """Paths such that two of one file are equal: without ``./``, ``//``, ``..`` and the image root."""
    winding = pc.match_substring_regex(images, r"//|(^|/)\.\.?/")
    if pc.any(winding).as_py():
        straight = [os.path.normpath(path) for path in images.filter(winding).to_pylist()]
        images = pc.replace_with_mask(images, winding, pa.array(straight, pa.large_string()))
    inside = f"{os.path.abspath(root)}/"
    return pc.if_else(pc.starts_with(images, inside), pc.utf8_slice_codeunits(images, len(inside)), images)


def _among(values: pa.Array, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which values occur in the chosen rows (R,)."""
    found = pc.is_in(values, value_set=values.filter(pa.array(chosen)))
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def _refuse_repeated_ids(ids: pa.Array, leaks: npt.NDArray[np.bool_], table: ManifestTable) -> None:
    rows = np.flatnonzero(~leaks)
    codes = pc.dictionary_encode(ids.take(pa.array(rows))).indices.to_numpy()
    if len(codes) and int(codes.max()) + 1 < len(codes):
        _, first = np.unique(codes, return_index=True)
        again = int(rows[np.setdiff1d(np.arange(len(codes)), first)[0]])
        column = "id" if "id" in table.columns else "image"
        raise table.fail(again, column, f"{ids[again].as_py()!r} occurs a second time; an id names one picture.")


def without_training(placement: Placement, table: ManifestTable) -> list[str]:
    """A remark if no row with a known label is in train; an error if nothing is unlabelled either."""
    if len(placement.rows(TRAIN)):
        return []
    lacking = f"no row with a known label is in the split train (columns: {', '.join(table.columns)})"
    if not len(placement.rows(POOL)):
        raise table.fail_file(lacking)
    return [f"{table.path}: {lacking}. A stage can only learn from the pictures alone, as with the strategy mae."]
