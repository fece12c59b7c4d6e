"""The contracts between the core and its plugins. This module imports no torch.

Letters in shapes: B batch, H W image, F features, D embedding, N classes of one attribute type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

from mtss_zoo.schema import AttributeSchema as AttributeSchema
from mtss_zoo.schema import AttributeType as AttributeType

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image
    from torch import Tensor, nn

    from mtss_zoo.model import AttributeModel

API_VERSION = 1
Kind: TypeAlias = Literal["backbone", "head", "loss", "strategy", "dataset"]
KINDS: tuple[Kind, ...] = ("backbone", "head", "loss", "strategy", "dataset")


@dataclass(frozen=True)
class Component:
    """What a plugin offers: a name in a recipe, and where the code behind it is.

    ``target`` is ``"package.module:Name"`` and is imported only when the component is first used.
    ``args`` is a dataclass of the arguments that a recipe may set, with their types, defaults and
    ``annotated_types`` bounds; it lives in a module that imports nothing heavy, so that a recipe is
    checked before torch is imported. ``None``: the component takes no arguments.
    ``example`` gives arguments for the smallest useful instance, with which the conformance suite tries the
    component; a dataset on disk writes a tiny tree into the folder it is given. ``None``: the defaults serve.
    """

    kind: Kind
    name: str
    target: str
    summary: str = ""
    args: type | None = None
    example: Callable[[Path], Mapping[str, Any]] | None = None
    api: int = API_VERSION


ImageSource: TypeAlias = "str | Path | bytes | Image.Image | Tensor"
"""A picture before decoding: a file, an encoded file's bytes, a PIL image, or a uint8 tensor 3HW."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture with what is known about it.

    ``labels`` maps an attribute type to class indices. A type that is absent is *unknown*; an empty tuple
    says that the picture is known to have none of the classes.
    """

    id: str
    image: ImageSource
    labels: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    bbox: tuple[float, float, float, float] | None = None
    """Crop in pixels, x1 y1 x2 y2, half-open; ``None``: the whole picture."""
    answers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Attribute type to what several people answered, a class index each; the targets in training are their shares.

    ``labels`` then has what they agree on, if they do: it is what is measured against.
    """


class Samples(Protocol):
    """A map-style collection of samples that makes each only when asked, so a million rows stay flat in memory."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> Sample: ...

    def label_pairs(self, type_name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """All labels of one type as ``(rows, classes)``, sorted by row; a row with two labels occurs twice.

        A row whose people answered but do not agree has one of their answers here, so that it can be drawn.
        """
        ...


@runtime_checkable
class GroupedSamples(Samples, Protocol):
    """A collection that knows which pictures belong together, such as all photos of one product."""

    def groups(self) -> npt.NDArray[np.int64]:
        """A number for each row (R,), equal for pictures that must stay in one split."""
        ...


@runtime_checkable
class Dataset(Protocol):
    """A source of pictures. Nothing is ever downloaded by constructing or reading one."""

    @property
    def schema(self) -> AttributeSchema: ...

    @property
    def splits(self) -> tuple[str, ...]:
        """The labelled splits that `split` accepts, ``train`` among them."""
        ...

    def split(self, name: str) -> Samples: ...

    def unlabelled(self) -> Samples:
        """Pictures whose labels are not known at all; may be empty."""
        ...

    def check(self) -> list[str]:
        """What is missing, miscounted or unreadable on disk, in plain words; empty when all is well."""
        ...


@runtime_checkable
class Backbone(Protocol):
    """An ``nn.Module`` from pictures to features. It knows no labels."""

    num_features: int

    def __call__(self, images: Tensor) -> Tensor:
        """B3HW, normalised floats, to BF."""
        ...

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Every parameter once, in groups from the picture to the features, for layer-wise learning rates."""
        ...


@runtime_checkable
class PatchBackbone(Backbone, Protocol):
    """A backbone that cuts pictures into patches and can encode some of them alone, as masked pretraining needs."""

    patch_size: int
    """Height and width of a patch in pixels."""
    grid: tuple[int, int]
    """Rows and columns of patches, P in all."""
    pos_embed: nn.Parameter
    """1(1+P)F, a position for the class token and every patch, row by row."""

    def encode_patches(self, images: Tensor, keep: Tensor) -> Tensor:
        """B3HW and the K patches to keep, indices BK, to tokens B(1+K)F.

        The class token comes first; no final normalisation.
        """
        ...


@runtime_checkable
class Head(Protocol):
    """An ``nn.Module`` from features to the scores of one attribute type; built with ``num_features, num_classes``."""

    def __call__(self, features: Tensor) -> Tensor:
        """BF to scores BN; larger is likelier."""
        ...


@runtime_checkable
class EmbeddingHead(Head, Protocol):
    """A head that scores by cosine similarity with a dictionary of label embeddings."""

    dictionary: nn.Parameter
    """ND, one embedding a class, of any length: only its direction counts."""

    def embed(self, features: Tensor) -> Tensor:
        """BF to embeddings BD, not normalised."""
        ...

    def score(self, embeddings: Tensor) -> Tensor:
        """BD to scores BN."""
        ...


