"""Where the Parquet files of a Hub dataset repository are: a folder, the Hub's cache, or the Hub itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from mtss_zoo.errors import DataError, MtssZooError, UsageError
from mtss_zoo.hub_errors import in_words
from mtss_zoo_datasets.labels import folder

CARD, INFOS = "README.md", "dataset_infos.json"
TEXTS = (CARD, INFOS)
"""What says of the Parquet files what they are."""
CONVERTED = "refs/convert/parquet"
"""The revision in which the Hub keeps its own conversion of a dataset to Parquet."""


class Files(Protocol):
    """The Parquet files of one commit; it can be sent to other processes."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def commit(self) -> str | None:
        """Where it is known."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Paths in the repository."""
        ...

    def text(self, name: str) -> str:
        """One of `TEXTS`, empty if there is none."""
        ...

    def open(self, name: str) -> Any:
        """A file for `pyarrow.parquet.ParquetFile`; nothing of it is read yet."""
        ...


@dataclass(frozen=True)
class LocalFiles:
    """Files below a folder; ``commit`` where the Hub's cache knows it."""

    folder: Path
    names: tuple[str, ...]
    commit: str | None = None

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.folder)

    def text(self, name: str) -> str:
        """One of `TEXTS`, empty if there is none."""
        path = self.folder / name
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    def open(self, name: str) -> str:
        """The path of a file."""
        return str(self.folder / name)


@dataclass(frozen=True)
class RemoteFiles:
    """Files on the Hub at one commit, of which only the parts that are asked for are fetched."""

    repo: str
    names: tuple[str, ...]
    commit: str
    texts: Mapping[str, str]

    @property
    def name(self) -> str:
        """The repository."""
        return f"{self.repo}@{self.commit[:12]}"

    def text(self, name: str) -> str:
        """One of `TEXTS`, empty if there is none."""
        return self.texts.get(name, "")

    def open(self, name: str) -> Any:
        """A file that asks the Hub for exactly the ranges that are read."""
        import huggingface_hub

        path = f"datasets/{self.repo}@{self.commit}/{name}"
        return huggingface_hub.HfFileSystem().open(path, "rb", cache_type="none")


def find_files(root: str | None, repo: str | None, revision: str | None, stream: bool) -> Files:
    """The files in ``root``, else those of ``repo``: with ``stream`` on the Hub, else in its cache.

    Raises:
        UsageError: neither is named.
        DataError: there are none; the message says how to fetch them.
    """
    if root is not None:
        there = folder(root, "huggingface", "the Parquet files of a dataset repository")
        return _nonempty(LocalFiles(there, _below(there)), "")
    if repo is None:
        raise UsageError(
            "huggingface reads the Parquet files of a dataset repository. Name it as data.dataset.args.repo, or a "
            "folder that has them with --data-root."
        )
    revisions = [revision] if revision else [None, CONVERTED]
    return _remote(repo, revisions) if stream else _cached(repo, revisions)


@contextmanager
def explained(files: Files, name: str) -> Iterator[None]:
    """Whatever goes wrong while a file is read becomes a DataError."""
    try:
        yield
    except MtssZooError:
        raise
    except Exception as error:  # the Hub's client raises errors of several libraries, through Arrow
        local = isinstance(files, LocalFiles)
        if isinstance(error, pa.ArrowException) or (local and isinstance(error, OSError)):
            words = " ".join(str(error).split())[:200]
            raise DataError(f"{files.name}/{name} is no whole Parquet file: {words}. Fetch it again.") from error
        if local:
            raise
        raise DataError(in_words(files.name, error)) from error


def _below(there: Path) -> tuple[str, ...]:
    """All Parquet files but those in hidden folders, where the Hub's client keeps its own."""
    found = (path.relative_to(there) for path in there.rglob("*.parquet"))
    return tuple(sorted(path.as_posix() for path in found if not any(p.startswith(".") for p in path.parts)))


def _cached(repo: str, revisions: Sequence[str | None]) -> Files:
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError

    for revision in revisions:
        try:
            snapshot = huggingface_hub.snapshot_download(
                repo, repo_type="dataset", revision=revision, allow_patterns="*.parquet", local_files_only=True
            )
        except HFValidationError as error:
            raise DataError(in_words(repo, error)) from None
        except FileNotFoundError:
            continue
        if names := _below(Path(snapshot)):
            return LocalFiles(Path(snapshot), names, Path(snapshot).name)
    at = f" --revision {revisions[0]}" if revisions[0] else ""
    raise DataError(
        f"{repo} is not whole in the Hub's cache, and nothing is fetched unasked. Fetch it with `hf download {repo} "
        f"--repo-type dataset{at}`, or let it be read over the network with data.dataset.args.stream=true."
    )


def _remote(repo: str, revisions: Sequence[str | None]) -> Files:
    import huggingface_hub
    from huggingface_hub.errors import RevisionNotFoundError

    for revision in revisions:
        try:
            info = huggingface_hub.HfApi().dataset_info(repo, revision=revision)
            files = [file.rfilename for file in info.siblings or ()]
            texts = {name: _remote_text(repo, str(info.sha), name) for name in TEXTS if name in files}
        except Exception as error:  # the client raises errors of several libraries
            if isinstance(error, RevisionNotFoundError) and revision != revisions[0]:
                break  # there is no conversion
            raise DataError(in_words(f"{repo}@{revision}" if revision else repo, error)) from error
        if names := tuple(sorted(name for name in files if name.endswith(".parquet"))):
            return RemoteFiles(repo, names, str(info.sha), texts)
    hint = "" if len(revisions) > 1 else f" The Hub's own conversion, if it made one, is revision {CONVERTED}."
    return _nonempty(RemoteFiles(repo, (), "", {}), hint)


def _remote_text(repo: str, commit: str, name: str) -> str:
    import huggingface_hub

    with huggingface_hub.HfFileSystem().open(f"datasets/{repo}@{commit}/{name}", "rb") as file:
        return str(file.read().decode("utf-8", "replace"))


def _nonempty(files: LocalFiles | RemoteFiles, hint: str) -> Files:
    if not files.names:
        name = files.repo if isinstance(files, RemoteFiles) else files.name
        raise DataError(f"{name} has no Parquet files, which is what huggingface reads.{hint}")
    return files
