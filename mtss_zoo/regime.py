"""How much of a dataset a recipe trains on: what is held out, which labels are kept, which pictures are unlabelled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mtss_zoo.boxes import BoxedSamples, Coverage, recipe_boxes
from mtss_zoo.errors import UsageError
from mtss_zoo.interfaces import AttributeSchema, Dataset, Samples
from mtss_zoo.joined import JoinedDataset
from mtss_zoo.leaks import EvaluatedPictures
from mtss_zoo.recipe import DataSpec
from mtss_zoo.sampling import (
    ConcatSamples,
    Pairs,
    SubsetSamples,
    WithoutLabels,
    derived_seed,
    holdout_split,
    positions_by_class,
)

_LABELS, _POOL = 1, 2  # keep the draws of one seed apart


class RecipeDataset:
    """A dataset as a recipe uses it; itself a `Dataset`.

    In this order: ``data.holdout`` is set aside from train, in whole groups and class by class; ``data.label_share`` of
    what stays keeps its labels; the rest loses them and joins the unlabelled pictures, on top of
    ``data.unlabelled_share`` of the dataset's own, or is ignored. The pictures of ``data.also_unlabelled`` come after
    them. An unlabelled picture that a split other than train holds too, of this dataset or of a joined one, is left
    out. A picture without a box of its own has that of ``data.boxes``, if it is listed there.

    Args:
        dataset: as its plugin gives it.
        data: the recipe's fields.
        seed: of all draws; with the same seed, the parts of smaller shares lie in those of larger ones.
        schema: the types whose labels are shared out and held out, the first one before all; default the dataset's.
    """

    def __init__(self, dataset: Dataset, data: DataSpec, seed: int = 0, schema: AttributeSchema | None = None) -> None:
        self.dataset, self.data, self.seed = dataset, data, seed
        self.boxes = recipe_boxes(data)
        self.schema = dataset.schema
        self._types = (schema or dataset.schema).names

    @property
    def splits(self) -> tuple[str, ...]:
        """Those of the dataset, and ``holdout`` where the recipe sets one aside."""
        return (*self.dataset.splits, "holdout") if self.data.holdout else self.dataset.splits

    @property
    def measured(self) -> tuple[str, ...]:
        """The splits that no training may see."""
        return tuple(name for name in self.splits if name != "train")

    def split(self, name: str) -> Samples:
        """The pictures of one split; of train those that keep their labels."""
        if name == "train":
            return self._train[0]
        if name != "holdout":
            return self._boxed(self.dataset.split(name))
        if not self.data.holdout:
            raise UsageError("the recipe sets nothing aside as holdout; set data.holdout, such as 0.1.")
        return self._with_holdout[1]

    def unlabelled(self) -> Samples:
        """A share of the dataset's unlabelled pictures, then those of train that lost their labels; without leaks."""
        if not self.left_out:
            return self.pool
        return SubsetSamples(self.pool, np.delete(np.arange(len(self.pool)), list(self.left_out)))

    def check(self) -> list[str]:
        """What the dataset itself finds, what those joined to it find, what `repeated` finds, and boxes of nothing."""
        fates = {"train": "", "unlabelled": " and are left out of every training"}
        joined = [problem for other in self._joined for problem in other.check()]
        repeated = [
            f"{len(found)} pictures of {part} are also in {' or '.join(self.measured)}{fates[part]}: {_named(found)}."
            for part, found in self.repeated.items()
            if found
        ]
        boxes = self._boxes_found.problems() if self._boxes_found else []
        return [*self.dataset.check(), *joined, *repeated, *boxes]

    def remarks(self) -> list[str]:
        """What the dataset has to say that is no problem, and where the boxes are from."""
        own: list[str] = getattr(self.dataset, "remarks", list)()
        return [*own, self._boxes_found.remark()] if self._boxes_found else own

    @property
    def tried(self) -> int:
        """How many pictures the dataset's own check decodes, as far as it says so."""
        return getattr(self.dataset, "tried", 0)

    @property
    def everything(self) -> list[Samples]:
        """All pictures that may be trained or measured on, before any share is taken, and without ``data.boxes``."""
        own = [self.dataset.split(name) for name in self.dataset.splits]
        return [*own, self.dataset.unlabelled(), *(part for joined in self._joined for part in joined.pictures)]

    @cached_property
    def repeated(self) -> dict[str, dict[str, str]]:
        """The ids of ``train`` and ``unlabelled`` pictures that are measured on too, with the ids that they have there.

        Those of train stay, as a label says that somebody wants them there.
        """
        train = self.split("train")
        parts = (("train", train, self._measured_pictures.among(train)), ("unlabelled", self.pool, self.left_out))
        return {part: {samples[row].id: twin for row, twin in found.items()} for part, samples, found in parts}

    @cached_property
    def left_out(self) -> dict[int, str]:
        """The unlabelled pictures that are measured on: their rows before, and the ids that they have there."""
        found: dict[int, str] = {}
        start = 0
        for part in self.pool.parts:  # one by one, as only some of them may be files
            found |= {start + row: twin for row, twin in self._measured_pictures.among(part).items()}
            start += len(part)
        return found

    @cached_property
    def _boxes_found(self) -> Coverage | None:
        return Coverage(self.boxes, self.everything) if self.boxes is not None else None

    def _boxed(self, samples: Samples) -> Samples:
        return BoxedSamples(samples, self.boxes) if self.boxes is not None else samples

    @cached_property
    def _measured_pictures(self) -> EvaluatedPictures:
        own = [self.split(name) for name in self.measured]
        return EvaluatedPictures(own + [samples for joined in self._joined for samples in joined.measured])

    @cached_property
    def _joined(self) -> list[JoinedDataset]:
        if self.data.dataset in self.data.also_unlabelled:
            raise UsageError(
                f"data.also_unlabelled names {self.data.dataset.name} with the arguments of data.dataset, whose "
                "unlabelled pictures are there already. Leave it out."
            )
        return [JoinedDataset(part, i) for i, part in enumerate(self.data.also_unlabelled)]

    @cached_property
    def _with_holdout(self) -> tuple[Samples, Samples]:
        kept, held = holdout_split(self.dataset.split("train"), self.data.holdout, self.seed, self._types[0])
        return self._boxed(kept), self._boxed(held)

    @cached_property
    def _train(self) -> tuple[Samples, Samples]:
        """What keeps its labels, and what loses them."""
        samples = self._with_holdout[0] if self.data.holdout else self._boxed(self.dataset.split("train"))
        if self.data.label_share == 1:
            return samples, SubsetSamples(samples, [])
        pairs = [samples.label_pairs(name) for name in self._types]
        kept = labelled_share(pairs, len(samples), self.data.label_share, derived_seed(self.seed, _LABELS))
        return SubsetSamples(samples, np.flatnonzero(kept)), SubsetSamples(samples, np.flatnonzero(~kept))

    @cached_property
    def pool(self) -> ConcatSamples:
        """All unlabelled pictures, with those that are measured on too."""
        joined = (self._boxed(part) for joined in self._joined for part in joined.pictures)
        return ConcatSamples([*self._own_pool, *joined])

    @cached_property
    def _own_pool(self) -> list[Samples]:
        pool = self._boxed(self.dataset.unlabelled())
        if self.data.unlabelled_share < 1 and len(pool):
            order = np.random.default_rng(derived_seed(self.seed, _POOL)).permutation(len(pool))
            pool = SubsetSamples(pool, np.sort(order[: max(1, round(self.data.unlabelled_share * len(pool)))]))
        if self.data.dropped == "ignore" or not len(self._train[1]):
            return [pool]
        return [pool, WithoutLabels(self._train[1])]


