"""The files of a checkpoint folder, and the record with which a published one is checked byte for byte."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mtss_zoo.errors import CheckpointError

WEIGHTS, RECIPE, METRICS, CARD = "model.safetensors", "recipe.yaml", "metrics.json", "README.md"
EXAMPLE, RECORD = "example.jpg", "files.json"
PUBLISHED = (WEIGHTS, RECIPE, METRICS, CARD, EXAMPLE)
"""What is published, besides the record of it."""

MAX_JSON = 50_000_000
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Recorded:
    """Checksum and length in bytes of one file."""

    sha256: str
    size: int

    @classmethod
    def of(cls, content: bytes | Path) -> Recorded:
        """Measures a file, or what will become one."""
        if isinstance(content, bytes):
            return cls(hashlib.sha256(content).hexdigest(), len(content))
        with content.open("rb") as file:
            return cls(hashlib.file_digest(file, "sha256").hexdigest(), content.stat().st_size)


def write_record(record: Mapping[str, Recorded]) -> bytes:
    """The text of ``files.json``: name to sha256 and size."""
    return json.dumps({name: asdict(recorded) for name, recorded in record.items()}, indent=2).encode() + b"\n"


def read_record(path: Path) -> dict[str, Recorded]:
    """Reads ``files.json``.

    Raises:
        CheckpointError: it is missing, damaged, leaves out a file without which no model loads, or names a file
            outside its folder.
    """
    record: dict[str, Recorded] = {}
    for name, entry in read_json(path).items():
        sha256, size = (entry.get("sha256"), entry.get("size")) if isinstance(entry, dict) else (None, None)
        if not _NAME.fullmatch(name):
            raise CheckpointError(f"{path} records {name!r}, which is no plain name of a file in its own folder.")
        if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256) and isinstance(size, int)):
            raise CheckpointError(f"{path} does not give the sha256 and the size of {name}.")
        record[name] = Recorded(sha256, size)
    for name in (WEIGHTS, RECIPE):
        if name not in record:
            raise CheckpointError(f"{path} does not record {name}, without which no model can be loaded.")
    return record


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        CheckpointError: it does not.
    """
    try:
        if path.stat().st_size > MAX_JSON:
            raise CheckpointError(f"{path} is larger than {MAX_JSON // 1_000_000} MB; no such file of a checkpoint is.")
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON: it is damaged or was edited by hand.") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no JSON object, but {type(value).__name__}.")
    return value


def check_inside(folder: Path, name: str) -> Path:
    """The path of a file in a folder that somebody else made.

    A snapshot in the Hub's cache is made of links to ``blobs``, of the repository or of the whole cache. Elsewhere a
    link that leaves the folder points into the reader's own files.

    Raises:
        CheckpointError: there is no such file, or it is a link that leaves the folder.
    """
    path = folder / name
    if not path.is_file():
        raise CheckpointError(f"{folder} is no checkpoint folder: it has no {name}.")
    root = folder.resolve()
    roots = [root]
    if root.parent.name == "snapshots" and root.parents[1].name.startswith("models--"):
        roots = [root.parents[1], root.parents[2] / "blobs"]
    if path.is_symlink() and not any(path.resolve().is_relative_to(root) for root in roots):
        raise CheckpointError(f"{path} is a link to a file outside the folder. Put the file itself there.")
    return path
