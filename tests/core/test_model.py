"""AttributeModel: one forward pass for all types, and predictions from anything that is a picture."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from mtss_zoo.build import build_model
from mtss_zoo.errors import ImageError, UnknownNameError, UsageError
from mtss_zoo.images import decode
from mtss_zoo.interfaces import AttributeSchema, AttributeType
from mtss_zoo.model import AttributeModel
from mtss_zoo.recipe_source import load_recipe

RECIPE = {
    "name": "tiny",
    "schema": {
        "types": [
            {"name": "colour", "classes": ["red", "green", "blue"]},
            {"name": "type", "kind": "multi", "classes": ["tee", "dress"]},
        ]
    },
    "data": {"dataset": "garments", "image_size": [40, 32]},
    "model": {"backbone": "resnet18", "head": {"name": "label_embedding", "args": {"dim": 8}}},
}


@pytest.fixture(scope="module")
def model() -> AttributeModel:
    torch.manual_seed(0)
    return build_model(load_recipe(RECIPE)).eval()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    images = [Image.new("RGB", (60, 80), colour) for colour in ("red", "green", "blue")]
    paths = [folder / f"{i}.png" for i in range(3)]
    for image, path in zip(images, paths, strict=True):
        image.save(path)
    return images, paths


def test_one_forward_gives_the_scores_and_embeddings_of_every_type(model):
    images = torch.randn(2, 3, 40, 32)
    assert {name: tuple(s.shape) for name, s in model(images).items()} == {"colour": (2, 3), "type": (2, 2)}
    assert {name: tuple(e.shape) for name, e in model.embed(images).items()} == {"colour": (2, 8), "type": (2, 8)}


def test_a_prediction_lists_the_best_classes_first(model, pictures):
    _, (path, *_) = pictures
    (answer,) = model.predict(path, top_k=2)
    assert [len(best) for best in answer.values()] == [2, 2]
    scores = model(model.preprocess(decode(path, "picture"))[None])["colour"][0].tolist()
    best = sorted(range(3), key=lambda i: -scores[i])[:2]
    assert answer["colour"] == [(model.schema["colour"].classes[i], scores[i]) for i in best]


def same(predictions, expected):
    """Equal classes in equal order; scores of another batch size differ in the last bits."""
    assert len(predictions) == len(expected)
    for ours, theirs in zip(predictions, expected, strict=True):
        for name, best in theirs.items():
            assert [c for c, _ in ours[name]] == [c for c, _ in best]
            assert [s for _, s in ours[name]] == pytest.approx([s for _, s in best], abs=1e-5)


def test_the_same_picture_in_every_form_gives_the_same_answer(model, pictures):
    images, paths = pictures
    expected = model.predict(paths)
    same(model.predict([str(p) for p in paths]), expected)
    same(model.predict(images), expected)
    same(model.predict([p.read_bytes() for p in paths]), expected)
    same(model.predict(iter(paths), batch_size=2), expected)
    same(model.predict(images[0]), expected[:1])
    tensor = torch.stack([decode(p, str(p)) for p in paths])
    same(model.predict(tensor), expected)
    same(model.predict(tensor[0]), expected[:1])
    same(model.predict(torch.stack([model.preprocess(t) for t in tensor])), expected)


def test_no_pictures_give_no_predictions(model):
    assert model.predict([]) == []


def test_an_untrained_class_is_never_predicted(model):
    model.trained("colour")[1] = False
    try:
        (answer,) = model.predict(Image.new("RGB", (8, 8)), top_k=3)
        assert {c for c, _ in answer["colour"]} == {"red", "blue"}
        assert model(torch.randn(1, 3, 40, 32))["colour"][0, 1] == -torch.inf
        assert model.train()(torch.randn(2, 3, 40, 32))["colour"].isfinite().all()
    finally:
        model.eval().trained("colour")[1] = True


def test_predicting_leaves_the_mode_as_it_was(model):
    model.train()
    model.predict(Image.new("RGB", (8, 8)))
    assert model.training
    model.eval()


def test_wrong_input_is_refused_in_words(model, tmp_path):
    with pytest.raises(ImageError, match=r"nothing\.jpg"):
        model.predict(tmp_path / "nothing.jpg")
    with pytest.raises(UsageError, match="top_k is 0"):
        model.predict(Image.new("RGB", (8, 8)), top_k=0)
    with pytest.raises(UsageError, match="B3HW"):
        model.predict(torch.zeros(3, 40, 32))
    with pytest.raises(UnknownNameError, match="this schema has colour, type"):
        model.head("hue")


def test_a_schema_without_types_or_with_doubles_is_refused():
    colour = AttributeType("colour", "single", ("red",))
    for types in ((), (colour, colour)):
        with pytest.raises(UsageError):
            AttributeSchema(types)
    for name, kind, classes in (
        ("a.b", "single", ("x",)),
        ("a/b", "single", ("x",)),
        ("", "single", ("x",)),
        ("a", "both", ("x",)),
        ("a", "multi", ()),
    ):
        with pytest.raises(UsageError):
            AttributeType(name, kind, classes)
    with pytest.raises(UsageError, match="names classes twice: red"):
        AttributeType("colour", "single", ("red", "red"))
