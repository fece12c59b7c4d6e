"""A packed folder while it is written: what it is about, which shards are whole, and how it becomes finished."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from mtss_zoo.errors import DataError, UsageError
from mtss_zoo.files.locks import alone
from mtss_zoo.files.whole_files import drop_parts, whole_file, write_rows, write_whole
from mtss_zoo.interfaces import AttributeSchema
from mtss_zoo.packing.layout import ABOUT, ANSWERS, BAD, BBOX, LABELS, MANIFEST, METADATA, PLACES, SCHEMA, shard_name
from mtss_zoo.packing.rows import REASON

WORK = ".parts"
"""Holds the rows of the shards that are whole, until the manifest does."""
BAD_COLUMNS = ["id", "split", REASON]
_UNFINISHED = re.compile(r"\.shard-\d+\.tar\.part")


class PackFolder:
    """Claims a folder for one dataset, alone. Rows of whole shards, kept in it, say how far the packing is.

    Args:
        out: a folder that is new, empty, or was begun with the same.
        about: what is packed; must be the same when the packing goes on.

    Raises:
        UsageError: the folder holds something else, or another process writes it.
    """

    def __init__(self, out: Path, about: Mapping[str, Any]) -> None:
        self.out, self.work = out, out / WORK
        if out.exists() and not (out.is_dir() and ((out / ABOUT).exists() or _is_free(out))):
            raise UsageError(f"{out} is there already and no packed folder. Name another with --out.")
        self.work.mkdir(parents=True, exist_ok=True)
        self._lock = ExitStack()
        self._lock.enter_context(alone(self.work / "lock", "process"))
        try:
            self._claim(about)
        except BaseException:
            self._leave()
            raise

    def __enter__(self) -> PackFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._leave()

    @property
    def finished(self) -> bool:
        """Whether all is packed."""
        return (self.out / MANIFEST).exists()

    @property
    def shards(self) -> int:
        """How many shards are whole."""
        return len(list(self.work.glob("*.parquet")))

    def rows_file(self, shard: int) -> Path:
        """Where the rows of a shard come to."""
        return self.work / f"{shard:06d}.parquet"

    def done(self) -> int:
        """Pictures of whole shards, with those that could not be used."""
        return sum(pq.read_metadata(self.rows_file(shard)).num_rows for shard in range(self.shards))

    def finish(self, schema: AttributeSchema) -> None:
        """Writes the schema, the list of bad pictures, and at last the manifest.

        Raises:
            DataError: no picture could be used.
        """
        found = pa.unify_schemas([pq.read_schema(self.rows_file(shard)) for shard in range(self.shards)])
        fields = pa.schema([found.field(name) for name in _ordered(found.names, schema)])
        bad = (row for table in self._tables(bad=True) for row in table.select(BAD_COLUMNS).to_pylist())
        if first := next(bad, None):
            write_rows(self.out / BAD, BAD_COLUMNS, chain([first], bad))
        text = yaml.safe_dump(schema.to_dict(), sort_keys=False, allow_unicode=True, width=110)
        write_whole(self.out / SCHEMA, text)
        good = 0
        with whole_file(self.out / MANIFEST) as part:
            with pq.ParquetWriter(part, fields) as writer:
                for table in self._tables(bad=False):
                    good += table.num_rows
                    writer.write_table(_in_columns(table, fields))
            if not good:
                reason = first[REASON] if first else "there is none."
                raise DataError(f"not one picture could be packed: {reason} Remove {self.out} to begin again.")

    def _leave(self) -> None:
        if self.finished:
            shutil.rmtree(self.work)
        self._lock.close()

    def _claim(self, about: Mapping[str, Any]) -> None:
        path = self.out / ABOUT
        if not path.exists():
            write_whole(path, json.dumps(about, indent=2) + "\n")
        before = json.loads(path.read_bytes())
        if other := [key for key in about if before.get(key) != about[key]]:
            raise UsageError(
                f"{self.out} was begun with another {' and another '.join(other)}. Go on with the same, name another "
                "folder with --out, or remove that one."
            )
        drop_parts(self.out)
        for file in self.out.iterdir():
            if _UNFINISHED.fullmatch(file.name):
                file.unlink()
        lacking = [name for name in map(shard_name, range(self.shards)) if not (self.out / name).exists()]
        if lacking and not self.finished:
            raise UsageError(f"{self.out} lacks {lacking[0]}. Remove that folder to begin again.")

    def _tables(self, bad: bool) -> Iterator[pa.Table]:
        for shard in range(self.shards):
            table = pq.read_table(self.rows_file(shard))
            failed = pc.is_valid(table[REASON])
            yield table.filter(failed if bad else pc.invert(failed))


def _is_free(folder: Path) -> bool:
    """Whether nothing is in it but what a process left that was killed before its first act."""
    return all(path.name == WORK or path.match(f".{ABOUT}.*.part") for path in folder.iterdir())


def _ordered(names: list[str], schema: AttributeSchema) -> list[str]:
    types = [prefix + t.name for prefix in (LABELS, ANSWERS) for t in schema]
    metadata = sorted(name for name in names if name.startswith(METADATA))
    return [name for name in (*PLACES, BBOX, *types, *metadata) if name in names]


def _in_columns(table: pa.Table, fields: pa.Schema) -> pa.Table:
    columns = [table[f.name] if f.name in table.column_names else pa.nulls(len(table), f.type) for f in fields]
    return pa.table(columns, schema=fields)
