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
    answers: TypeLabels | None = None
    """The crowd answers of the rows without a label of their own, in the order of the columns."""

    def as_classes(self, classes: tuple[str, ...], other: str | None) -> tuple[TypeLabels, dict[str, int]]:
        """The same labels as indices into ``classes``, and how often each other name occurs.

        Such a label is of the class ``other``, or dropped if there is none; a row that keeps none is unknown.
        """
        rows, old = self.labels.pairs()
        new = self._indices(classes, other)[old]
        known = np.zeros(len(self.labels), bool)
        known[rows[new >= 0]] = True
        counts = np.bincount(old[new < 0], minlength=len(self.names))
        dropped = {name: int(n) for name, n in zip(self.names, counts, strict=False) if n}
        return TypeLabels.from_pairs(rows[new >= 0], new[new >= 0], known), dropped

    def answers_in(self, classes: tuple[str, ...], other: str | None) -> TypeLabels | None:
        """The answers as indices into ``classes``, without the others; ``None`` where nobody was asked."""
        if self.answers is None:
            return None
        rows, old = self.answers.pairs()
        new = self._indices(classes, other)[old]
        return TypeLabels.from_answers(rows[new >= 0], new[new >= 0], len(self.labels))

    def _indices(self, classes: tuple[str, ...], other: str | None) -> Integers:
        """The place of every name in ``classes``; of one that is missing that of ``other``, -1 if there is none."""
        index = {name: i for i, name in enumerate(classes)}
        missing = index[other] if other is not None else -1
        return np.array([index.get(name, missing) for name in self.names] or [-1], np.int64)

    def classes_in(self, rows: Integers) -> tuple[str, ...]:
        """The names that occur in these rows, sorted."""
        return tuple(self.names[i] for i in np.unique(self.labels.take(rows).classes))


def label_columns(table: ManifestTable, types: list[DeclaredType]) -> set[str]:
    """The columns that hold labels or answers, so that they are no metadata."""
    return {name for t in types for name in (t.name, *_answer_columns(table, t, len(types) == 1))}


def read_all_labels(table: ManifestTable, types: list[DeclaredType], min_agree: int) -> dict[str, NamedLabels]:
    """The labels of every type. Where no type has a column, nothing is known: these are pictures to pretrain on."""
    if label_columns(table, types).isdisjoint(table.columns):
        return {t.name: NamedLabels((), TypeLabels.unknown(len(table))) for t in types}
    return {t.name: read_labels(table, t, len(types) == 1, min_agree) for t in types}


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
        texts = _with_other(texts, declared)
    if declared.kind == "single" and (twice := np.flatnonzero(np.diff(rows) == 0)).size:
        raise table.fail(int(rows[twice[0]]), declared.name, "two labels, but this type is single.")
    if not answer_columns:
        names, codes = _codes(texts)
        return NamedLabels(names, _labels(rows, codes, len(table)))
    answer_rows, answers = _answers(table, declared, answer_columns)
    names, codes = _codes(pa.concat_arrays([texts, answers]))
    codes, said = codes[: len(rows)], codes[len(rows) :]
    crowd = agree(answer_rows, said, len(table), min_agree)
    voted = np.setdiff1d(np.flatnonzero(crowd.labels >= 0), rows)
    labels = _labels(np.concatenate([rows, voted]), np.concatenate([codes, crowd.labels[voted]]), len(table))
    free = ~np.isin(answer_rows, rows)
    return NamedLabels(names, labels, crowd.share, TypeLabels.from_answers(answer_rows[free], said[free], len(table)))


def _answer_columns(table: ManifestTable, declared: DeclaredType, alone: bool) -> list[str]:
    own = [f"{declared.name}.answers"] if f"{declared.name}.answers" in table.columns else []
    if own or not alone:
        return own
    return [name for name in table.columns if name == "answers" or _NUMBERED_ANSWER.fullmatch(name)]


def _answers(table: ManifestTable, declared: DeclaredType, columns: list[str]) -> tuple[Integers, pa.Array]:
    """Every answer (A,): its row, and its class as the schema spells it; beyond the schema, without case."""
    cells = [table.several(column) for column in columns]
    spelling = {normalised(name): name for name in declared.classes or ()}
    names, codes = _codes(pa.concat_arrays([texts for _, texts in cells]))
    spelt = pa.array([spelling.get(normalised(n), normalised(n)) for n in names], pa.large_string())
    return np.concatenate([rows for rows, _ in cells]), _with_other(spelt, declared).take(pa.array(codes))


def _with_other(texts: pa.Array, declared: DeclaredType) -> pa.Array:
    """What is not among the classes is ``other``, before votes are counted and test sets balanced."""
    if declared.other is None or declared.classes is None:
        return texts
    listed = pc.is_in(texts, value_set=pa.array(declared.classes, texts.type))
    return pc.if_else(listed, texts, pa.scalar(declared.other, texts.type))


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
