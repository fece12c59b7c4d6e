"""A trained model as one file for other programs: ONNX, or an exported program of PyTorch."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mtss_zoo.checkpoint import load
from mtss_zoo.errors import MtssZooError, UsageError
from mtss_zoo.exporting.onnx_file import INPUT, MAX_BYTES, METADATA_KEY, Metadata, output_name, require_packages
from mtss_zoo.exporting.onnx_model import OnnxModel
from mtss_zoo.exporting.parity import Parity, Run, check, compare
from mtss_zoo.model import AttributeModel

Format = Literal["onnx", "torch"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torch": ".pt2"}
OPSET = 20


@dataclass(frozen=True)
class Exported:
    """The file that was written, and how it compares with the model."""

    path: Path
    parity: tuple[Parity, ...]


def export(source: str | Path | AttributeModel, to: Format = "onnx", out: str | Path | None = None) -> Exported:
    """Writes a model into one file that takes pictures uint8 B3HW, of any number, and gives the scores BN of each type.

    The file is kept only if it gives the model's scores, on pictures drawn here, up to `parity.TOLERANCE`.

    Args:
        source: a checkpoint folder, ``owner/repo@revision``, or a model.
        to: ``onnx``, for onnxruntime and `OnnxModel`; ``torch``, for ``torch.export.load``.
        out: the file; by default ``model.onnx`` or ``model.pt2`` in the checkpoint folder, else in the current one.

    Raises:
        UsageError: the format is unknown, ``out`` has another suffix, or the model is too large for it.
        MtssZooError: a package is missing, the model cannot be exported, or the file's scores differ.
    """
    if to not in SUFFIXES:
        raise UsageError(f"format {to!r} is unknown; there are {', '.join(SUFFIXES)}.")
    folder = Path(source) if isinstance(source, str | Path) and Path(source).is_dir() else Path()
    out = Path(out) if out else folder / f"model{SUFFIXES[to]}"
    if out.suffix != SUFFIXES[to]:
        raise UsageError(f"{out}: a file for {to} ends in {SUFFIXES[to]}.")
    if to == "onnx":
        require_packages("onnx", "onnxruntime", "onnxscript")
    model = source if isinstance(source, AttributeModel) else load(source)
    model = copy.deepcopy(model).cpu().eval()
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.stem}.part{out.suffix}")
    try:
        written = _write_onnx(model, part) if to == "onnx" else _write_torch(model, part)
        parity = compare(model, written)
        check(parity, out)
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
    return Exported(out, parity)


class _Network(nn.Module):
    """A model from pictures uint8 B3HW to scores BN, as a tuple in the schema's order.

    Its parts have no names from the schema: torch writes names into Python code that it then runs, and a schema may
    come from anywhere.
    """

    def __init__(self, model: AttributeModel) -> None:
        super().__init__()
        self.normalise = model.preprocess.normalise
        self.backbone = model.backbone
        self.heads = nn.ModuleList(model.head(name) for name in model.schema.names)
        for i, name in enumerate(model.schema.names):
            self.register_buffer(f"untrained_{i}", ~model.trained(name))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        features = self.backbone(self.normalise(images))
        scores = [head(features).float() for head in self.heads]
        return tuple(s.masked_fill(self.get_buffer(f"untrained_{i}"), -torch.inf) for i, s in enumerate(scores))


def _traced(model: AttributeModel) -> torch.export.ExportedProgram:
    network = _Network(model).eval()
    example = torch.zeros(2, 3, model.preprocess.height, model.preprocess.width, dtype=torch.uint8)
    free = ({0: torch.export.Dim("batch")},)
    try:
        with torch.no_grad():
            program = torch.export.export(network, (example,), dynamic_shapes=free)
    except Exception as error:  # any code of the backbone runs here
        raise _impossible(error) from error
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)  # names folders of this machine
    return program


def _write_torch(model: AttributeModel, path: Path) -> Run:
    torch.export.save(_traced(model), path, extra_files={f"{METADATA_KEY}.json": _metadata(model)})
    network = torch.export.load(path).module()
    return lambda pictures: [scores.detach().numpy() for scores in network(torch.from_numpy(pictures))]


def _write_onnx(model: AttributeModel, path: Path) -> Run:
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    size = sum(t.nbytes for t in (*model.parameters(), *model.buffers()))
    if size > MAX_BYTES:
        raise UsageError(f"the weights have {size:,} bytes, but an ONNX file holds {MAX_BYTES:,}: export to torch.")
    try:
        program: Any = torch.onnx.export(
            _traced(model),
            (),
            dynamo=True,
            input_names=[INPUT],
            output_names=[output_name(name) for name in model.schema.names],
            dynamic_shapes=({0: "batch"},),
            opset_version=OPSET,
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        raise _impossible(error) from error
    ClearMetadataAndDocStringPass()(program.model)  # stack traces, which name folders of this machine
    program.model.metadata_props[METADATA_KEY] = _metadata(model)
    program.save(path)
    written = OnnxModel(path)
    return lambda pictures: list(written.scores(pictures).values())


def _metadata(model: AttributeModel) -> str:
    preprocess = model.preprocess
    return Metadata.model_validate(
        {
            "written_by": f"mtss-zoo {version('mtss-zoo')}",
            "recipe": model.recipe.name if model.recipe else "",
            "schema": model.schema.to_dict(),
            "image_size": (preprocess.height, preprocess.width),
            "fit": preprocess.fit,
            "crop_pct": preprocess.crop_pct,
            "interpolation": preprocess.interpolation,
            "mean": preprocess.mean,
            "std": preprocess.std,
            "trained": {name: model.trained(name).tolist() for name in model.schema.names},
        }
    ).model_dump_json(by_alias=True, exclude_none=True)


def _impossible(error: Exception) -> MtssZooError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return MtssZooError(f"this model cannot be exported: torch says: {reason}")
