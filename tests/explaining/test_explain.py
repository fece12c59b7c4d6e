"""Heat maps of networks that were made by hand, so that the right answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from mtss_zoo.build import build_model
from mtss_zoo.errors import ImageError, MtssZooError, UnknownNameError, UsageError
from mtss_zoo.explaining.explain import explain
from mtss_zoo.explaining.occlusion import occlusion
from mtss_zoo.explaining.relevance import traced
from mtss_zoo.images import Preprocess
from mtss_zoo.interfaces import AttributeSchema, AttributeType
from mtss_zoo.model import AttributeModel
from mtss_zoo.recipe_source import load_recipe

SIDE = AttributeType("side", "single", ("left", "right"))
HEIGHT, WIDTH = 32, 64


class Halves(nn.Module):
    """Features: how bright the left half is and how bright the right half is, from a map of 8 x 16 places."""

    def __init__(self, channels_last: bool = False) -> None:
        super().__init__()
        self.channels_last = channels_last
        self.map = nn.AvgPool2d(4)
        self.last = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        maps = self.map(images)
        if self.channels_last:
            maps = self.last(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        left, right = maps.mean(1).chunk(2, 2)
        return torch.stack([left.mean((1, 2)), right.mean((1, 2))], 1)


class Tokens(nn.Module):
    """A transformer of one block, whose tokens carry their brightness in another channel on the left and the right.

    The class token, and with ``pool`` mean every patch, looks at all of them equally: only gradients tell the halves.
    """

    def __init__(self, pool: str = "token", fused: bool = True) -> None:
        super().__init__()
        self.pool, self.fused = pool, fused
        self.patches = nn.AvgPool2d(8)
        self.block = nn.Identity()
        self.query = nn.Linear(2, 2)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.patches(images).mean(1)
        sides = torch.zeros(2, *maps.shape[1:])
        sides[0, :, : maps.shape[2] // 2] = sides[1, :, maps.shape[2] // 2 :] = 1
        patches = (maps[:, None] * sides).flatten(2).transpose(1, 2)
        tokens = torch.cat([torch.zeros_like(patches[:, :1]), patches], 1)
        query = self.query(tokens[:, None] * 0)
        if self.fused:
            seen = F.scaled_dot_product_attention(query, query, tokens[:, None])
        else:
            seen = (query @ query.transpose(2, 3)).softmax(-1) @ tokens[:, None]
        tokens = self.block(tokens + seen[:, 0])
        return tokens[:, 0] if self.pool == "token" else tokens[:, 1:].mean(1)


class Unreadable(nn.Module):
    """Attention that keeps its weights to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 4, 4, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.out = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        return self.out(self.attention(tokens, tokens, tokens)[0]).mean(1)


class TwoScores(nn.Linear):
    """The features as they are."""

    def __init__(self) -> None:
        super().__init__(2, 2, bias=False)
        self.weight.data = torch.eye(2)


