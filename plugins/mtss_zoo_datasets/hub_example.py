"""A tiny dataset repository, as the datasets library pushes one to the Hub."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtss_zoo_datasets.examples import COLOURS

SEASONS = ("Fall", "Summer")
CARD = """---
configs:
- config_name: default
  data_files:
  - {split: train, path: data/train-*}
  - {split: validation, path: data/validation-*}
  - {split: pool, path: data/pool-*}
---
"""


def huggingface(folder: Path) -> Mapping[str, Any]:
    """Writes 24 pictures of train in two files, 12 of validation, and 12 without labels."""
    (folder / "data").mkdir()
    (folder / "README.md").write_text(CARD)
    for split, numbers in (("train", range(24)), ("validation", range(24, 36)), ("pool", range(36, 48))):
        parts = 2 if split == "train" else 1
        for part in range(parts):
            _write(folder / f"data/{split}-{part:05d}-of-{parts:05d}.parquet", numbers[part::parts], split != "pool")
    types = {"colour": "baseColour", "season": "season", "trims": "trims"}
    return {"root": str(folder), "types": types, "id": "item_ID", "unlabelled": "pool"}


def _write(path: Path, numbers: range, labelled: bool) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "image": pa.array([{"bytes": _picture(n), "path": f"{n}.jpg"} for n in numbers]),
        "baseColour": pa.array([(*COLOURS, "NA")[n % 4] for n in numbers]),
        "season": pa.array([n % 3 - 1 for n in numbers]),
        "trims": pa.array([list(COLOURS[: n % 3]) for n in numbers], pa.list_(pa.string())),
        "item_ID": pa.array(list(numbers)),
    }
    if not labelled:
        columns = {name: columns[name] for name in ("image", "item_ID")}
    features = {"image": {"_type": "Image"}, "season": {"names": list(SEASONS), "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path, row_group_size=5)


def _picture(number: int) -> bytes:
    """A field of one colour with a bar of its own."""
    from PIL import Image

    picture, file = Image.new("RGB", (24, 32), COLOURS[number % 3].lower()), io.BytesIO()
    picture.paste("white", (0, 0, 1 + number % 24, 8 + 8 * (number // 24)))
    picture.save(file, "PNG")
    return file.getvalue()
