"""Networks of timm as backbones."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import timm
import torch
from timm.models import group_parameters
from torch import nn

from mtss_zoo.errors import MtssZooError, UnknownNameError, UsageError

NO_KWARGS: Mapping[str, Any] = MappingProxyType({})


class TimmBackbone(nn.Module):
    """What a network of timm lacks to be a `mtss_zoo.interfaces.Backbone`.

    `timm_backbone` adds this class to the network's own, so there is no module around the network: the keys of its
    state dict are timm's.
    """

    num_features: int

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Every parameter once: the stem, then block after block, as timm groups them for layer-wise decay.

        The few networks that timm cannot group are one group.
        """
        if not hasattr(self, "group_matcher"):
            return [list(self.parameters())]
        matcher: Any = self.group_matcher
        return list(group_parameters(self, matcher(coarse=False), return_values=True).values())

    def init_non_persistent_buffers(self) -> None:
        """Computes the buffers that no checkpoint holds, such as window tables, after building on the meta device.

        A buffer whose module does not say how to compute it stays on the meta device.
        """
        device = next(self.parameters()).device
        hooks: list[Callable[[], None]] = []
        for module in self.modules():
            hook = getattr(super() if module is self else module, "init_non_persistent_buffers", None)
            if hook is None:
                continue
            hooks.append(hook)
            for name in module._non_persistent_buffers_set:
                buffer = module._buffers[name]
                if buffer is not None and buffer.is_meta:
                    module._buffers[name] = torch.empty_like(buffer, device=device)
        for hook in hooks:
            hook()


class _NamedBackbone(TimmBackbone):
    """What it also lacks: words for pictures that it was not built for."""

    timm_name: str

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Pictures B3HW to pooled features BF.

        Raises:
            UsageError: the network is made for pictures of another size.
        """
        try:
            features: torch.Tensor = super().forward(images)
            return features
        except AssertionError as error:
            size = f"[{images.shape[-2]}, {images.shape[-1]}]"
            raise UsageError(
                f"backbone {self.timm_name!r} does not fit data.image_size, which is {size} ({error}) Change that, or "
                f"build the network for it: `args: {{name: {self.timm_name}, img_size: {size}}}`."
            ) from error


def timm_backbone(
    name: str,
    pretrained: bool = False,
    img_size: tuple[int, int] | None = None,
    kwargs: Mapping[str, Any] = NO_KWARGS,
) -> TimmBackbone:
    """The network without its classifier: B3HW to BF, pooled.

    On the meta device ``pretrained`` is ignored: the weights that follow replace ImageNet's.

    Raises:
        UnknownNameError: timm has no such model or weights.
        UsageError: the network does not take these arguments.
        MtssZooError: the pretrained weights cannot be fetched.
    """
    _check(name, kwargs)
    arguments = dict(kwargs) if img_size is None else {"img_size": tuple(img_size), **kwargs}
    pretrained = pretrained and torch.get_default_device().type != "meta"
    try:
        network: Any = timm.create_model(name, pretrained=pretrained, num_classes=0, **arguments)
        # timm counts the features before a last hidden layer, where there is one.
        network.num_features = network.head_hidden_size
    except Exception as error:  # what timm and the clients below it raise shares no base class
        if pretrained and not isinstance(error, TypeError | AssertionError):
            raise cannot_fetch(name, error) from error
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"backbone {name!r} cannot be built with {arguments or 'no arguments'} ({reason}).") from error
    network.timm_name = name
    network.__class__ = type(type(network).__name__, (_NamedBackbone, type(network)), {})
    return cast(TimmBackbone, network)


def cannot_fetch(name: str, error: Exception) -> MtssZooError:
    """The error to raise where the pretrained weights of this name are neither in the cache nor within reach."""
    return MtssZooError(
        f"the pretrained weights of {name!r} cannot be had ({type(error).__name__}: {error}) Write `pretrained: false` "
        "to start from random weights, or run once with network access: the Hugging Face cache (HF_HOME) then works "
        "offline."
    )


def _check(name: str, kwargs: Mapping[str, Any]) -> None:
    # Listing everything takes longer than building a network, so it waits for a name that is not known.
    if not timm.is_model(name) or ("." in name and name not in timm.list_pretrained()):
        known = [*timm.list_models(), *timm.list_pretrained()]
        nearest = difflib.get_close_matches(name, known, n=3, cutoff=0)
        raise UnknownNameError(f"timm has no model {name!r}. The nearest names are {', '.join(nearest)}.")
    # Some of these name files and addresses to load, which a recipe that came with a checkpoint must not do.
    reserved = {*inspect.signature(timm.create_model).parameters, "num_classes", "img_size"}.intersection(kwargs)
    if reserved:
        raise UsageError(f"backbone {name!r}: kwargs may not hold {', '.join(sorted(reserved))}.")
