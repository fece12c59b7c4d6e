"""The schema file of a manifest: which attribute types there are, in YAML or JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from mtss_zoo.errors import DataError
from mtss_zoo.interfaces import AttributeSchema

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
        data = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: this is not YAML or JSON: {' '.join(str(error).split())}") from None
    entries = data.get("types") if isinstance(data, dict) else None
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
    names = None if classes is None else tuple(map(str, classes))
    if names and len(set(names)) < len(names):
        raise DataError(f"{where}: a class occurs twice.")
    if names and other is not None and str(other) not in names:
        raise DataError(f"{where}: other is {other!r}, which is not among the classes.")
    return DeclaredType(entry["name"], kind, names, None if other is None else str(other))
