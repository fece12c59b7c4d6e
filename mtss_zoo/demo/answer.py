"""What the page says, as HTML. Names of classes come from strangers' checkpoints, so that all text is escaped."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mtss_zoo.interfaces import AttributeSchema, AttributeType
from mtss_zoo.prediction import Prediction

if TYPE_CHECKING:
    from PIL import Image

    from mtss_zoo.explaining.heat_maps import HeatMap

WAITING = '<p class="hint">The answer comes here as soon as there is a photo.</p>'
LEGEND = (
    "A full bar is the likeliest class of an attribute, an empty one the least likely of all that the model knows. "
    "The numbers are scores, not probabilities."
)


def heading(title: str, schema: AttributeSchema) -> str:
    """The top of the page."""
    return f"<h1>{text(title)}</h1><p>Drop a photo, and see its {text(', '.join(schema.names))}.</p>"


def answer(schema: AttributeSchema, prediction: Prediction, top_k: int, note: str = "") -> str:
    """The best classes of each attribute type with bars.

    Args:
        schema: the model's.
        prediction: of one picture, all classes of every type.
        top_k: classes shown of each type.
        note: what else is to be said of the picture.
    """
    types = "".join(_attribute(t, prediction[t.name], top_k) for t in schema)
    said = f'<p class="note">{text(note)}</p>' if note else ""
    return f'{said}<div class="types">{types}</div><p class="hint">{LEGEND}</p>'


def refusal(reason: str) -> str:
    """Why there is no answer; an error's message."""
    sentence = reason[:1].upper() + reason[1:]
    return f'<p class="refusal" role="alert">{text(sentence)}</p>'


def where_it_looked(picture: Image.Image, heat_maps: Mapping[str, HeatMap], fit: str) -> str:
    """The heat map of each attribute type over the picture, in a section that is closed at first."""
    figures = "".join(
        f'<figure><img src="{_data_url(heat.over(picture, fit))}" '  # type: ignore[arg-type]
        f'alt="heat map of {text(name)}: {text(heat.class_name)}">'
        f"<figcaption>{text(name)}<b>{text(heat.class_name)}</b></figcaption></figure>"
        for name, heat in heat_maps.items()
    )
    return section(f'<p class="hint">Yellow speaks most for the class.</p><div class="maps">{figures}</div>')


def section(content: str) -> str:
    """``content``, HTML, behind a line that opens and closes it."""
    return f"<details><summary>Where it looked</summary>{content}</details>"


def text(words: str) -> str:
    """Words as HTML. Braces too are written as entities: the page's templates give them a meaning."""
    return html.escape(words).translate({ord(c): f"&#{ord(c)};" for c in "{}$`"})


def _attribute(attribute_type: AttributeType, classes: Sequence[tuple[str, float]], top_k: int) -> str:
    several = " <small>may have several</small>" if attribute_type.kind == "multi" else ""
    heading = f"<h2>{text(attribute_type.name)}{several}</h2>"
    if not classes:
        return f'<section>{heading}<p class="hint">The model was not trained on it.</p></section>'
    best, worst = classes[0][1], classes[-1][1]
    rows = "".join(
        _row(name, score, (score - worst) / (best - worst) if best > worst else 1) for name, score in classes[:top_k]
    )
    return f"<section>{heading}<ol>{rows}</ol></section>"


def _row(name: str, score: float, share: float) -> str:
    bar = f'<span class="bar" aria-hidden="true"><span style="width:{100 * share:.0f}%"></span></span>'
    return f'<li><span class="class">{text(name)}</span>{bar}<span class="score">{score:z.2f}</span></li>'


def _data_url(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
