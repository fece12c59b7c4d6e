"""Heat maps over pictures: in the right place whatever the fit, and readable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mtss_zoo.explaining.heat_maps import SIDE, HeatMap, sheet


def hot(height: int, width: int, top: int, left: int, bottom: int, right: int) -> HeatMap:
    values = np.zeros((height, width), np.float32)
    values[top:bottom, left:right] = 1
    return HeatMap("red", 0.5, values, "Grad-CAM")


LOWER_RIGHT = hot(40, 40, 20, 20, 40, 40)


class TestBox:
    def test_squash_stretches_it(self):
        assert LOWER_RIGHT.box(80, 400, "squash") == (40, 200, 80, 400)

    def test_crop_moves_it_into_the_part_that_the_model_sees(self):
        # Of 100 x 60 the model sees the middle 60 x 60, from column 20 on; 1 of its pixels is 1.5 of the picture's.
        assert LOWER_RIGHT.box(100, 60, "crop") == (20 + 30, 30, 20 + 60, 60)

    def test_a_smaller_crop_moves_it_further_in(self):
        # Three quarters of the middle 60 x 60 of 100 x 60: 45 x 45, from column 27 and row 7 on.
        smaller = replace(LOWER_RIGHT, crop_pct=0.75)
        assert smaller.box(100, 60, "crop") == (50, 30, 27 + 45, 7 + 45)
        assert smaller.seen(Image.new("RGB", (100, 60)), "crop", 45).size == (45, 45)

    def test_pad_takes_away_the_margin(self):
        # 80 x 40 becomes 40 x 20 with 10 rows of white above and below, so the upper half of the box is on the picture.
        assert LOWER_RIGHT.box(80, 40, "pad") == (40, 20, 80, 40)

    def test_it_goes_around_what_is_half_as_hot_as_the_peak(self):
        values = np.array([[0.0, 0.49, 0.5, 1.0]], np.float32)
        assert HeatMap("red", 0.5, values, "occlusion").box(4, 1, "squash") == (2, 0, 4, 1)

    def test_there_is_none_without_heat_on_the_picture(self):
        assert hot(40, 40, 0, 0, 0, 0).box(80, 40, "squash") is None
        assert hot(40, 40, 0, 0, 10, 40).box(80, 40, "pad") is None


class TestOver:
    @pytest.mark.parametrize("size, drawn", [((80, 40), (SIDE, SIDE // 2)), ((1, 3000), (1, SIDE)), ((480, 480), None)])
    def test_it_has_the_pictures_shape(self, size, drawn):
        assert LOWER_RIGHT.over(Image.new("RGB", size), "squash").size == (drawn or (SIDE, SIDE))

    def test_what_is_hot_is_yellow_and_what_is_cold_is_nearly_grey(self):
        drawn = LOWER_RIGHT.over(Image.new("RGB", (50, 50), (200, 0, 0)), "squash")
        red, green, blue = drawn.getpixel((200, 200))
        assert min(red, green) > 150 > blue
        cold = drawn.getpixel((40, 40))
        assert max(cold) - min(cold) < 30

    def test_with_crop_it_shows_what_the_model_sees(self):
        picture = Image.new("RGB", (100, 60), "white")
        picture.paste("black", (0, 0, 20, 60))
        picture.paste("black", (80, 0, 100, 60))
        assert LOWER_RIGHT.seen(picture, "crop", 60).getcolors() == [(3600, (255, 255, 255))]
        assert LOWER_RIGHT.over(picture, "crop").size == (SIDE, SIDE)

    def test_with_pad_the_margin_is_not_shown(self):
        margin = hot(40, 40, 0, 0, 10, 40)
        drawn = np.asarray(margin.over(Image.new("RGB", (80, 40), "white"), "pad"))
        assert drawn.shape == (SIDE // 2, SIDE, 3) and len(np.unique(drawn.reshape(-1, 3), axis=0)) == 1


class TestSheet:
    def test_the_picture_comes_first_and_as_it_is(self):
        page = sheet(Image.new("RGB", (60, 80), "teal"), {"colour": LOWER_RIGHT}, "squash")
        assert page.getpixel((100, 100)) == (0, 128, 128)

    def test_many_types_take_several_rows(self):
        one, four, seven = (
            sheet(Image.new("RGB", (60, 80)), {str(i): LOWER_RIGHT for i in range(n)}, "squash") for n in (1, 3, 7)
        )
        assert one.width < four.width == seven.width
        assert one.height == four.height < seven.height

    def test_captions_stay_under_their_picture(self):
        long = HeatMap("a name that goes on\nand on and on and on and on", 0.5, LOWER_RIGHT.values, "Grad-CAM")
        page = sheet(Image.new("RGB", (10, 80)), {"first": long, "second": LOWER_RIGHT}, "squash")
        gap = np.asarray(page.crop((page.width - 162 - 12, SIDE + 12, page.width - 162, page.height)))
        assert (gap == 255).all()
