"""Runs a detector over all pictures of a dataset, going on where it stopped, into one file of boxes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from PIL import Image

from mtss_zoo.boxes import CORNERS, ID, Box, chunks
from mtss_zoo.bulk.finish import bad_list, finish
from mtss_zoo.bulk.parts import RUN, Parts
from mtss_zoo.bulk.reading import Pictures, Reader, in_batches, read_in_threads
from mtss_zoo.bulk.run import PART_ROWS, how_to_go_on, write_parts
from mtss_zoo.bulk.sources import Item
from mtss_zoo.bulk.table import ERROR
from mtss_zoo.detection.choice import Choice, Chosen, choose, kept_classes
from mtss_zoo.detection.contract import Detector, Found
from mtss_zoo.errors import PluginError, UsageError
from mtss_zoo.files.file_names import as_text
from mtss_zoo.images import decode
from mtss_zoo.interfaces import ImageSource, Samples
from mtss_zoo.progress import PictureCount, say
from mtss_zoo.sampling import ConcatSamples, SubsetSamples

SCHEMA = pa.schema(
    {
        ID: pa.string(),
        ERROR: pa.string(),
        **dict.fromkeys(CORNERS, pa.float32()),
        "score": pa.float32(),
        "label": pa.string(),
        "detector": pa.string(),
    }
)


@dataclass(frozen=True)
class BoxReport:
    """What is in a file of boxes, and what is not."""

    out: Path
    own: int
    """Pictures that have a box of their own, and were not looked at."""
    found: int
    whole: int
    """Pictures in which nothing counted, or too little of it."""
    bad: int
    """Pictures that could not be used."""
    bad_list: Path | None
    """Names them, if there are any."""


def find_boxes(
    parts: Sequence[Samples],
    detector: Detector,
    out: Path,
    *,
    called: str,
    how: Choice = Choice(),  # noqa: B008  (it is frozen)
    everything: bool = False,
    batch_size: int = 8,
    workers: int = 2,
    part_rows: int = PART_ROWS,
) -> BoxReport:
    """Writes a box for every picture that has none of its own; the same call goes on after any kind of end.

    Until the end, rows are in the folder ``<out>.parts``. Columns: ``id``; ``x1 y1 x2 y2``, pixels of the upright
    picture, empty for the whole; ``score`` and ``label``, empty where nothing counted; ``detector``. Memory is that of
    the ids.

    Args:
        parts: all pictures of a dataset, its splits and those without labels.
        out: ends in ``.parquet``.
        called: what messages call the dataset.
        how: names of classes are those of the detector; empty are `kept_classes`.
        everything: also the pictures that have a box of their own, which then still comes first.
        batch_size: pictures that are read at a time; those of one size go to the detector together.
        workers: threads that read pictures.
        part_rows: rows that are written at once.

    Raises:
        UsageError: an argument cannot be, or ``out`` is about something else.
        PluginError: the detector breaks its contract.
        KeyboardInterrupt: after Ctrl-C, once what was found is on disk.
    """
    if out.suffix != ".parquet":
        raise UsageError(f"{out}: a name that ends in .parquet is needed.")
    how = replace(how, keep=kept_classes(detector.classes, how.keep))
    pictures, fingerprint, own = _wanted(parts, everything)
    name = f"{detector.name} {detector.revision}".rstrip()
    about = {"detector": name, "dataset": called, "list of pictures": fingerprint, "choice": asdict(how)}
    about = json.loads(json.dumps(about))
    if _is_finished(out, about):
        say(f"{out} was finished before.")
    else:
        items = (Item(as_text(s.id), s.image) for s in (pictures[row] for row in range(len(pictures))))
        _run(items, len(pictures), detector, out, about, how, (batch_size, workers, part_rows))
    return _report(out, own)


def _run(
    items: Iterator[Item],
    total: int,
    detector: Detector,
    out: Path,
    about: Mapping[str, Any],
    how: Choice,
    sizes: tuple[int, int, int],
) -> None:
    batch_size, workers, part_rows = sizes
    done = Parts(out, about)
    if done.done:
        say(f"going on after {done.done:,} pictures, which are in {done.folder}.")
    for _ in zip(range(done.done), items, strict=False):
        pass
    count = PictureCount(total, done.done)
    reader = Reader(_decode, list)  # type: ignore[arg-type]  # pictures, not arrays
    read = read_in_threads(reader, in_batches(items, batch_size), workers)
    with how_to_go_on(done), done, closing(count), closing(read):
        write_parts(_tables(read, detector, about["detector"], how), done, count, part_rows)
        finish(done, SCHEMA, json.dumps(about))


def _tables(read: Iterable[Pictures], detector: Detector, name: str, how: Choice) -> Iterator[pa.Table]:
    for pictures in read:
        chosen = iter(_chosen(pictures.images or [], detector, how))
        rows = [next(chosen) if reason is None else Chosen() for reason in pictures.reasons]
        columns = {ID: pictures.ids, ERROR: pictures.reasons, "detector": [name] * len(rows)}
        columns |= {corner: [row.box and row.box[i] for row in rows] for i, corner in enumerate(CORNERS)}
        columns |= {"score": [row.score for row in rows], "label": [row.label for row in rows]}
        yield pa.table(columns, schema=SCHEMA)


def _chosen(pictures: list[Image.Image], detector: Detector, how: Choice) -> list[Chosen]:
    """Pictures of one size go together, so that none is padded to another's and its boxes do not depend on it."""
    chosen = [Chosen()] * len(pictures)
    for width, height in {picture.size: None for picture in pictures}:
        rows = [row for row, picture in enumerate(pictures) if picture.size == (width, height)]
        found = detector.detect([pictures[row] for row in rows])
        if len(found) != len(rows):
            raise PluginError(f"{detector.name} gave {len(found)} answers for {len(rows)} pictures.")
        for row, answer in zip(rows, found, strict=True):
            chosen[row] = choose(Found(*answer), height, width, how)
    return chosen


