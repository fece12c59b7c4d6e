"""Recipes and measurements as a training leaves them, with numbers that can be checked by hand."""

from __future__ import annotations

from typing import Any

HOSTILE = "<script>window.hacked = 1</script>"
STAGE = {"strategy": "supervised", "loss": "focal_ranking", "steps": 1, "optimizer": {"lr": 0.1}}
SCHEMA = {
    "types": [
        {"name": "pattern", "kind": "single", "classes": ["solid", "striped", "checked"]},
        {"name": "colour", "kind": "multi", "classes": ["red", "green"]},
    ]
}
MTSS = {
    "name": "toy",
    "schema": SCHEMA,
    "data": {"dataset": "garments", "workers": 0},
    "model": {"backbone": {"name": "timm", "args": {"name": "test_resnet"}}, "head": "label_embedding"},
    "stages": {
        "teachers": STAGE | {"per_type": True},
        "student": STAGE | {"strategy": "mtss", "loss": "embedding_distillation"},
    },
}


def of_type(n: int, classes: dict[str, tuple[int, float]], **metrics: float) -> dict[str, Any]:
    """One attribute type in a ``metrics.json``: class to its pictures and recall@1."""
    return {"n": n} | metrics | {"classes": {c: {"n": m, "recall@1": r} for c, (m, r) in classes.items()}}


PATTERN = {"solid": (60, 0.5), "striped": (20, 0.0), "checked": (20, 0.25)}
TEACHER = {
    "pattern": of_type(100, PATTERN, **{"recall@1": 0.35, "recall@3": 1.0, "f1@1": 0.35, "mAP": 0.4}),
    "colour": of_type(50, {"red": (40, 0.5), "green": (40, 0.5)}, **{"recall@1": 0.5, "recall@3": 1.0, "f1@1": 4 / 9}),
}
STUDENT = {
    "pattern": of_type(
        100,
        {"solid": (60, 0.55), "striped": (20, 0.25), "checked": (20, 0.2)},
        **{"recall@1": 0.42, "recall@3": 1.0, "f1@1": 0.42, "mAP": 0.5},
    ),
    "colour": of_type(50, {"red": (40, 0.4), "green": (40, 0.6)}, **{"recall@1": 0.5, "recall@3": 1.0, "f1@1": 4 / 9}),
}
