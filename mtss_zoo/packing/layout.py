"""What a packed folder holds, for those who write one and those who read it.

``shard-000000.tar`` ...: the pictures. ``manifest.parquet``: a row a picture. ``schema.yaml``: the attribute types.
``pack.json``: what was packed. ``bad_pictures.csv``: what could not be, if anything.
"""

from __future__ import annotations

MANIFEST, SCHEMA, ABOUT, BAD = "manifest.parquet", "schema.yaml", "pack.json", "bad_pictures.csv"
UNLABELLED = "unlabelled"
"""What the column `split` says of pictures of no split."""
PLACES = ("id", "split", "shard", "offset", "size")
"""Columns of every manifest: where a picture is. It has ``size`` bytes from ``offset`` of the tar ``shard``."""
BBOX = "bbox"
"""Four numbers x1 y1 x2 y2 in pixels; null is the whole picture. This column and the next two are there if needed."""
LABELS, ANSWERS, METADATA = "labels.", "answers.", "metadata."
"""A column a type, of lists of class names: null is unknown, an empty list is none of them. A column a key, of text."""


def shard_name(number: int) -> str:
    """The file name of one tar, from 0."""
    return f"shard-{number:06d}.tar"
