"""The Vision Transformer of masked autoencoders (He et al., Masked Autoencoders Are Scalable Vision Learners, 2022)."""

from __future__ import annotations

import torch
from timm.layers.patch_embed import PatchEmbed
from timm.models import VisionTransformer
from torch import Tensor, nn

from mtss_zoo.errors import UsageError
from mtss_zoo.positions import sincos_positions
from mtss_zoo_backbones.mae_weights import accept_encoder, load_start
from mtss_zoo_backbones.timm_network import TimmBackbone


def mae_vit_b(
    image_size: tuple[int, int] = (224, 224),
    drop_path: float = 0.0,
    pretrained: bool = False,
    weights: str | None = None,
) -> MAEViT:
    """ViT-B/16, F = 768: the encoder of MAE and Semi-ViT.

    On the meta device ``pretrained`` and ``weights`` are ignored: the weights that follow replace them.

    Raises:
        UsageError: the arguments do not fit each other, or there is no file ``weights``.
        CheckpointError: the file does not hold this network.
        MtssZooError: the public weights cannot be fetched.
    """
    if pretrained and weights is not None:
        raise UsageError("backbone 'mae_vit_b' starts from `pretrained` or from `weights`: leave out one of them.")
    network = MAEViT(image_size, patch_size=16, width=768, depth=12, heads=12, drop_path=drop_path)
    load_start(network, "vit_base_patch16_224.mae" if pretrained else None, weights)
    return network


def mae_vit_tiny(
    image_size: tuple[int, int] = (64, 64),
    patch_size: int = 8,
    depth: int = 12,
    drop_path: float = 0.0,
    weights: str | None = None,
) -> MAEViT:
    """The same network for small pictures, as wide as ViT-Ti: F = 192, 3 heads.

    Raises:
        UsageError, CheckpointError: as `mae_vit_b`.
    """
    network = MAEViT(image_size, patch_size, width=192, depth=depth, heads=3, drop_path=drop_path)
    load_start(network, None, weights)
    return network


class MAEViT(TimmBackbone, VisionTransformer):
    """timm's Vision Transformer, used and initialised as MAE does: a `mtss_zoo.interfaces.PatchBackbone`.

    The features BF are the mean of the patch tokens after the last block, then ``fc_norm``. The class token takes part
    in every block, but not in the mean. The keys of the state dict are timm's, which are MAE's own.

    Args:
        image_size: height and width in pixels, multiples of ``patch_size``.
        drop_path: rate of the last block; it rises linearly from 0 at the first one.

    Raises:
        UsageError: the patches do not cover the picture.
    """

    cls_token: nn.Parameter
    pos_embed: nn.Parameter

    def __init__(
        self, image_size: tuple[int, int], patch_size: int, width: int, depth: int, heads: int, drop_path: float
    ) -> None:
        height, breadth = image_size
        if height % patch_size or breadth % patch_size:
            raise UsageError(
                f"pictures of {height} x {breadth} cannot be cut into patches of {patch_size} x {patch_size}: give an "
                "image_size that is a multiple of the patch size."
            )
        super().__init__(
            img_size=(height, breadth),
            patch_size=patch_size,
            embed_dim=width,
            depth=depth,
            num_heads=heads,
            drop_path_rate=drop_path,
            num_classes=0,
            global_pool="avg",
            weight_init="skip",
            embed_layer=SizedPatchEmbed,
        )
        self.patch_size = patch_size
        self.grid = (height // patch_size, breadth // patch_size)
        self._initialise()
        self.register_load_state_dict_pre_hook(accept_encoder)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def _initialise(self) -> None:
        """As MAE's pretraining starts; normalisation starts as PyTorch's does."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.flatten(1))
        nn.init.normal_(self.cls_token, std=0.02)
        self.pos_embed.copy_(sincos_positions(self.grid, self.num_features))

    def encode_patches(self, images: Tensor, keep: Tensor) -> Tensor:
        """B3HW and the K patches to keep, indices BK, to tokens B(1+K)F after the last block, not normalised.

        The class token comes first, then the patches as ``keep`` orders them.
        """
        patches = self.patch_embed(images) + self.pos_embed[:, 1:]
        class_token = (self.cls_token + self.pos_embed[:, :1]).expand(len(images), -1, -1)
        tokens: Tensor = self.blocks(torch.cat([class_token, patches.take_along_dim(keep[:, :, None], 1)], 1))
        return tokens


class SizedPatchEmbed(PatchEmbed):
    """Patches of pictures of one size, which says what to do about another."""

    def forward(self, x: Tensor) -> Tensor:
        """B3HW to BPF.

        Raises:
            UsageError: the pictures are of another size.
        """
        if x.shape[-2:] != self.img_size:
            height, width = self.img_size
            raise UsageError(
                f"the backbone is built for pictures of {height} x {width}, and these are {x.shape[-2]} x "
                f"{x.shape[-1]}: set the backbone's image_size to data.image_size."
            )
        patches: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return patches
