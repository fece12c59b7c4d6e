"""Lists of web addresses: iMaterialist's JSON as it is published, or a table with the columns ``id`` and ``url``."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from mtss_zoo.errors import DataError
from mtss_zoo.files.json_items import read_items

ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
"""What may name a file in any folder, and none outside it."""


class Entry(NamedTuple):
    """One picture; ``fault`` says why it cannot be fetched at all."""

    id: str
    url: str
    fault: str = ""


def read_list(path: Path) -> Iterator[Entry]:
    """The entries in their order, row by row.

    ``.json`` holds ``{"images": [{"imageId": "1", "url": "http://..."}]}`` (``image_id`` and lists of addresses are
    read, too), ``.csv``, ``.jsonl`` and ``.parquet`` the columns ``id`` and ``url``.

    Raises:
        DataError: the file is missing, or is no such list.
    """
    readers = {".json": _json, ".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}
    if path.suffix.lower() not in readers:
        raise DataError(f"{path}: a list of addresses is a {', '.join(readers)} file.")
    if not path.is_file():
        raise DataError(f"{path}: no such list.")
    seen: set[int] = set()
    for identity, address in readers[path.suffix.lower()](path):
        entry = _entry(identity, address)
        if not entry.fault:
            key = hash(entry.id)  # the names of a million pictures would take three times as much memory
            entry = entry._replace(fault="its id occurs a second time") if key in seen else entry
            seen.add(key)
        yield entry


def _entry(identity: Any, address: Any) -> Entry:
    address = address[0] if isinstance(address, list) and address else address
    name, url = ("" if value is None else str(value).strip() for value in (identity, address))
    if not ID.fullmatch(name):
        return Entry(name, url, "its id cannot be the name of a file")
    return Entry(name, url, "" if _is_web(url) else "its address is none of http or https")


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _json(path: Path) -> Iterator[tuple[Any, Any]]:
    found = False
    for part, number, item in read_items(path):
        if part == "images":
            if not isinstance(item, dict) or "url" not in item or not {"imageId", "image_id"} & set(item):
                raise DataError(f"{path}, images[{number}]: an entry with imageId and url is expected.")
            found = True
            yield item.get("imageId", item.get("image_id")), item["url"]
    if not found:
        raise DataError(f"{path} has no list `images`, which is where addresses are.")


def _csv(path: Path) -> Iterator[tuple[Any, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _require(path, dict.fromkeys(reader.fieldnames or ()))
            for row in reader:
                yield row["id"], row["url"]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: this is not CSV in UTF-8: {error}.") from None


def _json_lines(path: Path) -> Iterator[tuple[Any, Any]]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    row = json.loads(line)
                    _require(f"{path}, line {number}", row if isinstance(row, dict) else {})
                    yield row["id"], row["url"]
    except ValueError as error:
        raise DataError(f"{path}: this is not JSON, one object a line: {error}.") from None


def _parquet(path: Path) -> Iterator[tuple[Any, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _require(path, dict.fromkeys(file.schema_arrow.names))
            for batch in file.iter_batches(10_000, columns=["id", "url"]):
                yield from zip(batch["id"].to_pylist(), batch["url"].to_pylist(), strict=True)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: this is not a Parquet file: {error}.") from None


def _require(where: str | Path, row: Mapping[str, Any]) -> None:
    if lacking := [name for name in ("id", "url") if name not in row]:
        raise DataError(
            f"{where}: the column {lacking[0]!r} is missing; there are {', '.join(map(str, row)) or 'none'}."
        )
