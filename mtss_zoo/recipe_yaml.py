"""Reads a recipe's YAML as plain data, remembering on which line every key stands; merges `extends` and overrides.

Only plain data comes out: no tags, no aliases (a small file could unfold into gigabytes), no key twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from mtss_zoo.errors import RecipeError
from mtss_zoo.recipe_files import recipe_folder

try:
    from yaml._yaml import CParser as FastParser
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader as FastParser  # type: ignore[assignment]

KeyPath: TypeAlias = tuple[str | int, ...]
MAX_BYTES = 2_000_000
_DATE = "tag:yaml.org,2002:timestamp"
_PLAIN_TAGS = {_DATE, *(f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null"))}


@dataclass
class Source:
    """Plain data with the place of every key: ``places[("model", "head")]`` is ``"my.yaml:12"``."""

    data: dict[str, Any]
    places: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """Where a key stands, or the nearest key above it that is written down."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return "recipe"

    def merged_with(self, child: Source) -> Source:
        """This source with the child's keys over it: mappings key by key, everything else replaced."""
        places = dict(self.places)
        data = _merge(self.data, child.data, (), places)
        return Source(data, places | child.places)

    def with_value(self, dotted: str, value: Any) -> Source:
        """One override, such as ``model.head.args.dim`` to 256."""
        *parents, last = dotted.split(".")
        tree: dict[str, Any] = {last: value}
        for key in reversed(parents):
            tree = {key: tree}
        path: KeyPath = tuple(dotted.split("."))
        new = [path[:i] for i in range(1, len(path)) if path[:i] not in self.places]
        return self.merged_with(Source(tree, dict.fromkeys([*new, path], f"override {dotted}")))


def read_yaml(path: Path, what: str = "recipe") -> Source:
    """One file, without its `extends` being followed.

    Args:
        what: what errors call it.

    Raises:
        RecipeError: the file is missing, too large, or not plain YAML; with file and line.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RecipeError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB, which no {what} is.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"{what} {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{what} {path} is not UTF-8 text.") from error
    shown = path.name if path.is_relative_to(recipe_folder()) else str(path)
    try:
        return _parse(text, shown, what)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise RecipeError(f"{shown}{line}: {error.problem}.") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise RecipeError(f"{shown}: not readable as YAML ({type(error).__name__}).") from error


def read_value(text: str) -> Any:
    """One value, such as that of an override, read as it is in a recipe: plain data, in which a date stays text.

    Raises:
        RecipeError: it is not plain YAML.
    """
    try:
        return _value(_PlainLoader(text), {}, "value", None)
    except yaml.MarkedYAMLError as error:
        raise RecipeError(f"{text!r} is not a plain value: {error.problem}.") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise RecipeError(f"{text[:80]!r} is not a plain value ({type(error).__name__}).") from error


class _PlainComposer(Composer):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # type: ignore[attr-defined]
            mark = self.peek_event().start_mark  # type: ignore[attr-defined]
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not allowed", problem_mark=mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


class _PlainLoader(_PlainComposer, yaml.SafeLoader):
    pass


class _FastLoader(_PlainComposer, FastParser, SafeConstructor, Resolver):
    """Events come from libyaml, ten times faster; nodes are made here, since its own way to them has no depth limit."""

    def __init__(self, text: str) -> None:
        FastParser.__init__(self, text)
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)


def _parse(text: str, file: str, what: str) -> Source:
    try:
        return _loaded(_FastLoader(text), file, what)
    except (yaml.YAMLError, RecursionError):  # the other parser names the line where a fault begins
        return _loaded(_PlainLoader(text), file, what)


def _loaded(loader: _FastLoader | _PlainLoader, file: str, what: str = "recipe") -> Source:
    places: dict[KeyPath, str] = {}
    data = _value(loader, places, file, {})
    if not isinstance(data, dict):
        raise RecipeError(f"{file}: a {what} is a mapping of keys, not {type(data).__name__}.")
    return Source(data, places)


def _value(loader: _FastLoader | _PlainLoader, places: dict[KeyPath, str], file: str, empty: Any) -> Any:
    try:
        node = loader.get_single_node()
        return _plain(loader, node, (), places, file) if node else empty
    finally:
        loader.dispose()


def _plain(loader: SafeConstructor, node: yaml.Node, path: KeyPath, places: dict[KeyPath, str], file: str) -> Any:
    places.setdefault(path, f"{file}:{node.start_mark.line + 1}")
    if node.tag not in _PLAIN_TAGS:
        raise yaml.MarkedYAMLError(problem=f"the tag {node.tag} is not plain data", problem_mark=node.start_mark)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(loader, item, (*path, i), places, file) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key is one word, no list", problem_mark=key_node.start_mark)
            key = str(_scalar(loader, key_node))
            if key in mapping:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} is written twice", problem_mark=key_node.start_mark)
            places[(*path, key)] = f"{file}:{key_node.start_mark.line + 1}"
            mapping[key] = _plain(loader, value_node, (*path, key), places, file)
        return mapping
    return _scalar(loader, node)


def _scalar(loader: SafeConstructor, node: yaml.Node) -> Any:
    """Text, a number, true, false or null; a date stays text."""
    if node.tag == _DATE:
        return node.value
    try:
        return loader.construct_object(node)
    except ValueError as error:  # an integer such as 0x, or of thousands of digits
        raise yaml.MarkedYAMLError(problem=f"not a number: {error}", problem_mark=node.start_mark) from error


def _merge(old: Any, new: Any, path: KeyPath, places: dict[KeyPath, str]) -> Any:
    if isinstance(old, str) and isinstance(new, Mapping) and new.keys() <= {"name", "args"}:
        old = {"name": old}
    if isinstance(old, list) and isinstance(new, Mapping) and all(k.isdigit() and int(k) < len(old) for k in new):
        return [_merge(item, new[str(i)], (*path, i), places) if str(i) in new else item for i, item in enumerate(old)]
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)) or _names_another(old, new):
        for stale in [p for p in places if p[: len(path)] == path and len(p) > len(path)]:
            del places[stale]
        return new
    merged = {**old, **{k: _merge(old.get(k), v, (*path, k), places) if k in old else v for k, v in new.items()}}
    # A null takes a key of the base away, but for an argument it is a value.
    return merged if "args" in path else {k: v for k, v in merged.items() if v is not None}


def _names_another(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """A part that names another component does not inherit the arguments of the one it replaces."""
    return "args" in old and "name" in new and new["name"] != old.get("name")
