"""From a recipe's name, file or data to a checked `Recipe`: extends, overrides, components, all faults at once."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mtss_zoo import registry
from mtss_zoo.checkpoint_files import RECIPE, WEIGHTS
from mtss_zoo.errors import PluginError, RecipeError, UnknownNameError
from mtss_zoo.interfaces import Component, Kind
from mtss_zoo.recipe import NAME, PACKAGE, Recipe
from mtss_zoo.recipe_files import find_recipe
from mtss_zoo.recipe_yaml import KeyPath, Source, read_yaml


def load_recipe(source: str | Path | Mapping[str, Any] | Recipe, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """A checked recipe from a built-in name, a YAML file, a checkpoint folder, or plain data.

    ``overrides`` maps dotted keys to values: ``{"model.head.args.dim": 256}``.

    Raises:
        UnknownNameError: there is no such recipe.
        RecipeError: all faults, each with file, line and key.
    """
    if isinstance(source, Recipe):
        raw = Source(source.to_dict())
    elif isinstance(source, Mapping):
        raw = _extended(Source(dict(source)), Path(), ())
    else:
        path = find_recipe(source)
        raw = _extended(read_yaml(path), path, (path.resolve(),))
    for key, value in (overrides or {}).items():
        raw = raw.with_value(key, value)
    return _checked(raw)


def _extended(source: Source, path: Path, seen: tuple[Path, ...]) -> Source:
    base = source.data.pop("extends", None)
    if base is None:
        return source
    if path.name == RECIPE and path.with_name(WEIGHTS).is_file():
        raise RecipeError(
            f"{source.place(('extends',))}: the recipe of a checkpoint is complete: it may not extend another. "
            "Save the model again, or remove the line if you trust the rest."
        )
    place = f"{source.place(('extends',))}: extends"
    if not isinstance(base, str):
        raise RecipeError(f"{place} names one recipe, by name or file.")
    try:
        base_path = find_recipe(base, path)
    except UnknownNameError as error:
        raise RecipeError(f"{place}: {error}") from None
    if base_path.resolve() in seen:
        raise RecipeError(f"{place} goes in a circle over {base}.")
    return _extended(read_yaml(base_path), base_path, (*seen, base_path.resolve())).merged_with(source)


def _checked(source: Source) -> Recipe:
    faults: list[str] = []
    try:
        recipe = Recipe.model_validate(source.data)
    except ValidationError as error:
        recipe = None
        faults = [_fault(source, e["loc"], _words(e)) for e in error.errors()]
    data = dict(source.data) if recipe is None else recipe.to_dict()
    for path, kind in component_places(data):
        faults += _fill(data, path, kind, source)
    faults += _cross_faults(data, source)
    if faults:
        raise RecipeError("\n".join(sorted(set(faults), key=_by_line)))
    return Recipe.model_validate(data)


def _fault(source: Source, path: KeyPath, message: str) -> str:
    known = [
        key for i, key in enumerate(path) if path[: i + 1] in source.places or _in_data(source.data, path[: i + 1])
    ]
    keys = known if len(known) >= len(path) - 1 else list(path)
    return f"{source.place(path)}: {'.'.join(map(str, keys or path))}: {message}"


def _in_data(data: Any, path: KeyPath) -> bool:
    for key in path:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _words(error: Any) -> str:
    if error["type"] == "missing":
        return "is required."
    if error["type"] == "extra_forbidden":
        return f"is not a key here. {registry.near_matches(str(error['loc'][-1]), _keys_at(error['loc'][:-1]))}"
    given = error.get("input")
    shown = "" if isinstance(given, dict | list) else f" (given: {given!r})"
    if error.get("ctx", {}).get("pattern") == NAME:
        return f"names a folder: letters, digits and _ . - alone, a letter or digit first{shown}."
    message = error["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{message[0].lower()}{message[1:]}{shown}."


def _keys_at(path: KeyPath) -> list[str]:
    """The keys that a recipe may have at this place, from the JSON schema."""
    schema = Recipe.model_json_schema(by_alias=True)
    node: Any = schema
    for key in path:
        free = (*node.get("patternProperties", {}).values(), node.get("additionalProperties"), node.get("items"))
        node = node.get("properties", {}).get(key) or next(filter(None, free), {})
        options = node.get("anyOf", [node]) if isinstance(node, dict) else [{}]
        node = next((o for o in options if "$ref" in o or "properties" in o), options[0])
        node = schema["$defs"].get(node["$ref"].rsplit("/", 1)[-1], {}) if "$ref" in node else node
    return list(node.get("properties", {}))


def component_places(data: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Kind]]:
    """Where components are named in a recipe."""

    def model(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Kind]]:
        kinds: tuple[Kind, Kind] = ("backbone", "head")
        yield from (((*path, k), k) for k in kinds if k in _mapping(value))

    if "dataset" in _mapping(data.get("data")):
        yield ("data", "dataset"), "dataset"
    also = _mapping(data.get("data")).get("also_unlabelled")
    yield from ((("data", "also_unlabelled", i), "dataset") for i in range(len(also) if isinstance(also, list) else 0))
    yield from model(data.get("model"), ("model",))
    for name, stage in _mapping(data.get("stages")).items():
        at: KeyPath = ("stages", name)
        kinds: tuple[Kind, Kind] = ("strategy", "loss")
        yield from (((*at, k), k) for k in kinds if _mapping(stage).get(k) is not None)
        yield from (((*at, "losses", t), "loss") for t in _mapping(_mapping(stage).get("losses")))
        yield from model(_mapping(stage).get("model"), (*at, "model"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _fill(data: dict[str, Any], path: KeyPath, kind: Kind, source: Source) -> list[str]:
    """Checks one part's name and arguments, and writes the arguments' defaults into ``data``."""
    holder: Any = data
    for key in path[:-1]:
        holder = holder[key]
    part = holder[path[-1]]
    part = {"name": part} if isinstance(part, str) else part
    if not isinstance(part, dict) or not isinstance(part.get("name"), str):
        return []  # the structure's own fault says so already
    try:
        component = registry.find(kind, part["name"])
    except (UnknownNameError, PluginError) as error:
        packages = source.data.get("provided_by")
        package = packages.get(f"{kind} {part['name']}") if isinstance(packages, dict) else None
        named = isinstance(package, str) and re.fullmatch(PACKAGE, package)
        hint = f" It comes with the package {package}: install that." if named else ""
        return [_fault(source, (*path, "name"), f"{error}{hint}")]
    args = part.get("args") or {}
    filled, faults = checked_args(component, args if isinstance(args, dict) else {})
    holder[path[-1]] = {"name": part["name"], "args": filled}
    return [_fault(source, (*path, "args", *at), words) for at, words in faults]


def checked_args(component: Component, args: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[KeyPath, str]]]:
    """Arguments with every default filled in, and faults as ``(key path, words)``. Imports nothing heavy."""
    names = [f.name for f in dataclasses.fields(component.args)] if component.args else []
    faults: list[tuple[KeyPath, str]] = []
    for name in args:
        if name not in names:
            near = registry.near_matches(name, names)
            faults.append(((name,), f"{component.kind} {component.name!r} has no such argument. {near}"))
    if component.args is None or faults:
        return dict(args), faults
    adapter: TypeAdapter[Any] = TypeAdapter(component.args)
    try:
        return adapter.dump_python(adapter.validate_python(dict(args)), mode="json"), []
    except ValidationError as error:
        return dict(args), [(e["loc"], _words(e)) for e in error.errors()]


def _cross_faults(data: Mapping[str, Any], source: Source) -> Iterator[str]:
    """What contradicts something elsewhere. The data may have other faults: all are wanted at once."""
    entries = _mapping(data.get("schema")).get("types")
    types = [_mapping(entry).get("name") for entry in entries] if isinstance(entries, list) else []
    for i, name in enumerate(types):
        if name is not None and name in types[:i]:
            yield _fault(source, ("schema", "types", i, "name"), f"an earlier type is called {name!r} too.")
    stages = _mapping(data.get("stages"))
    for i, (name, stage) in enumerate(stages.items()):
        at = ("stages", name)
        if not isinstance(stage, Mapping):
            continue
        if (stage.get("epochs") is None) == (stage.get("steps") is None):
            yield _fault(source, at, "needs either epochs or steps.")
        for type_name in _mapping(stage.get("losses")):
            if types and type_name not in types:
                near = registry.near_matches(str(type_name), (t for t in types if isinstance(t, str)))
                yield _fault(source, (*at, "losses", type_name), f"no such attribute type. {near}")
        if stage.get("init_from") in list(stages)[i:]:
            yield _fault(source, (*at, "init_from"), f"stage {stage['init_from']!r} does not come earlier.")


def _by_line(fault: str) -> tuple[str, int]:
    file, _, rest = fault.partition(":")
    number = rest.partition(":")[0]
    return file, int(number) if number.isdigit() else 0
