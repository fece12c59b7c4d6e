"""The pass over a dataset: every picture once, in the coordinates of training, going on after any end."""

from __future__ import annotations

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from mtss_zoo.bulk.finish import bad_list
from mtss_zoo.cli import app
from mtss_zoo.detection.choice import Choice
from mtss_zoo.detection.run import find_boxes
from mtss_zoo.errors import PluginError, UsageError
from mtss_zoo.images import crop, decode
from mtss_zoo.named_data import open_named

SIDEWAYS = (28, 24, 44, 56)
"""The rectangle of photo d once it is turned upright: 60 x 80 pixels, x from 60 - 32 to 60 - 16."""


@pytest.fixture
def parts(shop):
    return open_named("manifest", shop)[1].everything


def rows_of(path) -> dict[str, tuple]:
    table = pq.read_table(path).to_pylist()
    return {row["id"]: (tuple(row[c] for c in ("x1", "y1", "x2", "y2")), row["score"], row["label"]) for row in table}


def test_every_picture_without_a_box_gets_one_or_is_whole(parts, rectangles, tmp_path):
    out = tmp_path / "boxes.parquet"
    report = find_boxes(parts, rectangles, out, called="manifest", how=Choice(pad=0.0))
    assert (report.own, report.found, report.whole, report.bad) == (1, 4, 1, 1)
    found = rows_of(out)
    none = (None, None, None, None)
    assert [*found] == ["a", "c", "d", "f", "g"]
    assert {found[name][0] for name in "afg"} == {(16, 24, 48, 56)}
    assert (found["c"], found["d"][0]) == ((none, None, None), SIDEWAYS)
    assert found["a"][1] == pytest.approx(1, abs=0.02) and found["a"][2] == "dress"
    assert pq.read_table(out)["detector"].unique().to_pylist() == ["rectangles 1"]
    assert [row["id"] for row in csv.DictReader(bad_list(out).open())] == ["e"]
    assert json.loads(pq.read_schema(out).metadata[b"mtss_zoo"])["choice"]["keep"] == ["dress"]


def test_training_crops_the_upright_picture_to_it(shop, parts, rectangles, tmp_path):
    out = tmp_path / "boxes.parquet"
    find_boxes(parts, rectangles, out, called="manifest", how=Choice(pad=0.0))
    recipe = tmp_path / "shop.yaml"
    recipe.write_text(f"name: shop\nextends: mtss_quickstart\ndata: {{dataset: manifest, boxes: {out}}}\n")
    recipe.write_text(recipe.read_text() + "schema: {types: [{name: colour, classes: [red, blue]}]}\n")
    sample = open_named(str(recipe), shop)[1].split("val")[0]
    cropped = crop(decode(sample.image, sample.id), sample.bbox)
    assert tuple(cropped.shape) == (3, 32, 16)
    assert cropped[0].min() > 240 and cropped[1].max() < 20  # red all over, up to JPEG


def test_pictures_of_one_size_go_together(parts, rectangles, tmp_path):
    find_boxes(parts, rectangles, tmp_path / "boxes.parquet", called="manifest", batch_size=8, everything=True)
    assert rectangles.seen == [[(60, 80)] * 6]
    Image.new("RGB", (30, 30)).save(parts[0][1].image)
    find_boxes(parts, rectangles, tmp_path / "more.parquet", called="manifest", batch_size=3, everything=True)
    assert rectangles.seen[1:] == [[(60, 80)] * 2, [(30, 30)], [(60, 80)] * 2, [(60, 80)]]


def test_the_answer_does_not_depend_on_batches_and_threads(parts, rectangles, tmp_path):
    tables = []
    for i, (batch_size, workers, part_rows) in enumerate([(1, 0, 1), (2, 3, 2), (8, 1, 100)]):
        out = tmp_path / f"{i}.parquet"
        sizes = {"batch_size": batch_size, "workers": workers, "part_rows": part_rows}
        find_boxes(parts, rectangles, out, called="manifest", everything=True, **sizes)
        tables.append(pq.read_table(out))
    assert tables[0].equals(tables[1]) and tables[0].equals(tables[2])


def test_a_stopped_pass_goes_on(parts, rectangles, tmp_path):
    out, detect, calls = tmp_path / "boxes.parquet", rectangles.detect, []

    def stop_at_the_third(pictures):
        calls.append(len(pictures))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return detect(pictures)

    rectangles.detect = stop_at_the_third
    sizes = {"batch_size": 1, "workers": 0, "part_rows": 1}
    with pytest.raises(KeyboardInterrupt):
        find_boxes(parts, rectangles, out, called="manifest", **sizes)
    assert not out.exists()
    report = find_boxes(parts, rectangles, out, called="manifest", **sizes)
    assert (report.found, report.whole, report.bad) == (4, 1, 1)
    assert len(calls) == 6  # five good pictures, one of them twice
    again = find_boxes(parts, rectangles, out, called="manifest", **sizes)
    assert (again, len(calls)) == (report, 6)


