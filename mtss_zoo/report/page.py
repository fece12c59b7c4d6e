"""A report as one HTML page: everything is inside it, nothing runs in it, and every name is escaped."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mtss_zoo.report.document import Document

HERE = Path(__file__).parent


def to_html(document: Document) -> str:
    """The page's text."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    css = (HERE / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(document=document, css=Markup(css)).strip() + "\n"
