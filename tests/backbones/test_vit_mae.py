"""MAE's Vision Transformer: the numbers of its specification, and equality with timm's."""

from __future__ import annotations

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from mtss_zoo_backbones.vit_mae import MAEViT, mae_vit_b, mae_vit_tiny
from torch import nn

from mtss_zoo.errors import UsageError
from mtss_zoo.interfaces import Backbone, PatchBackbone
from mtss_zoo.optim import build_optimizer
from mtss_zoo.positions import sincos_positions
from mtss_zoo.recipe import OptimizerSpec

ENCODER_KEYS = 150


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny(**args) -> MAEViT:
    return mae_vit_tiny(**{"image_size": (16, 24), "depth": 2, **args}).eval()


def timm_tiny(pool: str, size: tuple[int, int] = (16, 24)) -> nn.Module:
    """timm's own network of the same shape, with weights of a fixed seed, in which no two norms are alike."""
    torch.manual_seed(1)
    network = timm.create_model(
        "vit_tiny_patch16_224", img_size=size, patch_size=8, depth=2, num_classes=0, global_pool=pool
    )
    return scattered(network)


@torch.no_grad()
def scattered(network: nn.Module) -> nn.Module:
    for name, parameter in network.named_parameters():
        if "norm" in name:
            parameter.add_(torch.randn(parameter.shape, generator=seeded(len(name))), alpha=0.3)
    return network.eval()


def encoder_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """The keys of a public MAE file: the encoder with its final ``norm``."""
    return {name.replace("fc_norm", "norm"): t.clone() for name, t in network.state_dict().items()}


@pytest.fixture(scope="module")
def vit_b() -> MAEViT:
    """Without memory: shapes, names and groups alone."""
    with torch.device("meta"):
        return mae_vit_b(drop_path=0.1)


def test_it_is_a_patch_backbone(vit_b):
    assert isinstance(vit_b, Backbone) and isinstance(vit_b, PatchBackbone)
    assert (vit_b.num_features, vit_b.patch_size, vit_b.grid) == (768, 16, (14, 14))
    assert (tiny().num_features, tiny().patch_size, tiny().grid) == (192, 8, (2, 3))


def test_vit_b_has_the_parameters_of_the_paper(vit_b):
    assert sum(p.numel() for p in vit_b.parameters()) == 85_798_656
    assert all(p.requires_grad for p in vit_b.parameters())
    block = vit_b.blocks[0]
    assert len(vit_b.blocks) == 12
    assert (block.attn.num_heads, block.attn.head_dim, block.attn.scale) == (12, 64, 64**-0.5)
    assert block.attn.qkv.weight.shape == (2304, 768) and block.attn.qkv.bias is not None
    assert block.mlp.fc1.out_features == 3072
    assert isinstance(block.mlp.act, nn.GELU) and block.mlp.act.approximate == "none"
    assert {m.eps for m in vit_b.modules() if isinstance(m, nn.LayerNorm)} == {1e-6}


def test_its_keys_are_those_of_mae_with_fc_norm_for_norm(vit_b):
    keys = set(encoder_of(vit_b))
    assert len(keys) == ENCODER_KEYS
    parts = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    modules = ["patch_embed.proj", "norm", *(f"blocks.{i}.{part}" for i in range(12) for part in parts)]
    assert keys == {"cls_token", "pos_embed", *(f"{m}.{kind}" for m in modules for kind in ("weight", "bias"))}
    assert vit_b.state_dict()["fc_norm.weight"].shape == (768,)


def test_it_starts_as_pretraining_does():
    network = mae_vit_tiny()
    assert torch.equal(network.pos_embed, sincos_positions((8, 8), 192)) and network.pos_embed.requires_grad
    for weight in (network.blocks[0].attn.qkv.weight, network.blocks[3].mlp.fc2.weight):
        assert weight.abs().max().item() == pytest.approx((6 / sum(weight.shape)) ** 0.5, rel=1e-3)
    flat = network.patch_embed.proj.weight.flatten(1)
    assert flat.shape == (192, 192)
    assert flat.abs().max().item() == pytest.approx((6 / (192 + 192)) ** 0.5, rel=1e-3)
    assert network.cls_token.std().item() == pytest.approx(0.02, rel=0.2)
    linears = [m for m in network.modules() if isinstance(m, nn.Linear)]
    assert not any(m.bias.any() for m in linears)
    norms = [m for m in network.modules() if isinstance(m, nn.LayerNorm)]
    assert all(m.weight.eq(1).all() and m.bias.eq(0).all() for m in norms)


def test_drop_path_rises_linearly_over_the_blocks(vit_b):
    for branch in ("drop_path1", "drop_path2"):
        rates = [getattr(getattr(block, branch), "drop_prob", 0.0) for block in vit_b.blocks]
        assert rates == pytest.approx([0.1 * i / 11 for i in range(12)])


