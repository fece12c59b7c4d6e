"""What the page says, read by an HTML parser."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mtss_zoo.demo.answer import answer, refusal, text, where_it_looked
from mtss_zoo.explaining.heat_maps import HeatMap
from mtss_zoo.interfaces import AttributeSchema, AttributeType

SCHEMA = AttributeSchema(
    (
        AttributeType("colour", "single", ("red", "green", "blue", "grey")),
        AttributeType("details", "multi", ("zip", "belt")),
        AttributeType("sleeve", "single", ("long",)),
    )
)
PREDICTION = {
    "colour": [("blue", 0.9), ("red", 0.4), ("grey", 0.1), ("green", -0.1)],
    "details": [("belt", 7.0), ("zip", -3.0)],
    "sleeve": [],
}


class Read(HTMLParser):
    """The tags and the text of HTML."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def widths(self) -> list[str]:
        return [str(attrs["style"]) for _, attrs in self.tags if "style" in attrs]


def test_the_best_classes_of_every_type_with_their_scores():
    assert Read(answer(SCHEMA, PREDICTION, top_k=2)).words[:-1] == [
        "colour", "blue", "0.90", "red", "0.40",
        "details ", "may have several", "belt", "7.00", "zip", "-3.00",
        "sleeve", "The model was not trained on it.",
    ]  # fmt: skip


def test_a_bar_is_full_for_the_best_and_empty_for_the_worst_of_all_classes():
    whole = Read(answer(SCHEMA, PREDICTION, top_k=4)).widths()
    assert whole == [f"width:{share}%" for share in (100, 50, 20, 0, 100, 0)]
    assert Read(answer(SCHEMA, PREDICTION, top_k=2)).widths() == [whole[0], whole[1], whole[4], whole[5]]


def test_a_single_class_has_a_full_bar():
    one = {**PREDICTION, "sleeve": [("long", -2.0)]}
    assert Read(answer(SCHEMA, one, top_k=1)).widths()[-1] == "width:100%"


def test_a_note_comes_first():
    assert Read(answer(SCHEMA, PREDICTION, 1, "Mind this.")).words[0] == "Mind this."


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1))
def test_words_of_strangers_are_words_and_nothing_else(words):
    read = Read(f"<p>{text(words)}</p>")
    assert ("".join(read.words), [tag for tag, _ in read.tags]) == (words, ["p"])
    assert not set("{}$`<>\"'") & set(text(words))


def test_a_class_name_runs_no_script():
    name = "<script>alert(1)</script>"
    schema = AttributeSchema((AttributeType("colour", "single", (name,)),))
    said = answer(schema, {"colour": [(name, 1.0)]}, 1)
    assert name in Read(said).words
    assert "script" not in {tag for tag, _ in Read(said).tags}


def test_a_refusal_is_an_alert_that_begins_with_a_capital():
    read = Read(refusal("picture x.jpg is <odd>."))
    assert read.words == ["Picture x.jpg is <odd>."]
    assert read.tags[0][1]["role"] == "alert"


def test_heat_maps_are_in_the_page_itself_and_closed_at_first():
    heat = HeatMap('"blue" &', 0.9, np.eye(8, dtype=np.float32), "grad-cam")
    read = Read(where_it_looked(Image.new("RGB", (40, 30)), {"colour": heat}, "squash"))
    (image,) = [attrs for tag, attrs in read.tags if tag == "img"]
    assert str(image["src"]).startswith("data:image/webp;base64,")
    assert image["alt"] == 'heat map of colour: "blue" &'
    assert read.tags[0] == ("details", {})
