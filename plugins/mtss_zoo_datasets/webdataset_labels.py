"""The labels that the files beside a picture in a tar hold: JSON with a key a type, or one class alone."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mtss_zoo.errors import DataError
from mtss_zoo_datasets.labels import TypeLabels
from mtss_zoo_datasets.manifest_labels import NamedLabels
from mtss_zoo_datasets.schema_file import DeclaredType


class LabelTexts:
    """Takes in labels row by row, as text, into flat arrays.

    Args:
        types: the attribute types; other keys of JSON are no labels.
        lone: the type of which a class alone is, if any.
        listed: the classes by type to which a whole number counts, from 0, where it is no class itself.
    """

    def __init__(self, types: list[DeclaredType], lone: str | None, listed: Mapping[str, tuple[str, ...]]) -> None:
        self.types = {t.name: t for t in types}
        self.lone, self.listed = lone, listed
        self._rows = {name: array("q") for name in self.types}
        self._codes = {name: array("i") for name in self.types}
        self._index: dict[str, dict[str, int]] = {name: {} for name in self.types}

    def add_json(self, row: int, data: bytes, where: str) -> None:
        """The labels of one JSON object.

        Raises:
            ValueError: this is no JSON object.
            DataError: a label is no text or number, or there are several of a single type.
        """
        content = json.loads(data)
        if not isinstance(content, dict):
            raise ValueError("no object")
        for name in self.types:
            if name in content:
                self._add(row, name, content[name], where)

    def add_text(self, row: int, data: bytes, where: str) -> None:
        """One class alone, as text.

        Raises:
            ValueError: it is no UTF-8.
        """
        if self.lone:
            self._add(row, self.lone, data.decode().strip(), where)

    def lone_known(self, rows: int) -> npt.NDArray[np.bool_]:
        """Of which of R rows a class of the type `lone` is there already."""
        known = np.zeros(rows, bool)
        known[np.array(self._rows[self.lone] if self.lone else (), np.int64)] = True
        return known

    def named(self, rows: int) -> dict[str, NamedLabels]:
        """Everything so far, for R rows."""
        found = {}
        for name, index in self._index.items():
            names = sorted(index)
            place = np.empty(len(names), np.int64)
            place[[index[text] for text in names]] = np.arange(len(names))
            where, codes = np.array(self._rows[name], np.int64), np.array(self._codes[name], np.int64)
            known = np.zeros(rows, bool)
            known[where] = True
            found[name] = NamedLabels(tuple(names), TypeLabels.from_pairs(where, place[codes], known))
        return found

    def _add(self, row: int, name: str, value: Any, where: str) -> None:
        values = value if isinstance(value, list) else [value]
        texts = [text for v in values if (text := self._text(name, v, where))]
        if self.types[name].kind == "single" and len(texts) > 1:
            raise DataError(f"{where}: {len(texts)} labels of {name}, but this type is single.")
        index = self._index[name]
        for text in texts:
            self._rows[name].append(row)
            self._codes[name].append(index.setdefault(text, len(index)))

    def _text(self, name: str, value: Any, where: str) -> str:
        if value is None:
            return ""
        if not isinstance(value, str | int | float):
            raise DataError(f"{where}: {name} is {json.dumps(value)[:60]}, but a class or a list of classes is needed.")
        text = str(value).strip()
        classes = self.listed.get(name, ())
        return classes[int(text)] if text.isdecimal() and text not in classes and int(text) < len(classes) else text
