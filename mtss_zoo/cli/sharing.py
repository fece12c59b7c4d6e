"""``push`` and ``pull``: checkpoint folders to and from the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtss_zoo.cli.output import Json, print_json

if TYPE_CHECKING:
    from mtss_zoo.recipe import WeightsSpec


def push(
    folder: Annotated[Path, typer.Argument(help="A checkpoint folder.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/REPO", help="Made if it does not exist.")],
    private: Annotated[bool, typer.Option("--private", help="Readable with a token of its owners only.")] = False,
    branch: Annotated[str | None, typer.Option("--branch", "--revision", help="Default: the main branch.")] = None,
    example: Annotated[Path | None, typer.Option(help="A picture that you may publish. Default: a drawn one.")] = None,
    license: Annotated[
        str | None, typer.Option(help="Of the weights, such as apache-2.0. Default: the recipe's.")
    ] = None,
    message: Annotated[str | None, typer.Option(help="Of the commit.")] = None,
    space: Annotated[
        Path | None, typer.Option(help="Also write this new folder, ready for a Space with a page to try the model.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish a checkpoint folder on the Hugging Face Hub. The token comes from HF_TOKEN or `hf auth login`."""
    from mtss_zoo import push as publish
    from mtss_zoo.checkpoint_files import RECIPE
    from mtss_zoo.progress import say
    from mtss_zoo.recipe_source import load_recipe

    if space:
        from mtss_zoo.demo.space import check_space

        check_space(space)
    pushed = publish(folder, repo, private, branch=branch, example=example, license=license, message=message)
    if space:
        _write_space(space, folder, pushed, example, license)
    if not (license or load_recipe(folder / RECIPE).license):
        say("the card names no licence, so nobody knows what they may do with the model; push again with --license.")
    if as_json:
        print_json(pushed.model_dump())
        return
    print(f"published: {repo}, commit {pushed.revision}")
    print(f'load it pinned: mtss_zoo.load("{repo}@{pushed.revision}")')
    print(f"name it in a recipe: weights: {{repo: {repo}, revision: {pushed.revision}, sha256: {pushed.sha256}}}")
    if space:
        print(f"put it online: hf upload {repo} {space} --repo-type space")


def _write_space(space: Path, folder: Path, pushed: WeightsSpec, example: Path | None, license: str | None) -> None:
    from mtss_zoo.checkpoint_files import RECIPE
    from mtss_zoo.demo.space import write_space
    from mtss_zoo.recipe_source import load_recipe

    recipe = load_recipe(folder / RECIPE)
    write_space(space, pushed, recipe.model_copy(update={"license": license or recipe.license}), example)


def pull(
    name: Annotated[str, typer.Argument(metavar="OWNER/REPO[@REVISION]", help="A branch, tag or commit may follow @.")],
    out: Annotated[Path | None, typer.Option(help="Copy it into this new folder.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch every file anew, also if it is in the cache.")] = False,
) -> None:
    """Fetch a checkpoint folder from the Hugging Face Hub, check every byte of it, and print where it is."""
    from mtss_zoo.hub import pull as fetch

    print(fetch(name, out, force_download=force))
