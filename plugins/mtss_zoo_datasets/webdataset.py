"""The dataset `webdataset`: tar shards with pictures and their labels, as they are."""

from __future__ import annotations

import json
from typing import Literal

import numpy as np

from mtss_zoo.errors import DataError, ImageError
from mtss_zoo.files.tars import TarReader
from mtss_zoo.interfaces import AttributeSchema, Sample
from mtss_zoo_datasets.frozen_classes import freeze
from mtss_zoo_datasets.labels import Integers, Labels, folder, known_split
from mtss_zoo_datasets.manifest_labels import NamedLabels
from mtss_zoo_datasets.picture_files import sample_size, tried
from mtss_zoo_datasets.row_samples import Classes, RowSamples
from mtss_zoo_datasets.schema_file import DeclaredType, declared, read_schema_file
from mtss_zoo_datasets.splitting import SPLITS, TRAIN
from mtss_zoo_datasets.webdataset_index import CLASS, JSON, PICTURE, Said, index_shards
from mtss_zoo_datasets.webdataset_labels import LabelTexts
from mtss_zoo_datasets.webdataset_shards import find_shards

POOL = len(SPLITS)


class WebDataset:
    """Pictures in uncompressed tars, read in any order and never unpacked.

    Files of one key (the name up to its first dot) belong together: a picture, ``.json`` with a key for each attribute
    type, ``.cls`` with a class alone. A whole number that is no class itself counts in the classes that the schema file
    lists, from 0. A type without a value is unknown; a picture of train of which nothing is known is unlabelled, and
    labels in shards of unlabelled pictures are not read. Other numbers and texts in the JSON are metadata.

    All headers and labels are read whenever the dataset is opened, about 40 us a file on one core: one to two minutes
    for a million pictures with as many label files. Nothing is written beside the tars; ``mtss-zoo data pack`` makes an
    index that opens in seconds.

    Args:
        root: the folder that patterns are relative to.
        train: the shards of train, ``train-{000..009}.tar`` or ``train-*.tar``; default ``train*.tar``.
        val: those of val; default ``val*.tar`` or ``dev*.tar``, if there are any.
        test: those of test; default ``test*.tar``, if there are any.
        unlabelled: those without labels; default ``unlabel*.tar``, if there are any.
        schema_file: the attribute types, relative to ``root``; without it there is one single type, ``label``.
        label: the type of a class alone, where the schema has several.
        label_file: the ending of files with a class alone.
        schema: the attribute types as a recipe or checkpoint states them.
    """

    def __init__(
        self,
        root: str | None = None,
        train: str | None = None,
        val: str | None = None,
        test: str | None = None,
        unlabelled: str | None = None,
        schema_file: str = "schema.yaml",
        label: str = "category",
        label_file: Literal["cls", "txt"] = "cls",
        *,
        schema: AttributeSchema | None = None,
    ) -> None:
        self.root = folder(root, "webdataset", "tars such as train-000.tar")
        patterns = {"train": train, "val": val, "test": test, "unlabelled": unlabelled}
        shards = find_shards(self.root, patterns)
        self._problems, self._passed_over = Said(), Said()
        self._index = index_shards(self.root, shards, label_file, self._problems, self._passed_over)
        self._reader = TarReader([str(path) for paths in shards.values() for path in paths])
        codes = [(*SPLITS, "unlabelled").index(name) for name in shards]
        self._codes = np.array(codes, np.int8)[self._index.split]
        file = self.root / schema_file
        listed = read_schema_file(file) if file.is_file() else [DeclaredType(label, "single", None)]
        types = declared(schema) if schema else listed
        named = self._read_labels(types, listed, label)
        known = np.logical_or.reduce([n.labels.known for n in named.values()])
        self._codes[~known & (self._codes == TRAIN)] = POOL
        where = f"{file.name} names the types, .json files hold a key for each, .{label_file} files a class of {label}."
        self.schema, self._labels, self._notes = freeze(
            types,
            named,
            self._rows(TRAIN),
            lambda name: DataError(f"{self.root}: no picture of train has a label of {name}. {where}"),
            None if schema else self._unlisted,
        )
        self._remarks = self._without_training(where)

    @property
    def splits(self) -> tuple[str, ...]:
        """Train, and val and test as far as they have pictures."""
        return tuple(name for code, name in enumerate(SPLITS) if code == TRAIN or len(self._rows(code)))

    def split(self, name: str) -> RowSamples:
        """The pictures of one split, shard after shard."""
        rows = self._rows(SPLITS.index(known_split(name, self.splits)))
        return RowSamples(self, rows, self._labels.take(rows), Labels({}))

    def unlabelled(self) -> RowSamples:
        """The pictures of unlabelled shards, and those of train without any label."""
        rows = self._rows(POOL)
        return RowSamples(self, rows, Labels.unknown(self.schema, len(rows)), Labels({}))

    def check(self) -> list[str]:
        """Tars and files that are damaged, repeated or lost; some pictures are decoded to see whether they can be."""
        return self._problems.sentences() + self._notes + tried(len(self._codes), self._picture)

    @property
    def tried(self) -> int:
        """How many pictures `check` decodes."""
        return sample_size(len(self._codes))

    def remarks(self) -> list[str]:
        """What is in the tars and means nothing here, and that nothing is labelled."""
        return self._passed_over.sentences() + self._remarks

    def sample(self, row: int, labels: Classes, answers: Classes) -> Sample:
        """One picture with these labels."""
        image, name = self._picture(row)
        return Sample(name, image, labels, self._metadata(row))

    def _without_training(self, where: str) -> list[str]:
        """A remark if no picture of train has a label; an error if nothing is unlabelled either."""
        if len(self._rows(TRAIN)):
            return []
        lacking = f"{self.root}: no picture of train has a label. {where}"
        if not len(self._rows(POOL)):
            raise DataError(lacking)
        return [f"{lacking} A stage can only learn from the pictures alone, as with the strategy mae."]

    def _rows(self, code: int) -> Integers:
        return np.flatnonzero(self._codes == code)

    def _picture(self, row: int) -> tuple[bytes, str]:
        return self._bytes(PICTURE, row), self._index.ids[row].as_py()

    def _bytes(self, file: str, row: int) -> bytes:
        place = self._index.places[file]
        name: str = self._index.ids[row].as_py()
        return self._reader.read(int(self._index.tar[row]), int(place.offset[row]), int(place.size[row]), name)

    def _metadata(self, row: int) -> dict[str, str]:
        """From the JSON again, so that a million texts need not stay in memory."""
        if self._index.places[JSON].offset[row] < 0:
            return {}
        try:
            content = json.loads(self._bytes(JSON, row))
        except (ValueError, RecursionError):
            return {}
        items = content.items() if isinstance(content, dict) else ()
        return {k: str(v) for k, v in items if isinstance(v, str | int | float) and k not in self.schema.names}

    def _read_labels(self, types: list[DeclaredType], listed: list[DeclaredType], label: str) -> dict[str, NamedLabels]:
        names = [t.name for t in types]
        lone = label if label in names else names[0] if len(names) == 1 else None
        texts = LabelTexts(types, lone, {t.name: t.classes for t in listed if t.classes})
        for file, add in ((JSON, texts.add_json), (CLASS, texts.add_text)):
            here = (self._index.places[file].offset >= 0) & (self._codes != POOL)
            if file == CLASS:  # the JSON goes before
                here &= ~texts.lone_known(len(here))
            for row in np.flatnonzero(here).tolist():
                name = f"{self._index.ids[row].as_py()}, {file}"
                try:
                    add(row, self._bytes(file, row), name)
                except (ValueError, RecursionError, ImageError):
                    self._problems.add("files of labels cannot be read, so that these are unknown", name)
        return texts.named(len(self._codes))

    def _unlisted(self, row: int, name: str, label: str) -> DataError:
        where = self._index.ids[row].as_py()
        return DataError(
            f"{self.root}: {where}: {name} is {label!r}, which is not among the classes of the schema file."
        )