def test_drop_path_drops_whole_pictures_when_training_only():
    network = tiny(drop_path=0.9, depth=2).train()
    images = torch.randn(1, 3, 16, 24, generator=seeded()).expand(16, -1, -1, -1)
    assert len(network(images).unique(dim=0)) > 1
    torch.testing.assert_close(network.eval()(images), network(images[:1]).expand(16, -1))


@pytest.mark.parametrize(("decay", "first", "last_block"), [(0.65, 0.003697, 0.65), (0.75, 0.023757, 0.75)])
def test_layer_wise_learning_rates(vit_b, decay, first, last_block):
    """Group 0 is what comes before the blocks, block i is group i + 1, and fc_norm learns as fast as the head."""
    model = nn.ModuleDict({"backbone": vit_b, "head": nn.Linear(768, 3, device="meta")})
    optimizer = build_optimizer(model, vit_b, OptimizerSpec(name="adamw", lr=1.0, layer_decay=decay))
    scale = {id(p): group["scale"] for group in optimizer.param_groups for p in group["params"]}
    expected = {vit_b.cls_token: first, vit_b.pos_embed: first, vit_b.patch_embed.proj.bias: first}
    expected |= {p: decay ** (12 - i) for i, block in enumerate(vit_b.blocks) for p in block.parameters()}
    expected |= {vit_b.blocks[11].mlp.fc2.weight: last_block}
    expected |= dict.fromkeys([vit_b.fc_norm.weight, vit_b.fc_norm.bias, *model["head"].parameters()], 1.0)
    assert {id(p): scale[id(p)] for p in expected} == pytest.approx({id(p): s for p, s in expected.items()}, abs=1e-6)


def test_positions_and_the_class_token_do_not_decay(vit_b):
    optimizer = build_optimizer(vit_b, vit_b, OptimizerSpec(name="adamw", lr=1.0, weight_decay=0.05))
    decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    matrices = {name for name, p in vit_b.named_parameters() if id(p) in decayed}
    assert matrices == {n for n, p in vit_b.named_parameters() if p.ndim > 1} - {"pos_embed", "cls_token"}


@torch.no_grad()
def test_with_the_weights_of_timm_it_gives_the_features_of_timm():
    theirs, ours = timm_tiny("avg"), tiny()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 16, 24, generator=seeded())
    assert torch.equal(ours(images), theirs(images))


@torch.no_grad()
def test_features_are_the_normalised_mean_of_the_patches():
    network = tiny()
    network.load_state_dict(timm_tiny("avg").state_dict())
    images = torch.randn(2, 3, 16, 24, generator=seeded())
    every = torch.arange(6).expand(2, 6)
    tokens = network.encode_patches(images, every)
    assert tokens.shape == (2, 7, 192)
    torch.testing.assert_close(network.fc_norm(tokens[:, 1:].mean(1)), network(images))


@pytest.fixture(scope="module")
def shallow() -> MAEViT:
    torch.manual_seed(0)
    return tiny(depth=1)


@given(order=st.permutations(range(6)), kept=st.integers(0, 6))
@torch.no_grad()
def test_kept_patches_may_come_in_any_order(shallow, order, kept):
    """Every picture keeps its own ones; positions go with the patches, so their order does not matter."""
    images = torch.randn(2, 3, 16, 24, generator=seeded())
    keep = torch.tensor([order[:kept], sorted(order)[:kept]], dtype=torch.long)
    tokens = shallow.encode_patches(images, keep)
    sort = keep.argsort(1)
    ordered = shallow.encode_patches(images, keep.gather(1, sort))
    torch.testing.assert_close(tokens[:, :1], ordered[:, :1])
    torch.testing.assert_close(tokens[:, 1:].take_along_dim(sort[:, :, None], 1), ordered[:, 1:])
    torch.testing.assert_close(shallow.encode_patches(images[1:], keep[1:]), tokens[1:])


@torch.no_grad()
def test_what_is_not_kept_has_no_influence():
    network = tiny()
    images = torch.randn(1, 3, 16, 24, generator=seeded())
    tokens = network.encode_patches(images, torch.tensor([[1, 5]]))
    images[:, :, :8, :8] = 9  # patch 0
    network.pos_embed[:, 1] = 9
    assert torch.equal(network.encode_patches(images, torch.tensor([[1, 5]])), tokens)
    network.pos_embed[:, 1 + 5] = 9
    assert not torch.equal(network.encode_patches(images, torch.tensor([[1, 5]])), tokens)


@pytest.mark.parametrize("args", [{"image_size": (60, 64)}, {"image_size": (64, 60)}, {"patch_size": 7}])
def test_patches_that_do_not_cover_the_picture_are_a_fault(args):
    with pytest.raises(UsageError, match="cannot be cut into patches"):
        mae_vit_tiny(**args)


def test_pictures_of_another_size_say_what_to_set():
    images = torch.zeros(1, 3, 32, 24)
    for call in (tiny(), lambda images: tiny().encode_patches(images, torch.zeros(1, 1, dtype=torch.long))):
        with pytest.raises(UsageError, match="built for pictures of 16 x 24, and these are 32 x 24"):
            call(images)
