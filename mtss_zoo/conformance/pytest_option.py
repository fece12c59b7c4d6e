"""The option ``--plugin`` of pytest, and which components it chooses.

A pytest plugin and not part of ``conftest.py``: with ``--pyargs`` pytest reads that file after its options.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from mtss_zoo.plugins import Plugin, plugins

CHOSEN = pytest.StashKey[list[Plugin]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--plugin``."""
    group = parser.getgroup("mtss-zoo", "conformance of plugins of mtss-zoo")
    group.addoption("--plugin", dest="mtss_zoo_plugin", metavar="NAME", help="distribution or entry point to test")


def pytest_configure(config: pytest.Config) -> None:
    """Finds the plugins that were asked for."""
    name = config.getoption("mtss_zoo_plugin")
    if name is not None:
        config.stash[CHOSEN] = choose(name)
    elif any(argument.startswith(__package__) for argument in config.args):
        raise pytest.UsageError(f"name the plugin to test with --plugin NAME. {installed(plugins())}")


def choose(name: str) -> list[Plugin]:
    """The installed plugins of this distribution, or of this entry-point name.

    Raises:
        pytest.UsageError: there is none; the message lists those that are installed.
    """
    found = [p for p in plugins() if _same(name, p.distribution)] or [p for p in plugins() if name == p.name]
    if not found:
        raise pytest.UsageError(f"no installed plugin is called {name!r}. {installed(plugins())}")
    return found


def installed(known: Iterable[Plugin]) -> str:
    """What ``--plugin`` could have named."""
    packages: dict[str, list[str]] = {}
    for plugin in known:
        packages.setdefault(plugin.distribution, []).append(plugin.name)
    listed = "; ".join(f"{package} ({', '.join(names)})" for package, names in packages.items())
    return f"Installed are: {listed}." if listed else "None is installed: has the package been installed with pip?"


def _same(one: str, other: str) -> bool:
    """Distributions are the same where they differ only in case and in ``-``, ``_`` and ``.``."""
    return re.sub("[-_.]+", "-", one).lower() == re.sub("[-_.]+", "-", other).lower()
