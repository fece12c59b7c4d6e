"""``mtss-zoo predict`` with a file to write, and when it writes one unasked."""

from __future__ import annotations

import json
import os

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from mtss_zoo.progress import PictureCount


@pytest.fixture
def predict(monkeypatch, zoo, tmp_path, onnx_file):
    """``predict("shop", "--json")`` gives exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    return lambda *args: zoo("predict", onnx_file, *args)


def test_a_folder_goes_into_a_file_and_the_bad_ones_do_no_harm(predict, shop, tmp_path):
    code, out, _ = predict(shop)
    assert code == 0 and out.startswith("predictions.parquet: 12 pictures, ")
    assert out.endswith("; 2 could not be used, see predictions.parquet.bad.csv\n")
    assert pq.read_table(tmp_path / "predictions.parquet").num_rows == 12


def test_pictures_are_printed_unless_out_is_given(predict, shop, good, tmp_path):
    code, out, _ = predict(shop / good[0])
    assert code == 0 and "colour" in out and list(tmp_path.iterdir()) == []
    code, out, _ = predict(shop / good[0], "--out", "p.jsonl", "--top-k", 1, "--batch-size", 2, "--workers", 0)
    assert code == 0 and out.startswith("p.jsonl: 1 pictures")
    assert json.loads((tmp_path / "p.jsonl").read_text()).keys() == {
        "id",
        "colour",
        "colour_score",
        "trims",
        "trims_score",
    }


def test_json_says_what_was_done(predict, shop, tmp_path):
    code, out, _ = predict(shop, "--shard", "2/2", "--json")
    report = json.loads(out)
    assert code == 0 and report.pop("pictures_per_second") > 0
    assert report == {
        "out": "predictions-2-of-2.parquet",
        "pictures": 6,
        "bad": 1,
        "bad_list": "predictions-2-of-2.parquet.bad.csv",
    }


def test_when_no_picture_can_be_used_it_failed(predict, shop):
    code, out, _ = predict(shop / "empty.png", "--out", "p.parquet")
    assert code == 1 and "0 pictures" in out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--shard", "2/3"], "give --out"),
        (["--embeddings"], "give --out"),
        (["--workers", 1], "give --out"),
        (["--device", "cuda"], "give --out"),
        (["--batch-size", 8], "--batch-size can be given for answers in a file only: give --out"),
        (["--out", "taken.jpg/p.jsonl"], "p.jsonl cannot be written: "),
        (["--out", "folder.jsonl"], "folder.jsonl: is a folder, but a file is needed"),
        (["--out", "p.parquet", "--shard", "2"], "write 3/8"),
        (["--out", "p.parquet", "--shard", "4/3"], "shard 4/3"),
        (["--out", "p.csv"], ".parquet or .jsonl"),
    ],
)
def test_what_cannot_be_is_asked_wrongly(predict, shop, good, tmp_path, arguments, message):
    (tmp_path / "taken.jpg").touch()
    (tmp_path / "folder.jsonl").mkdir()
    code, _, err = predict(shop / good[0], *arguments)
    assert code == 2 and message in err


def test_a_file_that_is_there_is_asked_wrongly(predict, shop, good):
    assert predict(shop / good[0], "--out", "p.parquet")[0] == 0
    code, _, err = predict(shop / good[0], "--out", "p.parquet")
    assert code == 2 and "p.parquet is there already" in err


def test_an_error_of_the_system_is_one_line(predict, shop, good, tmp_path):
    (tmp_path / "p.parquet.parts").touch()
    code, _, err = predict(shop / good[0], "--out", "p.parquet")
    assert (code, err) == (1, "error: p.parquet.parts: File exists\n")


def test_a_picture_that_does_not_exist_is_a_bad_one_beside_others(predict, shop, good, tmp_path):
    code, out, _ = predict(shop / good[0], "missing.jpg", "--out", "p.jsonl")
    assert code == 0 and out.startswith("p.jsonl: 1 pictures") and "1 could not be used" in out
    assert "missing.jpg cannot be used: it does not exist" in (tmp_path / "p.jsonl.bad.csv").read_text()
    code, _, err = predict("missing.jpg", "--out", "q.jsonl")
    assert code == 2 and "missing.jpg: no such file" in err


def test_a_name_that_is_not_utf_8_is_printed_with_question_marks(predict, shop, good, tmp_path):
    odd = tmp_path / os.fsdecode(b"odd_\xff.jpg")
    odd.write_bytes((shop / good[0]).read_bytes())
    code, out, _ = predict(odd.name)
    assert code == 0 and "odd_\N{REPLACEMENT CHARACTER}.jpg" in out
    assert json.loads(predict(odd.name, "--json")[1])[0]["image"] == "odd_\N{REPLACEMENT CHARACTER}.jpg"


def test_a_bad_picture_whose_name_is_not_utf_8_is_listed(predict, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / os.fsdecode(b"odd_\xff.jpg")).touch()
    code, out, _ = predict("photos")
    assert code == 1 and "1 could not be used" in out
    assert "odd_\N{REPLACEMENT CHARACTER}.jpg" in (tmp_path / "predictions.parquet.bad.csv").read_text("utf-8")


class TestProgress:
    def test_a_terminal_shows_a_bar_with_the_speed(self, capsys):
        count = PictureCount(200, 50, Console(force_terminal=True, width=100))
        count.add(100)
        count.close()
        shown = capsys.readouterr().out
        assert "150/200" in shown and "pictures/s" in shown

    def test_elsewhere_there_is_a_line_a_minute(self, capsys, monkeypatch):
        now = [0.0]
        monkeypatch.setattr("mtss_zoo.progress.monotonic", lambda: now[0])
        count = PictureCount(None, 1000, Console(width=100))
        for _ in range(5):
            now[0] += 30
            count.add(600)
        count.close()
        assert capsys.readouterr().out == "2,200 pictures, 20 pictures/s\n3,400 pictures, 20 pictures/s\n"
        assert count.speed == 20
