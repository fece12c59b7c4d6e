"""The strategy mae: what is hidden, what is predicted, what is learned, and what is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mtss_zoo_strategies.mae import hidden_error
from mtss_zoo_strategies.mae_decoder import MAEDecoder
from mtss_zoo_strategies.patches import choose_patches, patch_statistics, patchify, unpatchify
from mtss_zoo_strategies.reconstructions import side_by_side
from PIL import Image
from torch import Tensor, nn

from mtss_zoo.build import make
from mtss_zoo.conformance.tiny import SCHEMA, Stage, TinyBackbone, TinyHead, tiny_model
from mtss_zoo.errors import RecipeError
from mtss_zoo.images import Preprocess
from mtss_zoo.interfaces import PatchBackbone
from mtss_zoo.model import AttributeModel
from mtss_zoo.optim import build_optimizer
from mtss_zoo.recipe import OptimizerSpec, Part

SMALL = {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2, "pictures_every": 0}


def vit_model(size: int = 32, name: str = "mae_vit_tiny", **args: Any) -> AttributeModel:
    """A built-in Vision Transformer with linear heads."""
    torch.manual_seed(0)
    backbone = make("backbone", Part(name=name, args={"image_size": (size, size), **args}))
    heads = {t.name: nn.Linear(backbone.num_features, len(t)) for t in SCHEMA}
    return AttributeModel(backbone, heads, SCHEMA, Preprocess(size, size))


def vit_tiny() -> AttributeModel:
    """One block on 4 x 4 patches of 8 pixels."""
    return vit_model(depth=1)


def vit_b() -> AttributeModel:
    """As published."""
    return vit_model(224, "mae_vit_b")


def mae(folder: Path, model: AttributeModel | None = None, **args: Any) -> Any:
    """The strategy around a tiny model, in train mode."""
    model = model or tiny_model()
    return make("strategy", Part(name="mae", args=SMALL | args), model=model, context=Stage(folder, None)).train()


def train(strategy: Any, steps: int, images: Tensor | None = None) -> list[float]:
    """The losses of some steps on the same pictures, hidden anew in every step."""
    (batches,) = strategy.context.batches(strategy, 1)
    if images is not None:
        batches["pictures"].views["train"] = images
    optimizer = torch.optim.AdamW([p for p in strategy.parameters() if p.requires_grad], 0.01)
    losses = []
    for step in range(steps):
        torch.manual_seed(step)
        loss = strategy.step(batches)["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        strategy.after_step()
        losses.append(loss.item())
    return losses


# --- patches --------------------------------------------------------------------------------------------------------


def test_patches_run_row_by_row_and_their_values_by_row_column_channel() -> None:
    """Two patches of 2 x 2 beside each other; a value is 100 channel + 10 row + column."""
    c, h, w = torch.meshgrid(torch.arange(3), torch.arange(2), torch.arange(4), indexing="ij")
    picture = 100 * c + 10 * h + w
    assert patchify(picture[None], 2).tolist() == [
        [
            [0, 100, 200, 1, 101, 201, 10, 110, 210, 11, 111, 211],
            [2, 102, 202, 3, 103, 203, 12, 112, 212, 13, 113, 213],
        ]
    ]
    below = patchify(picture.mT[None], 2)
    assert below[0, :, 0].tolist() == [0, 2]


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_unpatchify_undoes_patchify(batch: int, size: int, rows: int, columns: int) -> None:
    images = torch.arange(batch * 3 * size * size * rows * columns).view(batch, 3, rows * size, columns * size)
    patches = patchify(images, size)
    assert patches.shape == (batch, rows * columns, 3 * size * size)
    assert unpatchify(patches, size, (rows, columns)).equal(images)


def test_pixels_of_a_patch_are_normalised_by_the_unbiased_variance() -> None:
    patches = torch.tensor([[[1.0, 2, 3, 4], [7, 7, 7, 7]]])
    mean, deviation = patch_statistics(patches)
    expected = [[-1.161895, -0.387298, 0.387298, 1.161895], [0, 0, 0, 0]]
    np.testing.assert_allclose(((patches - mean) / deviation)[0], expected, atol=1e-6)


@given(st.integers(1, 4), st.integers(2, 30), st.data())
def test_every_picture_keeps_patches_of_its_own_and_knows_each_ones_place(batch: int, patches: int, data: Any) -> None:
    kept = data.draw(st.integers(1, patches - 1))
    keep, places = choose_patches(batch, patches, kept, torch.device("cpu"))
    assert keep.shape == (batch, kept)
    assert places.sort(1).values.equal(torch.arange(patches).expand(batch, -1))
    assert places.gather(1, keep).equal(torch.arange(kept).expand(batch, -1))
    hidden = places >= kept
    assert hidden.sum(1).tolist() == [patches - kept] * batch
    assert not hidden.gather(1, keep).any()


def test_the_choice_is_uniform_and_differs_from_picture_to_picture() -> None:
    torch.manual_seed(0)
    keep, _ = choose_patches(4000, 16, 4, torch.device("cpu"))
    assert len({tuple(row) for row in keep.tolist()}) > 3500
    assert abs(keep.flatten().bincount(minlength=16) - 1000).max() < 120


@pytest.mark.parametrize(("build", "ratio", "kept"), [(vit_b, 0.75, 49), (vit_tiny, 0.75, 4), (vit_tiny, 0.9, 1)])
def test_the_share_that_is_kept_is_rounded_down(tmp_path: Path, build: Any, ratio: float, kept: int) -> None:
    with torch.device("meta"):
        assert mae(tmp_path, build(), mask_ratio=ratio).kept == kept


# --- decoder and loss -----------------------------------------------------------------------------------------------


def test_the_decoder_puts_every_token_into_its_place_and_the_mask_token_into_the_others() -> None:
    """Without blocks and norms, width 4 = features: what is decoded is the token plus its position."""
    decoder = MAEDecoder(4, (2, 2), 4, width=4, depth=0, heads=1)
    decoder.encoder_norm = decoder.norm = decoder.embed = decoder.pixels = nn.Identity()
    decoder.mask_token.data[:] = 10.0
    keep, places = choose_patches(3, 4, 2, torch.device("cpu"))
    tokens = torch.full((3, 5, 4), 100.0)
    for picture, kept in enumerate(keep):
        tokens[picture, 1:3] = kept[:, None].float()
    values = decoder(tokens[:, :3], places) - decoder.positions[:, 1:]
    for picture, kept in enumerate(keep.tolist()):
        assert values[picture, :, 0].tolist() == pytest.approx([p if p in kept else 10 for p in range(4)])


def test_the_decoder_starts_as_published() -> None:
    torch.manual_seed(0)
    decoder = MAEDecoder(64, (4, 4), 192, width=64, depth=1, heads=4)
    for name, parameter in decoder.named_parameters():
        if name == "mask_token":
            assert 0.015 < parameter.std() < 0.025
        elif parameter.ndim == 2:  # uniform within a bound, so that hardly a value comes near it and none exceeds it
            bound = (6 / sum(parameter.shape)) ** 0.5
            assert 0.98 * bound < parameter.abs().max() <= bound, name
        else:
            assert parameter.equal(torch.full_like(parameter, "norm" in name and name.endswith("weight"))), name


def test_only_hidden_patches_count_and_all_of_the_batch_alike() -> None:
    """Errors of the patches 1, 4, 9 and 16, 25, 36; hidden are the first of one picture, two of the other."""
    target = torch.zeros(2, 3, 2)
    predicted = torch.tensor([[1.0, 2, 3], [4, 5, 6]])[..., None].expand(2, 3, 2)
    hidden = torch.tensor([[True, False, False], [False, True, True]])
    assert hidden_error(predicted, target, hidden).item() == pytest.approx((1 + 25 + 36) / 3)
    elsewhere = predicted.clone()
    elsewhere[~hidden] = 1e6
    assert hidden_error(elsewhere, target, hidden) == hidden_error(predicted, target, hidden)


@pytest.mark.parametrize("norm_pix", [True, False])
def test_the_loss_of_a_step_is_that_of_its_parts(tmp_path: Path, norm_pix: bool) -> None:
    strategy = mae(tmp_path, vit_tiny(), norm_pix=norm_pix)
    (batches,) = strategy.context.batches(strategy, 1)
    torch.manual_seed(3)
    loss = strategy.step(batches)["loss"]
    torch.manual_seed(3)
    order = torch.rand(4, 16).argsort(1)
    images = batches["pictures"].images
    tokens = strategy.model.backbone.encode_patches(images, order[:, :4])
    predicted = strategy.decoder(tokens, order.argsort(1))
    errors = []
    for picture in range(4):
        for patch in order[picture, 4:].tolist():
            row, column = 8 * (patch // 4), 8 * (patch % 4)
            pixels = images[picture, :, row : row + 8, column : column + 8].permute(1, 2, 0).flatten()
            if norm_pix:
                pixels = (pixels - pixels.mean()) / (pixels.var() + 1e-6).sqrt()
            errors.append((predicted[picture, patch] - pixels).square().mean())
    torch.testing.assert_close(loss, torch.stack(errors).mean())


# --- what learns ----------------------------------------------------------------------------------------------------


def test_vit_b_and_its_decoder_have_the_published_number_of_parameters(tmp_path: Path) -> None:
    with torch.device("meta"):
        strategy = mae(tmp_path, vit_b(), decoder_width=512, decoder_depth=8, decoder_heads=16)
    trained = sum(p.numel() for p in strategy.parameters() if p.requires_grad)
    fixed = strategy.model.backbone.pos_embed.numel() + strategy.decoder.positions.numel()
    assert (trained, trained + fixed) == (111_655_680, 111_907_840)


def test_exactly_what_gets_a_gradient_is_optimised(tmp_path: Path) -> None:
    strategy = mae(tmp_path, vit_tiny())
    (batches,) = strategy.context.batches(strategy, 1)
    strategy.step(batches)["loss"].backward()
    with_gradient = {name for name, p in strategy.named_parameters() if p.grad is not None}
    assert with_gradient == {name for name, p in strategy.named_parameters() if p.requires_grad}
    fixed = {name for name, p in strategy.model.named_parameters() if not p.requires_grad}
    heads = {f"heads.{t.name}_head.{part}" for t in SCHEMA for part in ("weight", "bias")}
    assert fixed == heads | {"backbone.pos_embed", "backbone.fc_norm.weight", "backbone.fc_norm.bias"}


def test_looking_for_what_learns_changes_nothing_else(tmp_path: Path) -> None:
    model = tiny_model()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    states = []
    for build in (True, False):
        torch.manual_seed(1)
        strategy = mae(tmp_path, model) if build else MAEDecoder(8, (4, 4), 192, width=16, depth=1, heads=2)
        states.append(torch.get_rng_state())
        assert strategy.training
    assert states[0].equal(states[1])
    assert all(t.equal(before[name]) for name, t in model.state_dict().items())
    assert model.training and all(p.grad is None for p in model.parameters())


def test_class_and_mask_tokens_decay_but_biases_and_norms_do_not(tmp_path: Path) -> None:
    strategy = mae(tmp_path, vit_tiny())
    spec = OptimizerSpec(name="adamw", lr=1.0, betas=(0.9, 0.95), weight_decay=0.05, decay_tokens=True)
    groups = build_optimizer(strategy, strategy.model.backbone, spec).param_groups
    decayed = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    assert {id(strategy.model.backbone.cls_token), id(strategy.decoder.mask_token)} <= decayed
    for name, parameter in strategy.named_parameters():
        if parameter.requires_grad:
            assert (id(parameter) in decayed) == (parameter.ndim > 1), name


def test_hidden_patches_are_told_from_those_that_are_seen(tmp_path: Path) -> None:
    """Four pictures, each of one colour: who does not look at them is wrong by the variance of the colours."""
    torch.manual_seed(0)
    colours = torch.randn(4, 3, 1, 1)
    losses = train(mae(tmp_path, vit_tiny(), norm_pix=False), 60, colours.expand(4, 3, 32, 32))
    assert losses[-1] < 0.1 * colours.var(0, correction=0).mean() < losses[0]


def test_its_pool_is_every_picture_once_labelled_or_not(tmp_path: Path) -> None:
    strategy = mae(tmp_path)
    ((_, stream),) = strategy.streams().items()
    assert stream.views == ("train",)
    epochs = [stream.draws(epoch).rows.tolist() for epoch in (0, 1)]
    assert [sorted(rows) for rows in epochs] == [list(range(36))] * 2
    assert epochs[0] != epochs[1]
    ids = {stream.samples[row].id.split("-")[0] for row in epochs[0]}
    assert ids == {"train", "unlabelled"}


# --- pictures -------------------------------------------------------------------------------------------------------


def test_pictures_are_drawn_at_their_steps_and_change_nothing(tmp_path: Path) -> None:
    with_pictures, without = (mae(tmp_path / str(n), pictures_every=n) for n in (3, 0))
    for strategy in (with_pictures, without):
        strategy.prepare(7)
    assert train(with_pictures, 7) == train(without, 7)
    one, other = with_pictures.state_dict(), without.state_dict()
    assert all(one[name].equal(other[name]) for name in one if isinstance(one[name], Tensor))
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert files == [f"3/reconstructions/step_{step:06}.png" for step in (3, 6)]
    assert Image.open(tmp_path / files[0]).size == (3 * 32 + 4 * 2, 4 * 32 + 5 * 2)  # 2 pixels around each picture


def test_after_a_restart_pictures_keep_their_steps(tmp_path: Path) -> None:
    first = mae(tmp_path, pictures_every=4)
    train(first, 3)
    again = mae(tmp_path, pictures_every=4)
    again.load_state_dict(first.state_dict())
    again.prepare(8)
    train(again, 2)
    assert [path.name for path in tmp_path.rglob("*.png")] == ["step_000004.png"]


def test_a_strategy_that_was_not_prepared_writes_nothing(tmp_path: Path) -> None:
    train(mae(tmp_path, pictures_every=1), 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("norm_pix", [True, False])
def test_a_picture_shows_original_what_is_seen_and_reconstruction(norm_pix: bool) -> None:
    torch.manual_seed(0)
    images, hidden = torch.randn(2, 3, 8, 8), torch.tensor([[True, False, False, True], [False, True, True, True]])
    patches = patchify(images, 4)
    mean, deviation = patch_statistics(patches)
    perfect = (patches - mean) / deviation if norm_pix else patches
    original, seen, reconstruction = side_by_side(images, perfect, hidden, 4, norm_pix).unflatten(0, (2, 3)).unbind(1)
    assert original.equal(images)
    assert patchify(seen, 4).equal(patches.where(~hidden[..., None], 0))
    torch.testing.assert_close(reconstruction, images)
    _, _, wrong = side_by_side(images, perfect + 1, hidden, 4, norm_pix).unflatten(0, (2, 3)).unbind(1)
    off = (patchify(wrong, 4) - patches).where(hidden[..., None], 0)
    torch.testing.assert_close(off, (deviation if norm_pix else torch.ones(2, 4, 1)).expand_as(off) * hidden[..., None])
    assert patchify(wrong, 4)[~hidden].equal(patches[~hidden])


def test_a_picture_has_the_colours_of_the_photos(tmp_path: Path) -> None:
    strategy = mae(tmp_path, pictures_every=1)
    strategy.prepare(1)
    (batches,) = strategy.context.batches(strategy, 1)
    strategy.step(batches)
    strategy.after_step()
    drawn = np.asarray(Image.open(tmp_path / "reconstructions" / "step_000001.png"))[2:34, 2:34]
    image, p = batches["pictures"].images[0], strategy.model.preprocess
    pixels = 255 * (image * torch.tensor(p.std)[:, None, None] + torch.tensor(p.mean)[:, None, None])
    np.testing.assert_allclose(drawn, pixels.permute(1, 2, 0), atol=0.51)


# --- what is refused ------------------------------------------------------------------------------------------------


def test_a_backbone_without_patches_is_refused(tmp_path: Path) -> None:
    heads = {t.name: nn.Linear(512, len(t)) for t in SCHEMA}
    model = AttributeModel(make("backbone", Part(name="resnet18")), heads, SCHEMA, Preprocess(32, 32))
    with pytest.raises(RecipeError, match=r"ResNet takes whole pictures only; use a Vision Transformer.*mae_vit_b"):
        mae(tmp_path, model)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"mask_ratio": 0.95}, "mask_ratio is 0.95, which keeps 0 of 16 patches; some must be kept"),
        ({"decoder_width": 18}, "decoder_width is 18, but must be a multiple of 4 and of decoder_heads, 2"),
        ({"decoder_heads": 3}, "decoder_width is 16, but must be a multiple of 4 and of decoder_heads, 3"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(tmp_path: Path, args: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        mae(tmp_path, **args)


def test_pictures_of_another_size_than_the_backbones_are_refused(tmp_path: Path) -> None:
    heads = {t.name: TinyHead(len(t)) for t in SCHEMA}
    model = AttributeModel(TinyBackbone(), heads, SCHEMA, Preprocess(64, 32))
    with pytest.raises(RecipeError, match=r"built for pictures of 32 x 32 pixels, but data.image_size is 64 x 32"):
        mae(tmp_path, model)


def test_the_tiny_backbone_of_the_conformance_suite_encodes_patches() -> None:
    """With all patches kept, its tokens are those of the whole picture."""
    backbone = TinyBackbone().eval()
    assert isinstance(backbone, PatchBackbone)
    images = torch.randn(2, 3, 32, 32)
    tokens = backbone.encode_patches(images, torch.arange(16).expand(2, -1))
    torch.testing.assert_close(tokens[:, 1:].mean(1), backbone(images))
