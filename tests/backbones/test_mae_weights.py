"""Files of masked autoencoders as a backbone's start: what is taken, what is left out, and what is refused."""

from __future__ import annotations

import copy
import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
import timm
import torch
from mtss_zoo_backbones.vit_mae import mae_vit_b, mae_vit_tiny
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from mtss_zoo.build import build_model
from mtss_zoo.checkpoint import load, save
from mtss_zoo.errors import CheckpointError, MtssZooError, UsageError
from mtss_zoo.positions import sincos_positions
from mtss_zoo.recipe_source import load_recipe

from .test_vit_mae import encoder_of, scattered, seeded, timm_tiny, tiny

DECODER = ("mask_token", "decoder_embed.weight", "decoder_pos_embed", "decoder_blocks.0.attn.qkv.bias")


def test_the_encoder_of_a_whole_autoencoder_is_taken():
    state = encoder_of(timm_tiny("token")) | {key: torch.ones(1) for key in DECODER}
    state |= {"head.weight": torch.ones(3, 192), "head.bias": torch.ones(3)}
    before = dict(state)
    network = tiny()
    network.load_state_dict(state)
    assert state.keys() == before.keys()
    loaded = network.state_dict()
    assert all(torch.equal(loaded[k], t) for k, t in state.items() if k in loaded)
    assert loaded.keys() - state.keys() == {"fc_norm.weight", "fc_norm.bias"}


def test_the_final_norm_does_not_become_fc_norm():
    state = encoder_of(timm_tiny("token"))
    assert not state["norm.weight"].eq(1).any()
    network = tiny()
    network.load_state_dict(state)
    assert network.fc_norm.weight.eq(1).all() and network.fc_norm.bias.eq(0).all()


def test_inside_a_model_it_loads_as_alone():
    state = {f"0.{key}": t for key, t in encoder_of(timm_tiny("token")).items()}
    model = nn.Sequential(tiny())
    model.load_state_dict(state)
    assert torch.equal(model[0].pos_embed, state["0.pos_embed"])


@pytest.mark.parametrize("key", ["cls_token", "blocks.1.mlp.fc2.bias", "norm.weight"])
def test_a_key_that_is_missing_is_still_an_error(key):
    state = encoder_of(timm_tiny("token"))
    del state[key]
    with pytest.raises(RuntimeError, match="fc_norm.weight" if key == "norm.weight" else key):
        tiny().load_state_dict(state)


def test_a_key_that_nobody_knows_is_still_an_error():
    with pytest.raises(RuntimeError, match="surprise"):
        tiny().load_state_dict(encoder_of(timm_tiny("token")) | {"surprise": torch.ones(1)})


def test_positions_of_another_size_are_interpolated():
    state = encoder_of(timm_tiny("token", size=(24, 24)))
    table = torch.randn(1, 10, 192, generator=seeded())
    state["pos_embed"] = table
    network = tiny(image_size=(16, 40))
    network.load_state_dict(state)
    assert torch.equal(network.pos_embed[:, 0], table[:, 0])
    grid = table[:, 1:].reshape(1, 3, 3, 192).permute(0, 3, 1, 2)
    expected = F.interpolate(grid, size=(2, 5), mode="bicubic", align_corners=False)
    torch.testing.assert_close(network.pos_embed[:, 1:], expected.permute(0, 2, 3, 1).reshape(1, 10, 192))
    assert network.pos_embed.requires_grad


def test_a_copy_loads_into_itself():
    network = tiny()
    twin = copy.deepcopy(network)
    twin.load_state_dict(encoder_of(timm_tiny("token", size=(24, 24))))
    assert not torch.equal(twin.pos_embed, network.pos_embed)
    assert torch.equal(network.pos_embed, sincos_positions((2, 3), 192))
    twin.fc_norm.weight.data.fill_(2)
    twin.load_state_dict(encoder_of(timm_tiny("token")))
    assert twin.fc_norm.weight.eq(2).all()


@pytest.mark.parametrize("shape", [(1, 7, 192), (1, 13, 192), (1, 10, 64), (10, 192), (1, 1, 192)])
def test_positions_that_are_of_no_square_are_not_guessed(shape):
    state = encoder_of(timm_tiny("token")) | {"pos_embed": torch.ones(shape)}
    with pytest.raises(RuntimeError, match="pos_embed"):
        tiny(image_size=(16, 40)).load_state_dict(state)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """The same encoder as a safetensors file, as MAE publishes it, and as a bare state dict."""
    state = encoder_of(timm_tiny("token"))
    save_file(state, tmp_path / "encoder.safetensors")
    torch.save({"model": state}, tmp_path / "mae_pretrain.pth")
    torch.save(state, tmp_path / "bare.pt")
    return {path.name: path for path in tmp_path.iterdir()}


