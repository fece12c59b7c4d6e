"""From a detector's name on the command line to the detector."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from mtss_zoo.detection.contract import Detector, Found
from mtss_zoo.errors import UnknownNameError, UsageError
from mtss_zoo.registry import near_matches

KINDS = ("torchvision", "transformers", "callable")


def open_detector(name: str, device: str = "auto") -> Detector:
    """A detector by its name.

    ``torchvision:MODEL`` has torchvision's own weights if they are in its cache; ``torchvision:MODEL:FILE`` those of a
    safetensors file; ``transformers:FOLDER`` or ``transformers:owner/repo@commit`` is an object detection model;
    ``callable:package.module:function`` is the caller's own. Nothing but the last one runs code that is not installed.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` ...; a callable decides that itself.

    Raises:
        UnknownNameError, UsageError: there is no such detector, its weights are not there, or not safe to read.
        MtssZooError: a package that it needs is not installed.
    """
    kind, _, args = name.partition(":")
    if kind not in KINDS:
        raise UnknownNameError(
            f"there is no kind of detector {kind!r}. {near_matches(kind, KINDS)} Write torchvision:MODEL, "
            "transformers:owner/repo@commit or callable:package.module:function."
        )
    if kind == "callable":
        return CallableDetector(args)
    from mtss_zoo.bulk.torch_engine import find_device

    if kind == "torchvision":
        from mtss_zoo.detection.torchvision_detector import TorchvisionDetector

        model, _, weights = args.partition(":")
        return TorchvisionDetector(model, weights, find_device(device))
    from mtss_zoo.detection.transformers_detector import TransformersDetector

    return TransformersDetector(args, find_device(device))


class CallableDetector:
    """A function of the caller's: a list of RGB pictures of one size to ``(boxes, scores, names)`` for each.

    Args:
        place: ``package.module:function``; modules in the working folder are found too. An attribute ``revision`` of
            the function tells one version of it from another.

    Raises:
        UsageError: there is no such function.
    """

    classes: tuple[str, ...] = ()

    def __init__(self, place: str) -> None:
        self.name = f"callable:{place}"
        self.detect: Callable[[list[Image.Image]], Sequence[Found]] = _imported(place)
        self.revision = str(getattr(self.detect, "revision", ""))


def _imported(place: str) -> Any:
    module, _, function = place.partition(":")
    if not module or not function:
        raise UsageError(f"callable:{place}: write callable:package.module:function.")
    sys.path.insert(0, os.getcwd())  # as `python -m` has it: the caller's own file
    try:
        found = getattr(importlib.import_module(module), function, None)
    except ImportError as error:
        raise UsageError(f"callable:{place}: {module} cannot be imported: {error}.") from error
    finally:
        sys.path.remove(os.getcwd())
    if not callable(found):
        raise UsageError(f"callable:{place}: {module} has no function {function!r}.")
    return found
