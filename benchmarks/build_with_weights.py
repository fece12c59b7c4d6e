"""A ResNet-50 with weights from a file: `mtss_zoo.load` beside timm's create and load. Outputs are bit-equal.

python benchmarks/build_with_weights.py
"""

from __future__ import annotations

import tempfile

import timm
import torch
from measure import in_turn, report
from safetensors.torch import load_file, save_file

import mtss_zoo

RECIPE = {
    "name": "resnet50_1000",
    "schema": {"types": [{"name": "category", "classes": 1000}]},
    "data": {"dataset": "garments"},
    "model": {"backbone": "resnet50", "head": "linear"},
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = mtss_zoo.build(RECIPE).eval()
        mtss_zoo.save(model, folder)
        theirs = timm.create_model("resnet50").eval()
        theirs.load_state_dict(model.backbone.state_dict(), strict=False)
        theirs.fc.load_state_dict(model.head("category").state_dict())
        save_file(theirs.state_dict(), f"{folder}/timm.safetensors")

        def with_timm() -> torch.nn.Module:
            created = timm.create_model("resnet50")
            created.load_state_dict(load_file(f"{folder}/timm.safetensors"))
            return created.eval()

        images = torch.randn(2, 3, 224, 224)
        with torch.inference_mode():
            assert torch.equal(mtss_zoo.load(folder)(images)["category"], with_timm()(images))
        actions = {"timm create + load": with_timm, "mtss_zoo.load": lambda: mtss_zoo.load(folder)}
        report("build with weights", in_turn(actions, rounds=7), "timm create + load", "0.333 or less")


if __name__ == "__main__":
    main()
