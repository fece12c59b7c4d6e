"""The dataset `manifest`: a user's own pictures, one row each in CSV, JSONL or Parquet."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from mtss_zoo.errors import UnknownNameError
from mtss_zoo.interfaces import AttributeSchema, Sample
from mtss_zoo_datasets.frozen_classes import freeze
from mtss_zoo_datasets.labels import Integers, Labels, folder, known_split, shortened
from mtss_zoo_datasets.manifest_answers import answers_of, rules_compared
from mtss_zoo_datasets.manifest_columns import read_boxes, read_groups, read_images_and_ids, read_metadata
from mtss_zoo_datasets.manifest_labels import NamedLabels, label_columns, read_all_labels
from mtss_zoo_datasets.manifest_splits import (
    POOL,
    comparable_paths,
    given_splits,
    keep_answered,
    place,
    split_groups,
    without_leaks,
    without_training,
)
from mtss_zoo_datasets.manifest_table import ManifestTable
from mtss_zoo_datasets.picture_files import sample_size, tried
from mtss_zoo_datasets.row_samples import Classes, RowSamples
from mtss_zoo_datasets.schema_file import declared, read_schema_file
from mtss_zoo_datasets.splitting import SPLITS, TRAIN

NOT_LISTED = "is not among the classes of the schema file."


class Manifest:
    """Pictures and their labels, listed in one file; a million rows take seconds and stay in flat arrays.

    Columns: ``image`` (path), and if wanted ``id``, ``split``, one column for each attribute type with one class or
    several (``|`` between them, or a list), ``answers`` or ``answer_1`` ... or ``<type>.answers`` (crowd answers),
    ``bbox`` or ``x1 y1 x2 y2``, ``group`` or ``item_id`` (stays in one split); all others are metadata.
    An empty label is unknown.

    Args:
        root: folder of the manifest.
        file: the manifest, relative to ``root``; its ending says the format.
        schema_file: the attribute types, relative to ``root``; not read where ``schema`` is given.
        image_root: what the paths in ``image`` are relative to, itself relative to ``root``; default ``root``.
        min_agree: how many people must give an answer before it is a label.
        answers: train on what people ``agreed`` on, or on ``all`` answers: pictures without agreement then train too,
            and targets are the shares of the answers, for losses that take them (not rankings). Val and test are what
            people agreed on, and the same, either way. A label column goes before answers.
        balance: the type by which assigned test sets are balanced; default the first one.
        split_seed: of assigned splits.
        schema: the attribute types as a recipe or checkpoint states them; a class that it lacks is its ``other``, or
            unknown.
    """

    def __init__(
        self,
        root: str | None = None,
        file: str = "manifest.csv",
        schema_file: str = "schema.yaml",
        image_root: str | None = None,
        min_agree: int = 2,
        answers: Literal["agreed", "all"] = "agreed",
        balance: str | None = None,
        split_seed: int = 0,
        *,
        schema: AttributeSchema | None = None,
    ) -> None:
        self.root = folder(root, "manifest", f"{file} and {schema_file}")
        self.image_root = self.root / (image_root or "")
        types = declared(schema) if schema else read_schema_file(self.root / schema_file)
        table = ManifestTable(self.root / file)
        self._images, self._ids = read_images_and_ids(table)
        self._boxes = read_boxes(table)
        self._metadata = read_metadata(table, label_columns(table, types))
        named = read_all_labels(table, types, min_agree)
        self._agreement = {name: n.agreement for name, n in named.items() if n.agreement is not None}
        balanced = _balanced_by(named, balance)
        self._groups = groups = read_groups(self._metadata, len(table))
        known = np.logical_or.reduce([n.labels.known for n in named.values()])
        given = given_splits(table)
        codes = place(given, balanced, known, groups, split_seed)
        paths = comparable_paths(self._images, self.image_root)
        self._placement = without_leaks(codes, self._ids, paths, table)
        self.schema, self._labels, notes = freeze(
            types,
            named,
            self._placement.rows(TRAIN),
            lambda name: table.fail_file(f"no row of train has a label of {name}, so its classes are not known"),
            None if schema else lambda row, name, label: table.fail(row, name, f"{label!r} {NOT_LISTED}"),
        )
        crowd = {
            t.name: said for t in self.schema if (said := named[t.name].answers_in(t.classes, t.other)) is not None
        }
        kept = keep_answered(self._placement.codes, given, crowd, known, groups)
        self._remarks = rules_compared(self._labels, crowd, self._placement.codes == TRAIN, kept)
        self._answers = Labels({})
        if answers == "all":
            self._placement = replace(self._placement, codes=np.where(kept, np.int8(TRAIN), self._placement.codes))
            self._answers = answers_of(crowd, self._placement.codes == TRAIN)
        self._remarks += without_training(self._placement, table)
        torn = split_groups(self._placement.codes, groups)
        self._notes = self._placement.notes + notes + ([f"{torn} groups are in more than one split."] if torn else [])

    @property
    def splits(self) -> tuple[str, ...]:
        """Train, and val and test as far as they have rows."""
        return tuple(name for code, name in enumerate(SPLITS) if code == TRAIN or len(self._placement.rows(code)))

    def split(self, name: str) -> RowSamples:
        """The pictures of one split with their labels, in the manifest's order."""
        rows = self._placement.rows(SPLITS.index(known_split(name, self.splits)))
        return RowSamples(self, rows, self._labels.take(rows), self._answers.take(rows), self._groups)

    def unlabelled(self) -> RowSamples:
        """Pictures marked so or without any label, none of which is in val or test."""
        rows = self._placement.rows(POOL)
        return RowSamples(self, rows, Labels.unknown(self.schema, len(rows)), Labels({}))

    def check(self) -> list[str]:
        """Missing pictures, leaks, labels that could not be used, and pictures that cannot be decoded among some."""
        missing = np.setdiff1d(np.arange(len(self._images)), self._there)
        names = [self._images[row].as_py() for row in missing[:6]]
        said = [f"{len(missing)} of {len(self._images)} pictures are missing: {shortened(names)}."] if names else []
        return said + self._notes + tried(len(self._there), self._file)

    @property
    def tried(self) -> int:
        """How many pictures `check` decodes."""
        return sample_size(len(self._there))

    @cached_property
    def _there(self) -> Integers:
        """The rows whose files exist."""
        there = (os.path.exists(self.image_root / path) for path in self._images.to_pylist())
        return np.flatnonzero(np.fromiter(there, bool, len(self._images)))

    def _file(self, place: int) -> tuple[Path, str]:
        row = int(self._there[place])
        return self.image_root / self._images[row].as_py(), self._ids[row].as_py()

    def remarks(self) -> list[str]:
        """What is worth knowing and no problem: that nothing is labelled, or what each rule for crowd answers gives."""
        return self._remarks

    def sample(self, row: int, labels: Classes, answers: Classes) -> Sample:
        """One row of the manifest with these labels and answers."""
        metadata = {name: text for name, values in self._metadata.items() if (text := values[row].as_py()) is not None}
        for name, share in self._agreement.items():
            if not np.isnan(share[row]):
                metadata["agreement" if len(self.schema) == 1 else f"{name}.agreement"] = f"{share[row]:.3f}"
        bbox = None
        if self._boxes is not None and not np.isnan(self._boxes[row, 0]):
            x1, y1, x2, y2 = self._boxes[row].tolist()
            bbox = (x1, y1, x2, y2)
        image = self.image_root / self._images[row].as_py()
        return Sample(self._ids[row].as_py(), image, labels, metadata, bbox, answers)


def _balanced_by(named: dict[str, NamedLabels], balance: str | None) -> npt.NDArray[np.int32]:
    if balance is not None and balance not in named:
        raise UnknownNameError(f"no attribute type {balance!r} to balance by; there are {', '.join(named)}.")
    return named[balance or next(iter(named))].labels.first()
