"""The page and its Markdown as text: nothing comes from outside, nothing runs, and names are never markup."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from toy_runs import HOSTILE, MTSS, of_type

import mtss_zoo
from mtss_zoo.report.document import Block, Command, Document, Row, Section, Table, Value
from mtss_zoo.report.markdown import plain, to_markdown
from mtss_zoo.report.page import to_html

VOID = {"meta", "img", "link", "br", "input", "hr"}
NAMES = [HOSTILE, '"><img src=x onerror=alert(1)>', "$x^{$ & |pipe| `tick`", "-->", "]]>", "_hidden", "two\nlines"]


class Outline(HTMLParser):
    """What the tests look at: elements in order, attributes, and whether every one is closed where it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def hostile_recipe():
    classes = {name: (10 * (i + 1), 0.1 * i) for i, name in enumerate(NAMES)}
    schema = {"types": [{"name": HOSTILE.replace("/", "").replace(".", ""), "kind": "single", "classes": NAMES}]}
    return MTSS | {"schema": schema, "summary": HOSTILE}, classes


@pytest.fixture
def pages(write_run, hostile_recipe, tmp_path) -> tuple[str, str]:
    """Page and Markdown of such a run."""
    recipe, classes = hostile_recipe
    name = recipe["schema"]["types"][0]["name"]
    row = {name: of_type(280, classes, **{"recall@1": 0.3, "recall@3": 0.6, "f1@1": 0.3})}
    folder = write_run("<b>run & co", {"teachers": row, "student": row}, recipe)
    document = mtss_zoo.report(folder, tmp_path / "out" / "page.html", tmp_path / "page.md")
    assert document.sections
    return (tmp_path / "out" / "page.html").read_text(), (tmp_path / "page.md").read_text()


def test_names_of_a_stranger_are_text_and_nothing_else(pages):
    outline = Outline(pages[0])
    tags = Counter(tag for tag, _ in outline.elements)
    assert tags["script"] == tags["img"] == 0
    assert tags["b"] == len(["command"]) + sum(word.startswith("How to read") for word in outline.words)
    shown = "".join(outline.words)
    assert HOSTILE in shown
    assert "<b>run & co" in shown
    assert not [
        value for _, attributes in outline.elements for name, value in attributes.items() if name.startswith("on")
    ]


def test_every_drawing_has_a_text_and_keeps_its_ids_apart(pages):
    outline = Outline(pages[0])
    drawings = [a for tag, a in outline.elements if tag == "div" and a.get("role") == "img"]
    assert len(drawings) == Counter(tag for tag, _ in outline.elements)["svg"] == 3
    assert all(a["aria-label"] for a in drawings)
    ids = [a["id"] for _, a in outline.elements if a.get("id")]
    assert [i for i, n in Counter(ids).items() if n > 1] == []
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', pages[0]))
    assert used <= set(ids)


def test_nothing_comes_from_outside_and_nothing_runs(pages):
    outline = Outline(pages[0])
    for tag, attributes in outline.elements:
        assert tag not in {"script", "link", "iframe", "object", "embed", "form"}
        for name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/")), f"<{tag} {name}={value}>"
    assert not re.search(r"@import|url\((?!#)|https?://(?!www\.w3\.org/)", pages[0])


def test_headings_come_in_order(pages):
    levels = [int(tag[1]) for tag, _ in Outline(pages[0]).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_contents_lead_to_every_section_and_table(pages):
    outline = Outline(pages[0])
    links = {a["href"] for tag, a in outline.elements if tag == "a"}
    assert {"#papers", "#table1", "#table4", "#run-0", "#commands", "#command-1"} <= links


def test_every_table_says_how_to_read_it_and_where_it_comes_from(pages):
    page, text = pages
    tables = sum(tag == "h3" and a.get("id") not in (None, "skipped") for tag, a in Outline(page).elements)
    assert page.count("How to read this:") == text.count("How to read this:") == tables > 0
    assert "mtss-zoo train" in page
    assert "mtss-zoo train" in text


def test_markdown_has_the_same_numbers_and_no_markup_of_a_stranger(pages):
    text = pages[1]
    assert "<" not in re.sub(r"\\<", "", text.split("## Where the numbers")[0])
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert any("T, gamma 0" in row and "88.45" in row for row in rows)
    bars = {len(re.findall(r"(?<!\\)\|", row)) for row in rows if "pipe" in row}
    assert len(bars) <= 1


@pytest.mark.parametrize(("text", "escaped"), [("a|b", "a\\|b"), ("<i>", "\\<i\\>"), ("a\n# b", "a \\# b"), ("é", "é")])
def test_markdown_escapes(text, escaped):
    assert plain(text) == escaped


def test_the_same_input_gives_the_same_bytes(write_run, tmp_path):
    folder = write_run("a")
    for name in ("one", "two"):
        mtss_zoo.report(folder, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_values_are_printed_with_what_stands_behind_them():
    document = Document(
        "t",
        "s",
        (
            Section(
                "x",
                "x",
                tables=(
                    Table(
                        "y",
                        "y",
                        "r",
                        (
                            Block(
                                "c",
                                ("v",),
                                (Row("l", (Value(61.236, deviation=0.5),), origin="a, seed 3", made_by=(1,)),),
                            ),
                        ),
                    ),
                ),
            ),
        ),
        (Command(1, "a", ("mtss-zoo train 'a b'",)),),
    )
    page, text = to_html(document), to_markdown(document)
    assert "<td>61.24 <small>± 0.50</small></td>" in page
    assert "mtss-zoo train &#39;a b&#39;" in page
    assert "| l (a, seed 3) \\[1\\] | 61.24 ± 0.50 |" in text


@pytest.mark.parametrize(
    ("value", "text", "detail"),
    [
        (Value(None), "-", ""),
        (Value(float("nan"), "gain", (1.0, 2.0)), "-", ""),
        (Value(0.618, "gain"), "+0.62 %", ""),
        (Value(-1.5, "gain", (-2.0, 0.5)), "-1.50 %", "[-2.0, +0.5]"),
        (Value(85.297, decimals=3), "85.297", ""),
        (Value(100 * 1525 / 2091, "accuracy"), "72.931", ""),
        (Value(100 * 0.57, "accuracy"), "57.000", ""),
        (Value(1500, "count"), "1,500", ""),
    ],
)
def test_numbers_are_written_as_in_the_papers(value, text, detail):
    assert (value.text, value.detail) == (text, detail)


def test_the_command_writes_both_files_and_names_what_it_left_out(write_run, tmp_path, monkeypatch, capsys):
    from mtss_zoo.cli import main

    out, markdown = tmp_path / "report.html", tmp_path / "report.md"
    command = ["mtss-zoo", "report", str(write_run("a")), str(tmp_path / "gone"), "--out", str(out)]
    monkeypatch.setattr("sys.argv", [*command, "--markdown", str(markdown)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(out), str(markdown)]
    assert f"left out: {tmp_path / 'gone'}: not found" in said.err
    assert Path(out).read_text().startswith("<!DOCTYPE html>")
    assert Path(markdown).read_text().startswith("# Runs beside")


def test_without_matplotlib_the_tables_still_come(write_run, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    document = mtss_zoo.report(write_run("a"), tmp_path / "page.html")
    assert not [figure for section in document.sections for figure in section.figures]
    assert any("pip install 'mtss-zoo[plots]'" in why for _, why in document.skipped)
