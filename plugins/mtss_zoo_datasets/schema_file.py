"""The schema file of a manifest: which attribute types there are, in YAML or JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mtss_zoo.errors import DataError, RecipeError
from mtss_zoo.interfaces import AttributeSchema
from mtss_zoo.recipe_yaml import read_yaml

KEYS = {"name", "kind", "classes", "other"}


@dataclass(frozen=True)
class DeclaredType:
    """One type as declared; ``classes`` is ``None`` where they are those of the train split."""

    name: str
    kind: Literal["single", "multi"]
    classes: tuple[str, ...] | None
    other: str | None = None
    """The class of every value that is not among the classes."""


def declared(schema: AttributeSchema) -> list[DeclaredType]:
    """The types of a schema that is given as such."""
    return [DeclaredType(t.name, t.kind, t.classes, t.other) for t in schema]


def read_schema_file(path: Path) -> list[DeclaredType]:
    """Reads ``types: [{name, kind: single|multi, classes: [...]?, other: name?}]``.

    ``other`` names the class of every value that is not among the classes. Where these are listed, it is one of them.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: no such schema file. Write one that names the label columns of the manifest, such as "
            "`types: [{name: colour, kind: single}]`."
        )
    try:
        entries = read_yaml(path, "schema file").data.get("types")  # JSON is YAML
    except RecipeError as error:
        raise DataError(f"{error} A schema file is YAML or JSON such as `types: [{{name: colour}}]`.") from None
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{path}: a list `types` is expected, such as `types: [{{name: colour, kind: single}}]`.")
    types = [_entry(path, i, entry) for i, entry in enumerate(entries)]
    if len({t.name for t in types}) < len(types):
        raise DataError(f"{path}: types: a name occurs twice.")
    return types


def _entry(path: Path, index: int, entry: Any) -> DeclaredType:
    where = f"{path}: types[{index}]"
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise DataError(f"{where}: an entry with a `name` is expected.")
    if extra := sorted(map(str, entry.keys() - KEYS)):
        raise DataError(f"{where}: {', '.join(extra)} is unknown; an entry has {', '.join(sorted(KEYS))}.")
    kind, classes, other = entry.get("kind", "single"), entry.get("classes"), entry.get("other")
    if kind not in ("single", "multi"):
        raise DataError(f"{where}: kind is {kind!r}, but it is single or multi.")
    if classes is not None and (not isinstance(classes, list) or not classes):
        raise DataError(f"{where}: classes is a list of names; leave it out to take those of the train split.")
    for name in (*(classes or ()), "" if other is None else other):
        if not isinstance(name, str):
            raise DataError(
                f"{where}: the class {json.dumps(name)} is not text. Put what YAML reads as something else, such as "
                "yes, no or 2012, in quotes."
            )
    names = None if classes is None else tuple(classes)
    if names and len(set(names)) < len(names):
        raise DataError(f"{where}: a class occurs twice.")
    if names and other is not None and other not in names:
        raise DataError(f"{where}: other is {other!r}, which is not among the classes.")
    return DeclaredType(entry["name"], kind, names, other)
