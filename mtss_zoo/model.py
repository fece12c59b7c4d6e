"""AttributeModel: one backbone and one head per attribute type, from a picture to the classes of every type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from mtss_zoo.errors import UsageError
from mtss_zoo.hub import fetch_folder
from mtss_zoo.images import Preprocess, decode
from mtss_zoo.interfaces import AttributeSchema, EmbeddingHead, ImageSource
from mtss_zoo.prediction import Prediction, named_chunks, predictions
from mtss_zoo.recipe import Recipe


class AttributeModel(nn.Module):
    """Predicts every attribute type of a schema in one forward pass.

    Args:
        backbone: pictures B3HW to features BF.
        heads: attribute type to a module from features BF to scores BN.
        schema: the types, in order; ``heads`` has exactly these.
        preprocess: how a picture becomes the backbone's input.
        recipe: what built it; needed to save it.
    """

    def __init__(
        self,
        backbone: nn.Module,
        heads: Mapping[str, nn.Module],
        schema: AttributeSchema,
        preprocess: Preprocess,
        recipe: Recipe | None = None,
    ) -> None:
        super().__init__()
        if set(heads) != set(schema.names):
            raise UsageError(f"heads for {', '.join(heads)} do not fit a schema of {', '.join(schema.names)}.")
        self.backbone = backbone
        # The suffix lets a type have any name, such as `type` or `keys`, that a ModuleDict itself uses.
        self.heads = nn.ModuleDict({f"{name}_head": heads[name] for name in schema.names})
        self.schema = schema
        self.preprocess = preprocess
        self.recipe = recipe
        for t in schema:
            self.register_buffer(f"{t.name}_trained", torch.ones(len(t), dtype=torch.bool))

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
    ) -> AttributeModel:
        """`mtss_zoo.load` with the arguments that the Hub's other libraries take; ``owner/repo`` and ``revision``.

        Not by ``huggingface_hub.ModelHubMixin``, which calls ``__init__`` with what a ``config.json`` of the
        repository says, and whose PyTorch kind falls back to a pickle.

        Raises:
            CheckpointError, RecipeError: as `mtss_zoo.load`.
        """
        from mtss_zoo.checkpoint import load

        source = Path(pretrained_model_name_or_path)
        if not source.is_dir():
            name = str(pretrained_model_name_or_path) + (f"@{revision}" if revision else "")
            source = fetch_folder(
                name,
                token=token,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
            )
        return load(source)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = False,
        token: str | None = None,
        branch: str | None = None,
        commit_message: str | None = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> str:
        """Saves the model and publishes it by `mtss_zoo.publish.push`; ``metrics`` is what `evaluate` measured.

        Returns:
            ``owner/repo@commit``, which `from_pretrained` takes.
        """
        from mtss_zoo.checkpoint import save
        from mtss_zoo.publish import push

        with TemporaryDirectory() as folder:
            save(self, folder, metrics)
            pushed = push(folder, repo_id, private, branch=branch, message=commit_message, token=token)
        return f"{pushed.repo}@{pushed.revision}"

    def head(self, type_name: str) -> nn.Module:
        """The head of one attribute type."""
        return self.heads[f"{self.schema[type_name].name}_head"]

    def trained(self, type_name: str) -> Tensor:
        """N booleans: the classes that the model was trained on. Untrained ones are never predicted."""
        return self.get_buffer(f"{self.schema[type_name].name}_trained")

    def features(self, images: Tensor) -> Tensor:
        """B3HW, normalised, to the backbone's features BF."""
        features: Tensor = self.backbone(images)
        return features

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """B3HW, normalised, to ``{type: scores BN}``; in eval mode an untrained class scores -inf."""
        return self.scores(self.features(images))

    def scores(self, features: Tensor) -> dict[str, Tensor]:
        """Features BF to ``{type: scores BN}``; in eval mode an untrained class scores -inf."""
        scores = {name: self.head(name)(features) for name in self.schema.names}
        if self.training:
            return scores
        return {name: s.masked_fill(~self.trained(name), -torch.inf) for name, s in scores.items()}

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        """B3HW, normalised, to ``{type: embeddings BD}``, for the types whose head has embeddings."""
        return self.embeddings(self.features(images))

    def embeddings(self, features: Tensor) -> dict[str, Tensor]:
        """Features BF to ``{type: embeddings BD}``, for the types whose head has embeddings."""
        heads: dict[str, Any] = {name: self.head(name) for name in self.schema.names}
        return {name: head.embed(features) for name, head in heads.items() if isinstance(head, EmbeddingHead)}

    @torch.inference_mode()
    def predict(
        self, images: ImageSource | Iterable[ImageSource], top_k: int = 3, batch_size: int = 64
    ) -> list[Prediction]:
        """The best classes of every type, for each picture: ``[{type: [(class, score), ...]}, ...]``.

        Args:
            images: a path, a PIL image, encoded bytes, or an iterable of these; or a tensor: uint8 3HW and B3HW
                are pictures, floating B3HW is taken as preprocessed and normalised already.
            top_k: classes a type; untrained classes are left out.
            batch_size: pictures a forward pass.

        Raises:
            ImageError: a picture cannot be read; the message names it.
        """
        training = self.training
        self.eval()
        try:
            batches = (self(batch) for batch in self.batches(images, batch_size))
            scores = ({name: s.float().cpu().numpy() for name, s in batch.items()} for batch in batches)
            return predictions(self.schema, scores, top_k)
        finally:
            self.train(training)

    def batches(self, images: Any, batch_size: int) -> Iterator[Tensor]:
        """What `predict` takes, as normalised B3HW on the model's device; raises as it does."""
        device = next(self.parameters()).device
        if isinstance(images, Tensor) and images.is_floating_point():
            if images.ndim != 4:
                raise UsageError(f"a float tensor of shape {tuple(images.shape)}: B3HW, preprocessed, is expected.")
            yield from (batch.to(device) for batch in torch.split(images, batch_size))
            return
        for chunk in named_chunks(images, batch_size):
            pictures = [self.preprocess.resize(decode(source, name)) for source, name in chunk]
            yield self.preprocess.normalise(torch.stack(pictures).to(device))
