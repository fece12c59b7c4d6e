"""The frozen teachers of a student."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from mtss_zoo.errors import RecipeError
from mtss_zoo.interfaces import EmbeddingHead, StageContext
from mtss_zoo.model import AttributeModel
from mtss_zoo.weights import digest


class Teachers:
    """One finished model for each attribute type, or one for several.

    Not a module, on purpose: what the student's strategy saves, optimises, broadcasts or puts into train mode must
    not hold the teachers. The strategy moves them with `move`.

    Args:
        models: attribute type to its teacher; they are frozen and put into eval mode.
    """

    def __init__(self, models: Mapping[str, AttributeModel]) -> None:
        self.models = dict(models)
        for model in self.models.values():
            model.eval().requires_grad_(False)

    @classmethod
    def of_stage(cls, context: StageContext, stage: str) -> Teachers:
        """The models of an earlier stage.

        Raises:
            RecipeError: a type has no teacher there, or one without embeddings.
        """
        finished = context.finished(stage)
        models = {}
        for name in context.schema.names:
            model = finished.get(name) or finished.get("all")
            if model is None or name not in model.schema.names:
                raise RecipeError(f"stage {stage} has no teacher for {name}; it trained {', '.join(finished)}.")
            if not isinstance(model.head(name), EmbeddingHead):
                head = type(model.head(name)).__name__
                raise RecipeError(
                    f"the teacher of {name} in stage {stage} has a {head}, which gives no embeddings to learn from; "
                    "train it with the head label_embedding."
                )
            models[name] = model
        return cls(models)

    @torch.no_grad()  # not inference mode, which is no faster and whose tensors a loss may not save for backward
    def embed(self, images: Tensor) -> dict[str, Tensor]:
        """B3HW to ``{type: embeddings BD}``, constants; a model that teaches several types runs once."""
        embeddings = {model: model.embed(images) for model in dict.fromkeys(self.models.values())}
        return {name: embeddings[model][name] for name, model in self.models.items()}

    def move(self, fn: Callable[[Tensor], Tensor]) -> None:
        """Follows the strategy to another device or dtype; ``fn`` is what `nn.Module._apply` hands down."""
        for model in dict.fromkeys(self.models.values()):
            model._apply(fn)  # type: ignore[no-untyped-call]

    def fingerprint(self) -> dict[str, str]:
        """Attribute type to the SHA-256 of its teacher's weights."""
        digests = {model: digest(model.state_dict()) for model in dict.fromkeys(self.models.values())}
        return {name: digests[model] for name, model in self.models.items()}
