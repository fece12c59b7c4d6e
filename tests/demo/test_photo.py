"""Whatever is uploaded becomes a picture as everywhere in the zoo, or a sentence that says why not."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from mtss_zoo.demo.photo import read_photo
from mtss_zoo.errors import ImageError
from mtss_zoo.pil_images import decode


@pytest.mark.parametrize("name", ["plain.png", "cmyk.jpg", "turned.jpg", "moving.gif", "print.tiff"])
def test_a_picture_is_decoded_as_everywhere(files, name):
    assert np.array_equal(read_photo(files / name).picture, decode(files / name, name))


def test_a_turned_photo_is_upright(files):
    assert read_photo(files / "turned.jpg").picture.size == (40, 60)


def test_of_a_moving_picture_it_is_said_what_was_looked_at(files):
    assert read_photo(files / "moving.gif").note == "Only the first picture of the file was looked at."
    assert read_photo(files / "plain.png").note == ""


@pytest.mark.parametrize(
    "name, reason",
    [
        ("text.jpg", "is not a picture in a format that is read here"),
        ("empty.jpg", "is empty"),
        ("cut.jpg", "is cut off"),
        ("dot.png", "has 1 x 1 pixels, too few"),
        ("bomb.png", "has more than 178,956,970 pixels"),
        ("wide.png", "has 10000 x 10000 pixels, and 50 million are the limit"),
        ("heavy.jpg", "has more than 20 MB"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(files, name, reason):
    with pytest.raises(ImageError, match=reason) as refused:
        read_photo(files / name)
    assert name in str(refused.value)
    assert str(files) not in str(refused.value), "where files lie on the server is nobody's business."


@pytest.mark.parametrize("name", ["bomb.png", "wide.png", "heavy.jpg"])
def test_a_refused_file_takes_no_memory(files, name):
    tracemalloc.start()
    with pytest.raises(ImageError):
        read_photo(files / name)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_the_smallest_picture_that_is_used(tmp_path):
    Image.new("RGB", (8, 9)).save(tmp_path / "small.png")
    assert read_photo(tmp_path / "small.png").picture.size == (8, 9)
