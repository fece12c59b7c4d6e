"""The MTSS student: one network that learns every attribute type from its teacher (Shin, ECCV 2020, section 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, distributed, nn

from mtss_zoo.errors import RecipeError
from mtss_zoo.interfaces import Batch, Draws, EmbeddingHead, Samples, StageContext, Stream
from mtss_zoo.model import AttributeModel
from mtss_zoo.process_group import in_group
from mtss_zoo.progress import PictureCount, say
from mtss_zoo.sampling import ConcatSamples, SampleStream, SubsetSamples, shuffled
from mtss_zoo_strategies.embedding_cache import EmbeddingCache
from mtss_zoo_strategies.pseudo_labels import kept_cross_entropy, known_labels
from mtss_zoo_strategies.stage import VIEW, StageLosses, weighted_sum
from mtss_zoo_strategies.teachers import Teachers

LABEL_SCALE = 16.0
"""Of the cosines in the loss against labels: what `cross_entropy` of cosines wants, too."""


class MTSSStrategy(nn.Module):
    """Minimises the sum over types of the loss between the student's and a frozen teacher's embedding of one view.

    As published, labels are not used: labelled and unlabelled pictures are one shuffled pool. The student takes over
    the teachers' dictionaries, frozen, and which classes were trained. The loss sees the trained part of a dictionary
    alone, since an untrained entry is noise that says nothing of how sure a teacher is (the paper does not say).

    With ``cache_views`` V, epoch e reads the fixed view number e % V of every picture, and `prepare` computes the
    teachers' embeddings of each once; then the teachers are let go. The numbers are those of live teachers on the
    same views, to float16.

    Beyond the paper, ``teacher_view`` names another view of the recipe for the teachers, such as an unchanged
    ``clean`` one: the student then learns to give the same answer for a fresh view every time, and one cached view
    is enough. And with ``label_weight`` the known labels count too, by a cross entropy of the student's scores times
    `LABEL_SCALE`, of which a picture without a label adds zero.

    Raises:
        RecipeError: a type has no teacher, the student's head does not fit, there is no such view, or views contradict
            each other.
    """

    compares: ClassVar[Literal["embeddings"]] = "embeddings"
    predicts: ClassVar[bool] = True

    def __init__(
        self,
        model: AttributeModel,
        context: StageContext,
        teachers: str = "teachers",
        cache_views: int = 0,
        images: Literal["all", "labelled"] = "all",
        teacher_view: str = VIEW,
        label_weight: float = 0.0,
    ) -> None:
        super().__init__()
        if teacher_view != VIEW and cache_views > 1:
            raise RecipeError(
                f"cache_views is {cache_views}, but teachers that see the view {teacher_view} have one of each "
                "picture: set it to 1, or to 0 for live teachers."
            )
        self.teacher_view = teacher_view
        self.model = model
        self.context = context
        self.cache_views = cache_views
        self.label_weight = label_weight
        self.losses = StageLosses(context)
        self.samples = _pool(context, images)
        context.views(self.samples, teacher_view, 0)  # reads nothing yet, but refuses a view that the stage lacks
        self.teachers = Teachers.of_stage(context, teachers)
        self.cache: EmbeddingCache | None = None
        self.dims = {name: self._take_over(name) for name in context.schema.names}

    def prepare(self, steps: int) -> None:
        """Fills the cache of teacher embeddings, in the first process only; the others wait for it."""
        if not self.cache_views or self.cache:
            return
        folder = self.context.folder / "teacher_embeddings"
        cache = EmbeddingCache(folder, self.dims, self.cache_views, len(self.samples), self._made_from())
        with _first_process() as first:
            if first:
                cache.fill(self._embed_view)
        self.cache = cache.open()
        self.teachers.models.clear()

    def streams(self) -> dict[str, Stream]:
        """One stream of all pictures."""
        others = () if self.cache_views or self.teacher_view == VIEW else (self.teacher_view,)
        return {"pictures": SampleStream(self.samples, self.context.batch_size, (VIEW, *others), self._draws)}

    def step(self, batches: dict[str, Batch]) -> dict[str, Tensor]:
        """The sum of the types' losses as ``loss`` (equation 4), and each type's own as ``loss/<type>``."""
        (batch,) = batches.values()
        images = batch.images
        if self.cache:
            taught = self.cache.read(batch.view_numbers.clamp(min=0), batch.rows, images.device)
        else:  # a dry run does not fill the cache, and its stream lacks the teachers' view
            taught = self.teachers.embed(batch.views.get(self.teacher_view, images))
        parts = {}
        for name, learnt in self.model.embed(images).items():
            parts[name] = self.losses(name, learnt, taught[name], self.get_buffer(f"{name}_dictionary"))
            if self.label_weight:
                parts[name] = parts[name] + self.label_weight * self._label_loss(name, learnt, batch)
        return weighted_sum(parts, dict.fromkeys(parts, 1.0))

    def after_step(self) -> None:
        """Nothing follows a step."""

    def delivered(self) -> AttributeModel:
        """The student."""
        return self.model

    def others(self) -> dict[str, AttributeModel]:
        """None."""
        return {}

    def _label_loss(self, name: str, embeddings: Tensor, batch: Batch) -> Tensor:
        """The sum over the pictures that have a label, over all pictures."""
        head, trained = self.model.head(name), self.model.trained(name)
        assert isinstance(head, EmbeddingHead)
        labels, labelled = known_labels(batch.targets[name], batch.mask[name] & trained)
        return kept_cross_entropy(LABEL_SCALE * head.score(embeddings), labels, labelled, trained)

    def _draws(self, epoch: int) -> Draws:
        draws = shuffled(len(self.samples), self.context.seed, epoch)
        if not self.cache_views or self.teacher_view != VIEW:
            return draws
        return Draws(draws.rows, views=np.full(len(draws.rows), epoch % self.cache_views))

    def _take_over(self, name: str) -> int:
        """Hands a teacher's dictionary to the student; returns the length of its embeddings."""
        teacher, head = self.teachers.models[name], self.model.head(name)
        if not isinstance(head, EmbeddingHead):
            raise RecipeError(
                f"the student's head for {name}, {type(head).__name__}, has no embeddings; use label_embedding."
            )
        if teacher.schema[name].classes != self.model.schema[name].classes:
            raise RecipeError(f"teacher and student have different classes of {name}; they need the same schema.")
        dictionary = teacher.head(name).get_parameter("dictionary")
        have, need = head.dictionary.shape[1], dictionary.shape[1]
        if have != need:
            raise RecipeError(
                f"the student's embeddings of {name} have length {have}, but its teacher's {need}; set the same `dim`."
            )
        with torch.no_grad():
            head.dictionary.copy_(dictionary)
            self.model.trained(name).copy_(teacher.trained(name))
        head.dictionary.requires_grad_(False)
        self.register_buffer(f"{name}_dictionary", dictionary[teacher.trained(name)], persistent=False)
        return need

    def _embed_view(self, number: int) -> Iterator[dict[str, Tensor]]:
        like, total = next(self.model.parameters()), len(self.samples)
        say(f"the teachers embed {total:,} pictures, view {number + 1} of {self.cache_views}; this is done once.")
        with closing(PictureCount(total)) as count:
            for images in self.context.views(self.samples, self.teacher_view, number):
                yield self.teachers.embed(images.to(like))
                count.add(len(images))

    def _made_from(self) -> dict[str, Any]:
        """All that a cached embedding depends on."""
        facts = {"teachers": self.teachers.fingerprint(), "seed": self.context.seed}
        if (recipe := self.model.recipe) is None:
            return facts
        view = self.teacher_view
        views = {name: stage.views[view].model_dump() for name, stage in recipe.stages.items() if view in stage.views}
        data = recipe.data.model_dump(mode="json", exclude={"workers", "max_bad_images"})
        return {**facts, "views": views, "data": data}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> MTSSStrategy:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.teachers.move(fn)
        return self


def _pool(context: StageContext, images: Literal["all", "labelled"]) -> Samples:
    """All pictures, or those that have a label of any type."""
    if images == "all":
        return ConcatSamples((context.train, context.unlabelled))
    rows = [context.train.label_pairs(name)[0] for name in context.schema.names]
    return SubsetSamples(context.train, np.unique(np.concatenate(rows)))


@contextmanager
def _first_process() -> Iterator[bool]:
    """True in process 0 of a distributed run; at the end the others wait for it, however long it takes."""
    if not in_group():
        yield True
        return
    # A group of its own, because the default one gives up after minutes.
    group: Any = distributed.new_group(backend="gloo", timeout=timedelta(days=7))
    yield distributed.get_rank() == 0
    distributed.barrier(group)
    distributed.destroy_process_group(group)
