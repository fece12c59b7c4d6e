"""Finds plugins: the entry-point group ``mtss_zoo``, two hooks, and a record of every plugin that failed.

Entry points are loaded one by one, so that a plugin that cannot be imported is recorded and breaks nobody else.
``MTSS_ZOO_BLOCK`` names plugins (entry-point names or distributions, comma separated) to leave out; ``*`` is all.
"""

from __future__ import annotations

import os
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, is_dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import pluggy

from mtss_zoo.errors import PluginError
from mtss_zoo.interfaces import API_VERSION, KINDS, Component

GROUP = "mtss_zoo"
Checkpoints: TypeAlias = "tuple[tuple[str, Path], ...]"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@dataclass(frozen=True)
class Plugin:
    """One entry point, and what came of it."""

    name: str
    distribution: str
    version: str
    module: str
    components: tuple[Component, ...] = ()
    checkpoints: tuple[tuple[str, Path], ...] = ()
    """Recipes, and the folders of the trained models of them that the package carries."""
    error: str | None = None
    """Why it could not be used, in one line; ``None`` when it works."""


@cache
def plugins() -> tuple[Plugin, ...]:
    """Every installed plugin, sorted by distribution and name; found once per process."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(_Hooks)
    found = [_load(manager, entry) for entry in metadata.entry_points(group=GROUP) if not _blocked(entry)]
    return tuple(sorted(found, key=lambda p: (p.distribution, p.name)))


class _Hooks:
    """The hooks, of which a plugin has one or both, as pluggy wants them declared."""

    @staticmethod
    @hookspec
    def mtss_zoo_components() -> Iterable[Component]:  # type: ignore[empty-body]
        """The components that a plugin offers. Called once; must not import anything heavy."""

    @staticmethod
    @hookspec
    def mtss_zoo_checkpoints() -> Mapping[str, Path]:  # type: ignore[empty-body]
        """The trained models that a package carries: the name of a recipe to a checkpoint folder."""


def _blocked(entry: metadata.EntryPoint) -> bool:
    blocked = {name.strip() for name in os.environ.get("MTSS_ZOO_BLOCK", "").split(",")}
    return not blocked.isdisjoint({"*", entry.name, entry.dist.name if entry.dist else ""})


def _load(manager: pluggy.PluginManager, entry: metadata.EntryPoint) -> Plugin:
    distribution, version = (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "?")
    plugin = Plugin(entry.name, distribution, version, entry.value)
    try:
        module = entry.load()
        manager.register(module, name=f"{distribution}:{entry.name}")
        manager.check_pending()
        components, checkpoints = _offered(manager, module)
    except (Exception, SystemExit) as error:  # a stranger's code may raise anything; it must break nobody else
        manager.unregister(name=f"{distribution}:{entry.name}")
        return replace(plugin, error=_reason(error))
    return replace(plugin, components=components, checkpoints=checkpoints)


def _reason(error: BaseException) -> str:
    if isinstance(error, PluginError):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"


def _offered(manager: pluggy.PluginManager, module: object) -> tuple[tuple[Component, ...], Checkpoints]:
    hooks = (manager.hook.mtss_zoo_components, manager.hook.mtss_zoo_checkpoints)
    own: list[list[Any]] = [[i.function for i in hook.get_hookimpls() if i.plugin is module] for hook in hooks]
    if not any(own):
        raise PluginError("it has no function mtss_zoo_components marked with @mtss_zoo.hookimpl.")
    components: list[Component] = [component for function in own[0] for component in function()]
    for component in components:
        _check(component)
    for (kind, name), times in Counter((c.kind, c.name) for c in components).items():
        if times > 1:
            raise PluginError(f"it offers {kind} {name!r} {times} times: give every component a name of its own.")
    return tuple(components), tuple((name, Path(folder)) for function in own[1] for name, folder in function().items())


def _check(component: object) -> None:
    if not isinstance(component, Component):
        raise PluginError(f"mtss_zoo_components gave {component!r}, but every entry must be a mtss_zoo.Component.")
    for field in ("name", "target", "summary"):
        if not isinstance(value := getattr(component, field), str):
            raise PluginError(f"component {component.name!r}: {field} is {value!r}, but it must be text.")
    if not (component.args is None or (isinstance(component.args, type) and is_dataclass(component.args))):
        raise PluginError(
            f"component {component.name!r}: args is {component.args!r}, but it must be a dataclass or None."
        )
    if component.kind not in KINDS:
        raise PluginError(f"component {component.name!r}: kind {component.kind!r} is none of {', '.join(KINDS)}.")
    if component.api != API_VERSION:
        raise PluginError(
            f"component {component.name!r} was written for interface version {component.api}, "
            f"this mtss_zoo has {API_VERSION}."
        )
    if component.target.count(":") != 1:
        raise PluginError(f"component {component.name!r}: target {component.target!r} is not 'package.module:Name'.")
