"""Which box becomes the crop: worked numbers, and what holds for any detector."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtss_zoo.detection.choice import GARMENTS, Choice, Chosen, choose, kept_classes
from mtss_zoo.detection.contract import Found
from mtss_zoo.errors import PluginError, UnknownNameError, UsageError

NO_PAD = Choice(pad=0)
SMALL, LARGE = (0, 0, 10, 10), (20, 20, 40, 40)


def found(*things: tuple[tuple[float, float, float, float], float, str]) -> Found:
    return Found([box for box, _, _ in things], [score for _, score, _ in things], [name for _, _, name in things])


def test_the_largest_score_times_root_of_area_wins():
    """0.9 x 10 = 9 against 0.6 x 20 = 12, and against 0.4 x 20 = 8, were that sure enough."""
    assert choose(found((SMALL, 0.9, "dress"), (LARGE, 0.6, "coat")), 50, 50, NO_PAD) == (LARGE, 0.6, "coat")
    assert (
        choose(found((SMALL, 0.9, "dress"), (LARGE, 0.4, "coat")), 50, 50, Choice(min_score=0.1, pad=0)).label
        == "dress"
    )


def test_what_is_not_sure_enough_does_not_count():
    assert choose(found((SMALL, 0.5, "dress")), 50, 50, NO_PAD).box == SMALL
    assert choose(found((SMALL, 0.49, "dress")), 50, 50, NO_PAD) == Chosen(None, None, None)


def test_other_classes_do_not_count():
    seen = found((SMALL, 0.6, "dress"), (LARGE, 0.9, "zipper"))
    assert choose(seen, 50, 50, Choice(keep=("dress", "coat"), pad=0)).box == SMALL
    assert choose(seen, 50, 50, Choice(keep=("coat",))).box is None


def test_the_union_is_around_all_that_counts_and_named_by_the_surest():
    seen = found((SMALL, 0.9, "dress"), (LARGE, 0.6, "coat"), ((0, 45, 50, 50), 0.2, "coat"))
    assert choose(seen, 50, 50, Choice(union=True, pad=0)) == ((0, 0, 40, 40), 0.9, "dress")


def test_five_percent_are_added_on_each_side_and_clipped():
    """20 and 40 pixels a side become 1 and 2 more on each."""
    assert choose(found(((20, 20, 40, 60), 0.9, "dress")), 100, 100, Choice()).box == (19, 18, 41, 62)
    assert choose(found(((0, 20, 40, 60), 0.9, "dress")), 61, 100, Choice()).box == (0, 18, 42, 61)


def test_a_box_over_the_edge_counts_with_what_is_inside():
    """Inside it is 10 x 10, which is less than 20 x 20."""
    seen = found(((-90, -90, 10, 10), 0.9, "dress"), (LARGE, 0.9, "coat"))
    assert choose(seen, 50, 50, NO_PAD).label == "coat"


def test_less_than_eight_pixels_a_side_is_the_whole_picture_with_the_name_of_what_was_there():
    assert choose(found(((10, 10, 18, 18), 0.9, "dress")), 50, 50, NO_PAD).box == (10, 10, 18, 18)
    assert choose(found(((10, 10, 17, 40), 0.9, "dress")), 50, 50, NO_PAD) == (None, 0.9, "dress")
    assert choose(found(((0, 0, 7, 7), 0.9, "dress")), 7, 7, NO_PAD).box is None


def test_what_is_no_box_does_not_count():
    nan, inf = float("nan"), float("inf")
    for box in ((nan, 0, 9, 9), (30, 30, 20, 20), (60, 60, 90, 90), (inf, inf, inf, inf)):
        assert choose(found((box, 0.9, "dress"), (SMALL, 0.6, "coat")), 50, 50, NO_PAD).label == "coat"
    assert choose(found((SMALL, nan, "dress")), 50, 50, NO_PAD).box is None


def test_nothing_found_may_have_any_shape():
    for boxes in ([], np.zeros((0, 4)), np.zeros(0)):
        assert choose(Found(boxes, [], []), 50, 50, NO_PAD) == Chosen()


numbers = st.floats(-200, 200, width=32) | st.just(float("nan")) | st.just(float("inf"))
things = st.lists(st.tuples(st.tuples(*[numbers] * 4), st.floats(0, 1), st.sampled_from("ab")), max_size=6)


@given(things, st.integers(1, 100), st.integers(1, 100), st.booleans(), st.floats(0, 1))
def test_any_answer_is_a_box_of_some_size_inside_the_picture(seen, height, width, union, pad):
    box, _, label = choose(found(*seen), height, width, Choice(("a",), union=union, pad=pad))
    assert label in (None, "a")
    if box is not None:
        x1, y1, x2, y2 = box
        assert 0 <= x1 <= x2 - 8 <= width - 8 and 0 <= y1 <= y2 - 8 <= height - 8


@pytest.mark.parametrize(
    "bad", [([SMALL], [0.5, 0.5], ["a"]), ([SMALL], [0.5], []), ([(1, 2, 3)], [0.5], ["a"]), (["x"], [1], ["a"])]
)
def test_an_answer_of_another_form_breaks_the_contract(bad):
    with pytest.raises(PluginError, match="K boxes x1 y1 x2 y2 with K scores and K names"):
        choose(Found(*bad), 50, 50, NO_PAD)


def test_garments_count_unless_others_are_named():
    assert kept_classes((*GARMENTS, "zipper"), ()) == GARMENTS
    assert kept_classes(("__background__", "person", "tie"), ()) == ("person",)
    assert kept_classes((*GARMENTS, "zipper"), ("zipper",)) == ("zipper",)
    assert kept_classes((), ()) == ()
    assert kept_classes((), ("dress",)) == ("dress",)


def test_classes_that_the_detector_does_not_know_are_refused():
    with pytest.raises(UnknownNameError, match=r"knows no class 'dres'.*dress"):
        kept_classes(GARMENTS, ("dres",))
    with pytest.raises(
        UsageError, match="name the classes that are garments with --keep; this detector knows cat, dog"
    ):
        kept_classes(("cat", "dog"), ())
