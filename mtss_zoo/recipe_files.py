"""Where the built-in recipes are, and how a name becomes a file. Imports nothing heavy."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from mtss_zoo.errors import UnknownNameError
from mtss_zoo.registry import near_matches


def recipe_folder() -> Path:
    """Inside the installed package, or beside it in a checkout."""
    packaged = Path(__file__).with_name("recipes")
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "recipes"


def list_recipes(pattern: str = "*") -> list[str]:
    """Names of the built-in recipes that fit the wildcard; those starting with ``_`` are bases, not recipes."""
    names = (path.stem for path in recipe_folder().glob("*.yaml"))
    return sorted(n for n in names if fnmatchcase(n, pattern) and not n.startswith("_"))


def find_recipe(source: str | Path, beside: Path = Path()) -> Path:
    """The file of a built-in name, a path (also relative to the file ``beside``), or a checkpoint folder.

    Raises:
        UnknownNameError: there is none; near matches are in the message.
    """
    text = str(source)
    for path in (beside.parent / text, Path(text)):
        if (path / "recipe.yaml").is_file():
            return path / "recipe.yaml"
        if path.is_file():
            return path
    built_in = recipe_folder() / f"{text}.yaml"
    if "/" not in text and built_in.is_file():
        return built_in
    if text.endswith((".yaml", ".yml")) or "/" in text:
        raise UnknownNameError(f"no recipe file {text}.")
    raise UnknownNameError(f"no recipe {text!r}. {near_matches(text, list_recipes())}")
