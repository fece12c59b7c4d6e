"""What there is: ``list``, ``show``, ``schema`` and ``plugins``. None of them imports torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from mtss_zoo.cli.output import Json, Overrides, parse_overrides, print_json, print_table
from mtss_zoo.interfaces import KINDS, Kind
from mtss_zoo.plugins import plugins
from mtss_zoo.recipe_files import STUDIES, list_recipes, list_studies, recipe_folder
from mtss_zoo.registry import list_components, provider

plugins_app = typer.Typer(help="Installed plugins, and a start for one of your own.", invoke_without_command=True)


def list_all(
    pattern: Annotated[str, typer.Argument(help="Wildcard on the name, such as 'mtss_*'.")] = "*",
    kind: Annotated[str, typer.Option(help=f"Only one kind: recipe, study, {', '.join(KINDS)}.")] = "",
    as_json: Json = False,
) -> None:
    """List recipes, studies and components."""
    if kind not in ("", "recipe", "study", *KINDS):
        raise typer.BadParameter(f"{kind!r} is none of recipe, study, {', '.join(KINDS)}.", param_hint="--kind")
    rows = [] if kind not in ("", "recipe") else _recipe_rows("recipe", recipe_folder(), list_recipes(pattern))
    rows += [] if kind not in ("", "study") else _recipe_rows("study", recipe_folder() / STUDIES, list_studies(pattern))
    if kind not in ("recipe", "study"):
        known: Kind | None = kind or None  # type: ignore[assignment]
        for c in list_components(known, pattern):
            rows.append({"kind": c.kind, "name": c.name, "package": provider(c).distribution, "summary": c.summary})
    print_json(rows) if as_json else print_table(rows)


def _recipe_rows(kind: str, folder: Path, names: Iterable[str]) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        lines = (folder / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
        summary = next((line.removeprefix("summary:").strip() for line in lines if line.startswith("summary:")), "")
        rows.append({"kind": kind, "name": name, "package": "mtss-zoo", "summary": summary})
    return rows


def show(
    name: Annotated[str, typer.Argument(help="A recipe's name, a YAML file, or a checkpoint folder.")],
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Print a recipe resolved: what it prints loads again."""
    from mtss_zoo.recipe_source import load_recipe

    recipe = load_recipe(name, parse_overrides(overrides))
    print_json(recipe.to_dict()) if as_json else print(recipe.to_yaml(), end="")


def schema(
    out: Annotated[Path | None, typer.Option(help="Write it to this file instead of the terminal.")] = None,
) -> None:
    """Print the JSON schema of a recipe, for editors that complete and check YAML."""
    from mtss_zoo.cli.editor_schema import editor_schema

    text = json.dumps(editor_schema(), indent=2) + "\n"
    out.write_text(text) if out else print(text, end="")


@plugins_app.callback()
def list_plugins(context: typer.Context, as_json: Json = False) -> None:
    """List installed plugins; one that failed to load stands there with its error."""
    if context.invoked_subcommand:
        return
    rows: list[dict[str, Any]] = [
        {
            "package": f"{p.distribution} {p.version}",
            "plugin": p.name,
            "module": p.module,
            "components": len(p.components),
            "error": p.error,
        }
        for p in plugins()
    ]
    print_json(rows) if as_json else print_table(rows)


@plugins_app.command("new")
def new_plugin(
    kind: Annotated[str, typer.Argument(help=f"{', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(help="The component's name in a recipe, such as colour_chips.")],
    out: Annotated[Path | None, typer.Option(help="The package's folder; default mtss-zoo-NAME.")] = None,
) -> None:
    """Write a plugin package with one component, ready to be installed, tried and tested."""
    from mtss_zoo.plugin_template import write_plugin

    folder = write_plugin(kind, name, out)
    print(f"written: {folder}\nnext: cd {folder} && pip install -e '.[test]' && pytest")