def labelled_share(types: Sequence[Pairs], rows: int, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which of R pictures keep their labels (R,).

    ``share`` of every class of the first type, a picture counting for its first class, and of the pictures that have
    none; at least one picture of every class of every type. A larger share of the same seed contains a smaller one.

    Args:
        types: the label pairs of each type.
    """
    order = np.random.default_rng(seed).permutation(rows)
    place = np.empty(rows, np.int64)
    place[order] = np.arange(rows)
    needed = np.zeros(rows, bool)
    for labelled, classes in types:
        early = np.argsort(place[labelled], kind="stable")
        _, first = np.unique(classes[early], return_index=True)
        needed[labelled[early[first]]] = True
    # What is needed comes first, so that it counts in the share.
    order = order[np.argsort(~needed[order], kind="stable")]
    kept = needed.copy()
    for here in positions_by_class(_first_class(types[0], rows), order):
        kept[here[: max(1, round(share * len(here)))]] = True
    return kept


def _first_class(pairs: Pairs, rows: int) -> npt.NDArray[np.int64]:
    """The first class of each picture (R,), -1 where there is none."""
    labelled, first = np.unique(pairs[0], return_index=True)
    classes = np.full(rows, -1, np.int64)
    classes[labelled] = pairs[1][first]
    return classes


def _named(found: dict[str, str], limit: int = 3) -> str:
    """The first few ids, each with the one that it is measured under where that differs."""
    words = [here if here == there else f"{here} (there {there})" for here, there in list(found.items())[:limit]]
    return ", ".join(words) + (" ..." if len(found) > limit else "")