def test_another_detector_or_dataset_is_refused_by_name(parts, rectangles, tmp_path):
    out = tmp_path / "boxes.parquet"
    find_boxes(parts, rectangles, out, called="manifest")
    with pytest.raises(UsageError, match=r"boxes\.parquet is of dataset manifest, not of darn\. Name another file"):
        find_boxes(parts, rectangles, out, called="darn")
    with pytest.raises(UsageError, match="was made with another list of pictures"):
        find_boxes(parts[:1], rectangles, out, called="manifest")
    with pytest.raises(UsageError, match="was made with another choice"):
        find_boxes(parts, rectangles, out, called="manifest", how=Choice(pad=0.1))
    rectangles.revision = "2"
    with pytest.raises(UsageError, match=r"is of detector rectangles 1, not of rectangles 2\."):
        find_boxes(parts, rectangles, out, called="manifest")


def test_what_was_begun_with_another_detector_is_refused_too(parts, rectangles, tmp_path):
    out = tmp_path / "boxes.parquet"
    rectangles.detect = lambda pictures: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        find_boxes(parts, rectangles, out, called="manifest")
    rectangles.name = "circles"
    with pytest.raises(UsageError, match=r"is of detector rectangles 1, not of circles 1\."):
        find_boxes(parts, rectangles, out, called="manifest")


@pytest.mark.parametrize("content", [b"notes", None])
def test_a_file_of_somebody_else_stays(parts, rectangles, tmp_path, content):
    out = tmp_path / "boxes.parquet"
    out.write_bytes(content or b"")
    if content is None:
        pq.write_table(pq.read_table(_made(parts, rectangles, tmp_path)).replace_schema_metadata(None), out)
    before = out.read_bytes()
    with pytest.raises(UsageError, match="was not made by this command"):
        find_boxes(parts, rectangles, out, called="manifest")
    assert out.read_bytes() == before
    with pytest.raises(UsageError, match=r"a name that ends in \.parquet"):
        find_boxes(parts, rectangles, tmp_path / "boxes.csv", called="manifest")


def _made(parts, detector, folder):
    return find_boxes(parts, detector, folder / "other.parquet", called="manifest").out


def test_an_id_that_occurs_twice_is_looked_at_once(parts, rectangles, tmp_path):
    report = find_boxes([*parts, *parts], rectangles, tmp_path / "boxes.parquet", called="manifest")
    assert report.found + report.whole + report.bad == 6


def test_a_dataset_with_nothing_to_find_gives_an_empty_list(parts, rectangles, tmp_path):
    out = tmp_path / "boxes.parquet"
    assert find_boxes([], rectangles, out, called="manifest").found == 0
    assert pq.read_table(out).num_rows == 0


def test_a_detector_that_leaves_pictures_out_breaks_the_contract(parts, rectangles, tmp_path):
    rectangles.detect = lambda pictures: []
    with pytest.raises(PluginError, match="rectangles gave 0 answers for"):
        find_boxes(parts, rectangles, tmp_path / "boxes.parquet", called="manifest")


def test_tensors_and_generated_pictures_are_read_too(rectangles, tmp_path):
    import torch

    from mtss_zoo.interfaces import Sample

    pixels = torch.full((3, 40, 50), 255, dtype=torch.uint8)
    pixels[1:, 10:30, 20:40] = 0
    image = Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))

    class Two:
        def __len__(self):
            return 2

        def __getitem__(self, row):
            return Sample("ab"[row], (pixels, image)[row])

    out = tmp_path / "boxes.parquet"
    find_boxes([Two()], rectangles, out, called="two", how=Choice(pad=0.0))
    assert {row[0] for row in rows_of(out).values()} == {(20, 10, 40, 30)}


FUNCTION = """
import numpy as np

def rectangles(pictures):
    found = []
    for picture in pictures:
        rows, columns = np.nonzero((np.asarray(picture) < 200).any(2))
        box = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]] if len(rows) else []
        found.append((box, [0.9] * len(box), ["dress"] * len(box)))
    return found
"""


def test_the_command_line_from_the_pass_to_the_check(shop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_detector.py").write_text(FUNCTION)
    command = ["data", "boxes", "manifest", "--root", str(shop), "--detector", "callable:my_detector:rectangles"]
    done = CliRunner().invoke(app, [*command, "--json"], catch_exceptions=False)
    said = json.loads(done.stdout)
    assert (said["own"], said["found"], said["whole"], said["bad"]) == (1, 4, 1, 1)
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0 and "boxes.parquet.bad.csv" in done.stdout

    data = "data: {dataset: manifest, boxes: boxes.parquet}\n"
    schema = "schema: {types: [{name: colour, classes: [red, blue]}]}\n"
    (tmp_path / "shop.yaml").write_text("name: shop\nextends: mtss_quickstart\n" + data + schema)
    check = ["data", "check", "shop.yaml", "--root", str(shop), "--json"]
    said = json.loads(CliRunner().invoke(app, check, catch_exceptions=False).stdout)
    (broken,) = said["problems"]
    assert broken.startswith("1 of 7 pictures that were tried cannot be used: picture e ")
    assert said["remarks"][-1].endswith("1 are whole because it says so, 1 because they are not in it.")

    (shop / "manifest.csv").write_text((shop / "manifest.csv").read_text().replace(",f,unl", ",h,unl"))
    said = json.loads(CliRunner().invoke(app, check, catch_exceptions=False).stdout)
    assert said["problems"][-1].startswith("1 of the 5 ids of boxes.parquet do not occur in this dataset: f.")
