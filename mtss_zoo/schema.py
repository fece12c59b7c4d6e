"""What a model predicts: attribute types, and the classes of each."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mtss_zoo.errors import UnknownNameError, UsageError


@dataclass(frozen=True)
class AttributeType:
    """One attribute type, such as ``colour``: its ordered classes, and whether a picture has one or several."""

    name: str
    kind: Literal["single", "multi"]
    classes: tuple[str, ...]
    other: str | None = None
    """The class to which every value belongs that is not listed; ``None``: such a value is unknown."""

    def __post_init__(self) -> None:
        if not self.name or set(self.name) & set("./\\"):  # names become folders and keys of weights
            raise UsageError(f"attribute type {self.name!r}: a name is needed, without dot and slash.")
        if self.kind not in ("single", "multi"):
            raise UsageError(f"attribute type {self.name!r}: kind is {self.kind!r}, but it is single or multi.")
        if not self.classes:
            raise UsageError(f"attribute type {self.name!r} has no classes.")
        for word in (self.name, *self.classes):
            if any(unicodedata.category(c) == "Cc" and not c.isspace() for c in word):  # they steer a terminal
                raise UsageError(f"attribute type {self.name!r}: {word!r} holds a control character.")
        if len(set(self.classes)) < len(self.classes):
            twice = sorted({c for c in self.classes if self.classes.count(c) > 1})
            raise UsageError(f"attribute type {self.name!r} names classes twice: {', '.join(twice[:5])}.")
        if self.other is not None and self.other not in self.classes:
            raise UsageError(f"attribute type {self.name!r}: other is {self.other!r}, which is not among its classes.")

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class AttributeSchema:
    """The ordered attribute types of a dataset, a model and a checkpoint."""

    types: tuple[AttributeType, ...]

    def __post_init__(self) -> None:
        if not self.types:
            raise UsageError("a schema needs at least one attribute type.")
        if len(set(self.names)) < len(self.types):
            raise UsageError(f"a schema names an attribute type twice: {', '.join(self.names)}.")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the types, in order."""
        return tuple(t.name for t in self.types)

    def __iter__(self) -> Iterator[AttributeType]:
        return iter(self.types)

    def __len__(self) -> int:
        return len(self.types)

    def __getitem__(self, name: str) -> AttributeType:
        for attribute_type in self.types:
            if attribute_type.name == name:
                return attribute_type
        raise UnknownNameError(f"no attribute type {name!r}; this schema has {', '.join(self.names)}.")

    def select(self, names: Sequence[str]) -> AttributeSchema:
        """The schema of these types alone, in the order of ``names``."""
        return AttributeSchema(tuple(self[name] for name in names))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for YAML and JSON; `from_dict` reads it back."""
        plain = [{"name": t.name, "kind": t.kind, "classes": list(t.classes)} for t in self.types]
        return {"types": [p | ({"other": t.other} if t.other else {}) for p, t in zip(plain, self.types, strict=True)]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AttributeSchema:
        """Reads `to_dict`. ``classes`` may be a count where the names are not known: ``3`` gives ``0 1 2``."""
        types = []
        for entry in data["types"]:
            classes = entry["classes"]
            names = tuple(str(i) for i in range(classes)) if isinstance(classes, int) else tuple(map(str, classes))
            types.append(AttributeType(entry["name"], entry["kind"], names, entry.get("other")))
        return cls(tuple(types))
