"""Tables for people: whatever the width of the terminal, no number is cut."""

from __future__ import annotations

import sys

import pytest

from mtss_zoo.cli.output import print_table

BEST = {f"top {i}": f"Accessory Gift Set 0.{i}5" for i in range(1, 6)}
ROWS = [{"attribute": "category", **BEST}, {"attribute": "colour", **BEST}]


@pytest.fixture
def printed(monkeypatch, capsys):
    """What is printed on a terminal of so many columns, or elsewhere."""

    def run(rows, columns=80, terminal=False):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
        print_table(rows, title="shirt.jpg")
        return capsys.readouterr().out

    return run


def test_where_no_terminal_sets_a_width_a_table_is_as_wide_as_it_must_be(printed):
    out = printed([*ROWS, {**ROWS[0], "attribute": "a text that a terminal would wrap " * 9}])
    assert out == printed([*ROWS, {**ROWS[0], "attribute": "a text that a terminal would wrap " * 9}], columns=999)
    assert out.count("Accessory Gift Set 0.55") == 3


def test_where_a_table_does_not_fit_a_terminal_every_value_has_a_line(printed):
    title, *lines = printed(ROWS, terminal=True).splitlines()
    assert title == "shirt.jpg"
    assert lines[:3] == ["attribute: category", "top 1: Accessory Gift Set 0.15", "top 2: Accessory Gift Set 0.25"]
    assert lines[6:8] == ["", "attribute: colour"]


def test_on_a_terminal_long_texts_are_wrapped_first(printed):
    out = printed([{"name": "a" * 9, "n": 1234567, "about": "word " * 30}], terminal=True)
    assert "1234567" in out and "about:" not in out
    assert max(map(len, out.splitlines())) <= 80 + len("\x1b[1m\x1b[0m") * 9
