"""The page of a real, tiny training in headless Chromium: on a phone, on a screen, in print, and with hostile names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from contrast import AA, contrast
from playwright.sync_api import Browser, Page

import mtss_zoo
from mtss_zoo.plugins import plugins

pytestmark = pytest.mark.slow
PATIENCE = 120_000
"""Milliseconds; only a browser that hangs takes as long."""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Iterator[tuple[Path, object]]:
    """Teachers and a student of the toy plugin, trained in seconds, with their pictures at hand."""
    with pytest.MonkeyPatch.context() as patch:
        toy = Path(__file__).parents[1] / "toy_plugin"
        patch.syspath_prepend(toy)
        plugins.cache_clear()
        folder = tmp_path_factory.mktemp("report")
        run = folder / "<img src=x onerror=window.hacked=1>"
        softmax = {"name": "cross_entropy", "args": {"scale": 8}}
        changes = {"data.dataset.args": {"n_val": 60}, "stages.teachers.loss": softmax}
        mtss_zoo.train(toy / "recipe.yaml", run, overrides=changes)
        row = {"all": {"recall@3": 0.5}}
        stages = {"student": {"clean": row, "mean": row, "by_corruption": {"fog": row, "contrast": row}}}
        kept = {"split": "val", "n": 60, "variant": "imaug", "seed": 0, "stages": stages}
        (run / "corruptions.json").write_text(json.dumps(kept))
        document = mtss_zoo.report(run, folder / "report.html", pictures=2)
        yield folder / "report.html", document
    plugins.cache_clear()


@pytest.fixture
def page(browser: Browser, report) -> Iterator[Page]:
    """The page, with what it says to the console and what it asks for."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(PATIENCE)
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(report[0].as_uri())
    yield page
    page.close()


def test_where_the_pictures_are_at_hand_everything_is_drawn(report):
    _, document = report
    assert document.skipped == ()
    (run,) = [s for s in document.sections if s.id == "run-0"]
    titles = [figure.title for figure in run.figures]
    assert titles[:2] == ["teachers: loss and validation", "student: loss and validation"]
    assert {"colour: embeddings", "student: reliability"} <= set(titles)
    (table4,) = [t for t in document.sections[0].tables if t.id == "table4"]
    gain = table4.blocks[-1].rows[-1]
    assert gain.label == "S: gain"
    assert all(cell.interval for cell in gain.cells)


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_itself_never_scrolls_sideways(page, width):
    page.set_viewport_size({"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_nothing_is_asked_for_said_or_run(page):
    assert [url for url in page.asked if not url.startswith(("file:", "data:"))] == []
    assert sum(url.startswith("file:") for url in page.asked) == 1
    assert page.said == []
    assert page.evaluate("window.hacked") is None
    assert page.locator("h2").filter(has_text="<img src=x onerror=window.hacked=1>").count() == 1


def test_wide_tables_scroll_in_their_own_box_and_can_be_reached_by_keyboard(page):
    boxes = page.locator(".wide")
    assert boxes.evaluate_all("all => all.every(box => box.tabIndex === 0 && box.getBoundingClientRect().right <= 390)")
    assert boxes.evaluate_all("all => all.some(box => box.scrollWidth > box.clientWidth)")


def test_small_letters_of_drawings_can_be_read_on_a_phone(page):
    sizes = page.locator("svg text").evaluate_all("all => all.map(text => text.getBoundingClientRect().height)")
    assert min(sizes) >= 9


def test_pictures_are_there_with_words(page):
    pictures = page.locator("td.pictures img")
    words = [picture.get_attribute("alt") for picture in pictures.all()]
    assert any("taken for" in alt for alt in words)
    for picture in pictures.all():
        assert picture.evaluate("image => image.complete && image.naturalWidth > 0")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser, report, scheme):
    page = browser.new_page(color_scheme=scheme)
    page.goto(report[0].as_uri())
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    places = {"h1": "color", ".reading": "color", "td": "color", "small": "color", "a": "color", "svg text": "fill"}
    for place, property in places.items():
        colour = page.locator(place).first.evaluate(f"element => getComputedStyle(element)['{property}']")
        assert contrast(colour, ground) >= AA, place
    page.close()


def test_in_print_no_table_is_cut_off(page):
    page.set_viewport_size({"width": 718, "height": 1000})  # what A4 leaves between margins of a centimetre
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") == 718
    assert page.locator("table").evaluate_all("all => all.every(t => t.getBoundingClientRect().right <= 718.5)")
    assert page.locator(".wide").first.evaluate("box => getComputedStyle(box).overflowX") == "visible"


def test_the_contents_lead_where_they_say(page):
    links = page.locator("nav a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert links and all(page.locator(f"[id='{link[1:]}']").count() == 1 for link in links)


def test_corruptions_that_were_measured_are_shown(page, report):
    _, document = report
    (section,) = [s for s in document.sections if s.id == "corruptions"]
    assert [figure.title for figure in section.figures] == ["<img src=x onerror=window.hacked=1>: by corruption"]
    pytest.importorskip("imagecorruptions")
    (block,) = section.tables[0].blocks
    assert [row.label for row in block.rows] == ["clean", "fog", "contrast"]
    assert page.locator("img[alt='fog, severity 5']").count() == 1
