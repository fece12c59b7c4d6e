"""The page in headless Chromium: what a person sees, with a mouse and without, and what the browser asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from contrast import AA, contrast
from playwright.sync_api import Browser, Page, expect

from mtss_zoo.interfaces import AttributeSchema, AttributeType
from mtss_zoo.prediction import Prediction

pytestmark = pytest.mark.slow
PATIENCE = 120_000
"""Milliseconds; only a browser that hangs takes as long."""


def opened(browser: Browser, url: str, **options: Any) -> Page:
    """The page in a window of its own; ``page.asked`` fills with the addresses that the browser asks for."""
    page = browser.new_page(**{"viewport": {"width": 1100, "height": 640}} | options)
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(url)
    page.wait_for_selector("#photo input[type=file]", state="attached")
    page.wait_for_selector("#examples button[aria-label]")
    return page


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    page = opened(browser, url)
    yield page
    page.close()


def upload(page: Page, file: Path) -> None:
    page.set_input_files("#photo input[type=file]", file)


def test_a_photo_is_dropped_and_the_answer_comes_without_a_button(page, model, files):
    upload(page, files / "plain.png")
    (prediction,) = model.predict(files / "plain.png", top_k=3)
    expect(page.locator("#answer h2")).to_have_count(len(prediction))
    for place, (name, classes) in enumerate(prediction.items()):
        section = page.locator("#answer section").nth(place)
        assert section.locator("h2").inner_text().startswith(name)
        assert section.locator(".class").all_inner_texts() == [c for c, _ in classes]
        assert section.locator(".score").all_inner_texts() == [f"{score:z.2f}" for _, score in classes]
    wide = page.locator("#answer .bar span").evaluate_all("all => all.map(bar => bar.getBoundingClientRect().width)")
    assert wide[0] > wide[1] > wide[2] > 0


def test_where_it_looked_is_closed_until_asked_for(page, files):
    upload(page, files / "plain.png")
    picture = page.locator("#where img").first
    expect(picture).to_be_attached()
    expect(picture).to_be_hidden()
    page.click("#where summary")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")


def test_the_browser_asks_nobody_outside(page, url, files):
    upload(page, files / "plain.png")
    expect(page.locator("#where img").first).to_be_attached()
    hosts = {urlsplit(asked).netloc for asked in page.asked if urlsplit(asked).scheme in ("http", "https", "ws", "wss")}
    assert hosts == {urlsplit(url).netloc}


def test_it_works_by_keyboard_alone_from_top_to_bottom(page):
    page.keyboard.press("Tab")
    assert in_focus(page) == "Drop an image file here to upload"
    page.keyboard.press("Tab")
    assert in_focus(page) == "Example 1"
    page.keyboard.press("Enter")
    expect(page.locator("#where summary")).to_be_visible()
    for _ in range(10):
        page.keyboard.press("Tab")
        if in_focus(page) == "Where it looked":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#where img").first).to_be_visible()


def in_focus(page: Page) -> str:
    """The name of the element that the keyboard goes to."""
    return page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText")


def test_a_screen_reader_is_told(page, files):
    assert page.title() == "mtss_quickstart"
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("#answer").get_attribute("aria-live") == "polite"
    upload(page, files / "plain.png")
    expect(page.get_by_role("img", name="your photo")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("mtss_quickstart")
    expect(page.get_by_role("heading", level=2).first).to_have_text("category")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser, url, files, scheme):
    page = opened(browser, url, color_scheme=scheme)
    upload(page, files / "plain.png")
    page.wait_for_selector("#answer h2")
    ground = page.evaluate("getComputedStyle(document.querySelector('gradio-app')).backgroundColor")
    for place in ("h1", "#answer h2", "#answer .class", "#answer .score", "#answer .hint", "#photo label"):
        colour = page.locator(place).first.evaluate("element => getComputedStyle(element).color")
        assert contrast(colour, ground) >= AA, place
    page.close()


def test_on_a_phone_nothing_sticks_out(page, files):
    page.set_viewport_size({"width": 390, "height": 844})
    upload(page, files / "plain.png")
    page.wait_for_selector("#answer h2")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#answer h2").first.bounding_box()["y"] < 844, "the answer begins on the first screen."


@pytest.mark.parametrize("name", ["text.jpg", "cut.jpg", "bomb.png", "dot.png"])
def test_what_cannot_be_used_is_refused_in_words(page, files, name):
    upload(page, files / name)
    alert = page.locator("#answer [role=alert]")
    expect(alert).to_contain_text(f"Picture {name}")
    assert "Traceback" not in page.content()


def test_a_file_that_is_too_large_or_no_picture_at_all_is_refused_before_it_is_sent(page, files, tmp_path):
    upload(page, files / "heavy.jpg")
    expect(page.locator(".toast-body").last).to_contain_text("exceed the maximum allowed size of 20")
    (tmp_path / "notes.txt").write_text("words")
    upload(page, tmp_path / "notes.txt")
    expect(page.locator(".toast-body").last).to_contain_text("Invalid file type")
    assert not [asked for asked in page.asked if asked.endswith("/queue/join")]


def test_a_photo_can_be_taken_away_again(page, files):
    upload(page, files / "plain.png")
    page.wait_for_selector("#answer h2")
    page.get_by_role("button", name="Remove Image").click()
    expect(page.locator("#answer")).to_have_text("The answer comes here as soon as there is a photo.")
    expect(page.locator("#where summary")).to_have_count(0)


HOSTILE = ("<img src=x onerror='window.hacked = 1'>", "${window.hacked = 2}", "{{value}}", "{{#each x}}", "`\\u0041`")


class Stranger:
    """A model out of somebody's file, whose names are no names."""

    schema = AttributeSchema((AttributeType("${hacked = 3}", "single", HOSTILE),))
    recipe = SimpleNamespace(name="{{value}} <script>window.hacked = 4</script> ![](http://192.0.2.1/seen.png)")

    def predict(self, images: Any, top_k: int) -> list[Prediction]:
        return [{"${hacked = 3}": [(name, float(-place)) for place, name in enumerate(HOSTILE)]}]


def test_names_in_a_file_of_a_stranger_do_nothing_but_appear(browser, other_url, files):
    page = opened(browser, other_url(Stranger(), top_k=len(HOSTILE)))
    upload(page, files / "plain.png")
    expect(page.locator("#answer .class")).to_have_text(list(HOSTILE))
    expect(page.locator("#answer h2")).to_have_text("${hacked = 3}")
    expect(page.get_by_role("heading", level=1)).to_have_text(Stranger.recipe.name)
    assert page.evaluate("window.hacked") is None
    assert not [asked for asked in page.asked if "192.0.2.1" in asked]
    page.close()
