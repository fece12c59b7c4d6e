"""Draws docs/images: generated garments, what a trained model says of them, and what it goes by.

    python docs/make_pictures.py runs/quickstart/student

The pictures are of the split test, which no model is trained or chosen on. In predictions.png a prediction that is
wrong is red, with the truth behind it. heat_maps.jpg explains the garment of which most is predicted rightly.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import mtss_zoo
from mtss_zoo.build import build_dataset
from mtss_zoo.explaining.explain import explain
from mtss_zoo.explaining.heat_maps import sheet
from mtss_zoo.interfaces import Dataset, Sample
from mtss_zoo.model import AttributeModel
from mtss_zoo.recipe import DataSpec, Part

OUT = Path(__file__).parent / "images"
COLUMNS, ROWS = 3, 2
PHOTO, TEXT, MARGIN, LINE = 225, 235, 20, 45
PAPER, INK, GREY, RED = "#ffffff", "#1f2328", "#6e7781", "#c0392b"
Said = list[tuple[str, str, str]]


def shown(dataset: Dataset, count: int) -> list[Sample]:
    """Pictures of as many different categories as there are, each the first of its kind in the split."""
    rows, classes = dataset.split("test").label_pairs("category")
    first = {int(c): int(r) for r, c in zip(rows[::-1], classes[::-1], strict=True)}
    return [dataset.split("test")[row] for row in sorted(first.values())[:count]]


def said(model: AttributeModel, sample: Sample) -> Said:
    """``(attribute, prediction, truth if it differs)`` of every type that the garment has."""
    (best,) = model.predict(sample.image, top_k=1)
    lines = []
    for attribute_type in model.schema:
        name = attribute_type.name
        if attribute_type.kind == "single" and name in sample.labels:
            truth = attribute_type.classes[sample.labels[name][0]]
            predicted = best[name][0][0]
            lines.append((name, predicted, "" if predicted == truth else truth))
    return lines


def card(sample: Sample, lines: Said) -> Image.Image:
    """The picture, and beside it the lines."""
    picture = Image.new("RGB", (PHOTO + TEXT, PHOTO), PAPER)
    picture.paste(sample.image)
    pen = ImageDraw.Draw(picture)
    label, value = (ImageFont.load_default(size) for size in (17, 25))
    y = (PHOTO - len(lines) * LINE) // 2
    for name, predicted, truth in lines:
        pen.text((PHOTO + 16, y), name, GREY, label)
        pen.text((PHOTO + 16, y + 15), predicted, RED if truth else INK, value)
        if truth:
            pen.text((PHOTO + 26 + pen.textlength(predicted, value), y + 22), f"is {truth}", GREY, label)
        y += LINE
    return picture


def main(folder: str) -> None:
    OUT.mkdir(exist_ok=True)
    model = mtss_zoo.load(folder)
    args = {"n_test": 400, "image_size": PHOTO}
    dataset = build_dataset(DataSpec(dataset=Part(name="garments", args=args)), model.schema)
    samples = shown(dataset, COLUMNS * ROWS)
    answers = [said(model, sample) for sample in samples]
    cards = [card(sample, lines) for sample, lines in zip(samples, answers, strict=True)]
    width, height = (cards[0].width + MARGIN, cards[0].height + MARGIN)
    page = Image.new("RGB", (COLUMNS * width + MARGIN, ROWS * height + MARGIN), PAPER)
    for i, picture in enumerate(cards):
        page.paste(picture, (MARGIN + i % COLUMNS * width, MARGIN + i // COLUMNS * height))
    page.quantize(128, dither=Image.Dither.NONE).save(OUT / "predictions.png", optimize=True)
    right = [sum(not truth for _, _, truth in lines) for lines in answers]
    picture = samples[right.index(max(right))].image
    (heat_maps,) = explain(model, picture)
    some = {name: heat_maps[name] for name in ("colour", "neckline", "sleeve")}
    sheet(picture, some, model.preprocess.fit).save(OUT / "heat_maps.jpg", quality=80)


if __name__ == "__main__":
    main(sys.argv[1])
