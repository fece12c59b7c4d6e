"""Models from the Hugging Face Hub: fetched at one commit through the Hub's own cache, and checked byte for byte.

The client compares no more than the lengths of what it downloads.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from mtss_zoo.checkpoint_files import PUBLISHED, RECORD, WEIGHTS, Recorded, read_record
from mtss_zoo.errors import CheckpointError, UsageError
from mtss_zoo.hub_errors import hub_error
from mtss_zoo.recipe import WeightsSpec

REPO = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[\w./-]+))?")


def fetch_folder(name: str, **client: Any) -> Path:
    """The checkpoint folder of ``owner/repo@revision`` in the Hub's cache, fetched if it is not there yet, and checked.

    A branch or tag is resolved to a commit once, and every file is of that commit. A name with a whole commit, once
    cached, needs no network.

    Args:
        name: without ``@revision`` the newest commit of the main branch.
        client: options of the Hub's client: ``token``, ``cache_dir``, ``force_download``, ``local_files_only``.

    Raises:
        CheckpointError: the name is none of a repository, it cannot be fetched, or a file is not what was published.
    """
    match = REPO.fullmatch(name)
    if match is None:
        raise CheckpointError(f"{name!r} is neither a folder nor a repository such as owner/repo or owner/repo@v1.")
    import huggingface_hub

    try:
        snapshot = huggingface_hub.snapshot_download(
            match["repo"], revision=match["revision"], allow_patterns=[*PUBLISHED, RECORD], **client
        )
    except Exception as error:  # the client raises errors of several libraries
        raise hub_error(name, error) from error
    folder = Path(snapshot)
    _check(folder, f"{match['repo']}@{folder.name}")
    return folder


def pull(name: str, out: str | Path | None = None, **client: Any) -> Path:
    """The checkpoint folder of ``owner/repo@revision``: in the Hub's cache, or a copy of it as the new folder ``out``.

    Raises:
        UsageError: ``out`` exists and is not empty.
        CheckpointError: as `fetch_folder`.
    """
    if out is None:
        return fetch_folder(name, **client)
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists already. Name a new folder.")
    folder = fetch_folder(name, **client)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as part:
        copy = Path(part, out.name)
        copy.mkdir()
        for path in folder.iterdir():
            if path.name in (*PUBLISHED, RECORD):
                shutil.copyfile(path, copy / path.name)
        os.replace(copy, out)
    return out


def fetch_weights(weights: WeightsSpec) -> Path:
    """The weights that a recipe names, from the cache or the Hub, verified against its sha256.

    Raises:
        CheckpointError: they cannot be fetched, or differ from what the recipe recorded.
    """
    import huggingface_hub

    name = f"{weights.repo}@{weights.revision}"
    try:
        path = Path(huggingface_hub.hf_hub_download(weights.repo, WEIGHTS, revision=weights.revision))
    except Exception as error:  # the client raises errors of several libraries
        raise hub_error(name, error) from error
    found = Recorded.of(path).sha256
    if found != weights.sha256:
        raise CheckpointError(
            f"{path} of {name} has sha256 {found}, but the recipe recorded {weights.sha256}. {_again(name)}"
        )
    return path


def _check(folder: Path, name: str) -> None:
    """Compares a snapshot with its record, and with the checksums that the Hub announced.

    The card is not in the record, so that it may be edited on its page.

    Raises:
        CheckpointError: a file differs; the message names it.
    """
    if not (folder / RECORD).is_file():
        raise CheckpointError(
            f"{name} has no {RECORD}, so it was not published by `mtss-zoo push` and cannot be checked. If you trust "
            "it, download it by other means and load the folder."
        )
    record = read_record(folder / RECORD)
    for file in (*PUBLISHED, RECORD):
        path = folder / file
        if not path.is_file():
            if file in record:
                raise CheckpointError(f"{file} of {name} is recorded, but missing. {_again(name)}")
            continue
        found = Recorded.of(path)
        if found != record.get(file, found) or not _as_announced(path, found):
            raise CheckpointError(
                f"{file} of {name} is not what was published: its sha256 is {found.sha256}. {_again(name)}"
            )


def _as_announced(path: Path, found: Recorded) -> bool:
    """Whether a file has the checksum that the Hub announced; true where that is not known.

    The cache names a file by it, and links there: by its sha256, or if it is small by its checksum in git.
    """
    announced = Path(os.readlink(path)).name if path.is_symlink() else ""
    if len(announced) == 64:
        return announced == found.sha256
    if len(announced) == 40:
        content = path.read_bytes()
        return announced == hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return True


def _again(name: str) -> str:
    return f"Fetch it again with `mtss-zoo pull {name} --force`; if it still differs, it was changed on the Hub."
