"""What is packed is read as it was, however often the packing was stopped."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mtss_zoo_datasets import example_trees, examples
from PIL import Image
from typer.testing import CliRunner

from mtss_zoo.build import build_dataset
from mtss_zoo.cli import app
from mtss_zoo.errors import DataError, ImageError, MtssZooError, UsageError
from mtss_zoo.images import Preprocess, decode
from mtss_zoo.interfaces import Dataset, Draws
from mtss_zoo.packing import reading, run
from mtss_zoo.packing.encoding import encoded
from mtss_zoo.packing.run import pack, parse_size
from mtss_zoo.packing.shards import Shard
from mtss_zoo.recipe import AugmentSpec, DataSpec, Part
from mtss_zoo.streams import BadImages, StreamLoader

GARMENTS = {"n_train": 20, "n_val": 5, "n_test": 4, "n_unlabelled": 7, "image_size": 32}


def garments(**args: Any) -> DataSpec:
    return DataSpec(dataset=Part(name="garments", args={**GARMENTS, **args}))


def packed(root: Path) -> Dataset:
    return build_dataset(DataSpec(dataset=Part(name="packed", args={"root": str(root)})))


def everything(dataset: Dataset) -> dict[str, Any]:
    return {name: dataset.split(name) for name in dataset.splits} | {"unlabelled": dataset.unlabelled()}


def assert_same(one: Dataset, other: Dataset) -> None:
    assert one.schema == other.schema
    others = everything(other)
    assert {name: len(samples) for name, samples in everything(one).items() if len(samples)} == {
        name: len(samples) for name, samples in others.items() if len(samples)
    }
    for name, samples in everything(one).items():
        for row in range(len(samples)):
            a, b = samples[row], others[name][row]
            for field in ("id", "labels", "metadata", "bbox", "answers"):
                assert getattr(a, field) == getattr(b, field), field
            assert torch.equal(decode(a.image, a.id), decode(b.image, b.id))
        for type_name in one.schema.names:
            for x, y in zip(samples.label_pairs(type_name), others[name].label_pairs(type_name), strict=True):
                assert np.array_equal(x, y)


def files(root: Path) -> dict[str, str]:
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in root.rglob("*.*")}


def test_generated_pictures_are_read_as_they_were(tmp_path: Path) -> None:
    data = garments()
    report = pack(data, tmp_path / "out", shard_size=20_000, workers=0)
    assert report.pictures == {"train": 20, "val": 5, "test": 4, "unlabelled": 7} and report.bad == 0
    assert_same(build_dataset(data), packed(tmp_path / "out"))
    assert packed(tmp_path / "out").check() == []
    tars = sorted((tmp_path / "out").glob("*.tar"))
    assert report.shards == len(tars) > 1 and all(path.stat().st_size <= 20_480 for path in tars)
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.suffix != ".tar") == [
        "manifest.parquet",
        "pack.json",
        "schema.yaml",
    ]


def crowd(folder: Path) -> DataSpec:
    """A manifest with boxes, answers, metadata, a bad picture, a missing one, and one that is also in val."""
    for number in range(8):
        examples.picture(folder / f"{number}.jpg", "Red", number)
    (folder / "3.jpg").write_bytes(b"no picture")
    lines = [
        "image,id,split,colour,trims,bbox,colour.answers,shop",
        "0.jpg,zero,train,red,zip,0.1 2 9.75 10,,in",
        "1.jpg,one,train,,lace|zip,,red|red|blue,",
        "2.jpg,two,train,blue,,,,us",
        "3.jpg,three,train,blue,,,,us",
        "4.jpg,four,train,,,,red|blue|green,us",
        "5.jpg,five,val,red,,,,us",
        "6.jpg,six,unlabeled,,,1 1 5 5,,us",
        "gone.jpg,seven,unlabeled,,,,,us",
        "7.jpg,eight,unlabeled,,,,,us",
    ]
    (folder / "7.jpg").write_bytes((folder / "5.jpg").read_bytes())
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    (folder / "schema.yaml").write_text("types: [{name: colour}, {name: trims, kind: multi}]")
    return DataSpec(dataset=Part(name="manifest", args={"root": str(folder), "answers": "all"}))


def test_boxes_answers_metadata_and_bytes_stay_and_bad_pictures_are_listed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    data = crowd(tmp_path / "in")
    report = pack(data, tmp_path / "out", workers=0)
    assert (report.pictures, report.bad) == ({"train": 4, "val": 1, "unlabelled": 1}, 2)
    assert report.bad_list is not None
    header, *bad = report.bad_list.read_text().splitlines()
    assert header == "id,split,reason"
    assert [line.split(",")[:2] for line in bad] == [["three", "train"], ["seven", "unlabelled"]]
    assert "is not a picture in a format" in bad[0] and "does not exist" in bad[1]
    before, after = build_dataset(data), packed(tmp_path / "out")
    assert after.schema == before.schema
    kept = [samples[row] for samples in everything(after).values() for row in range(len(samples))]
    named = {s.id: s for samples in everything(before).values() for s in (samples[r] for r in range(len(samples)))}
    assert [s.id for s in kept] == ["zero", "one", "two", "four", "five", "six"]  # `eight` is also in val
    for sample in kept:
        source = named[sample.id]
        assert sample.image == Path(source.image).read_bytes()
        for field in ("labels", "metadata", "bbox", "answers"):
            assert getattr(sample, field) == getattr(source, field), (sample.id, field)
    assert named["zero"].bbox is not None and named["four"].answers and not named["four"].labels
    assert after.split("train").label_pairs("colour")[0].tolist() == [0, 1, 2, 3], "also for those without agreement"


@pytest.mark.parametrize("name", ["deepfashion", "imaterialist_fashion", "darn"])
def test_datasets_of_files_are_read_as_they_were(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    data = DataSpec(dataset=Part(name=name, args=dict(getattr(example_trees, name)(tmp_path / "in"))))
    pack(data, tmp_path / "out", workers=0)
    assert_same(build_dataset(data), packed(tmp_path / "out"))


def test_worker_processes_write_the_same(tmp_path: Path) -> None:
    for workers in (0, 2):
        pack(garments(), tmp_path / f"{workers}", shard_size=20_000, workers=workers)
    assert files(tmp_path / "0") == files(tmp_path / "2")


def test_training_draws_the_same_batches(tmp_path: Path) -> None:
    data = garments()
    pack(data, tmp_path / "out", workers=0)

    class Stream:
        batch_size, views = 8, ("train",)

        def __init__(self, dataset: Dataset) -> None:
            self.samples = dataset.split("train")

        def draws(self, epoch: int) -> Draws:
            rows, classes = self.samples.label_pairs("category")
            order = np.random.default_rng(epoch).permutation(len(rows))
            return Draws(rows[order], classes[order], "category")

    augments = {"train": AugmentSpec(crop_scale=(0.5, 1), flip=0.5, color_jitter=0.3)}
    batches = []
    for dataset in (build_dataset(data), packed(tmp_path / "out")):
        loader = StreamLoader(Stream(dataset), dataset.schema, augments, Preprocess(32, 32), 3, 2, 0, BadImages(0))
        batches.append([batch for batch, _ in zip(loader, range(3), strict=False)])
    for one, other in zip(*batches, strict=True):
        assert torch.equal(one.images, other.images) and torch.equal(one.rows, other.rows)
        for name in one.targets:
            assert torch.equal(one.targets[name], other.targets[name])
            assert torch.equal(one.mask[name], other.mask[name])


class Stop(Exception):
    """Stands for the end of a process."""


@pytest.mark.parametrize("after", [0, 14, 35])
@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop])
def test_what_was_stopped_goes_on_and_becomes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, error: type[BaseException]
) -> None:
    pack(garments(), tmp_path / "whole", shard_size=20_000, workers=0)
    read = reading.read_pictures
    started: list[int] = []

    def stopping(parts: Any, start: int, workers: int) -> Any:
        started.append(start)
        for number, picture in enumerate(read(parts, start, workers), start):
            if number == after and len(started) == 1:
                raise error
            yield picture

    monkeypatch.setattr(run, "read_pictures", stopping)
    with pytest.raises(error):
        pack(garments(), tmp_path / "out", shard_size=20_000, workers=0)
    with pytest.raises(DataError, match="is not packed to the end"):
        packed(tmp_path / "out")
    pack(garments(), tmp_path / "out", shard_size=20_000, workers=0)
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    assert started[1] <= after and (after < 14 or started[1] > 0)


def _killed(out: Path) -> None:
    finish, done = Shard.finish, []

    def killing(shard: Shard) -> None:
        if len(done) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        done.append(finish(shard))

    Shard.finish = killing  # type: ignore[method-assign]
    pack(garments(), out, shard_size=20_000, workers=0)


def test_a_killed_packing_goes_on(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=_killed, args=(tmp_path / "out",))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "out").glob("*.part")] == [".shard-000002.tar.part"]
    pack(garments(), tmp_path / "out", shard_size=20_000, workers=0)
    pack(garments(), tmp_path / "whole", shard_size=20_000, workers=0)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_another_dataset_is_never_overwritten(tmp_path: Path) -> None:
    pack(garments(), tmp_path, workers=0)
    before = files(tmp_path)
    assert pack(garments(), tmp_path, workers=0).pictures["train"] == 20  # is packed already
    with pytest.raises(UsageError, match="was begun with another choice of arguments and another number of pictures"):
        pack(garments(n_val=6), tmp_path, workers=0)
    with pytest.raises(UsageError, match="was begun with another shard size"):
        pack(garments(), tmp_path, shard_size=10**6, workers=0)
    assert files(tmp_path) == before and not (tmp_path / ".parts").exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="is there already and no packed folder"):
        pack(garments(), tmp_path, workers=0)
    with pytest.raises(UsageError, match="is there already and no packed folder"):
        pack(garments(), tmp_path / "thesis.tex", workers=0)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_two_processes_cannot_write_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(*_: Any) -> Any:
        with pytest.raises(UsageError, match="is in use by another process"):
            pack(garments(), tmp_path, workers=0)
        raise Stop
        yield

    monkeypatch.setattr(run, "read_pictures", meanwhile)
    with pytest.raises(Stop):
        pack(garments(), tmp_path, workers=0)


def test_a_shard_that_was_lost_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise Stop

    monkeypatch.setattr("mtss_zoo.packing.folder.PackFolder.finish", stop)
    with pytest.raises(Stop):
        pack(garments(), tmp_path, shard_size=20_000, workers=0)
    (tmp_path / "shard-000000.tar").unlink()
    with pytest.raises(UsageError, match=r"lacks shard-000000.tar. Remove that folder"):
        pack(garments(), tmp_path, shard_size=20_000, workers=0)


def test_a_full_disk_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    with pytest.raises(MtssZooError, match=r"no room is left for .*; the same command goes on"):
        pack(garments(), tmp_path, workers=0)


def test_pictures_that_are_all_bad_make_no_pack(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    data = crowd(tmp_path / "in")
    for path in (tmp_path / "in").glob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"not one picture could be packed: picture zero .* is empty"):
        pack(data, tmp_path / "out", workers=0)


def test_members_are_named_by_their_place_and_format_and_tell_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pack(crowd(tmp_path / "in"), tmp_path / "out", workers=0)
    with tarfile.open(tmp_path / "out/shard-000000.tar") as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == [f"{n:09d}.jpg" for n in (0, 1, 2, 4, 5, 6)]
    assert {(m.mtime, m.uid, m.uname) for m in members} == {(0, 0, "")}
    assert str(tmp_path) not in (tmp_path / "out/pack.json").read_text()


def test_the_manifest_speaks_for_itself(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pack(crowd(tmp_path / "in"), tmp_path / "out", workers=0)
    table = pq.read_table(tmp_path / "out/manifest.parquet")
    row = table.to_pylist()[1]
    assert table.column_names == [
        *("id", "split", "shard", "offset", "size", "bbox", "labels.colour", "labels.trims", "answers.colour"),
        *("metadata.colour.agreement", "metadata.shop"),
    ]
    assert (row["id"], row["split"], row["shard"]) == ("one", "train", "shard-000000.tar")
    assert (row["labels.colour"], row["labels.trims"], row["bbox"]) == (["red"], ["lace", "zip"], None)


class TestEncoded:
    def test_bytes_stay_as_they_are_and_the_ending_is_that_of_the_format(self, tmp_path: Path) -> None:
        for ending, kind in (("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"), ("gif", "GIF"), ("tif", "TIFF")):
            path = tmp_path / "picture.dat"
            Image.new("RGB", (5, 4), "red").save(path, kind)
            data = path.read_bytes()
            assert encoded(path, "x") == encoded(str(path), "x") == encoded(data, "x") == (data, ending)

    @pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "I;16", "1"])
    def test_generated_pictures_decode_the_same(self, mode: str) -> None:
        pixels = np.random.default_rng(0).integers(0, 255, (4, 5, 4), np.uint8)
        image = Image.fromarray(pixels, "RGBA")
        image = image.convert(mode) if mode != "I;16" else Image.new("I;16", (5, 4), 777)
        stored = encoded(image, "x")
        assert stored.ending == "png" and torch.equal(decode(stored.data, "x"), decode(image, "x"))

    def test_a_tensor_too(self) -> None:
        image = torch.arange(60, dtype=torch.uint8).view(3, 4, 5)
        assert torch.equal(decode(encoded(image, "x").data, "x"), image)

    def test_a_picture_that_cannot_be_used_is_named(self, tmp_path: Path) -> None:
        Image.new("RGB", (50, 40), "red").save(tmp_path / "1.jpg")
        os.truncate(tmp_path / "1.jpg", 500)
        for image in (tmp_path / "1.jpg", tmp_path / "2.jpg", b"", torch.zeros(1)):
            with pytest.raises(ImageError, match="picture x"):
                encoded(image, "x")


@given(sizes=st.lists(st.integers(0, 70), max_size=4), start=st.integers(0, 300))
def test_reading_goes_on_from_any_place(sizes: list[int], start: int) -> None:
    parts = [reading.Part(str(i), range(size)) for i, size in enumerate(sizes)]  # type: ignore[arg-type]
    asked = [(part, row) for part, rows in reading._requests(parts, start) for row in rows]
    assert asked == [(i, row) for i, size in enumerate(sizes) for row in range(size)][start:]


@pytest.mark.parametrize(
    ("text", "size"), [("1GB", 10**9), ("500 MB", 5 * 10**8), ("1.5GiB", 3 * 2**29), ("20kb", 20_000), ("7", 7)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "1 apple", "-1GB", "1e9"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no size; write 500MB or 1GB"):
        parse_size(text)


def test_the_command_packs_a_dataset_or_that_of_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    root = example_trees.darn(tmp_path / "in")["root"]
    call = ["data", "pack", "darn", "--root", root, "--out", str(tmp_path / "out"), "--workers", "0"]
    done = CliRunner().invoke(app, [*call, "--json"], catch_exceptions=False)
    assert json.loads(done.stdout) == {
        "out": str(tmp_path / "out"),
        "pictures": {"train": 24, "val": 12, "test": 12},
        "bad": 0,
        "bad_list": None,
        "shards": 1,
    }
    assert "--set data.dataset=packed" in CliRunner().invoke(app, call, catch_exceptions=False).stdout
    assert CliRunner().invoke(app, [*call, "--shard-size", "0MB"]).exit_code
    recipe = tmp_path / "mine.yaml"
    args = json.dumps(GARMENTS)
    recipe.write_text(f"{{name: mine, extends: mtss_quickstart, data: {{dataset: {{name: garments, args: {args}}}}}}}")
    call = ["data", "pack", str(recipe), "--out", str(tmp_path / "two"), "--workers", "0", "--json"]
    assert json.loads(CliRunner().invoke(app, call, catch_exceptions=False).stdout)["pictures"]["test"] == 4
