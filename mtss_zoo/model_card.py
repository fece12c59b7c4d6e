"""The model card of a checkpoint folder: what the model predicts, how well, and three lines to use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mtss_zoo.recipe import Recipe

if TYPE_CHECKING:
    from mtss_zoo.model import AttributeModel

_CARD = """---
library_name: mtss-zoo
pipeline_tag: image-classification
tags:
- attribute-prediction
- mtss-zoo
---

# {name}

{summary}

```python
import mtss_zoo

model = mtss_zoo.load("path/to/this/folder")
print(model.predict("photo.jpg"))
```

Backbone `{backbone}`, head `{head}`, {parameters:.1f} million parameters, pictures of {height} x {width} pixels.

| attribute type | kind | classes | trained | {columns} |
|---|---|---|---|{rule}
{rows}
"""


def model_card(recipe: Recipe, model: AttributeModel, metrics: Mapping[str, Any]) -> str:
    """Markdown with the Hub's metadata on top; ``metrics`` is what `evaluate` measured, or empty."""
    measured = ("f1@1", "recall@3", "n")
    by_type = metrics.get("types", {})
    rows = []
    for t in model.schema:
        values = [_cell(by_type.get(t.name, {}).get(key)) for key in measured]
        rows.append(f"| {t.name} | {t.kind} | {len(t)} | {int(model.trained(t.name).sum())} | {' | '.join(values)} |")
    return _CARD.format(
        name=recipe.name,
        summary=recipe.summary or "A model for visual attribute prediction.",
        backbone=recipe.model.backbone.name,
        head=recipe.model.head.name,
        parameters=sum(p.numel() for p in model.parameters()) / 1e6,
        height=recipe.data.image_size[0],
        width=recipe.data.image_size[1],
        columns=" | ".join(measured),
        rule="---|" * len(measured),
        rows="\n".join(rows),
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2%}" if isinstance(value, float) else str(value)
