"""`mtss-zoo explain`: one PNG a picture, and what it shows for programs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

import mtss_zoo


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A checkpoint folder; nothing was learnt in it."""
    types = {"data.types": ["category", "colour"]}
    model = mtss_zoo.build("mtss_quickstart", **{"model.head.args.dim": 8}, **types)
    return mtss_zoo.save(model, tmp_path_factory.mktemp("model"))


@pytest.fixture
def explain(folder, monkeypatch, zoo, tmp_path):
    """``explain("shirt.jpg", "--json")`` gives exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    for name in ("shirt.jpg", "other/shirt.png"):
        Image.effect_mandelbrot((60, 80), (-2, -1.5, 1, 1.5), 50).convert("RGB").save(name)

    return lambda *args, model=folder: zoo("explain", model, *args)


def test_it_prints_where_the_drawing_is(explain):
    code, out, err = explain("shirt.jpg")
    assert (code, out, err) == (0, "heat_maps/shirt.png\n", "")
    with Image.open("heat_maps/shirt.png") as drawn:
        assert drawn.width > 3 * 180  # the picture and two types


def test_programs_get_class_score_box_and_method(explain):
    code, out, _ = explain("shirt.jpg", "--class", "blue", "--out", "new/folder", "--json")
    (answer,) = json.loads(out)
    assert code == 0
    assert (answer["image"], answer["drawn"]) == ("shirt.jpg", "new/folder/shirt.png")
    (blue,) = answer["attributes"].values()
    assert list(answer["attributes"]) == ["colour"]
    assert (blue["class"], blue["method"]) == ("blue", "occlusion") and -1 <= blue["score"] <= 1
    left, top, right, bottom = blue["box"]
    assert 0 <= left < right <= 60 and 0 <= top < bottom <= 80


def test_pictures_of_one_name_do_not_overwrite_each_other(explain):
    code, out, _ = explain("shirt.jpg", "other/shirt.png", "--type", "colour")
    assert (code, out.split()) == (0, ["heat_maps/shirt.png", "heat_maps/shirt_2.png"])


def test_a_bad_picture_is_named_and_the_others_still_come(explain):
    Path("broken.jpg").write_bytes(b"\xff\xd8\xff")
    code, out, err = explain("broken.jpg", "nothing.jpg", "shirt.jpg", "--type", "colour")
    assert (code, out) == (1, "heat_maps/shirt.png\n")
    assert "broken.jpg" in err and "nothing.jpg cannot be used: it does not exist" in err


@pytest.mark.parametrize(
    "args, words",
    [
        (("--type", "color"), "Did you mean colour?"),
        (("--class", "bleu"), "Did you mean blue"),
        (("--type", "category", "--class", "blue"), "no class 'blue' of category"),
        (("--out", "shirt.jpg"), "shirt.jpg: is a file"),
        (("--out", "shirt.jpg/maps"), "shirt.jpg/maps cannot be written: "),
    ],
)
def test_who_asks_wrongly_is_told_so(explain, args, words):
    code, out, err = explain("shirt.jpg", *args)
    assert (code, out) == (2, "") and words in err
    assert not Path("heat_maps").exists()


def test_names_that_are_not_utf_8_are_printed_with_question_marks(explain):
    odd = os.fsdecode(b"odd_\xff.jpg")
    for name in (odd, f"other/{odd}"):
        Path(name).write_bytes(Path("shirt.jpg").read_bytes())
    code, out, _ = explain(odd, f"other/{odd}", "--type", "colour")
    assert (code, out.split()) == (0, [f"heat_maps/odd_\N{REPLACEMENT CHARACTER}{end}.png" for end in ("", "_2")])
    assert len(list(Path("heat_maps").iterdir())) == 2
    code, out, _ = explain(odd, "--type", "colour", "--json")
    assert code == 0 and json.loads(out)[0]["image"] == "odd_\N{REPLACEMENT CHARACTER}.jpg"


def test_an_onnx_file_cannot_be_explained(explain):
    code, _, err = explain("shirt.jpg", model="model.onnx")
    assert code == 2 and "checkpoint folder" in err