def _decode(source: ImageSource, name: str, bbox: Box | None) -> Image.Image:
    """By the decoder of training, so that a box is of the same pixels."""
    return Image.fromarray(decode(source, name).permute(1, 2, 0).numpy())


def _wanted(parts: Sequence[Samples], everything: bool) -> tuple[Samples, str, int]:
    """The pictures that need a box, each id once; the fingerprint of their ids; how many others have their own."""
    whole = ConcatSamples(parts)
    ids, own = [], []
    for names, have_own in chunks(whole):
        ids.append(pa.array(names, pa.large_string()))
        own.append(have_own)
    skipped = np.concatenate([*own, np.zeros(0, np.bool_)]) & (not everything)
    rows = np.flatnonzero(~skipped)
    listed = pa.table({ID: pa.chunked_array(ids, pa.large_string()).take(pa.array(rows)), "row": rows})
    first = listed.group_by(ID, use_threads=False).aggregate([("row", "min")]).sort_by("row_min")
    digest = hashlib.sha256()
    for name in first[ID]:
        digest.update(name.as_py().encode() + b"\0")
    return SubsetSamples(whole, first["row_min"].to_numpy()), digest.hexdigest(), int(skipped.sum())


def _is_finished(out: Path, about: Mapping[str, Any]) -> bool:
    """Whether a pass about the same left this file.

    Raises:
        UsageError: the file, or what was begun of it, is about something else.
    """
    begun = out.with_name(f"{out.name}.parts") / RUN
    if begun.is_file():
        before = json.loads(begun.read_bytes())
    elif out.exists():
        before = _about(out)
    else:
        return False
    other = "Name another file with --out, or remove this one"
    for key in ("detector", "dataset"):
        if before.get(key) != about[key]:
            raise UsageError(f"{out} is of {key} {before.get(key)}, not of {about[key]}. {other}.")
    for key in ("list of pictures", "choice"):
        if before.get(key) != about[key]:
            raise UsageError(f"{out} was made with another {key}. {other}.")
    return not begun.is_file()


def _about(out: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads(pq.read_schema(out).metadata[b"mtss_zoo"])
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        raise UsageError(
            f"{out} is there already, and was not made by this command. Name another file with --out."
        ) from None
    return about


def _report(out: Path, own: int) -> BoxReport:
    corner = pq.read_table(out, columns=[CORNERS[0]])[CORNERS[0]]
    found = pc.count(corner).as_py()
    listed = bad_list(out)
    bad = pa.csv.read_csv(listed).num_rows if listed.exists() else 0
    return BoxReport(out, own, found, len(corner) - found, bad, listed if bad else None)
