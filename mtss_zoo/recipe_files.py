"""Where the built-in recipes are, and how a name becomes a file. Imports nothing heavy."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from mtss_zoo.errors import UnknownNameError
from mtss_zoo.registry import near_matches

STUDIES = "studies"
"""The folder of the studies, in that of the recipes."""


def recipe_folder() -> Path:
    """Inside the installed package, or beside it in a checkout."""
    packaged = Path(__file__).with_name("recipes")
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "recipes"


def list_recipes(pattern: str = "*") -> list[str]:
    """Names of the built-in recipes that fit the wildcard; those starting with ``_`` are bases, not recipes."""
    return _names(recipe_folder(), pattern)


def list_studies(pattern: str = "*") -> list[str]:
    """Names of the built-in studies, which are recipes with a grid."""
    return _names(recipe_folder() / STUDIES, pattern)


def _names(folder: Path, pattern: str) -> list[str]:
    names = (path.stem for path in folder.glob("*.yaml"))
    return sorted(n for n in names if fnmatchcase(n, pattern) and not n.startswith("_"))


def find_recipe(source: str | Path, beside: Path = Path()) -> Path:
    """The file of a built-in name, a path (also relative to the file ``beside``), or a checkpoint folder.

    A built-in name means the built-in recipe, whatever lies in the working directory; ``./name`` means the folder.
    Where ``beside`` is built in itself, nothing else is looked at.

    Raises:
        UnknownNameError: there is none; near matches are in the message.
    """
    text = str(source)
    for folder in (recipe_folder(), recipe_folder() / STUDIES):
        if "/" not in text and (built_in := folder / f"{text}.yaml").is_file():
            return built_in
    for path in () if _is_built_in(beside) else (beside.parent / text, Path(text)):
        if (path / "recipe.yaml").is_file():
            return path / "recipe.yaml"
        if path.is_file():
            return path
    if text.endswith((".yaml", ".yml")) or "/" in text:
        raise UnknownNameError(f"no recipe file {text}.")
    known = list_recipes() + list_studies()
    raise UnknownNameError(
        f"no recipe {text!r}. {near_matches(text, known, '`mtss-zoo list` shows all that there are.')}"
    )


def _is_built_in(path: Path) -> bool:
    return path.is_file() and path.resolve().is_relative_to(recipe_folder().resolve())
