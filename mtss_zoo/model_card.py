"""The model card: what a model predicts, how well, and three lines to use it, under metadata that the Hub reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mtss_zoo.checkpoint_files import CARD, EXAMPLE, METRICS
from mtss_zoo.errors import CheckpointError
from mtss_zoo.recipe import DataSpec, Recipe

if TYPE_CHECKING:
    from mtss_zoo.model import AttributeModel

MEASURED = {"f1@1_valid": "f1", "recall@3": "recall", "mAP": "mean_average_precision"}
"""Metrics of the card, and what the Hub calls their kind."""

_CARD = """# {name}

{summary}

<!-- use -->
```python
import mtss_zoo

model = mtss_zoo.load("path/to/this/folder")
print(model.predict("photo.jpg"))
```
<!-- /use -->

Backbone `{backbone}`, head `{head}`, {parameters:.1f} million parameters, pictures of {height} x {width} pixels. {data}

| attribute type | kind | classes | trained | {columns} |
|---|---|---|---|{rule}
{rows}
"""
_PUBLISHED_USE = """<!-- use -->
![a picture to try](example.jpg)

```python
import mtss_zoo
from huggingface_hub import hf_hub_download

model = mtss_zoo.load("{repo}")
print(model.predict(hf_hub_download("{repo}", "{example}")))
```

`{repo}@` with a commit loads this very version, and needs no network once it is in the cache.
<!-- /use -->"""
_USE = re.compile(r"<!-- use -->.*?<!-- /use -->", re.DOTALL)
_METADATA = re.compile(r"\A---\r?\n(?P<yaml>.*?)^---\r?\n(?P<body>.*)\Z", re.DOTALL | re.MULTILINE)


def model_card(recipe: Recipe, model: AttributeModel, metrics: Mapping[str, Any]) -> str:
    """Markdown with the Hub's metadata on top; ``metrics`` is what `evaluate` measured, or empty."""
    by_type = _by_type(metrics)
    columns = [*MEASURED, "n"]
    rows = []
    for t in model.schema:
        values = [_cell(by_type.get(t.name, {}).get(key)) for key in columns]
        rows.append(f"| {t.name} | {t.kind} | {len(t)} | {int(model.trained(t.name).sum())} | {' | '.join(values)} |")
    body = _CARD.format(
        name=recipe.name,
        summary=recipe.summary or "A model for visual attribute prediction.",
        backbone=recipe.model.backbone.name,
        head=recipe.model.head.name,
        parameters=sum(p.numel() for p in model.parameters()) / 1e6,
        height=recipe.data.image_size[0],
        width=recipe.data.image_size[1],
        data=_data(recipe.data),
        columns=" | ".join(columns),
        rule="---|" * len(columns),
        rows="\n".join(rows),
    )
    return _joined(metadata(recipe, metrics), "\n" + body)


def published_card(card: str, recipe: Recipe, metrics: Mapping[str, Any], repo: str) -> str:
    """The card of a folder, perhaps edited since, for the repository: its lines to use the model load it from there.

    Keys that somebody wrote into the metadata stay; results and licence are those of this recipe.

    Raises:
        CheckpointError: the metadata is not YAML.
    """
    match = _METADATA.match(card)
    try:
        written = yaml.safe_load(match["yaml"]) if match else {}
    except yaml.YAMLError as error:
        raise CheckpointError(f"{CARD}: what stands between the lines --- at its top is not YAML.") from error
    made = metadata(recipe, metrics)
    settled = {key: made[key] for key in ("license", "model-index") if key in made}
    body = _USE.sub(lambda _: _PUBLISHED_USE.format(repo=repo, example=EXAMPLE), match["body"] if match else card)
    return _joined(made | (written if isinstance(written, dict) else {}) | settled, body)


def metadata(recipe: Recipe, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What the Hub reads from a card: https://github.com/huggingface/hub-docs/blob/main/modelcard.md."""
    dataset = recipe.data.dataset.name
    data: dict[str, Any] = {
        "library_name": "mtss-zoo",
        "pipeline_tag": "image-classification",
        "tags": ["attribute-prediction", "mtss-zoo"],
        "datasets": [dataset],
    }
    if recipe.license:
        data["license"] = recipe.license
    if results := list(_results(metrics)):
        of = {"type": dataset, "name": dataset} | ({"split": metrics["split"]} if "split" in metrics else {})
        task = {"type": "image-classification", "name": "attribute prediction"}
        result = {"task": task, "dataset": of, "metrics": results}
        data["model-index"] = [{"name": recipe.name, "results": [result]}]
    return data


def _data(data: DataSpec) -> str:
    """What somebody must know of the pictures who has others."""
    labels = f", with {data.label_share:.0%} of its labels" if data.label_share < 1 else ""
    others = ", ".join(f"`{part.name}`" for part in data.also_unlabelled)
    joined = f", and on pictures of {others} without labels" if others else ""
    text = f"Trained on `{data.dataset.name}`{labels}{joined}."
    if data.boxes:
        text += f" Pictures were cropped to the boxes of `{Path(data.boxes).name}`: crop yours to the item too."
    return text


def _results(metrics: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, row in _by_type(metrics).items():
        for key, kind in MEASURED.items():
            if isinstance(value := row.get(key), int | float) and value == value:
                yield {"type": kind, "value": round(value, 4), "name": f"{key} of {name}"}


def _by_type(metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was measured of each type, read from a file that somebody may have edited."""
    types = metrics.get("types", {})
    if not isinstance(types, dict) or not all(isinstance(row, dict) for row in types.values()):
        raise CheckpointError(f"{METRICS}: `types` is no mapping of attribute types to their metrics.")
    return types


def _joined(data: Mapping[str, Any], body: str) -> str:
    return f"---\n{yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True)}---\n{body}"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2%}" if isinstance(value, float) else str(value)
