"""The decoder of a masked autoencoder (He et al., CVPR 2022): from the tokens of some patches to the pixels of all."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from mtss_zoo.errors import RecipeError
from mtss_zoo.positions import sincos_positions


class MAEDecoder(nn.Module):
    """Puts a learned token in the place of every hidden patch, and lets blocks of attention fill it in.

    It begins with the encoder's final normalisation, which is thrown away with it after pretraining.

    Args:
        features: F of the encoder.
        grid: rows and columns of patches, P in all.
        values: V, pixel values of a patch.
        width, depth, heads: of the blocks.

    Raises:
        RecipeError: the width is no multiple of 4 and of the heads.
    """

    positions: Tensor

    def __init__(self, features: int, grid: tuple[int, int], values: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        if width % 4 or width % heads:
            raise RecipeError(f"decoder_width is {width}, but must be a multiple of 4 and of decoder_heads, {heads}.")
        norm: Any = partial(nn.LayerNorm, eps=1e-6)
        self.encoder_norm = norm(features)
        self.embed = nn.Linear(features, width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.blocks = nn.Sequential(*(Block(width, heads, qkv_bias=True, norm_layer=norm) for _ in range(depth)))
        self.norm = norm(width)
        self.pixels = nn.Linear(width, values)
        self.register_buffer("positions", sincos_positions(grid, width), persistent=False)
        nn.init.normal_(self.mask_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor, places: Tensor) -> Tensor:
        """Tokens B(1+K)F, class token first, and the places BP of `choose_patches`, to pixel values BPV."""
        tokens = self.embed(self.encoder_norm(tokens))
        hidden = self.mask_token.expand(len(tokens), places.shape[1] + 1 - tokens.shape[1], -1)
        patches = torch.cat([tokens[:, 1:], hidden], 1)
        patches = patches.gather(1, places[..., None].expand(-1, -1, patches.shape[2]))
        tokens = torch.cat([tokens[:, :1], patches], 1) + self.positions
        predicted: Tensor = self.pixels(self.norm(self.blocks(tokens))[:, 1:])
        return predicted
