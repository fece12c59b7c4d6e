"""A small model with an untrained class, the same as a folder, an ONNX file, and a folder of pictures."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from mtss_zoo.build import build_model
from mtss_zoo.checkpoint import save
from mtss_zoo.model import AttributeModel
from mtss_zoo.recipe_source import load_recipe

RECIPE: dict[str, Any] = {
    "name": "tiny",
    "schema": {
        "types": [
            {"name": "colour", "classes": ["red", "green", "blue"]},
            {"name": "trims", "kind": "multi", "classes": ["zip", "lace"]},
        ]
    },
    "data": {"dataset": "garments", "image_size": [32, 32]},
    "model": {
        "backbone": {"name": "timm", "args": {"name": "test_vit", "img_size": [32, 32]}},
        "head": {"name": "label_embedding", "args": {"dim": 4}},
    },
}


@pytest.fixture(scope="session")
def model() -> AttributeModel:
    torch.manual_seed(0)
    model = build_model(load_recipe(RECIPE)).eval()
    model.trained("colour")[1] = False
    return model


@pytest.fixture(scope="session")
def model_folder(model, tmp_path_factory) -> Path:
    return save(model, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def onnx_file(tmp_path_factory) -> Path:
    """What `mtss-zoo export` writes, but for a network that weighs the mean of each colour channel."""
    path, random = tmp_path_factory.mktemp("exported") / "model.onnx", np.random.default_rng(0)
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["means"], axes=[2, 3], keepdims=0),
    ]
    weights, outputs = [], []
    for t in RECIPE["schema"]["types"]:
        name, size = t["name"], len(t["classes"])
        weights.append(numpy_helper.from_array(random.normal(size=(3, size)).astype(np.float32), f"{name}_weights"))
        nodes.append(helper.make_node("MatMul", ["means", f"{name}_weights"], [f"{name}_scores"]))
        outputs.append(helper.make_tensor_value_info(f"{name}_scores", TensorProto.FLOAT, ["B", size]))
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", 3, 32, 32])
    graph = helper.make_graph(nodes, "tiny", [images], outputs, weights)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    about = {
        "written_by": "a test",
        "recipe": "tiny",
        "schema": {"types": [{"kind": "single"} | t for t in RECIPE["schema"]["types"]]},
        "image_size": [32, 32],
        "fit": "squash",
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "trained": {t["name"]: [True] * len(t["classes"]) for t in RECIPE["schema"]["types"]},
    }
    proto.metadata_props.add(key="mtss_zoo", value=json.dumps(about))
    onnx.save(proto, path)
    return path


@pytest.fixture(scope="session")
def shop(tmp_path_factory) -> Path:
    """Twelve pictures in two folders, a broken and an empty one, and files that are none."""
    root, random = tmp_path_factory.mktemp("shop"), np.random.default_rng(0)
    (root / "women").mkdir()
    for i in range(12):
        name = f"women/{i}.png" if i % 3 else f"{i:02d}.JPG"
        Image.fromarray(random.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(root / name)
    (root / "women/broken.jpg").write_bytes(b"\xff\xd8\xff")
    (root / "empty.png").touch()
    for other in ("notes.txt", "women/list.csv", "._00.JPG", ".cache/1.jpg"):
        (root / other).parent.mkdir(exist_ok=True)
        (root / other).write_text("none")
    return root


GOOD = ["00.JPG", "03.JPG", "06.JPG", "09.JPG", *(f"women/{i}.png" for i in (1, 10, 11, 2, 4, 5, 7, 8))]
"""The usable pictures of `shop` in the order of the list, in which ``empty.png`` comes fifth."""


@pytest.fixture(scope="session")
def good() -> list[str]:
    return GOOD


def pack(tar: Path, root: Path, names: Sequence[str]) -> Path:
    """An uncompressed tar of these files of a folder."""
    with tarfile.open(tar, "w") as archive:
        for name in names:
            archive.add(root / name, arcname=name)
    return tar


@pytest.fixture(scope="session")
def packed():
    return pack
