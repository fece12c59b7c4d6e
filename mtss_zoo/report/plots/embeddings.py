"""Teacher and student embeddings of the same pictures, side by side in two dimensions: figure 7 of MTSS."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mtss_zoo.errors import UsageError
from mtss_zoo.report.document import Figure
from mtss_zoo.report.plots.style import SERIES, drawing, short, to_svg

MOST_PICTURES, MOST_CLASSES, FEWEST = 400, 8, 12
MARKERS = "os^Dv*Pp"


def chosen_rows(
    labels: npt.NDArray[np.bool_], seed: int = 0
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """At most 400 pictures NC of the 8 most frequent classes, drawn by seed: their rows, and the class of each.

    A picture with several of the classes stands for the first. ``None`` where there are fewer than two classes or
    twelve pictures.
    """
    frequent = np.sort(np.argsort(-labels.sum(0), kind="stable")[:MOST_CLASSES])
    frequent = frequent[labels[:, frequent].any(0)]
    rows = np.flatnonzero(labels[:, frequent].any(1))
    if len(frequent) < 2 or len(rows) < FEWEST:
        return None
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:MOST_PICTURES])
    return rows, frequent[labels[np.ix_(rows, frequent)].argmax(1)]


def flat(embeddings: npt.NDArray[np.float32], seed: int = 0) -> npt.NDArray[np.float32]:
    """t-SNE (van der Maaten and Hinton 2008) of cosine distances: RD to R2, scaled to [0, 1].

    Raises:
        UsageError: scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise UsageError("scikit-learn is not installed; it comes with: pip install 'mtss-zoo[plots]'") from error
    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    model = TSNE(metric="cosine", init="random", perplexity=perplexity, random_state=seed)
    places: npt.NDArray[np.float32] = model.fit_transform(embeddings)
    low, high = places.min(0), places.max(0)
    scaled: npt.NDArray[np.float32] = (places - low) / np.maximum(high - low, 1e-9)
    return scaled


def embedding_plot(
    type_name: str,
    sides: dict[str, npt.NDArray[np.float32]],
    classes: npt.NDArray[np.int64],
    names: tuple[str, ...],
    id: str,
) -> Figure:
    """Two clouds of the same R pictures; ``sides`` is a word to embeddings RD, ``classes`` (R,) the true ones."""
    shown = sorted(set(classes.tolist()))
    with drawing(3.5, columns=len(sides)) as (canvas, axes):
        for axis, (side, embeddings) in zip(axes, sides.items(), strict=True):
            places = flat(embeddings)
            for i, c in enumerate(shown):
                x, y = places[classes == c].round(3).T
                axis.scatter(x, y, s=9, color=SERIES[i], marker=MARKERS[i], linewidths=0, alpha=0.85)
            axis.set_title(side)
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_box_aspect(1)
        labels = [short(names[c], 18) for c in shown]
        canvas.legend(axes[0].collections, labels, loc="outside lower center", ncols=min(3, len(shown)), markerscale=2)
        svg = to_svg(canvas, id)
    alt = f"Embeddings of {len(classes)} pictures for {type_name}, of {' and '.join(sides)}, coloured by their class."
    caption = (
        f"t-SNE of cosine distances, seed 0: {len(classes)} pictures of the {len(shown)} most frequent classes, the "
        "same on both sides. Only neighbourhoods mean something, not the place or the distance of the clouds."
    )
    return Figure(id, f"{type_name}: embeddings", alt, svg, caption)
