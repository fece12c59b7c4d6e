"""A training step in bfloat16 beside one in 32 bit, on one core of this machine's CPU.

python benchmarks/cpu_precision.py

CPUs with bfloat16 units (AMX) multiply several times as fast with them; others emulate it and are slower. PyTorch's
fused attention has a slow bfloat16 kernel for few tokens, so Vision Transformers are measured with it and without.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from measure import in_turn, report
from timm.layers import set_fused_attn

from mtss_zoo.build import build_model
from mtss_zoo.recipe_source import load_recipe

BATCH, STEPS, ROUNDS = 64, 3, 3
RECIPES = {"ResNet-18, 80 x 60": "multitask_bce_fashion_products", "ViT, 80 x 64": "vit_fashion_products"}


def steps_of(recipe: str, bfloat16: bool, fused: bool) -> Callable[[], None]:
    """Some steps of AdamW on a batch in memory, in the layout in which the trainer has it."""
    torch.manual_seed(0)
    resolved = load_recipe(recipe)
    set_fused_attn(fused)  # read when a network is built
    model = build_model(resolved).train()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
    images = torch.randn(BATCH, 3, *resolved.data.image_size).contiguous(memory_format=torch.channels_last)

    def train() -> None:
        for _ in range(STEPS):
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                scores = model(images)
            torch.stack([s.float().square().mean() for s in scores.values()]).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    return train


def main() -> None:
    torch.set_num_threads(1)
    capable = torch.cpu._is_amx_tile_supported()
    print(f"this CPU has {'' if capable else 'no '}bfloat16 units (AMX)")
    for title, recipe in RECIPES.items():
        ways = {"32 bit": (False, True), "bfloat16": (True, True)}
        if "ViT" in title:
            ways["bfloat16, attention not fused"] = (True, False)
        actions = {name: steps_of(recipe, *way) for name, way in ways.items()}
        report(f"step in bfloat16, {title}", in_turn(actions, ROUNDS), "32 bit", "faster where the CPU has AMX")


if __name__ == "__main__":
    main()
