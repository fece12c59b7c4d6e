"""Models on the Hugging Face Hub: fetches them pinned to a revision and checks every byte that has a checksum."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from mtss_zoo.errors import CheckpointError
from mtss_zoo.recipe import WeightsSpec

REPO = re.compile(r"^(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?$")
FILES = ["model.safetensors", "recipe.yaml", "metrics.json", "README.md"]


def fetch_folder(name: str) -> Path:
    """The checkpoint folder of ``owner/repo@revision``, from the Hub's cache or the Hub.

    Raises:
        CheckpointError: the name is none of a repository, or it cannot be fetched.
    """
    match = REPO.match(name)
    if match is None:
        raise CheckpointError(f"{name!r} is neither a folder nor a repository such as owner/repo or owner/repo@v1.")
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(match["repo"], revision=match["revision"], allow_patterns=FILES))
    except Exception as error:  # the client raises errors of several libraries
        raise CheckpointError(_reason(name, error)) from error


def fetch_weights(weights: WeightsSpec) -> Path:
    """The weights that a recipe names, verified against its sha256.

    Raises:
        CheckpointError: they cannot be fetched, or differ from what the recipe recorded.
    """
    import huggingface_hub

    name = f"{weights.repo}@{weights.revision}"
    try:
        path = Path(huggingface_hub.hf_hub_download(weights.repo, FILES[0], revision=weights.revision))
    except Exception as error:  # the client raises errors of several libraries
        raise CheckpointError(_reason(name, error)) from error
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != weights.sha256:
        raise CheckpointError(f"{path} of {name} has sha256 {found}, but the recipe recorded {weights.sha256}.")
    return path


def _reason(name: str, error: Exception) -> str:
    return (
        f"{name} could not be fetched from the Hugging Face Hub ({type(error).__name__}). Check the name and the "
        "network, or give a local checkpoint folder."
    )
