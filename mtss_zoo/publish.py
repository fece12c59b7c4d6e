"""A checkpoint folder onto the Hugging Face Hub, as one commit that everybody can check byte for byte."""

from __future__ import annotations

from pathlib import Path

from mtss_zoo.build import build_dataset, load_weights
from mtss_zoo.checkpoint import load
from mtss_zoo.checkpoint_files import (
    CARD,
    EXAMPLE,
    METRICS,
    RECIPE,
    RECORD,
    WEIGHTS,
    Recorded,
    check_inside,
    read_json,
    write_record,
)
from mtss_zoo.errors import CheckpointError, MtssZooError, UnknownNameError, UsageError
from mtss_zoo.hub import REPO
from mtss_zoo.hub_errors import hub_error
from mtss_zoo.interfaces import ImageSource
from mtss_zoo.local_paths import without_local_paths
from mtss_zoo.model_card import published_card
from mtss_zoo.pil_images import example_jpeg
from mtss_zoo.recipe import DataSpec, Part, WeightsSpec


def push(
    folder: str | Path,
    repo: str,
    private: bool = False,
    *,
    branch: str | None = None,
    example: str | Path | None = None,
    license: str | None = None,
    message: str | None = None,
    token: str | None = None,
) -> WeightsSpec:
    """Publishes a checkpoint folder: weights, recipe, metrics, card, an example picture, and a record of their sha256.

    Paths of this machine are left out of the recipe. Only what loads is published, and all of it or nothing.

    Args:
        folder: a checkpoint folder.
        repo: ``owner/repo``; made if it does not exist.
        private: readable with a token of its owners only.
        branch: default is the main one; made if it does not exist.
        example: a picture that you may publish; its metadata is left out. Default is a drawn garment.
        license: of the weights, as the Hub spells it, such as ``apache-2.0``; default is the recipe's.
        message: of the commit.
        token: default is that of ``HF_TOKEN`` or ``hf auth login``.

    Returns:
        What a recipe's ``weights`` names: the repository, the commit, and the sha256 of the weights.

    Raises:
        UsageError: ``repo`` is no name, ``folder`` is none, or the recipe needs a file of this machine.
        CheckpointError: the folder cannot be loaded, or the Hub refuses; nothing is committed then.
        ImageError: ``example`` cannot be read.
    """
    match = REPO.fullmatch(repo)
    if match is None or match["revision"]:
        raise UsageError(f"{repo!r} is no name for a repository: write owner/repo.")
    if not Path(folder).is_dir():
        raise UsageError(f"{folder} is no folder, so there is nothing to publish.")
    files = _files(Path(folder), repo, example, license)
    record = {name: Recorded.of(content) for name, content in files.items() if name != CARD}
    files[RECORD] = write_record(record)
    try:
        commit = _commit(files, repo, private, branch, message or "Publish with mtss-zoo", token)
    except MtssZooError:
        raise
    except Exception as error:  # the client raises errors of several libraries
        raise CheckpointError(f"{hub_error(repo, error)} Nothing was committed.") from error
    return WeightsSpec(repo=repo, revision=commit, sha256=record[WEIGHTS].sha256)


def _files(folder: Path, repo: str, example: str | Path | None, license: str | None) -> dict[str, bytes | Path]:
    """Name to content of everything that is published, but the record."""
    recipe = load(folder).recipe
    assert recipe is not None
    recipe = without_local_paths(recipe.model_copy(update={"license": license or recipe.license}))
    load_weights(recipe, folder / WEIGHTS)
    metrics = read_json(check_inside(folder, METRICS))
    card = check_inside(folder, CARD).read_text(encoding="utf-8", errors="replace")
    return {
        WEIGHTS: folder / WEIGHTS,
        RECIPE: recipe.to_yaml().encode(),
        METRICS: (folder / METRICS).read_bytes(),
        CARD: published_card(card, recipe, metrics, repo).encode(),
        EXAMPLE: example_jpeg(example or _drawn(), "example"),
    }


def _drawn() -> ImageSource:
    data = DataSpec(dataset=Part(name="garments", args={"image_size": 256, "n_test": 1}))
    try:
        return build_dataset(data).split("test")[0].image
    except UnknownNameError as error:
        raise UsageError("no example can be drawn without the dataset `garments`. Give a picture.") from error


def _commit(
    files: dict[str, bytes | Path], repo: str, private: bool, branch: str | None, message: str, token: str | None
) -> str:
    """The commit that holds all files. Large ones are uploaded first; only then, in one request, it comes to be."""
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(token=token)
    api.create_repo(repo, private=private or None, exist_ok=True)
    if private and not api.model_info(repo).private:
        raise CheckpointError(f"{repo} exists already and is public, so nothing was published there. Name another.")
    if branch:
        api.create_branch(repo, branch=branch, exist_ok=True)
    operations = [CommitOperationAdd(name, content) for name, content in files.items()]
    return api.create_commit(repo, operations, commit_message=message, revision=branch).oid
