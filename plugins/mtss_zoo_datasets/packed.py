"""The dataset `packed`: what ``mtss-zoo data pack`` wrote, tars with an index of all pictures."""

from __future__ import annotations

from pathlib import Path

from mtss_zoo.errors import DataError
from mtss_zoo.files.tars import TarReader
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Sample
from mtss_zoo.packing.layout import ABOUT, MANIFEST, SCHEMA, UNLABELLED
from mtss_zoo_datasets.given_schema import under_schema
from mtss_zoo_datasets.labels import Labels, folder, known_split
from mtss_zoo_datasets.manifest_labels import NamedLabels
from mtss_zoo_datasets.packed_table import PackedTable
from mtss_zoo_datasets.picture_files import sample_size, tried
from mtss_zoo_datasets.row_samples import Classes, RowSamples
from mtss_zoo_datasets.schema_file import read_schema_file


class Packed:
    """Pictures inside tars, read by their offsets; a million rows take seconds and stay in flat arrays.

    Everything else is as in the dataset that was packed: splits, order, labels, boxes, metadata and answers.

    Args:
        root: the packed folder.
        schema: the attribute types as a recipe or checkpoint states them; a class that it lacks is its ``other``, or
            unknown.
    """

    def __init__(self, root: str | None = None, *, schema: AttributeSchema | None = None) -> None:
        self.root = folder(root, "packed", f"{MANIFEST}, {SCHEMA} and tars")
        if (self.root / ABOUT).exists() and not (self.root / MANIFEST).exists():
            raise DataError(f"{self.root} is not packed to the end; the command that began it goes on.")
        own = _schema(self.root / SCHEMA)
        table = PackedTable(self.root / MANIFEST, own)
        self.schema, self._labels, self._notes = under_schema("packed", own, table.labels, schema)
        self._answers = _under(self.schema, own, table.answers)
        self._table, self._split = table, table.split
        self._reader = TarReader([str(self.root / name) for name in table.shards])

    @property
    def splits(self) -> tuple[str, ...]:
        """Train, and the others of the dataset that was packed as far as they have pictures."""
        found = tuple(name for name in self._table.splits if name != UNLABELLED)
        return found if "train" in found else ("train", *found)

    def split(self, name: str) -> RowSamples:
        """The pictures of one split with their labels."""
        rows = self._table.rows(known_split(name, self.splits))
        return RowSamples(self, rows, self._labels.take(rows), self._answers.take(rows), self._table.groups)

    def unlabelled(self) -> RowSamples:
        """The pictures of no split."""
        rows = self._table.rows(UNLABELLED)
        return RowSamples(self, rows, Labels.unknown(self.schema, len(rows)), Labels({}))

    def check(self) -> list[str]:
        """Tars that are missing or too short; some pictures are decoded to see whether they can be."""
        said = self._table.beyond([Path(path) for path in self._reader.paths])
        return said + self._notes + tried(len(self._table), self._picture)

    @property
    def tried(self) -> int:
        """How many pictures `check` decodes."""
        return sample_size(len(self._table))

    def sample(self, row: int, labels: Classes, answers: Classes) -> Sample:
        """One row of the manifest with these labels and answers."""
        image, name = self._picture(row)
        return Sample(name, image, labels, self._table.metadata(row), self._table.bbox(row), answers)

    def _picture(self, row: int) -> tuple[bytes, str]:
        table = self._table
        name: str = table.ids[row].as_py()
        return self._reader.read(int(table.shard[row]), int(table.offset[row]), int(table.size[row]), name), name


def _schema(path: Path) -> AttributeSchema:
    types = read_schema_file(path)
    if open_types := [t.name for t in types if t.classes is None]:
        raise DataError(f"{path}: {open_types[0]} has no classes; those that were packed are needed.")
    return AttributeSchema(tuple(AttributeType(t.name, t.kind, t.classes or (), t.other) for t in types))


def _under(schema: AttributeSchema, own: AttributeSchema, answers: Labels) -> Labels:
    """The answers under another schema; of a type that it lacks there are none."""
    found = {}
    for t in schema:
        if t.name in answers.types:
            named = NamedLabels(own[t.name].classes, answers.types[t.name], answers=answers.types[t.name])
            if (said := named.answers_in(t.classes, t.other)) is not None:
                found[t.name] = said
    return Labels(found)
