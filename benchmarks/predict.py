"""`model.predict` for six attribute types beside the bare backbone's forward on the same tensor.

python benchmarks/predict.py
"""

from __future__ import annotations

import torch
from measure import in_turn, report

import mtss_zoo


def main() -> None:
    model = mtss_zoo.build("mtss_student_deepfashion").eval()
    for size in (1, 16):
        images = torch.randn(size, 3, 224, 224)

        @torch.inference_mode()
        def bare(images: torch.Tensor = images) -> torch.Tensor:
            return model.backbone(images)

        actions = {"bare backbone": bare, "model.predict": lambda images=images: model.predict(images)}
        report(f"predict batch {size}", in_turn(actions, rounds=15), "bare backbone", "1.03 or less")


if __name__ == "__main__":
    main()
