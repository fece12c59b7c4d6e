"""Names to components: lists them, finds one, and imports what is behind it on first use."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from mtss_zoo.errors import PluginError, UnknownNameError
from mtss_zoo.interfaces import Component, Kind
from mtss_zoo.plugins import Plugin, plugins


def list_components(kind: Kind | None = None, pattern: str = "*") -> list[Component]:
    """Every component of a kind (all kinds if none is given) whose name fits the wildcard, sorted by kind and name."""
    found = (c for p in plugins() for c in p.components if kind in (None, c.kind) and fnmatchcase(c.name, pattern))
    return sorted(found, key=lambda c: (c.kind, c.name))


def find(kind: Kind, name: str) -> Component:
    """The component of this name. ``distribution:name`` chooses where two plugins offer the same one.

    Raises:
        UnknownNameError: none has the name; near matches and failed plugins are in the message.
        PluginError: several plugins offer it.
    """
    distribution, _, short = name.rpartition(":")
    offers = [(p, c) for p, c in _offers(kind) if c.name == short and distribution in ("", p.distribution)]
    if len(offers) == 1:
        return offers[0][1]
    if offers:
        both = " and ".join(f"{p.distribution}:{c.name}" for p, c in offers)
        raise PluginError(f"{kind} {name!r} is offered by several plugins: write {both.replace(' and ', ' or ')}.")
    raise UnknownNameError(_unknown(kind, name))


def provider(component: Component) -> Plugin:
    """The plugin that offers a component."""
    return next(p for p in plugins() if component in p.components)


def bundled(recipe: str) -> Path | None:
    """The folder of a recipe's trained model that an installed package carries; ``None`` if none does."""
    return next((folder for p in plugins() for name, folder in p.checkpoints if name == recipe), None)


def resolve(component: Component) -> Any:
    """Imports the class behind a component.

    Raises:
        PluginError: its module cannot be imported, or has no such name.
    """
    module, _, attribute = component.target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a stranger's module may raise anything while it is imported
        raise PluginError(
            f"{component.kind} {component.name!r} of {provider(component).distribution} could not be imported from "
            f"{component.target}: {type(error).__name__}: {error}"
        ) from error


def near_matches(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """The end of an error message: what was perhaps meant; else ``otherwise``, by default all that there is."""
    known = sorted(set(known))
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    if otherwise is not None:
        return otherwise
    return f"There are: {', '.join(known[:40])}." if known else "There are none."


def _offers(kind: Kind) -> list[tuple[Plugin, Component]]:
    return [(p, c) for p in plugins() for c in p.components if c.kind == kind]


def _unknown(kind: Kind, name: str) -> str:
    message = f"no {kind} {name!r}. {near_matches(name, (c.name for _, c in _offers(kind)))}"
    failed = [f"{p.distribution}:{p.name} ({p.error})" for p in plugins() if p.error]
    if failed:
        message += f" Plugins that failed to load: {'; '.join(failed)}."
    return message
