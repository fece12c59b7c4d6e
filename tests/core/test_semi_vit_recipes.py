"""The recipes of the three shop tasks against Semi-ViT's values for ViT-B and 10 % of the labels.

Cai et al., Semi-supervised Vision Transformers at Scale (NeurIPS 2022), and the authors' scripts.
"""

from __future__ import annotations

import pytest

from mtss_zoo.optim import Length, learning_rate
from mtss_zoo.recipe import AugmentSpec, Recipe
from mtss_zoo.recipe_source import load_recipe

CLASSES = {"vest_neck_style": 13, "phone_case_pattern": 21, "apron_food_bib_pattern": 26}
STRONG = AugmentSpec(crop_scale=(0.08, 1), crop_ratio=(0.75, 4 / 3), flip=0.5, randaugment=9, erase=0.25)
WEAK = AugmentSpec(crop_scale=(0.08, 1), crop_ratio=(0.75, 4 / 3), flip=0.5, color_jitter=0.4)


@pytest.fixture(params=CLASSES)
def task(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def recipe(task: str) -> Recipe:
    return load_recipe(f"semi_vit_{task}")


def test_pictures_and_model(recipe: Recipe, task: str) -> None:
    data, model = recipe.data, recipe.model
    assert (data.image_size, data.fit, data.crop_pct, data.interpolation) == ((224, 224), "crop", 0.875, "bicubic")
    assert (data.mean, data.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert model.backbone.name == "mae_vit_b"
    assert model.backbone.args == {"image_size": [224, 224], "pretrained": True, "drop_path": 0.1, "weights": None}
    assert (model.head.name, model.head.args) == ("linear", {"init_std": 2e-5})
    assert recipe.attribute_schema is not None
    assert [len(t) for t in recipe.attribute_schema] == [CLASSES[task]]


def test_fine_tuning(recipe: Recipe) -> None:
    stage = recipe.stages["finetune"]
    args = stage.strategy.args
    assert (stage.strategy.name, args["mixup"], args["cutmix"]) == ("supervised", 0.8, 1.0)
    assert (stage.batch_size, stage.epochs, stage.keep) == (512, 100, "last")
    assert (stage.optimizer.lr, stage.optimizer.layer_decay) == (2.5e-4 * 512 / 256, 0.65)
    assert stage.views == {"train": STRONG}


def test_semi_supervised_training(recipe: Recipe) -> None:
    stage = recipe.stages["semi"]
    assert stage.strategy.name == "semi_vit"
    assert stage.strategy.args == {
        "mu": 5,
        "threshold": 0.5,
        "unlabelled_weight": 5.0,
        "pseudo_mixing": "probabilistic",
        "label_smoothing": 0.1,
        "mixup": 0.8,
        "cutmix": 1.0,
        "momentum": None,
        "horizon": 18.0,  # 1 - 18 / 180,000 steps is the published momentum
        "deliver": "ema",
        "weights": None,
        "align": False,
    }
    assert (stage.init_from, stage.init_parts) == ("finetune", "all")
    assert (stage.batch_size, stage.epochs, stage.keep) == (128, 100, "last")
    assert (stage.optimizer.lr, stage.optimizer.layer_decay) == (1e-3 * 128 / 256, 0.75)
    assert stage.views == {"train": STRONG, "strong": STRONG, "weak": WEAK}


@pytest.mark.parametrize("name", ["finetune", "semi"])
def test_what_both_stages_have(recipe: Recipe, name: str) -> None:
    stage = recipe.stages[name]
    assert stage.loss is not None
    assert (stage.loss.name, stage.loss.args) == ("cross_entropy", {"label_smoothing": 0.1, "scale": 1.0})
    optimizer = stage.optimizer
    assert (optimizer.name, optimizer.betas, optimizer.weight_decay) == ("adamw", (0.9, 0.999), 0.05)
    assert optimizer.clip_norm is None and not optimizer.decay_tokens and not stage.ema
    length = Length(steps=1000, per_epoch=10, images=stage.batch_size)
    rates = [learning_rate(step, optimizer.lr, stage.schedule, length) for step in (0, 25, 525, 1000)]
    assert rates == pytest.approx([0, 2.5e-4, 2.505e-4, 1e-6])


def test_the_baseline_is_the_same_without_its_last_stage(recipe: Recipe, task: str) -> None:
    baseline = load_recipe(f"vit_{task}")
    assert list(baseline.stages) == ["finetune"]
    assert baseline.stages["finetune"] == recipe.stages["finetune"]
    assert (baseline.data, baseline.model) == (recipe.data, recipe.model)
