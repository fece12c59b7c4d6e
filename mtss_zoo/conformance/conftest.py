"""Which components each module of the suite tries, and how one is built: as a recipe would, from its example."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mtss_zoo.conformance.pytest_option import CHOSEN
from mtss_zoo.errors import PluginError
from mtss_zoo.interfaces import KINDS, Component
from mtss_zoo.recipe_source import checked_args
from mtss_zoo.registry import resolve

MODULES = {
    "test_components": KINDS,
    "test_backbones": ("backbone",),
    "test_heads": ("head",),
    "test_losses": ("loss",),
    "test_embedding_losses": ("loss",),
    "test_strategies": ("strategy",),
    "test_datasets": ("dataset",),
}
"""Which kinds each module of the suite tries."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A plugin without heads is not asked about heads."""
    module = collection_path.stem
    if module not in MODULES or module == "test_components":
        return None
    return True if not _components(config, module) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test runs for every component of its module's kind, or for every plugin."""
    if "plugin" in metafunc.fixturenames:
        chosen = metafunc.config.stash[CHOSEN]
        metafunc.parametrize("plugin", chosen, ids=[p.name for p in chosen])
    if "component" in metafunc.fixturenames:
        components = _components(metafunc.config, metafunc.module.__name__.rpartition(".")[2])
        metafunc.parametrize("component", components, ids=[c.name for c in components])


def _components(config: pytest.Config, module: str) -> list[Component]:
    found = [c for plugin in config.stash[CHOSEN] for c in plugin.components if c.kind in MODULES[module]]
    if module in ("test_losses", "test_embedding_losses"):
        return [c for c in found if _compares_embeddings(c) == (module == "test_embedding_losses")]
    return found


def _compares_embeddings(loss: Component) -> bool:
    try:
        return getattr(resolve(loss), "compares", None) == "embeddings"
    except PluginError:
        return False  # a test then fails with this error


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    torch.manual_seed(0)
    yield


@pytest.fixture
def args(component: Component, tmp_path: Path) -> dict[str, Any]:
    """The component's example arguments, checked and filled as a recipe's."""
    folder = tmp_path / "example"
    folder.mkdir()
    filled, faults = checked_args(component, dict(component.example(folder)) if component.example else {})
    wrong = "; ".join(f"{'.'.join(map(str, path))} {words}" for path, words in faults)
    assert not faults, (
        f"the example arguments of {component.name!r} do not fit its args: {wrong} Give Component(example=...) "
        "a function from a folder to valid arguments, with every one that has no default."
    )
    return filled


@pytest.fixture
def make(component: Component, args: dict[str, Any]) -> Callable[..., Any]:
    """``make(**given)``: an instance from the example arguments and what the core gives."""
    target = resolve(component)
    return lambda **given: target(**given, **args)


@pytest.fixture
def loss(component: Component, make: Callable[..., Any]) -> Any:
    """The loss, as the core calls it."""
    built = make()
    assert isinstance(built, nn.Module), f"{component.target} gives no torch.nn.Module."
    return built
