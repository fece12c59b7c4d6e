"""What in a picture speaks for a class: a heat map for every attribute type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtss_zoo.errors import MtssZooError, UnknownNameError, UsageError
from mtss_zoo.explaining.heat_maps import HeatMap
from mtss_zoo.explaining.occlusion import occlusion
from mtss_zoo.explaining.relevance import traced
from mtss_zoo.interfaces import AttributeSchema, ImageSource
from mtss_zoo.model import AttributeModel
from mtss_zoo.registry import near_matches


def explain(
    model: AttributeModel,
    images: ImageSource | Iterable[ImageSource],
    type_name: str | None = None,
    class_name: str | None = None,
    batch_size: int = 8,
) -> list[dict[str, HeatMap]]:
    """Where each picture shows what speaks for a class: ``[{type: HeatMap}, ...]``.

    By Grad-CAM in convolutional networks, and by attention rollout in transformers (`relevance`). By occlusion where
    the last feature map has fewer than 6 cells on a side, as for small pictures, and in all other networks.

    The model is used in eval mode and left as it was: its modes, its gradients and its hooks.

    Args:
        images: as for `AttributeModel.predict`.
        type_name: this attribute type alone. Default: every type, or every one that has the class.
        class_name: the class to explain. Default: the one that scores best, for each picture and type.
        batch_size: pictures a forward pass; what it computes is kept until their maps are done.

    Raises:
        UsageError: there is no such type or class, or the model was not trained on it.
        ImageError: a picture cannot be read; the message names it.
    """
    wanted = _wanted(model, type_name, class_name)
    with torch.inference_mode(False), torch.enable_grad(), _evaluating(model):
        return [maps for batch in model.batches(images, batch_size) for maps in _explain(model, batch, wanted)]


def _explain(model: AttributeModel, images: Tensor, wanted: dict[str, int | None]) -> list[dict[str, HeatMap]]:
    with traced(model.backbone) as trace:
        scores = model(images.detach().requires_grad_())  # so that there are gradients in a frozen model, too
    classes = {name: scores[name].argmax(1) if i is None else _all(i, images) for name, i in wanted.items()}
    best = {name: scores[name].gather(1, chosen[:, None])[:, 0] for name, chosen in classes.items()}
    for name, values in best.items():
        if values.isnan().any():
            raise MtssZooError(f"the scores of {name} are not numbers (NaN): the model diverged when it was trained.")
    method = trace.method(images)
    if method:
        relevance = {name: method(values.sum()) for name, values in best.items()}
    else:
        relevance = occlusion(model, images, classes)
    how, crop_pct = method.name if method else "occlusion", model.preprocess.crop_pct
    columns = []
    for name, maps in relevance.items():
        named = (model.schema[name].classes[i] for i in classes[name].tolist())
        rows = zip(named, best[name].tolist(), _scaled(maps, images), strict=True)
        columns.append([HeatMap(class_name, score, heat, how, crop_pct) for class_name, score, heat in rows])
    return [dict(zip(relevance, row, strict=True)) for row in zip(*columns, strict=True)]


def _all(index: int, images: Tensor) -> Tensor:
    return torch.full((len(images),), index, device=images.device)


def _scaled(relevance: Tensor, images: Tensor) -> npt.NDArray[np.float32]:
    """Bhw of any scale to BHW with the largest value 1, at the pictures' size; what is 0 everywhere stays so."""
    heat = F.interpolate(relevance[:, None].float(), images.shape[2:], mode="bilinear")[:, 0]
    heat /= heat.amax((1, 2), keepdim=True).clamp_min(torch.finfo(heat.dtype).tiny)
    return heat.cpu().numpy()


def _wanted(model: AttributeModel, type_name: str | None, class_name: str | None) -> dict[str, int | None]:
    """Attribute type to the class to explain; ``None`` is the best one."""
    if type_name is not None and type_name not in model.schema.names:
        raise UnknownNameError(f"no attribute type {type_name!r}. {near_matches(type_name, model.schema.names)}")
    schema = model.schema if type_name is None else model.schema.select([type_name])
    wanted = _with_class(schema, class_name) if class_name else dict.fromkeys(schema.names)
    trained = {n: i for n, i in wanted.items() if model.trained(n)[slice(None) if i is None else i].any()}
    if not trained:
        what = f"class {class_name!r} of" if class_name else "any class of"
        raise UsageError(f"the model was not trained on {what} {' or '.join(wanted)}: there is nothing to see.")
    return trained


def _with_class(schema: AttributeSchema, class_name: str) -> dict[str, int | None]:
    found: dict[str, int | None] = {t.name: t.classes.index(class_name) for t in schema if class_name in t.classes}
    if not found:
        known = near_matches(class_name, (c for t in schema for c in t.classes))
        raise UnknownNameError(f"no class {class_name!r} of {', '.join(schema.names)}. {known}")
    return found


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
