"""What a plugin says of its components, without any of them being built."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from mtss_zoo.checkpoint import load
from mtss_zoo.interfaces import API_VERSION, Component
from mtss_zoo.plugins import Plugin
from mtss_zoo.registry import resolve

HEAVY = ("torch", "torchvision", "timm", "lightning", "pydantic", "numpy", "pyarrow")
GIVEN: dict[str, tuple[str, ...]] = {
    "backbone": (),
    "head": ("num_features", "num_classes"),
    "loss": (),
    "strategy": ("model", "context"),
    "dataset": ("schema",),
}
"""The keyword arguments that the core gives to a target, besides those of the recipe."""
REQUIRED = inspect.Parameter.empty


def test_the_plugin_loads(plugin: Plugin) -> None:
    """Its entry point is imported and offers at least one component, or carries a trained model."""
    assert plugin.error is None, f"plugin {plugin.name} of {plugin.distribution} failed to load: {plugin.error}"
    offered = plugin.components or plugin.checkpoints
    assert offered, f"mtss_zoo_components() of {plugin.module} returns no component."


def test_its_trained_models_load(plugin: Plugin) -> None:
    """With the recipe of that name, built in or of the checkpoint itself."""
    for recipe, folder in plugin.checkpoints:
        model = load(folder)
        assert model.recipe is not None and model.recipe.name == recipe, (
            f"mtss_zoo_checkpoints() calls {folder} {recipe!r}, but its recipe is "
            f"{model.recipe.name if model.recipe else None!r}."
        )


def test_loading_the_plugin_imports_nothing_heavy(plugin: Plugin) -> None:
    """``mtss-zoo list`` imports every plugin, so the module of the entry point must be light."""
    code = "import importlib, sys; importlib.import_module(sys.argv[1]); print('modules', *sys.modules)"
    module = plugin.module.partition(":")[0]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", code, module], capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    loaded = sorted(set(run.stdout.rpartition("modules ")[2].split()).intersection(HEAVY))
    assert not loaded, (
        f"importing {module} imports {', '.join(loaded)}: keep the args dataclasses and mtss_zoo_components() in a "
        "module of their own, and name the classes by target='package.module:Name' only."
    )


def test_its_name_can_stand_in_a_recipe(component: Component) -> None:
    """Lower-case letters, digits and underscores."""
    assert re.fullmatch("[a-z][a-z0-9_]*", component.name), (
        f"the name {component.name!r} should consist of lower-case letters, digits and underscores."
    )


def test_it_has_a_summary_of_one_line(component: Component) -> None:
    """``mtss-zoo list`` prints it."""
    summary = component.summary
    assert summary.strip() and "\n" not in summary, f"give {component.name!r} a summary of one line; it is {summary!r}."


def test_it_is_written_for_this_version_of_the_contracts(component: Component) -> None:
    """``Component.api`` counts them."""
    assert component.api == API_VERSION, f"{component.name!r} is for interface version {component.api}."


def test_its_target_can_be_imported(component: Component) -> None:
    """``package.module:Name`` is something that can be called."""
    target = resolve(component)
    assert callable(target), f"{component.target} is {target!r}, which cannot be called."


def test_its_args_are_a_frozen_dataclass(component: Component) -> None:
    """Or ``None``, where a recipe can set nothing."""
    args = component.args
    if args is not None:
        assert dataclasses.is_dataclass(args), f"args of {component.name!r} is {args!r}, but a dataclass is needed."
        frozen = args.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert frozen, f"write @dataclass(frozen=True) above {args.__name__}."


def test_its_args_agree_with_its_constructor(component: Component) -> None:
    """The recipe is filled with the defaults of ``args``, and the target is called with all of them by name."""
    declared = {f.name: _default(f) for f in dataclasses.fields(component.args)} if component.args else {}
    given = GIVEN[component.kind]
    parameters = inspect.signature(resolve(component)).parameters
    taken = {name: p.default for name, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    missing = [name for name in given if name not in taken]
    assert not missing, f"{component.target} must take the keyword {' and '.join(missing)}, which the core gives."
    own = {name: default for name, default in taken.items() if name not in given}
    assert declared.keys() == own.keys(), (
        f"args of {component.name!r} has the fields {_listed(declared)}, but {component.target} takes {_listed(own)}."
    )
    for name, default in declared.items():
        assert default == own[name], (
            f"argument {name}: the default is {_shown(default)} in args, but {_shown(own[name])} in {component.target}."
        )


@pytest.mark.usefixtures("args")
def test_its_example_arguments_are_valid() -> None:
    """``Component.example``, or the defaults where it is ``None``, pass the check of a recipe."""


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return REQUIRED if field.default is dataclasses.MISSING else field.default


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"


def _shown(default: Any) -> str:
    return "missing" if default is REQUIRED else repr(default)
