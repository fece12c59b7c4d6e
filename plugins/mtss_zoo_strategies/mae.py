"""Masked autoencoder pretraining (He et al., CVPR 2022): a backbone learns from pictures alone, without any label."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from mtss_zoo.errors import RecipeError
from mtss_zoo.interfaces import Batch, PatchBackbone, StageContext, Stream
from mtss_zoo.model import AttributeModel
from mtss_zoo.process_group import group_rank
from mtss_zoo.sampling import ConcatSamples, SampleStream, shuffled
from mtss_zoo_strategies.mae_decoder import MAEDecoder
from mtss_zoo_strategies.patches import choose_patches, patch_statistics, patchify
from mtss_zoo_strategies.reconstructions import Reconstructions, side_by_side
from mtss_zoo_strategies.stage import VIEW


class MAEStrategy(nn.Module):
    """Hides most patches of a picture and minimises the squared error of a decoder that predicts their pixels.

    Labelled and unlabelled pictures are one shuffled pool. Beside the decoder, only what the tokens depend on learns:
    neither the heads, nor the backbone's layers after its tokens, nor, as published, its table of positions.
    The decoder is not delivered; a next stage starts from the backbone with ``init_from``.

    Every ``pictures_every`` steps the stage's folder gets a picture ``reconstructions/step_000500.png`` of the batch
    that was just learned: original, what was seen, and reconstruction.

    Raises:
        RecipeError: the backbone has no patches, or sizes do not fit each other.
    """

    compares: ClassVar[None] = None
    predicts: ClassVar[bool] = False

    def __init__(
        self,
        model: AttributeModel,
        context: StageContext,
        mask_ratio: float = 0.75,
        decoder_width: int = 512,
        decoder_depth: int = 8,
        decoder_heads: int = 16,
        norm_pix: bool = True,
        pictures_every: int = 500,
    ) -> None:
        super().__init__()
        backbone = _patch_backbone(model)
        self.model = model
        self.context = context
        self.norm_pix = norm_pix
        self.pictures_every = pictures_every
        self.samples = ConcatSamples((context.train, context.unlabelled))
        self.kept = _kept(backbone.grid, mask_ratio)
        self.decoder = MAEDecoder(
            backbone.num_features,
            backbone.grid,
            3 * backbone.patch_size**2,
            decoder_width,
            decoder_depth,
            decoder_heads,
        )
        _freeze_what_no_token_needs(model, backbone)
        self.pictures: Reconstructions | None = None
        self.drawn: Tensor | None = None
        self.steps_taken = 0

    def prepare(self, steps: int) -> None:
        """From here on the first process draws; a dry run, which is not prepared, leaves nothing behind."""
        if not group_rank():
            folder = self.context.folder / "reconstructions"
            self.pictures = Reconstructions(folder, self.pictures_every, self.model.preprocess)

    def streams(self) -> dict[str, Stream]:
        """One stream of all pictures."""
        draw = partial(shuffled, len(self.samples), self.context.seed)
        return {"pictures": SampleStream(self.samples, self.context.batch_size, (VIEW,), draw)}

    def step(self, batches: dict[str, Batch]) -> dict[str, Tensor]:
        """``loss``: the mean squared error of the hidden patches."""
        (batch,) = batches.values()
        images, backbone = batch.images, cast(PatchBackbone, self.model.backbone)
        rows, columns = backbone.grid
        keep, places = choose_patches(len(images), rows * columns, self.kept, images.device)
        predicted = self.decoder(backbone.encode_patches(images, keep), places)
        target = patchify(images, backbone.patch_size)
        if self.norm_pix:
            mean, deviation = patch_statistics(target)
            target = (target - mean) / deviation
        hidden = places >= self.kept
        if self.pictures and self.pictures.due(self.steps_taken + 1):
            first = slice(Reconstructions.NUMBER)
            shown = images[first], predicted[first].detach(), hidden[first]
            self.drawn = side_by_side(*shown, backbone.patch_size, self.norm_pix)
        return {"loss": hidden_error(predicted, target, hidden)}

    def after_step(self) -> None:
        """Counts the steps, and writes the picture of this one if it has one."""
        self.steps_taken += 1
        if self.pictures and self.drawn is not None:
            self.pictures.write(self.steps_taken, self.drawn)
            self.drawn = None

    def delivered(self) -> AttributeModel:
        """The model, whose backbone has learned."""
        return self.model

    def others(self) -> dict[str, AttributeModel]:
        """None."""
        return {}

    def get_extra_state(self) -> dict[str, int]:
        """The number of steps, by which pictures are named."""
        return {"steps_taken": self.steps_taken}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Reads `get_extra_state`."""
        self.steps_taken = state["steps_taken"]


def hidden_error(predicted: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
    """Two BPV and BP booleans to the mean squared error of a patch's values, and of this the mean over hidden patches.

    All hidden patches of the batch weigh the same.
    """
    return ((predicted - target).square().mean(2) * hidden).sum() / hidden.sum()


def _patch_backbone(model: AttributeModel) -> PatchBackbone:
    backbone = model.backbone
    if not isinstance(backbone, PatchBackbone):
        raise RecipeError(
            f"strategy mae shows the backbone some patches of a picture, but {type(backbone).__name__} takes whole "
            "pictures only; use a Vision Transformer that can encode patches, such as mae_vit_b."
        )
    size = tuple(n * backbone.patch_size for n in backbone.grid)
    if size != (have := (model.preprocess.height, model.preprocess.width)):
        raise RecipeError(
            f"the backbone is built for pictures of {size[0]} x {size[1]} pixels, but data.image_size is "
            f"{have[0]} x {have[1]}; set both alike."
        )
    return backbone


def _kept(grid: tuple[int, int], mask_ratio: float) -> int:
    patches = grid[0] * grid[1]
    kept = int(patches * (1 - mask_ratio))
    if not 0 < kept < patches:
        raise RecipeError(
            f"mask_ratio is {mask_ratio}, which keeps {kept} of {patches} patches; some must be kept and some hidden."
        )
    return kept


def _freeze_what_no_token_needs(model: AttributeModel, backbone: PatchBackbone) -> None:
    """Lets only those parameters want a gradient that get one, found by a trial with one patch.

    Others would wait in the optimiser for nothing, and distributed training refuses parameters that are not used.
    """
    backbone.pos_embed.requires_grad_(False)
    learning = [p for p in model.parameters() if p.requires_grad]
    training = model.training
    model.eval()  # a trial must neither draw random numbers nor change running statistics
    image = learning[0].new_zeros(1, 3, model.preprocess.height, model.preprocess.width)
    tokens = backbone.encode_patches(image, torch.zeros(1, 1, dtype=torch.long, device=image.device))
    gradients = torch.autograd.grad(tokens.sum(), learning, allow_unused=True)
    for parameter, gradient in zip(learning, gradients, strict=True):
        parameter.requires_grad_(gradient is not None)
    model.train(training)
