"""A recipe without the paths of the machine on which it ran, which are of no use elsewhere and tell of their owner."""

from __future__ import annotations

import dataclasses
import os
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from mtss_zoo import registry
from mtss_zoo.errors import UsageError
from mtss_zoo.hub import REPO
from mtss_zoo.interfaces import Component
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_source import component_places, load_recipe


def without_local_paths(recipe: Recipe) -> Recipe:
    """The recipe in which every argument that names a file or folder of this machine has its default again.

    ``data.boxes`` goes whatever it names: boxes belong to one copy of one dataset.

    Raises:
        UsageError: such an argument has no default.
    """
    data = recipe.to_dict()
    for path, kind in component_places(data):
        part: Any = data
        for key in path:
            part = part[key]
        component = registry.find(kind, part["name"])
        for name in [name for name, value in part["args"].items() if _is_local(component, name, value)]:
            if name not in _defaults(component):
                raise UsageError(
                    f"argument {name} of {kind} {component.name!r} names a file of this machine, and the recipe cannot "
                    "do without it. Train from a file that is part of a package, or from the Hub."
                )
            del part["args"][name]
    data["data"].pop("boxes", None)
    for stage in data["stages"].values():
        source = stage.get("init_from", "")
        if source not in data["stages"] and (not REPO.fullmatch(source) or os.path.exists(source)):
            stage.pop("init_from", None)
    return load_recipe(data)


def _is_local(component: Component, name: str, value: Any) -> bool:
    if isinstance(value, dict | list | tuple):
        return any(_is_local(component, name, v) for v in (value.values() if isinstance(value, dict) else value))
    if not isinstance(value, str):
        return False
    if component.kind == "dataset" and name == "root":
        return True
    # A relative path looks like any word. An argument that names a file is null unless it is set.
    return _is_path(value) or (_defaults(component).get(name, "") is None and os.path.exists(value))


def _is_path(text: str) -> bool:
    ways = (PurePosixPath(text), PureWindowsPath(text))
    return text.startswith("~") or any(way.is_absolute() or ".." in way.parts for way in ways)


def _defaults(component: Component) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    for field in dataclasses.fields(component.args) if component.args else ():
        if field.default_factory is not dataclasses.MISSING:
            defaults[field.name] = field.default_factory()
        elif field.default is not dataclasses.MISSING:
            defaults[field.name] = field.default
    return defaults
