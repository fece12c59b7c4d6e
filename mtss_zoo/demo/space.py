"""A folder that becomes a Space of the Hugging Face Hub: the page of one published model, for everybody."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import yaml

from mtss_zoo.demo import require_gradio
from mtss_zoo.demo.examples import example_pictures
from mtss_zoo.errors import UsageError
from mtss_zoo.pil_images import example_jpeg
from mtss_zoo.recipe import Recipe, WeightsSpec

EXAMPLES = "examples"
PYTHON = "3.12"

_APP = '''"""A page to try {repo}."""

import mtss_zoo
from mtss_zoo.demo.server import serve

serve(mtss_zoo.load("{repo}@{revision}"), host="0.0.0.0", port=7860, examples={examples!r})
'''
_CARD = """
# {title}

{summary}

Drop a photo, and see its {types}. The model is [{repo}](https://huggingface.co/{repo}), at commit `{revision}`.

To change the page: `{examples}/` holds the pictures that it offers, and `app.py` names the model.
"""


def check_space(folder: Path) -> None:
    """Whether `write_space` can write there, before anything is published.

    Raises:
        MtssZooError: the extra ``demo`` is not installed; a Space is pinned to its version of gradio.
        UsageError: something is in the folder.
    """
    require_gradio()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already. Name a new folder for the Space.")


def write_space(folder: Path, weights: WeightsSpec, recipe: Recipe, example: Path | None = None) -> None:
    """Writes ``README.md`` with the Space's settings, ``app.py``, ``requirements.txt`` and pictures to try.

    Args:
        folder: new or empty.
        weights: the published model: what `mtss_zoo.push` gives.
        recipe: the model's.
        example: a picture that you may publish; its metadata is left out. Default is drawn garments.

    Raises:
        As `check_space`; ImageError: ``example`` cannot be read.
    """
    check_space(folder)
    pictures = folder / EXAMPLES
    pictures.mkdir(parents=True, exist_ok=True)
    offered = [_copy(example, pictures)] if example else example_pictures(None, pictures)
    (folder / "README.md").write_text(_card(weights, recipe), encoding="utf-8")
    app = _APP.format(repo=weights.repo, revision=weights.revision, examples=EXAMPLES if offered else None)
    (folder / "app.py").write_text(app, encoding="utf-8")
    (folder / "requirements.txt").write_text("\n".join(_requirements(recipe)) + "\n", encoding="utf-8")


def _copy(example: Path, folder: Path) -> Path:
    (folder / "example.jpg").write_bytes(example_jpeg(example, str(example)))
    return folder / "example.jpg"


def _card(weights: WeightsSpec, recipe: Recipe) -> str:
    """Markdown under the settings of https://huggingface.co/docs/hub/spaces-config-reference."""
    settings = {
        "title": recipe.name,
        "sdk": "gradio",
        "sdk_version": version("gradio"),
        "python_version": PYTHON,
        "app_file": "app.py",
        "models": [weights.repo],
    }
    if recipe.license:
        settings["license"] = recipe.license
    schema = recipe.attribute_schema
    body = _CARD.format(
        title=recipe.name,
        summary=recipe.summary or "A model for visual attribute prediction.",
        types=", ".join(schema.names) if schema else "attributes",
        repo=weights.repo,
        revision=weights.revision,
        examples=EXAMPLES,
    )
    return f"---\n{yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)}---\n{body}"


def _requirements(recipe: Recipe) -> Iterable[str]:
    """This version of the package, and of every plugin's package that the recipe needs."""
    yield f"mtss-zoo[demo]=={version('mtss-zoo')}"
    yield from sorted({"==".join(package.split()) for package in recipe.provided_by.values()})
