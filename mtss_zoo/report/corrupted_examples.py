"""One picture in every corruption, as a table of small pictures."""

from __future__ import annotations

from mtss_zoo.corruption import CORRUPTIONS, corrupt, picture_seed
from mtss_zoo.errors import MtssZooError
from mtss_zoo.interfaces import Sample
from mtss_zoo.report.document import Block, Pictures, Row
from mtss_zoo.report.evaluation_file import Corrupted
from mtss_zoo.report.pictures import data_uri, picture

SHOWN = (1, 3, 5)


def corrupted_examples(sample: Sample, measured: Corrupted) -> Block | None:
    """The corruptions that were measured, in three severities and with the same seed, beside the clean picture.

    ``None`` where the extra ``corruptions`` is not installed, or the picture cannot be read.
    """
    stage = next(iter(measured.stages.values()))
    names = [name for name in stage.by_corruption if name in CORRUPTIONS]
    seed, variant = measured.seed or 0, "imagenet-c" if measured.variant == "imagenet-c" else "imaug"
    try:
        clean = picture(sample)
        rows = [Row("clean", tuple(Pictures(((data_uri(clean), "clean"),)) for _ in SHOWN))] if names else []
        for name in names:
            cells = []
            for severity in SHOWN:
                of_picture = picture_seed(sample.id, name, severity, seed)
                changed = corrupt(clean, name, severity, of_picture, variant)  # type: ignore[arg-type]
                cells.append(Pictures(((data_uri(changed), f"{name}, severity {severity}"),)))
            rows.append(Row(name.replace("_", " "), tuple(cells)))
    except (MtssZooError, OSError):
        return None
    caption = f"variant {variant}, seed {seed}, {measured.package}"
    return Block(caption, tuple(f"severity {s}" for s in SHOWN), tuple(rows), first="corruption") if rows else None
