"""Writes one tar after the other, each with the rows of the manifest that belong to it."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mtss_zoo.files.whole_files import synced_file
from mtss_zoo.interfaces import AttributeSchema
from mtss_zoo.packing.layout import shard_name
from mtss_zoo.packing.reading import Picture
from mtss_zoo.packing.rows import Row, as_table

TABLE_ROWS = 4096
"""Rows that are held as Python objects before they become an Arrow table."""


class Shard:
    """One tar and its rows, which appear on disk together when it is finished, the rows last.

    Args:
        folder: where the tar comes to.
        rows_file: where its rows come to; that this file exists says that the shard is whole.
        number: of the shard, from 0.
        first: the place of its first picture in the source.
    """

    def __init__(self, folder: Path, rows_file: Path, number: int, first: int, schema: AttributeSchema) -> None:
        self.path, self.rows_file, self.schema = folder / shard_name(number), rows_file, schema
        self.first, self.rows = first, 0
        self._recent: list[Row] = []
        self._tables: list[pa.Table] = []
        self._part = self.path.with_name(f".{self.path.name}.part")
        self._tar = tarfile.open(self._part, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115

    def fits(self, picture: Picture, size: int) -> bool:
        """Whether the tar stays within ``size`` bytes with this picture; a first one always fits."""
        data = b"" if picture.encoded is None else picture.encoded.data
        end = self._tar.offset + tarfile.BLOCKSIZE + _padded(len(data)) + 2 * tarfile.BLOCKSIZE
        return not self._tar.offset or _filled(end) <= size

    def add(self, picture: Picture) -> None:
        """Takes in the next picture; of one that cannot be used only the reason is kept."""
        offset = size = -1
        if picture.encoded is not None:
            data, ending = picture.encoded
            member = tarfile.TarInfo(f"{self.first + self.rows:09d}.{ending}")
            size = member.size = len(data)
            offset = self._tar.offset + tarfile.BLOCKSIZE
            self._tar.addfile(member, io.BytesIO(data))
            self._tar.members.clear()  # type: ignore[attr-defined]  # else every header would stay in memory
        self._recent.append(Row(picture.split, picture.sample, offset, size, picture.reason))
        self.rows += 1
        if len(self._recent) == TABLE_ROWS:
            self._settle()

    def finish(self) -> None:
        """Puts the tar and then its rows in their places, for good."""
        self._settle()
        self._tar.close()
        with self._part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self._part, self.path)
        with synced_file(self.rows_file) as rows:
            pq.write_table(pa.concat_tables(self._tables, promote_options="default"), rows)

    def drop(self) -> None:
        """Leaves nothing behind."""
        self._tar.fileobj.close()  # without the end mark of a whole tar
        self._part.unlink(missing_ok=True)

    def _settle(self) -> None:
        if self._recent:
            self._tables.append(as_table(self._recent, self.path.name, self.schema))
            self._recent = []


def _padded(size: int, to: int = tarfile.BLOCKSIZE) -> int:
    return -(-size // to) * to


def _filled(end: int) -> int:
    """The size of a tar whose end mark is at ``end``."""
    return _padded(end, tarfile.RECORDSIZE)
