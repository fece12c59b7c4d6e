"""Alias maps: which classes of a model stand for a class of another dataset, as plain YAML.

types:
  pattern:                      # an attribute type of the model
    target: Clothes Pattern     # what the other dataset calls it; default the same name
    classes:                    # its classes, and the model's classes that mean them
      Flower: [Floral]
      Stripe: [Stripes, Pin Stripes]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Len
from pydantic import Field, ValidationError

from mtss_zoo.errors import UsageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType
from mtss_zoo.recipe import Spec
from mtss_zoo.recipe_yaml import KeyPath, Source, read_yaml
from mtss_zoo.registry import near_matches


class TypeAliases(Spec):
    """The aliases of one attribute type of the model."""

    target: str | None = Field(None, description="the type of the other dataset; default the same name")
    classes: Annotated[dict[str, Annotated[list[str], Len(1)]], Len(1)]


class AliasMap(Spec):
    """A whole map; its types are checked one by one, so that all faults are found."""

    types: Annotated[dict[str, Any], Len(1)]


@dataclass(frozen=True)
class SharedClasses:
    """What one attribute type of a model and one of a dataset have in common: T classes."""

    source: str
    """The model's type."""
    target: str
    """The dataset's type."""
    classes: tuple[str, ...]
    """T names, as the dataset has them."""
    indices: tuple[int, ...]
    """T classes of the dataset's type."""
    aliases: tuple[tuple[int, ...], ...]
    """For each of the T, the classes of the model's type that mean it."""


def read_aliases(
    aliases: str | Path | Mapping[str, Any], model: AttributeSchema, dataset: AttributeSchema
) -> list[SharedClasses]:
    """An alias map from a file, or from plain data, between a model's attribute types and a dataset's.

    Raises:
        UsageError: all faults, each with file, line and key; unknown names with near matches.
    """
    source = Source(dict(aliases)) if isinstance(aliases, Mapping) else read_yaml(Path(aliases), "alias map")
    shared, faults = [], list(_structure_faults(AliasMap, source, (), source.data))
    entries = source.data.get("types")
    for name, entry in entries.items() if isinstance(entries, Mapping) else ():
        wrong = list(_structure_faults(TypeAliases, source, ("types", name), entry))
        if not wrong:
            found, wrong = _resolved(name, TypeAliases.model_validate(entry), model, dataset, source)
            shared.append(found)
        faults += wrong
    if faults:
        raise UsageError("\n".join(faults))
    return [found for found in shared if found]


def _resolved(
    name: str, entry: TypeAliases, model: AttributeSchema, dataset: AttributeSchema, source: Source
) -> tuple[SharedClasses | None, list[str]]:
    at: KeyPath = ("types", name)
    target = entry.target or name
    faults = [
        _fault(source, path, f"no attribute type {wanted!r} in the {side}. {near_matches(wanted, schema.names)}")
        for path, wanted, side, schema in ((at, name, "model", model), ((*at, "target"), target, "dataset", dataset))
        if wanted not in schema.names
    ]
    if faults:
        return None, faults
    have, mean = dataset[target], model[name]
    taken: dict[str, str] = {}
    for of_target, of_model in entry.classes.items():
        key = (*at, "classes", of_target)
        faults += _unknown(source, key, [of_target], have, "dataset")
        faults += _unknown(source, key, of_model, mean, "model")
        for alias in of_model:
            if alias in taken:
                faults.append(_fault(source, key, f"{alias!r} means {taken[alias]!r} already."))
            taken[alias] = of_target
    if faults:
        return None, faults
    indices = tuple(have.classes.index(c) for c in entry.classes)
    means = tuple(tuple(mean.classes.index(c) for c in of_model) for of_model in entry.classes.values())
    return SharedClasses(name, target, tuple(entry.classes), indices, means), []


def _unknown(
    source: Source, path: KeyPath, names: Iterable[str], attribute_type: AttributeType, side: str
) -> Iterator[str]:
    for name in names:
        if name not in attribute_type.classes:
            near = near_matches(name, attribute_type.classes)
            yield _fault(source, path, f"the {side}'s {attribute_type.name} has no class {name!r}. {near}")


def _structure_faults(spec: type[Spec], source: Source, at: KeyPath, data: Any) -> Iterator[str]:
    try:
        spec.model_validate(data)
    except ValidationError as error:
        for e in error.errors():
            yield _fault(source, (*at, *e["loc"]), f"{e['msg'][0].lower()}{e['msg'][1:]}.")


def _fault(source: Source, path: KeyPath, message: str) -> str:
    place = f"{source.place(path)}: " if source.places else ""
    return f"{place}{'.'.join(map(str, path)) or 'alias map'}: {message}"