def made(backbone: nn.Module, types: tuple[AttributeType, ...] = (SIDE,), size: tuple[int, int] = (HEIGHT, WIDTH)):
    preprocess = Preprocess(*size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return AttributeModel(backbone, {t.name: TwoScores() for t in types}, AttributeSchema(types), preprocess).eval()


def spots(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Black, with a bright spot in each half, the right one a little brighter."""
    picture = Image.new("RGB", (width, height))
    for left, grey in ((0, 200), (width // 2, 255)):
        box = (left + width // 8, height // 4, left + 3 * width // 8, 3 * height // 4)
        picture.paste((grey, grey, grey), box)
    return picture


def share(heat: np.ndarray, class_name: str) -> float:
    """Of the heat, what lies in the half of this class."""
    left, right = np.split(heat, 2, axis=1)
    return float({"left": left, "right": right}[class_name].sum() / heat.sum())


NETWORKS: dict[str, tuple[nn.Module, str]] = {
    "convolutional": (Halves(), "Grad-CAM"),
    "channels last": (Halves(channels_last=True), "Grad-CAM"),
    "class token": (Tokens(), "attention rollout"),
    "class token, attention in steps": (Tokens(fused=False), "attention rollout"),
    "mean of the patches": (Tokens("mean"), "attention rollout"),
}
both = pytest.mark.parametrize("class_name", SIDE.classes)


class TestKnownAnswers:
    @both
    @pytest.mark.parametrize("network", NETWORKS)
    def test_the_heat_of_a_class_lies_in_its_half(self, network, class_name):
        backbone, method = NETWORKS[network]
        (found,) = explain(made(backbone), spots(), class_name=class_name)
        heat = found["side"]
        assert (heat.class_name, heat.method) == (class_name, method)
        assert heat.values.shape == (HEIGHT, WIDTH) and heat.values.dtype == np.float32
        assert heat.values.min() >= 0 and heat.values.max() == 1
        # A little crosses the middle where the map is enlarged; and pooled patches have seen all others.
        assert share(heat.values, class_name) > (0.7 if network == "mean of the patches" else 0.95)

    def test_the_best_class_is_the_default_and_comes_with_its_score(self):
        model = made(Halves())
        (found,) = explain(model, spots())
        ((best, score),) = model.predict(spots(), top_k=1)[0]["side"]
        assert found["side"].class_name == best == "right"
        assert found["side"].score == pytest.approx(score, abs=1e-6)

    def test_before_a_mean_over_all_places_it_is_grad_cam(self):
        torch.manual_seed(0)
        backbone = nn.Sequential(nn.Conv2d(3, 2, 4, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        model = made(backbone, size=(32, 32))
        images = torch.rand(3, 3, 32, 32)
        maps = backbone[:2](images).detach().requires_grad_()
        gradient = torch.autograd.grad(maps.mean((2, 3))[:, 1].sum(), maps)[0]
        cam = (gradient.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True).relu()  # Selvaraju et al., eq. 1 and 2
        expected = F.interpolate(cam, (32, 32), mode="bilinear")[:, 0].detach()
        for found, theirs in zip(explain(model, images, class_name="right"), expected, strict=True):
            np.testing.assert_allclose(found["side"].values, theirs / theirs.max(), atol=1e-5)

    @both
    def test_a_picture_of_too_few_places_is_covered_bit_by_bit(self, class_name):
        (found,) = explain(made(Halves(), size=(16, 32)), spots(), class_name=class_name)
        assert found["side"].method == "occlusion"
        assert found["side"].values.shape == (16, 32)
        assert share(found["side"].values, class_name) > 0.9

    def test_a_network_whose_attention_cannot_be_read_is_covered_too(self):
        torch.manual_seed(0)
        (found,) = explain(made(Unreadable()), spots())
        assert found["side"].method == "occlusion" and found["side"].values.max() == 1

    def test_nothing_is_hot_where_nothing_speaks_for_the_class(self):
        picture = Image.new("RGB", (WIDTH, HEIGHT))
        picture.paste("white", (WIDTH // 2, 0, WIDTH, HEIGHT))
        for size in ((HEIGHT, WIDTH), (16, 32)):  # by Grad-CAM and by occlusion
            (found,) = explain(made(Halves(), size=size), picture, class_name="left")
            assert not found["side"].values.any()
            assert found["side"].box(*picture.size, "squash") is None


def test_a_window_covers_two_cells_and_a_cell_gets_the_mean_of_its_four_windows():
    # 8 x 8 pixels are 8 x 8 cells. The score is the brightness of one pixel, 1 where the mean is 1/64: all four
    # windows over it cost 63/64, and those reach from the cell before it to the one after it.
    image = torch.zeros(1, 3, 8, 8)
    image[:, :, 3, 5] = 1
    model: Any = lambda images: {"spot": images[:, :1, 3, 5]}  # noqa: E731
    expected = torch.zeros(8, 8)
    for rows, columns in ((0, 0), (0, 1), (1, 0), (1, 1)):
        expected[2 + rows : 4 + rows, 4 + columns : 6 + columns] += 63 / 64 / 4
    heat = occlusion(model, image, {"spot": torch.zeros(1, dtype=torch.long)})["spot"]
    torch.testing.assert_close(heat, expected[None])


def built(backbone: str, size: list[int], **args: Any) -> AttributeModel:
    torch.manual_seed(0)
    types = [{"name": "colour", "classes": ["red", "green", "blue"]}, {"name": "shape", "classes": ["a", "b"]}]
    data = {"dataset": "garments", "image_size": size}
    model = {"backbone": {"name": backbone, "args": args}, "head": {"name": "label_embedding", "args": {"dim": 8}}}
    return build_model(load_recipe({"name": "tiny", "schema": {"types": types}, "data": data, "model": model})).eval()


class TestNetworksOfTimm:
    @pytest.mark.parametrize(
        "backbone, size, args, method, layers",
        [
            ("timm", [192, 256], {"name": "test_resnet"}, "Grad-CAM", None),
            ("timm", [96, 96], {"name": "test_resnet"}, "occlusion", None),
            ("timm", [48, 32], {"name": "test_vit", "img_size": [48, 32]}, "attention rollout", 6),
            ("timm", [48, 32], {"name": "test_vit3", "img_size": [48, 32]}, "attention rollout", 9),  # pools by query
            ("mae_vit_tiny", [48, 32], {"image_size": [48, 32], "depth": 2}, "attention rollout", 2),
        ],
    )
    def test_the_method_fits_the_network(self, backbone, size, args, method, layers):
        model = built(backbone, size, **args)
        images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
        found = explain(model, images)
        assert [list(maps) for maps in found] == [["colour", "shape"]] * 2
        assert {heat.method for maps in found for heat in maps.values()} == {method}
        assert {heat.values.shape for maps in found for heat in maps.values()} == {tuple(size)}
        assert any(heat.values.std() > 0.05 for maps in found for heat in maps.values())
        if layers:
            with traced(model.backbone) as trace:
                model(images.clone().requires_grad_())
            assert len(trace.method(images).attention) == layers

    def test_looking_on_does_not_change_the_scores(self):
        model = built("timm", [48, 32], name="test_vit", img_size=[48, 32])
        images = torch.randn(2, 3, 48, 32)
        expected = model(images)
        with traced(model.backbone):
            seen = model(images.clone().requires_grad_())
        for name, scores in expected.items():
            torch.testing.assert_close(seen[name], scores, rtol=0, atol=1e-5)


class TestLeavesTheModelAsItWas:
    @pytest.fixture(params=["Grad-CAM", "attention rollout", "occlusion"])
    def model(self, request) -> AttributeModel:
        backbones = {"Grad-CAM": nn.Sequential(nn.Conv2d(3, 2, 4, 4), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1))}
        backbones["occlusion"] = nn.Sequential(nn.Conv2d(3, 2, 16, 16), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1))
        flat = [nn.Flatten(), nn.Dropout(0.5)]
        model = made(
            nn.Sequential(*backbones[request.param], *flat) if request.param in backbones else Tokens(),
            size=(32, 32),
        )
        assert explain(model, spots())[0]["side"].method == request.param
        return model

    def test_modes_gradients_hooks_and_weights(self, model):
        model.train()
        next(iter(model.backbone.children())).eval()
        next(model.parameters()).requires_grad_(False)
        modes = [m.training for m in model.modules()]
        needed = [p.requires_grad for p in model.parameters()]
        weights = {name: t.clone() for name, t in model.state_dict().items()}
        explain(model, spots())
        assert [m.training for m in model.modules()] == modes
        assert [p.requires_grad for p in model.parameters()] == needed
        assert all(p.grad is None for p in model.parameters())
        assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
        assert all(torch.equal(t, weights[name]) for name, t in model.state_dict().items())

    def test_when_it_fails_too(self, model):
        model.train()
        modes = [m.training for m in model.modules()]
        wrong = torch.zeros(1, 5, 32, 32) if not isinstance(model.backbone, Tokens) else torch.zeros(1, 3, 4, 4)
        with pytest.raises(RuntimeError):
            explain(model, wrong)
        assert [m.training for m in model.modules()] == modes
        assert not any(m._forward_hooks for m in model.modules())

    def test_frozen_weights_and_callers_without_gradients_change_nothing(self, model):
        expected = explain(model, spots())[0]["side"].values
        model.requires_grad_(False)
        for context in (torch.no_grad, torch.inference_mode):
            with context():
                np.testing.assert_array_equal(explain(model, spots())[0]["side"].values, expected)
        np.testing.assert_array_equal(explain(model.train(), spots())[0]["side"].values, expected)

    def test_pictures_do_not_influence_each_other(self, model):
        pictures = [spots(), spots().transpose(Image.Transpose.FLIP_LEFT_RIGHT), spots(40, 40)]
        together = explain(model, pictures)
        assert len(explain(model, pictures, batch_size=2)) == 3
        for picture, maps in zip(pictures, together, strict=True):
            (alone,) = explain(model, picture)
            assert maps["side"].class_name == alone["side"].class_name
            np.testing.assert_allclose(maps["side"].values, alone["side"].values, atol=1e-3)

    def test_the_tensor_that_was_given_is_left_alone(self, model):
        images = torch.rand(1, 3, 32, 32)
        explain(model, images)
        assert not images.requires_grad


class TestWhatIsExplained:
    MARKS = AttributeType("marks", "multi", ("left", "top"))

    @pytest.fixture
    def model(self) -> AttributeModel:
        return made(Halves(), (SIDE, self.MARKS))

    def test_every_type_unless_one_is_named(self, model):
        assert list(explain(model, spots())[0]) == ["side", "marks"]
        assert list(explain(model, spots(), "marks")[0]) == ["marks"]
        assert explain(model, []) == []

    def test_a_class_of_several_types_is_explained_for_each(self, model):
        assert list(explain(model, spots(), class_name="left")[0]) == ["side", "marks"]
        assert list(explain(model, spots(), class_name="top")[0]) == ["marks"]

    def test_an_untrained_class_is_never_explained(self, model):
        model.trained("side")[1] = False  # the right one, which is the best
        assert explain(model, spots())[0]["side"].class_name == "left"
        with pytest.raises(UsageError, match="not trained on class 'right' of side"):
            explain(model, spots(), "side", "right")
        model.trained("side")[0] = False
        assert list(explain(model, spots())[0]) == ["marks"]
        with pytest.raises(UsageError, match="not trained on any class of side"):
            explain(model, spots(), "side")

    def test_an_unknown_name_offers_the_right_one(self, model):
        with pytest.raises(UnknownNameError, match="Did you mean side"):
            explain(model, spots(), "sides")
        with pytest.raises(UnknownNameError, match="Did you mean right"):
            explain(model, spots(), class_name="rigth")
        with pytest.raises(UnknownNameError, match="no class 'top' of side"):
            explain(model, spots(), "side", "top")

    def test_what_cannot_be_explained_is_said(self, model, tmp_path):
        with pytest.raises(ImageError, match=r"nothing\.jpg"):
            explain(model, tmp_path / "nothing.jpg")
        model.head("side").weight.data[:] = torch.nan
        with pytest.raises(MtssZooError, match="scores of side are not numbers"):
            explain(model, spots())
