"""The names of numbered classes, as the datasets library records them in Parquet files or beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from mtss_zoo_datasets.given_schema import distinct


def class_names(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """Column to the names of its numbers, for each that has some; ``objects.category`` is inside another column."""
    try:
        return _named(json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"])
    except (KeyError, ValueError, TypeError):
        return {}


def class_names_beside(infos: str) -> dict[str, tuple[str, ...]]:
    """The same of the text of a ``dataset_infos.json``, where older repositories have them; of its first subset."""
    try:
        return _named(next(iter(json.loads(infos).values()))["features"])
    except (KeyError, ValueError, TypeError, AttributeError, StopIteration):
        return {}


def _named(features: Any) -> dict[str, tuple[str, ...]]:
    found = [pair for column, feature in dict(features).items() for pair in _class_labels(column, feature)]
    return {column: distinct(names, range(len(names))) for column, names in found if names}


def _class_labels(column: str, feature: Any) -> Iterator[tuple[str, list[str]]]:
    """Every ``ClassLabel`` in a feature, through lists in any of the ways in which a list was ever written."""
    if isinstance(feature, list):
        yield from _class_labels(column, feature[0] if feature else None)
    elif isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel":
        yield column, [str(name) for name in feature.get("names") or ()]
    elif isinstance(feature, Mapping) and "_type" in feature:
        yield from _class_labels(column, feature.get("feature"))
    elif isinstance(feature, Mapping):
        for name, inner in feature.items():
            yield from _class_labels(f"{column}.{name}", inner)