@torch.no_grad()
@pytest.mark.parametrize("name", ["encoder.safetensors", "mae_pretrain.pth", "bare.pt"])
def test_it_starts_from_a_file(files, name):
    theirs, ours = timm_tiny("avg"), tiny(weights=str(files[name]))
    theirs.fc_norm.reset_parameters()
    images = torch.randn(2, 3, 16, 24, generator=seeded())
    assert torch.equal(ours(images), theirs(images))


def test_on_the_meta_device_no_file_is_read_and_nothing_fetched():
    with torch.device("meta"):
        assert mae_vit_tiny(weights="/no/such/file.pth").cls_token.is_meta
        assert mae_vit_b(pretrained=True).cls_token.is_meta


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_file_that_executes_code_is_refused(tmp_path):
    torch.save({"model": {"cls_token": Bomb(tmp_path / "executed")}}, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match="cannot be read as weights alone"):
        tiny(weights=str(tmp_path / "weights.pth"))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04 broken"])
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        tiny(weights=str(tmp_path / name))


@pytest.mark.parametrize("content", [[torch.ones(2)], {"model": [torch.ones(2)]}, {"epoch": 3}])
def test_a_file_without_a_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match="no state dict"):
        tiny(weights=str(tmp_path / "weights.pth"))


@pytest.mark.parametrize("name", ["", ".", "none.pth"])
def test_a_missing_file_is_named(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=rf"there is no {name or '.'}\. Give the path"):
        tiny(weights=name)


def test_the_weights_of_another_network_say_what_differs(files):
    path = str(files["encoder.safetensors"])
    with pytest.raises(CheckpointError, match=r"does not hold .* it misses blocks\.2\..* and 9 more\.$"):
        tiny(weights=path, depth=3)
    with pytest.raises(CheckpointError, match=r"it has unknown blocks\.1\..* and 9 more\.$"):
        tiny(weights=path, depth=1)
    with pytest.raises(CheckpointError, match=r"it has other shapes for patch_embed\.proj\.weight, pos_embed\.$"):
        tiny(weights=path, patch_size=4)


def test_pretrained_and_weights_together_are_a_fault():
    with pytest.raises(UsageError, match="leave out one"):
        mae_vit_b(pretrained=True, weights="file.pth")


@pytest.mark.parametrize("part_stays_empty", [False, True])
def test_loading_a_checkpoint_never_reads_the_file_that_it_started_from(files, monkeypatch, part_stays_empty):
    """Not even where a plugin's part keeps a buffer empty, so that the model is built a second time, off meta."""
    path = files["mae_pretrain.pth"]
    backbone = {"name": "mae_vit_tiny", "args": {"image_size": [16, 24], "depth": 2, "weights": str(path)}}
    recipe = {
        "name": "started",
        "schema": {"types": [{"name": "colour", "classes": ["red", "green"]}]},
        "data": {"dataset": "garments", "image_size": [16, 24]},
        "model": {"backbone": backbone, "head": {"name": "linear", "args": {"init_std": 2e-5}}},
    }
    model = build_model(load_recipe(recipe)).eval()
    folder = save(model, path.parent / "model")
    path.unlink()
    if part_stays_empty:
        empty = torch.empty(1, device="meta")
        core = importlib.import_module("mtss_zoo.build")
        monkeypatch.setattr(core, "refill_buffers", lambda model, path: model.register_buffer("window", empty))
    loaded = load(folder)
    images = torch.randn(1, 3, 16, 24, generator=seeded())
    assert torch.equal(loaded(images)["colour"], model(images)["colour"])
    assert loaded.recipe.model.backbone.args["weights"] == str(path)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty cache, without the network; what is put into it is large, so it does not stay."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.slow
def test_public_weights_that_cannot_be_fetched_name_the_way_out(hub):
    with pytest.raises(MtssZooError, match=r"(?s)vit_base_patch16_224\.mae.*pretrained: false.*HF_HOME") as failure:
        mae_vit_b(image_size=(16, 16), pretrained=True)
    assert not isinstance(failure.value, UsageError)


@pytest.mark.slow
@torch.no_grad()
def test_vit_b_with_the_public_file_is_timms(hub):
    """From the cache of the Hub and from a file; the values are of a fixed seed."""
    theirs = scattered(timm.create_model("vit_base_patch16_224", num_classes=0, global_pool="avg"))
    snapshot = hub / "models--timm--vit_base_patch16_224.mae" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    save_file(encoder_of(theirs), snapshot / "model.safetensors")
    refs = hub / "models--timm--vit_base_patch16_224.mae" / "refs"
    refs.mkdir()
    (refs / "main").write_text("0" * 40)
    theirs.fc_norm.reset_parameters()
    images = torch.randn(1, 3, 224, 224, generator=seeded())
    expected = theirs(images)
    for start in ({"pretrained": True}, {"weights": str(snapshot / "model.safetensors")}):
        assert torch.equal(mae_vit_b(**start).eval()(images), expected)
