"""Writes a plugin package with one component, ready to be installed, tried in a recipe and tested."""

from __future__ import annotations

import re
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from string import Template

from mtss_zoo.errors import UsageError
from mtss_zoo.interfaces import KINDS
from mtss_zoo.registry import list_components, near_matches, provider

TEMPLATES = Path(__file__).with_name("templates")
RECIPE_PARTS = {
    "dataset": "garments",
    "backbone": "resnet18",
    "head": "label_embedding",
    "strategy": "supervised",
    "loss": "bce",
}
"""What stands in the package's recipe beside its own component."""


def write_plugin(kind: str, name: str, out: Path | None = None) -> Path:
    """Writes the package of a new component.

    Args:
        kind: of the component.
        name: of the component; the distribution is called ``mtss-zoo-<name>``.
        out: the package's folder; default the distribution's name, in the working directory.

    Returns:
        The folder.

    Raises:
        UsageError: the kind does not exist, the name cannot be used, or the folder exists.
    """
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of component. {near_matches(kind, KINDS)}")
    _check_name(kind, name)
    distribution = f"mtss-zoo-{name.replace('_', '-')}"
    folder = out or Path(distribution)
    if folder.exists():
        raise UsageError(f"{folder} exists already; name another folder with --out.")
    module = f"mtss_zoo_{name}"
    if find_spec(module):
        raise UsageError(f"a package {module} is installed already; choose another name.")
    words = {
        "kind": kind,
        "name": name,
        "distribution": distribution,
        "module": module,
        "target": _class_name(kind, name),
        "zoo_version": version("mtss-zoo"),
        **{f"recipe_{k}": name if k == kind else part for k, part in RECIPE_PARTS.items()},
        "data_root": " --data-root FOLDER" if kind == "dataset" else "",
    }
    for source in (*TEMPLATES.glob("package/**/*.template"), *TEMPLATES.glob(f"{kind}/*.template")):
        inside = source.relative_to(TEMPLATES).with_suffix("").parts[1:]
        path = folder.joinpath(*((module, *inside) if source.parent.name == kind else inside))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(source.read_text(encoding="utf-8")).substitute(words), encoding="utf-8")
    return folder


def _check_name(kind: str, name: str) -> None:
    if not re.fullmatch("[a-z](_?[a-z0-9])*", name):
        better = re.sub("[^a-z0-9]+", "_", re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_0123456789")
        hint = f" {better} would do." if better else ""
        raise UsageError(f"{name!r} cannot be a component's name: lower-case letters, digits and single _ only.{hint}")
    taken = [c for c in list_components() if (c.kind, c.name) == (kind, name)]
    if taken:
        raise UsageError(f"{provider(taken[0]).distribution} offers a {kind} {name!r} already; choose another name.")


def _class_name(kind: str, name: str) -> str:
    camel = "".join(part.capitalize() for part in name.split("_"))
    return camel.removesuffix(kind.capitalize()) + kind.capitalize()
