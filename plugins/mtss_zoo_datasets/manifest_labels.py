"""The labels of a manifest: from label columns and crowd answers to class indices."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mtss_zoo.errors import DataError
from mtss_zoo_datasets.agreement import agree, normalised
from mtss_zoo_datasets.labels import Integers, TypeLabels
from mtss_zoo_datasets.manifest_table import ManifestTable
from mtss_zoo_datasets.schema_file import DeclaredType

_NUMBERED_ANSWER = re.compile(r"answer_\d+")


@dataclass(frozen=True)
class NamedLabels:
    """The labels of one type before classes are chosen: indices into ``names``, which are sorted."""

    names: tuple[str, ...]
    labels: TypeLabels
    agreement: npt.NDArray[np.float32] | None = None
    """The share of equal answers a row (R,), where there are crowd answers."""

    def as_classes(self, classes: tuple[str, ...]) -> tuple[TypeLabels, dict[str, int]]:
        """The same labels as indices into ``classes``, and how often each other name occurs.

        Such a label is dropped; a row that keeps none is unknown.
        """
        index = {name: i for i, name in enumerate(classes)}
        target = np.array([index.get(name, -1) for name in self.names] or [-1])
        rows, old = self.labels.pairs()
        new = target[old]
        known = np.zeros(len(self.labels), bool)
        known[rows[new >= 0]] = True
        counts = np.bincount(old[new < 0], minlength=len(self.names))
        dropped = {name: int(n) for name, n in zip(self.names, counts, strict=False) if n}
        return TypeLabels.from_pairs(rows[new >= 0], new[new >= 0], known), dropped

    def classes_in(self, rows: Integers) -> tuple[str, ...]:
        """The names that occur in these rows, sorted."""
        return tuple(self.names[i] for i in np.unique(self.labels.take(rows).classes))


def label_columns(table: ManifestTable, types: list[DeclaredType]) -> set[str]:
    """The columns that hold labels or answers, so that they are no metadata."""
    return {name for t in types for name in (t.name, *_answer_columns(table, t, len(types) == 1))}


def read_labels(table: ManifestTable, declared: DeclaredType, alone: bool, min_agree: int) -> NamedLabels:
    """One type's labels: the label column's, and where it is empty what the crowd agrees on.

    Args:
        alone: it is the manifest's only type, so that ``answers`` and ``answer_1 ...`` are its crowd answers.
    """
    answer_columns = _answer_columns(table, declared, alone)
    if declared.name not in table.columns and not answer_columns:
        raise DataError(
            f"{table.path}: there is no column {declared.name!r} for this attribute type; "
            f"the columns are {', '.join(table.columns)}."
        )
    rows, texts = np.empty(0, np.int64), pa.array([], pa.large_string())
    if declared.name in table.columns:
        rows, texts = table.several(declared.name)
    if declared.kind == "single" and (twice := np.flatnonzero(np.diff(rows) == 0)).size:
        raise table.fail(int(rows[twice[0]]), declared.name, "two labels, but this type is single.")
    if not answer_columns:
        names, codes = _codes(texts)
        return NamedLabels(names, _labels(rows, codes, len(table)))
    voted, agreed, share = _agreed(table, declared, answer_columns, min_agree)
    empty = ~np.isin(voted, rows)
    names, codes = _codes(pa.concat_arrays([texts, agreed.filter(pa.array(empty))]))
    return NamedLabels(names, _labels(np.concatenate([rows, voted[empty]]), codes, len(table)), share)


def _answer_columns(table: ManifestTable, declared: DeclaredType, alone: bool) -> list[str]:
    own = [f"{declared.name}.answers"] if f"{declared.name}.answers" in table.columns else []
    if own or not alone:
        return own
    return [name for name in table.columns if name == "answers" or _NUMBERED_ANSWER.fullmatch(name)]


def _agreed(
    table: ManifestTable, declared: DeclaredType, columns: list[str], min_agree: int
) -> tuple[Integers, pa.Array, npt.NDArray[np.float32]]:
    """Rows with agreement and their labels, and the share of equal answers of every row."""
    cells = [table.several(column) for column in columns]
    rows = np.concatenate([row for row, _ in cells])
    names, codes = _codes(pa.concat_arrays([texts for _, texts in cells]))
    # Classes as the schema spells them; answers beyond it as the crowd does.
    spelling = {normalised(name): name for name in declared.classes or ()}
    said = [normalised(name) for name in names]
    answers = sorted(set(said))
    result = agree(rows, np.array([answers.index(name) for name in said], np.int64)[codes], len(table), min_agree)
    voted = np.flatnonzero(result.labels >= 0)
    labels = [spelling.get(answer, answer) for answer in answers]
    agreed = pa.array(labels, pa.large_string()).take(pa.array(result.labels[voted]))
    return voted, agreed, result.share


def _codes(texts: pa.Array) -> tuple[tuple[str, ...], Integers]:
    """The different texts, sorted, and for each text its place among them."""
    encoded = pc.dictionary_encode(texts)
    names: list[str] = encoded.dictionary.to_pylist()
    order = np.argsort(np.array(names, dtype=object), kind="stable")
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    codes: Integers = place[encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)]
    return tuple(names[i] for i in order), codes


def _labels(rows: Integers, codes: Integers, n_rows: int) -> TypeLabels:
    known = np.zeros(n_rows, bool)
    known[rows] = True
    return TypeLabels.from_pairs(rows, codes, known)
