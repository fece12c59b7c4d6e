"""From a recipe to its parts. The only module that wires all five kinds of component together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from mtss_zoo import registry
from mtss_zoo.checkpoint_files import RECIPE, WEIGHTS, Recorded
from mtss_zoo.errors import CheckpointError, RecipeError
from mtss_zoo.hub import fetch_weights
from mtss_zoo.images import Preprocess
from mtss_zoo.interfaces import AttributeSchema, Dataset, Kind, StageContext, Strategy
from mtss_zoo.model import AttributeModel
from mtss_zoo.plugins import plugins
from mtss_zoo.recipe import DataSpec, ModelSpec, Part, Recipe, StageSpec
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.weights import NothingToFill, fill, no_larger_than, read_tensors, refill_buffers

NO_START: Mapping[str, Any] = {"pretrained": False, "weights": None}
"""Arguments under which a backbone neither fetches weights to start from nor reads a file of the caller's."""


def build(
    recipe: str | Path | Mapping[str, Any] | Recipe, pretrained: bool = False, **overrides: Any
) -> AttributeModel:
    """The model of a recipe, in train mode with random weights, or in eval mode with the recipe's published ones.

    Args:
        recipe: a built-in name, a YAML file, plain data or a `Recipe`.
        pretrained: with trained weights: those that an installed package carries for this recipe, else those that
            the recipe names, from the cache or the Hub, verified.
        overrides: dotted keys to values, ``**{"model.head.args.dim": 256}``.

    Raises:
        UnknownNameError, RecipeError: the recipe does not exist or has faults.
        CheckpointError: it names no weights, or they are damaged.
    """
    resolved = load_recipe(recipe, overrides)
    if pretrained:
        return load_weights(resolved, _pretrained_weights(resolved)).eval()
    return build_model(resolved)


def _pretrained_weights(recipe: Recipe) -> Path:
    """A recipe of the same name that names other weights, or other classes, is another one than the package carries."""
    folder = registry.bundled(recipe.name)
    if recipe.weights:
        if folder and Recorded.of(folder / WEIGHTS).sha256 == recipe.weights.sha256:
            return folder / WEIGHTS
        return fetch_weights(recipe.weights)
    if folder is None:
        carried = sorted(name for p in plugins() for name, _ in p.checkpoints)
        there = f", take one that has weights ({', '.join(carried)})" if carried else ""
        raise CheckpointError(
            f"recipe {recipe.name} has no published weights. Train it with `mtss-zoo train {recipe.name}`{there}, or "
            "build it without pretrained=True."
        )
    if (schema := recipe.attribute_schema) and schema != load_recipe(folder / RECIPE).attribute_schema:
        raise CheckpointError(
            f"the weights that come with {recipe.name} were trained for other attribute types or classes than this "
            "recipe's. Give it a name of its own, and train it."
        )
    return folder / WEIGHTS


def build_schema(recipe: Recipe) -> AttributeSchema:
    """The recipe's own schema, else its dataset's, restricted to ``data.types``."""
    schema = recipe.attribute_schema or build_dataset(recipe.data).schema
    return schema.select(recipe.data.types) if recipe.data.types else schema


def build_model(recipe: Recipe, schema: AttributeSchema | None = None, spec: ModelSpec | None = None) -> AttributeModel:
    """The model with freshly initialised weights. ``schema`` and ``spec`` differ from the recipe's in a stage."""
    schema = schema or build_schema(recipe)
    spec = spec or recipe.model
    backbone = make("backbone", spec.backbone)
    features = backbone.num_features
    heads = {t.name: make("head", spec.head, num_features=features, num_classes=len(t)) for t in schema}
    own = recipe.with_schema(schema).model_copy(update={"model": spec})
    return AttributeModel(backbone, heads, schema, build_preprocess(recipe.data), own)


def load_weights(recipe: Recipe, path: Path) -> AttributeModel:
    """The recipe's model with the tensors of a safetensors file, without initialising it first.

    Raises:
        CheckpointError: the file is damaged or does not fit the recipe.
    """
    state = read_tensors(path)  # mapped into memory, so not read before they are used
    with no_larger_than(state, path):
        model = _build_to_fill(recipe, "meta")
    fill(model, state, path)
    refill_buffers(model, path)
    if any(t.is_meta for t in (*model.parameters(), *model.buffers())):
        model = _build_to_fill(recipe, "cpu")  # a part keeps buffers that neither the file nor a hook supplies
        fill(model, state, path)
    return model


def _build_to_fill(recipe: Recipe, device: str) -> AttributeModel:
    """The model whose weights a file will replace: no others are fetched or read, and on ``meta`` none are drawn."""
    backbone = recipe.model.backbone
    without = {key: value for key, value in NO_START.items() if key in backbone.args}
    backbone = Part(name=backbone.name, args={**backbone.args, **without})
    with NothingToFill(), torch.device(device):
        model = build_model(recipe, spec=ModelSpec(backbone=backbone, head=recipe.model.head))
    model.recipe = recipe
    return model


def build_preprocess(data: DataSpec) -> Preprocess:
    """How a picture becomes the model's input."""
    height, width = data.image_size
    return Preprocess(height, width, data.fit, data.mean, data.std, data.interpolation, data.crop_pct)


def build_dataset(data: DataSpec, schema: AttributeSchema | None = None) -> Dataset:
    """The dataset, read under ``schema`` if one is given, else under its own."""
    return cast("Dataset", make("dataset", data.dataset, schema=schema))


def build_losses(stage: StageSpec, schema: AttributeSchema) -> dict[str, nn.Module]:
    """One loss for every attribute type; a strategy without losses gets none.

    Raises:
        RecipeError: some types have a loss and others none.
    """
    parts = {name: stage.losses.get(name, stage.loss) for name in schema.names}
    missing = [name for name, part in parts.items() if part is None]
    if missing and len(missing) < len(parts):
        raise RecipeError(f"no loss is given for {', '.join(missing)}; add `loss`, which is for all types.")
    return {name: make("loss", part) for name, part in parts.items() if part is not None}


def build_strategy(stage: StageSpec, model: AttributeModel, context: StageContext) -> Strategy:
    """The strategy of a stage around its model.

    Raises:
        RecipeError: the stage's losses compare something else than the strategy gives them.
    """
    wanted = registry.resolve(registry.find("strategy", stage.strategy.name)).compares
    found = {loss.compares for loss in context.losses.values()} or {None}
    if found != {wanted}:
        names = sorted({part.name for part in (stage.loss, *stage.losses.values()) if part}) or ["none"]
        raise RecipeError(
            f"strategy {stage.strategy.name!r} takes losses that compare {wanted or 'nothing'}, "
            f"but the recipe gives {', '.join(names)}."
        )
    return cast("Strategy", make("strategy", stage.strategy, model=model, context=context))


def make(kind: Kind, part: Part, **given: Any) -> Any:
    """One component from the registry, constructed with its recipe's arguments and what the core gives it."""
    return registry.resolve(registry.find(kind, part.name))(**given, **part.args)
