"""Bulk prediction: what it writes is what `predict` says, in Parquet and JSONL, from every source."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import mtss_zoo
from mtss_zoo.bulk.answers import Answers
from mtss_zoo.bulk.batch_predictor import BatchPredictor
from mtss_zoo.bulk.engines import open_engine
from mtss_zoo.bulk.run import bulk_predict
from mtss_zoo.errors import DataError, MtssZooError, UsageError
from mtss_zoo.exporting.onnx_model import OnnxModel


def expected(model, paths, top_k=3):
    """The columns of some pictures, from `predict`."""
    rows = []
    for path, found in zip(paths, model.predict(paths, top_k=top_k), strict=True):
        rows.append({"id": str(path)})
        for name, best in found.items():
            rows[-1][name], rows[-1][f"{name}_score"] = best[0]
            rows[-1][f"{name}_top"] = [{"class": c, "score": s} for c, s in best]
    return rows


def same(rows, theirs):
    """Equal ids and classes. Scores differ a little with the size of a batch."""
    assert [list(row) for row in rows] == [list(row) for row in theirs]
    for row, other in zip(rows, theirs, strict=True):
        for key, value in row.items():
            if key.endswith("_score"):
                assert value == pytest.approx(other[key], abs=1e-5)
            elif key.endswith("_top"):
                assert [one["class"] for one in value] == [one["class"] for one in other[key]]
                assert [o["score"] for o in value] == pytest.approx([o["score"] for o in other[key]], abs=1e-5)
            else:
                assert value == other[key]


def named(model, shop, good, top_k=3):
    rows = expected(model, [shop / name for name in good], top_k)
    return [row | {"id": name} for row, name in zip(rows, good, strict=True)]


class TestOutput:
    @pytest.mark.parametrize("workers", [0, 2])
    def test_parquet_has_a_row_for_every_usable_picture_in_order(self, model, shop, good, tmp_path, workers):
        report = bulk_predict(model, shop, tmp_path / "p.parquet", batch_size=5, workers=workers)
        same(pq.read_table(tmp_path / "p.parquet").to_pylist(), named(model, shop, good))
        assert (report.pictures, report.bad) == (12, 2) and report.pictures_per_second > 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ["p.parquet", "p.parquet.bad.csv"]

    def test_types_of_the_columns(self, model, shop, tmp_path):
        bulk_predict(model, shop, tmp_path / "p.parquet", workers=0)
        schema = pq.read_schema(tmp_path / "p.parquet")
        assert schema.names == ["id", "colour", "colour_score", "colour_top", "trims", "trims_score", "trims_top"]
        assert schema.field("colour").type == pa.string() and schema.field("colour_score").type == pa.float32()
        assert schema.field("colour_top").type == pa.list_(pa.struct({"class": pa.string(), "score": pa.float32()}))
        about = json.loads(schema.metadata[b"mtss_zoo"])
        assert about["model"] == open_engine(model).fingerprint() and about["top_k"] == 3

    def test_jsonl_has_the_same_rows(self, model, shop, good, tmp_path):
        bulk_predict(model, shop, tmp_path / "p.jsonl", batch_size=5, workers=0)
        lines = (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()
        same([json.loads(line) for line in lines], named(model, shop, good))

    def test_with_one_class_there_is_no_list(self, model, shop, tmp_path):
        bulk_predict(model, shop, tmp_path / "p.parquet", top_k=1, workers=0)
        names = pq.read_schema(tmp_path / "p.parquet").names
        assert names == ["id", "colour", "colour_score", "trims", "trims_score"]

    def test_an_untrained_class_never_appears(self, model, shop, tmp_path):
        bulk_predict(model, shop, tmp_path / "p.parquet", workers=0)
        rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
        assert {one["class"] for row in rows for one in row["colour_top"]} == {"red", "blue"}

    def test_a_type_without_a_trained_class_is_null(self, model, shop, tmp_path, monkeypatch):
        monkeypatch.setitem(model._buffers, "colour_trained", torch.zeros(3, dtype=torch.bool))
        bulk_predict(model, shop, tmp_path / "p.parquet", workers=0)
        row = pq.read_table(tmp_path / "p.parquet").to_pylist()[0]
        assert row["colour"] is None and row["colour_score"] is None and row["colour_top"] == []

    def test_embeddings_are_lists_of_float16(self, model, shop, good, tmp_path):
        bulk_predict(model, shop, tmp_path / "p.parquet", embeddings=True, workers=0)
        table = pq.read_table(tmp_path / "p.parquet")
        assert table.schema.field("colour_embedding").type == pa.list_(pa.float16(), 4)
        arrays = [torch.from_numpy(np.array(Image.open(shop / name))) for name in good]
        pictures = torch.stack([model.preprocess(array.permute(2, 0, 1)) for array in arrays])
        with torch.inference_mode():
            theirs = model.embed(pictures)["trims"].numpy()
        ours = np.stack(table["trims_embedding"].to_pylist()).astype(np.float32)
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3)

    def test_bad_pictures_are_listed_with_the_reason(self, model, shop, tmp_path):
        report = bulk_predict(model, shop, tmp_path / "p.parquet", batch_size=1, workers=0)
        with report.bad_list.open(newline="") as file:
            rows = {row["id"]: row["reason"] for row in csv.DictReader(file)}
        assert list(rows) == ["empty.png", "women/broken.jpg"]
        assert "is empty (0 bytes)" in rows["empty.png"]

    def test_without_bad_pictures_there_is_no_list(self, model, shop, good, tmp_path):
        report = bulk_predict(model, [shop / good[0]], tmp_path / "p.parquet", workers=0)
        assert report.bad_list is None and [path.name for path in tmp_path.iterdir()] == ["p.parquet"]

    def test_a_score_that_is_no_number_ends_the_run(self, model, shop, tmp_path, monkeypatch):
        broken = torch.full_like(model.head("colour").dictionary, torch.nan)
        monkeypatch.setitem(model.head("colour")._parameters, "dictionary", torch.nn.Parameter(broken))
        with pytest.raises(MtssZooError, match="scores of colour are not numbers"):
            bulk_predict(model, shop, tmp_path / "p.parquet", workers=0)


class TestSources:
    def test_tars_give_the_same_answers_as_the_folder(self, model, shop, good, packed, tmp_path):
        packed(tmp_path / "s-09.tar", shop, good[:7])
        packed(tmp_path / "s-10.tar", shop, [*good[7:], "empty.png"])
        report = bulk_predict(model, f"{tmp_path}/s-{{09..10}}.tar", tmp_path / "p.parquet", batch_size=5, workers=2)
        rows = pq.read_table(report.out).to_pylist()
        assert [row["id"] for row in rows] == [f"s-{'09' if i < 7 else '10'}.tar/{n}" for i, n in enumerate(good)]
        same([row | {"id": name} for row, name in zip(rows, good, strict=True)], named(model, shop, good))
        assert report.bad == 1

    def test_a_manifest_gives_ids_and_boxes(self, model, shop, good, tmp_path):
        (tmp_path / "list.csv").write_text(f"image,id,bbox\n{shop / good[0]},whole,\n{shop / good[0]},part,2 3 22 33\n")
        bulk_predict(model, tmp_path / "list.csv", tmp_path / "p.parquet", workers=0)
        rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
        picture = Image.open(shop / good[0])
        whole, part = expected(model, [picture, picture.crop((2, 3, 22, 33))])
        same(rows, [whole | {"id": "whole"}, part | {"id": "part"}])

    def test_shards_together_are_the_whole(self, model, shop, good, tmp_path):
        for k in (1, 2, 3):
            report = bulk_predict(model, shop, tmp_path / "p.parquet", shard=(k, 3), workers=0)
            assert report.out == tmp_path / f"p-{k}-of-3.parquet"
        shards = [pq.read_table(tmp_path / f"p-{k}-of-3.parquet")["id"].to_pylist() for k in (1, 2, 3)]
        assert sorted(id for shard in shards for id in shard) == sorted(good)

    def test_a_shard_may_be_empty_but_a_source_may_not(self, model, shop, good, packed, tmp_path):
        report = bulk_predict(model, [shop / good[0]], tmp_path / "p.parquet", shard=(2, 2), workers=0)
        assert report.pictures == 0 and pq.read_table(report.out).num_rows == 0
        empty = packed(tmp_path / "0.tar", shop, ["notes.txt"])
        with pytest.raises(DataError, match="no pictures"):
            bulk_predict(model, empty, tmp_path / "q.parquet", workers=0)
        assert not (tmp_path / "q.parquet.parts").exists()

    def test_when_all_are_bad_there_is_an_empty_file_and_a_list(self, model, shop, tmp_path):
        report = bulk_predict(model, [shop / "empty.png"], tmp_path / "p.parquet", workers=0)
        assert (report.pictures, report.bad) == (0, 1) and pq.read_table(report.out).num_rows == 0


class TestAskedWrongly:
    @pytest.mark.parametrize(
        "settings, message",
        [
            ({"out": "p.csv"}, "ends in .parquet or .jsonl"),
            ({"out": "p.jsonl", "embeddings": True}, "ends in .parquet is"),
            ({"top_k": 0}, "top_k is 0"),
            ({"shard": (0, 3)}, "shard 0/3"),
            ({"shard": (4, 3)}, "shard 4/3"),
            ({"source": "nowhere"}, "no such file"),
        ],
    )
    def test_is_refused_before_anything_is_written(self, model, shop, tmp_path, monkeypatch, settings, message):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UsageError, match=message):
            bulk_predict(model, **({"source": shop, "out": "p.parquet"} | settings))
        assert list(tmp_path.iterdir()) == []

    def test_a_device_that_does_not_exist(self, model_folder, onnx_file, shop, tmp_path):
        for name in (model_folder, onnx_file):
            with pytest.raises(UsageError, match="device"):
                bulk_predict(name, shop, tmp_path / "p.parquet", device="abacus")

    def test_two_columns_of_one_name(self, model, monkeypatch):
        schema = mtss_zoo.AttributeSchema((mtss_zoo.AttributeType("error", "single", ("yes",)),))
        engine = open_engine(model)
        monkeypatch.setattr(engine, "schema", schema)
        with pytest.raises(UsageError, match="'error'"):
            Answers(engine, 1)


class TestOnnx:
    @pytest.mark.parametrize("workers", [0, 2])
    def test_a_file_is_used_like_a_model(self, onnx_file, shop, good, tmp_path, workers):
        bulk_predict(onnx_file, shop, tmp_path / "p.parquet", batch_size=5, workers=workers)
        same(pq.read_table(tmp_path / "p.parquet").to_pylist(), named(OnnxModel(onnx_file), shop, good))

    def test_boxes_are_cut_out(self, onnx_file, shop, good, tmp_path):
        (tmp_path / "list.csv").write_text(f"image,bbox\n{shop / good[0]},2 3 22 33\n")
        bulk_predict(onnx_file, tmp_path / "list.csv", tmp_path / "p.parquet")
        picture = Image.open(shop / good[0]).crop((2, 3, 22, 33))
        rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
        same(rows, [row | {"id": str(shop / good[0])} for row in expected(OnnxModel(onnx_file), [picture])])

    def test_torch_is_not_imported(self, onnx_file, shop, tmp_path):
        code = (
            "import sys; from mtss_zoo.cli import main\n"
            f"sys.argv = ['mtss-zoo', 'predict', {str(onnx_file)!r}, {str(shop)!r}]\n"
            "try: main()\nexcept SystemExit: pass\nassert 'torch' not in sys.modules"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "predictions.parquet: 12 pictures" in done.stdout and "predictions.parquet.bad.csv" in done.stdout

    def test_it_has_no_embeddings(self, onnx_file, shop, tmp_path):
        with pytest.raises(UsageError, match="no embeddings"):
            bulk_predict(onnx_file, shop, tmp_path / "p.parquet", embeddings=True)

    def test_another_file_has_another_fingerprint(self, onnx_file, tmp_path):
        import onnx

        proto = onnx.load(onnx_file)
        proto.doc_string = "another"
        onnx.save(proto, tmp_path / "other.onnx")
        models = (OnnxModel(onnx_file), OnnxModel(tmp_path / "other.onnx"))
        assert len({open_engine(m).fingerprint() for m in models}) == 2


class TestBatches:
    """`BatchPredictor` on the batches that Ray Data gives: arrays of equal length by column."""

    @pytest.fixture
    def predictor(self, model) -> BatchPredictor:
        return BatchPredictor(model, top_k=2)

    def test_paths_bytes_and_arrays_give_the_same_answers(self, model, shop, good):
        paths = [shop / name for name in good]
        columns = {
            "path": [str(path) for path in paths],
            "bytes": [path.read_bytes() for path in paths],
            "array": [np.array(Image.open(path)) for path in paths],
        }
        answers = []
        for name, values in columns.items():
            column = np.empty(len(values), object)
            column[:] = values
            table = BatchPredictor(model, image=name)({name: column, "number": np.arange(12)})
            assert table["number"].to_pylist() == list(range(12)) and table["error"].null_count == 12
            assert ("path" in table.column_names) == (name == "path")
            answers.append(table.select(["colour", "colour_score", "trims_top"]).to_pylist())
        same(answers[0], [{key: row[key] for key in answers[0][0]} for row in expected(model, paths)])
        assert answers[0] == answers[1] == answers[2]

    def test_a_bad_picture_has_an_error_and_no_answer(self, predictor, shop, good):
        paths = np.array([str(shop / good[0]), str(shop / "empty.png")], object)
        rows = predictor({"image": paths, "id": np.array(["a", "b"], object)}).to_pylist()
        assert [row["id"] for row in rows] == ["a", "b"]
        assert rows[0]["error"] is None and rows[0]["colour"] in ("red", "blue")
        assert "picture b" in rows[1]["error"] and rows[1]["colour"] is None and rows[1]["trims_top"] == []

    def test_boxes_are_used(self, predictor, shop, good):
        box = np.empty(3, object)
        box[:] = [None, np.array([2.0, 3, 22, 33]), np.array([np.nan] * 4)]
        table = predictor({"image": np.array([str(shop / good[0])] * 3, object), "bbox": box})
        whole, part, empty = table["colour_score"].to_pylist()
        assert whole == empty != part

    @pytest.mark.parametrize(
        "array, why",
        [
            (np.zeros((40, 30, 3), np.float32), "its array is 40 x 30 x 3 of float32, but height x width x 3 of uint8"),
            (np.zeros((3, 40, 30), np.uint8), "its array is 3 x 40 x 30 of uint8"),
            (np.zeros((0, 0, 3), np.uint8), "picture picture 0 cannot be used"),
            (None, "is a NoneType"),
        ],
    )
    def test_an_array_that_is_no_picture_is_an_error_of_its_row(self, predictor, shop, good, array, why):
        images = np.empty(2, object)
        images[:] = [array, str(shop / good[0])]
        bad, usable = predictor({"image": images}).to_pylist()
        assert why in bad["error"] and bad["colour"] is None
        assert usable["error"] is None and usable["colour"] in ("red", "blue")

    @pytest.mark.parametrize("bad", [np.array([1.0, 2, 3]), "1 2 30 40", "1234", np.array([0, 0, np.inf, 9])])
    def test_a_box_that_is_none_is_an_error_of_its_row(self, predictor, shop, good, bad):
        images, boxes = np.empty(2, object), np.empty(2, object)
        images[:] = [(shop / good[0]).read_bytes()] * 2
        boxes[:] = [bad, bad if isinstance(bad, str) else np.array([2.0, 3, 22, 33])]
        rows = predictor({"image": images, "bbox": boxes}).to_pylist()
        assert "picture picture 0 cannot be used: its box is" in rows[0]["error"]
        assert isinstance(bad, str) or rows[1]["error"] is None

    def test_a_column_that_is_not_there_is_asked_wrongly(self, predictor):
        with pytest.raises(UsageError, match=r"no column 'image' of pictures; image= can be bytes, path\."):
            predictor({"bytes": np.array([b""], object), "path": np.array(["a.jpg"], object)})

    def test_a_column_that_the_answers_have_too_is_refused(self, predictor, shop, good):
        with pytest.raises(UsageError, match="'colour'"):
            predictor({"image": np.array([str(shop / good[0])], object), "colour": np.array(["red"], object)})
