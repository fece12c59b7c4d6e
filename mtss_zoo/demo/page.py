"""The page itself: a photo on one side, the model's answer on the other. Nothing on it comes from outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import gradio
from fastapi import FastAPI

from mtss_zoo.demo.answer import WAITING, answer, heading, refusal, section, where_it_looked
from mtss_zoo.demo.photo import MAX_BYTES, Photo, read_photo
from mtss_zoo.demo.upload import Upload
from mtss_zoo.errors import MtssZooError
from mtss_zoo.exporting.onnx_model import OnnxModel

if TYPE_CHECKING:
    from mtss_zoo.model import AttributeModel

MAX_AGE = 3600
"""Seconds after which an uploaded file is deleted."""
WAITING_AT_MOST = 32
FONT = ("system-ui", "sans-serif")
MONO = ("ui-monospace", "monospace")
# What a screen reader needs and gradio leaves out: to be told of the answer, and what the small pictures are.
READ_OUT = """() => {
    const name = () => {
        document.getElementById("answer")?.setAttribute("aria-live", "polite");
        document.querySelectorAll("#examples button").forEach((example, i) => {
            if (!example.ariaLabel) example.ariaLabel = `Example ${i + 1}`;
        });
    };
    new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
    name();
}"""
STYLE = Path(__file__).with_name("page.css")


class Page:
    """What happens on the page of one model.

    Args:
        model: what predicts.
        explaining: show heat maps too, where the model has gradients.
        top_k: classes shown of each attribute type.
    """

    def __init__(self, model: AttributeModel | OnnxModel, explaining: bool = True, top_k: int = 3) -> None:
        self.model = model
        self.explaining = explaining
        self.top_k = top_k

    @property
    def title(self) -> str:
        """The name of the recipe that the model comes from."""
        if isinstance(self.model, OnnxModel):
            return self.model.metadata.recipe
        return self.model.recipe.name if self.model.recipe else "A model of mtss_zoo"

    def look(self, path: str | None) -> Iterator[tuple[str, str]]:
        """The answer to an uploaded file and the heat maps behind it, as HTML; first without the maps."""
        if path is None:
            yield WAITING, ""
            return
        try:
            photo = read_photo(path)
            most = max(map(len, self.model.schema))
            (prediction,) = self.model.predict(photo.picture, top_k=most)
        except MtssZooError as error:
            yield refusal(str(error)), ""
            return
        said = answer(self.model.schema, prediction, self.top_k, photo.note)
        yield said, ""
        if self.explaining and not isinstance(self.model, OnnxModel):
            yield said, _maps(self.model, photo)


def _maps(model: AttributeModel, photo: Photo) -> str:
    from mtss_zoo.explaining.explain import explain

    try:
        (heat_maps,) = explain(model, photo.picture)
    except MtssZooError as error:
        return section(refusal(str(error)))
    return where_it_looked(photo.picture, heat_maps, model.preprocess.fit)


def application(page: Page, examples: Sequence[Path]) -> FastAPI:
    """The page as an ASGI application."""
    app: FastAPI = gradio.mount_gradio_app(
        FastAPI(openapi_url=None),
        _blocks(page, examples),
        path="/",
        theme=gradio.themes.Base(font=FONT, font_mono=MONO),
        css_paths=STYLE,
        js=READ_OUT,
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=MAX_BYTES,
        ssr_mode=False,
    )
    return app


def _blocks(page: Page, examples: Sequence[Path]) -> gradio.Blocks:
    """The page in gradio's terms. It predicts whenever the photo changes, so that no button is needed."""
    blocks = gradio.Blocks(title=page.title, analytics_enabled=False, delete_cache=(MAX_AGE, MAX_AGE))
    with blocks:
        gradio.HTML(heading(page.title, page.model.schema), elem_id="heading")
        with gradio.Row():
            with gradio.Column(scale=2, min_width=300):
                photo = Upload(
                    label="Photo",
                    sources=["upload"],
                    placeholder=f"# Drop a photo here\nor choose a file of up to {MAX_BYTES // 2**20} MB",
                    height=320,
                    buttons=[],
                    elem_id="photo",
                    alt_text="your photo",
                )
                if examples:
                    files = [str(path) for path in examples]
                    gradio.Examples(files, photo, label="Or try one of these", elem_id="examples", cache_examples=False)
            with gradio.Column(scale=3, min_width=300):
                said = gradio.HTML(WAITING, elem_id="answer")
                where = gradio.HTML(elem_id="where")
        photo.change(page.look, photo, [said, where], api_name="predict", show_progress="minimal")
    blocks.queue(max_size=WAITING_AT_MOST, default_concurrency_limit=1)
    return blocks