@runtime_checkable
class Loss(Protocol):
    """An ``nn.Module`` that compares scores with labels (``compares = "scores"``).

    If it has an attribute ``counts_answers`` that is true, it is called with a fourth argument, `Batch.answers` of its
    type, and never with pictures that are mixed of two.
    """

    compares: str

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Scores BN, targets BN in [0, 1], mask BN (true where the label is known) to a scalar.

        A masked entry has no influence on value or gradient; with nothing known the loss is zero, not NaN.
        """
        ...


@runtime_checkable
class EmbeddingLoss(Protocol):
    """An ``nn.Module`` that compares a student's embeddings with a teacher's (``compares = "embeddings"``)."""

    compares: str

    def __call__(self, student: Tensor, teacher: Tensor, dictionary: Tensor) -> Tensor:
        """Student BD, teacher BD, the teacher's dictionary ND to a scalar."""
        ...


@dataclass(frozen=True)
class Draws:
    """What one epoch of a stream reads, in order: M pictures.

    ``rows``: (M,) rows of the stream's samples. ``classes``: (M,) the class of ``type_name`` for which each
    picture was drawn; the picture's other labels of that type are then masked, neither positive nor negative
    (its answers are not: they stay a distribution).
    ``views``: (M,) numbers of fixed augmented views (the same number gives the same view of a picture in every
    epoch); ``None`` gives a fresh view each time.
    """

    rows: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64] | None = None
    type_name: str | None = None
    views: npt.NDArray[np.int64] | None = None


class Stream(Protocol):
    """One flow of batches that a strategy asks for. Everything in it is a function of the epoch alone."""

    samples: Samples
    batch_size: int
    views: tuple[str, ...]
    """Names of the stage's augmentations in the recipe; each gives one tensor of the batch."""

    def draws(self, epoch: int) -> Draws:
        """The same number of pictures in every epoch; an incomplete last batch is dropped."""
        ...


@dataclass
class Batch:
    """What a stream delivers: B pictures in one or several views, with targets and masks per attribute type."""

    views: dict[str, Tensor]
    """View name to B3HW, normalised floats."""
    targets: dict[str, Tensor]
    """Type name to BN floats in [0, 1]."""
    mask: dict[str, Tensor]
    """Type name to BN booleans, true where the label is known."""
    rows: Tensor
    """B rows of the stream's samples."""
    view_numbers: Tensor
    """B numbers of fixed views, -1 for fresh ones."""
    answers: dict[str, Tensor] = field(default_factory=dict)
    """Type name to B, how many people gave the answers whose shares are the targets; 0 where the targets are labels."""

    @property
    def images(self) -> Tensor:
        """The first view, B3HW."""
        return next(iter(self.views.values()))


class StageContext(Protocol):
    """What a strategy may know of the stage that it serves."""

    schema: AttributeSchema
    """The types that this stage's model has."""
    train: Samples
    losses: Mapping[str, Any]
    """Type name to `Loss` or `EmbeddingLoss`, as the recipe names them."""
    batch_size: int
    seed: int
    folder: Path
    """The stage's own folder, kept for the whole run; caches go here."""

    @property
    def unlabelled(self) -> Samples:
        """Pictures without labels, none of which is measured on; ask only if they are used, as they are then read."""
        ...

    def finished(self, stage: str) -> dict[str, AttributeModel]:
        """The models of an earlier stage in eval mode: type name (or ``all``) to model."""
        ...

    def views(self, samples: Samples, view: str, number: int) -> Iterator[Tensor]:
        """Batches B3HW of one fixed view of every sample, in order of rows."""
        ...


class Strategy(Protocol):
    """How a stage learns. An ``nn.Module`` built with ``model, context`` and the recipe's arguments.

    It owns no loop, no optimiser and no device. What its ``state_dict`` holds survives a restart.
    """

    compares: ClassVar[Literal["scores", "embeddings"] | None]
    """Which losses the strategy works with, by their own ``compares``; ``None``: it takes none."""
    predicts: ClassVar[bool]
    """False: the delivered model's heads learn nothing, as in pretraining, so it is neither validated nor measured."""
    model: AttributeModel
    """The model that is optimised."""

    def prepare(self, steps: int) -> None:
        """Called once before the first step of every process, with the model on its device; fills caches.

        Under mixed precision it runs in that of the steps.

        ``steps``: those of the optimiser from the start to the end of the stage.
        """
        ...

    def streams(self) -> dict[str, Stream]:
        """Named streams; the first one says how many steps an epoch has, the others start over when exhausted."""
        ...

    def step(self, batches: dict[str, Batch]) -> dict[str, Tensor]:
        """One batch of every stream to named scalars; ``loss`` is minimised, the others are logged."""
        ...

    def after_step(self) -> None:
        """Called after every optimiser step."""
        ...

    def delivered(self) -> AttributeModel:
        """The model that is evaluated and saved: the student, or its EMA copy."""
        ...

    def others(self) -> Mapping[str, AttributeModel]:
        """Models that are measured beside the delivered one, by name, such as the student beside its EMA copy."""
        ...
