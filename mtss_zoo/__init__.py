"""A zoo of models for visual attribute prediction from few labels.

Importing the package loads neither torch nor a plugin: every public name is imported when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtss_zoo.build import build
    from mtss_zoo.bulk.batch_predictor import BatchPredictor
    from mtss_zoo.bulk.run import bulk_predict
    from mtss_zoo.checkpoint import load, save
    from mtss_zoo.cross_domain import evaluate_across
    from mtss_zoo.evaluate import evaluate
    from mtss_zoo.explaining.explain import explain
    from mtss_zoo.exporting.export import export
    from mtss_zoo.exporting.onnx_model import OnnxModel
    from mtss_zoo.interfaces import AttributeSchema, AttributeType, Batch, Component, Draws, Sample
    from mtss_zoo.plugins import hookimpl
    from mtss_zoo.publish import push
    from mtss_zoo.recipe_files import list_recipes
    from mtss_zoo.registry import list_components
    from mtss_zoo.report import report
    from mtss_zoo.robustness import evaluate_corrupted
    from mtss_zoo.train import train

    __version__: str

__all__ = [
    "AttributeSchema",
    "AttributeType",
    "Batch",
    "BatchPredictor",
    "Component",
    "Draws",
    "OnnxModel",
    "Sample",
    "build",
    "bulk_predict",
    "evaluate",
    "evaluate_across",
    "evaluate_corrupted",
    "explain",
    "export",
    "hookimpl",
    "list_components",
    "list_recipes",
    "load",
    "push",
    "report",
    "save",
    "train",
]

_HOME = {
    "AttributeSchema": "interfaces",
    "AttributeType": "interfaces",
    "Batch": "interfaces",
    "BatchPredictor": "bulk.batch_predictor",
    "Component": "interfaces",
    "Draws": "interfaces",
    "OnnxModel": "exporting.onnx_model",
    "Sample": "interfaces",
    "build": "build",
    "bulk_predict": "bulk.run",
    "evaluate": "evaluate",
    "evaluate_across": "cross_domain",
    "evaluate_corrupted": "robustness",
    "explain": "explaining.explain",
    "export": "exporting.export",
    "hookimpl": "plugins",
    "list_components": "registry",
    "list_recipes": "recipe_files",
    "load": "checkpoint",
    "push": "publish",
    "report": "report",
    "save": "checkpoint",
    "train": "train",
}


if not TYPE_CHECKING:  # a type checker then reports a name that does not exist

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version  # costs 50 ms

            value = version("mtss-zoo")
        elif name in _HOME:
            value = getattr(import_module(f"mtss_zoo.{_HOME[name]}"), name)
        else:
            raise AttributeError(f"module 'mtss_zoo' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


class _Package(ModuleType):
    """Keeps ``mtss_zoo.build`` the function: importing the submodule of the same name would bind the module there."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
