"""The JSON schema of a recipe as people write it, with which an editor completes and checks the file."""

from __future__ import annotations

from typing import Any

from mtss_zoo.recipe import Recipe

NULL = {"type": "null"}
NOTES = ("title", "description", "default")
WHOLE = {"TypeSpec"}
"""What stands in lists: a list replaces that of the base as a whole, so its entries are complete."""


def editor_schema() -> dict[str, Any]:
    """The schema of a recipe before it is resolved.

    It differs from that of `Recipe` as a file does: ``extends`` names a base, which may have what is required; null
    takes one of its keys away; and a component without arguments is its name alone.
    """
    schema = Recipe.model_json_schema(by_alias=True)
    parts: dict[str, Any] = schema["$defs"]
    for spec in (schema, *(spec for name, spec in parts.items() if name not in WHOLE)):
        spec.pop("required", None)
        spec["properties"] = {key: _or_null(node) for key, node in spec["properties"].items()}
    notes = {key: parts["Part"].pop(key) for key in NOTES if key in parts["Part"]}
    parts["Part"] = {**notes, "anyOf": [{"type": "string"}, parts["Part"]]}
    schema["properties"]["extends"] = {"type": "string", "description": "the recipe to take over, by name or file"}
    schema["description"] = "A recipe; what it does not say is as in the one that it extends, or the default."
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _or_null(node: dict[str, Any]) -> dict[str, Any]:
    """What is described, or null; so too for the values of a mapping whose keys are free, such as stages."""
    notes = {key: node[key] for key in NOTES if key in node}
    options = node.get("anyOf") or [{key: value for key, value in node.items() if key not in NOTES}]
    for option in options:
        for pattern, values in option.pop("patternProperties", {}).items():  # alone it says nothing of other keys
            option |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}
        if isinstance(values := option.get("additionalProperties"), dict):
            option["additionalProperties"] = _or_null(values)
    return {**notes, "anyOf": [*(option for option in options if option != NULL), NULL]}
