"""Networks of timm as backbones: contract, layer groups, meta device, and errors in words."""

import copy

import huggingface_hub.constants
import pytest
import timm
import torch
from mtss_zoo_backbones.resnet import resnet18, resnet50
from mtss_zoo_backbones.timm_network import TimmBackbone, timm_backbone

from mtss_zoo.errors import MtssZooError, UnknownNameError, UsageError
from mtss_zoo.interfaces import Backbone

PICTURES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
NETWORKS = {
    "resnet18": resnet18,
    "vit": lambda: timm_backbone("vit_tiny_patch16_224", img_size=(32, 32)),
    "swin": lambda: timm_backbone("swin_tiny_patch4_window7_224", img_size=(32, 32), kwargs={"window_size": 4}),
    "hidden layer after pooling": lambda: timm_backbone("mobilenetv3_small_050"),
    "cannot be grouped": lambda: timm_backbone("pit_ti_224", kwargs={"drop_path_rate": 0.1}),
}
FIXED_SIZE = {"cannot be grouped": 224}


def pictures(name: str) -> torch.Tensor:
    size = FIXED_SIZE.get(name, 32)
    return torch.nn.functional.interpolate(PICTURES, size=(size, size))


@pytest.fixture(scope="module", params=NETWORKS)
def built(request: pytest.FixtureRequest) -> tuple[str, TimmBackbone]:
    torch.manual_seed(0)
    return request.param, NETWORKS[request.param]().eval()


@torch.no_grad()
def test_it_maps_pictures_to_features(built):
    name, backbone = built
    assert isinstance(backbone, Backbone)
    assert backbone(pictures(name)).shape == (2, backbone.num_features)


def test_layer_groups_hold_every_parameter_once(built):
    name, backbone = built
    groups = backbone.layer_groups()
    grouped = [id(p) for group in groups for p in group]
    assert sorted(grouped) == sorted(id(p) for p in backbone.parameters())
    assert (len(groups) > 1) == (name != "cannot be grouped")


@torch.no_grad()
def test_built_on_the_meta_device_it_equals_plain_construction(built):
    """Swin keeps window tables that no checkpoint holds."""
    name, backbone = built
    with torch.device("meta"):
        empty = NETWORKS[name]().eval()
    assert all(p.is_meta for p in empty.parameters())
    empty.load_state_dict(backbone.state_dict(), assign=True)
    empty.init_non_persistent_buffers()
    assert not any(t.is_meta for t in (*empty.parameters(), *empty.buffers()))
    assert torch.equal(empty(pictures(name)), backbone(pictures(name)))


def test_keys_are_timms_own():
    assert list(resnet18().state_dict()) == list(timm.create_model("resnet18", num_classes=0).state_dict())


def test_groups_go_from_the_picture_to_the_features():
    backbone = resnet18()
    groups = backbone.layer_groups()
    assert len(groups) == 1 + 8
    assert groups[0][0] is backbone.conv1.weight
    assert groups[-1][-1] is backbone.layer4[1].bn2.bias


def test_a_copy_groups_its_own_parameters():
    backbone = resnet18()
    twin = copy.deepcopy(backbone)
    assert twin.layer_groups()[0][0] is twin.conv1.weight
    assert twin.conv1.weight is not backbone.conv1.weight


def test_resnet50_has_2048_features():
    with torch.device("meta"):
        assert resnet50().num_features == 2048


@pytest.mark.parametrize(("name", "near"), [("resnet81", "resnet18"), ("vit_base_patch16_siglip_224.webly", "webli")])
def test_an_unknown_name_shows_near_ones(name, near):
    with pytest.raises(UnknownNameError, match=near):
        timm_backbone(name)


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18.a1_in1k", "local-dir:/tmp/model"])
def test_a_name_is_not_an_address(name):
    with pytest.raises(UnknownNameError, match="no model"):
        timm_backbone(name)


@pytest.mark.parametrize("kwargs", [{"depth": 3}, {"img_size": 32}, {"features_only": True}])
def test_arguments_that_the_network_does_not_take_are_named(kwargs):
    with pytest.raises(UsageError, match=next(iter(kwargs))):
        timm_backbone("resnet18", kwargs=kwargs)


@pytest.mark.parametrize(
    "kwargs", [{"checkpoint_path": "x.pth"}, {"pretrained_cfg": {"file": "x"}}, {"num_classes": 3}]
)
def test_kwargs_cannot_load_files_or_add_a_classifier(kwargs):
    with pytest.raises(UsageError, match=f"may not hold {next(iter(kwargs))}"):
        timm_backbone("resnet18", kwargs=kwargs)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_pictures_of_another_size_name_the_way_out(name):
    backbone = timm_backbone(name)
    with pytest.raises(
        UsageError, match=rf"data\.image_size.*\[32, 32\].*model \(224\).*name: {name}, img_size: \[32, 32\]"
    ):
        backbone(PICTURES)


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """No network, and an empty cache."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


@pytest.mark.usefixtures("no_weights")
def test_weights_that_cannot_be_fetched_name_the_way_out():
    with pytest.raises(MtssZooError, match=r"(?s)weights of 'resnet18'.*pretrained: false.*HF_HOME") as failure:
        resnet18(pretrained=True)
    assert not isinstance(failure.value, UsageError)


@pytest.mark.usefixtures("no_weights")
def test_on_the_meta_device_no_weights_are_fetched():
    with torch.device("meta"):
        assert resnet18(pretrained=True).conv1.weight.is_meta
