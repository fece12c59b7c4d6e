"""A grid is a product of axes; each of its cells has a name that can be a folder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtss_zoo.errors import UsageError
from mtss_zoo.grid import axes, points

GAMMA, DIM = "stages.teachers.loss.args.gamma", "model.head.args.dim"


def names(grid):
    return [point.name for point in points(grid)]


def test_every_value_of_an_axis_meets_every_value_of_the_others():
    found = list(points({GAMMA: [0, 0.5], DIM: [64, 128]}))
    assert [p.name for p in found] == ["gamma-0,dim-64", "gamma-0,dim-128", "gamma-0.5,dim-64", "gamma-0.5,dim-128"]
    assert found[2].overrides == found[2].settings == {GAMMA: 0.5, DIM: 64}


def test_variants_set_several_keys_or_none():
    grid = {"loss": {"bce": {"model.head": "linear", "stages.teachers.loss": "bce"}, "le": {}}}
    bce, le = points(grid)
    assert (bce.name, le.name) == ("bce", "le")
    assert bce.settings == {"loss": "bce"}
    assert bce.overrides == {"model.head": "linear", "stages.teachers.loss": "bce"}
    assert le.overrides == {}
    assert axes(grid) == {"loss": ["bce", "le"]}


def test_without_a_grid_there_is_one_cell():
    (point,) = points({})
    assert (point.name, point.overrides) == ("base", {})


def test_names_say_values_as_yaml_does():
    assert names({"stages.student.per_type": [True, False]}) == ["per_type-true", "per_type-false"]
    assert names({"a.momentum": [None, 1e-4]}) == ["momentum-null", "momentum-0.0001"]
    assert names({"data.dropped": ["../unlabelled", "ig nore"]}) == ["dropped-..-unlabelled", "dropped-ig-nore"]


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"a.b": [{"name": "bce"}]}, "write such values as variants"),
        ({"a.b": ["x", "X"]}, "have the name 'b-X'"),
        ({"a.b": [0.5, "0.5"]}, "have the name 'b-0.5'"),
        ({"a": {"..": {}}}, "cannot name a folder"),
        ({key: list(range(11)) for key in "abc"}, "1,331 cells"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(grid, words):
    with pytest.raises(UsageError, match=words):
        names(grid)


@given(st.dictionaries(st.sampled_from(["a.b", "c", "d.e"]), st.sets(st.integers(), min_size=1, max_size=5)))
def test_no_two_cells_are_alike(axis_values):
    grid = {key: sorted(values) for key, values in axis_values.items()}
    found = list(points(grid))
    assert len({p.name for p in found}) == len({str(p.overrides) for p in found}) == len(found)
