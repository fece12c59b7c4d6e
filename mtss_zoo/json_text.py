"""JSON text of reports: NaN, which JSON lacks, becomes null."""

from __future__ import annotations

import json
from typing import Any


def to_json(value: Any) -> str:
    """Indented JSON with a newline at the end."""
    return json.dumps(_without_nan(value), indent=2, ensure_ascii=False) + "\n"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and value != value else value
