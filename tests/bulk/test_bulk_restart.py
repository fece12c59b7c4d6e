"""However a run ends, the same call goes on: no picture twice and none missing."""

from __future__ import annotations

import csv
import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtss_zoo.bulk import parts as parts_module
from mtss_zoo.bulk.finish import bad_list, finish
from mtss_zoo.bulk.parts import Parts
from mtss_zoo.bulk.run import bulk_predict
from mtss_zoo.errors import MtssZooError, UsageError
from mtss_zoo.files.whole_files import synced_file

SCHEMA = pa.schema([("id", pa.string()), ("error", pa.string()), ("colour", pa.string())])
ABOUT = {"model": "m", "list of pictures": "l"}


def rows(*numbers: int) -> pa.Table:
    """Rows of answers; every third picture cannot be used."""
    return pa.table(
        [[str(n) for n in numbers], ["is empty" if n % 3 == 2 else None for n in numbers], ["red"] * len(numbers)],
        schema=SCHEMA,
    )


def add(parts: Parts, table: pa.Table) -> None:
    parts.add(table)
    parts.write()


class TestParts:
    def test_what_is_written_is_done_and_goes_on(self, tmp_path):
        with Parts(tmp_path / "p.parquet", ABOUT) as parts:
            parts.add(rows(0, 1))
            parts.add(rows(2))
            assert (parts.done, parts.added) == (0, 3)
        with Parts(tmp_path / "p.parquet", ABOUT) as parts:
            assert parts.done == 3
            add(parts, rows(3))
            assert finish(parts, SCHEMA, "{}") == 1
        assert pq.read_table(tmp_path / "p.parquet")["id"].to_pylist() == ["0", "1", "3"]
        assert bad_list(tmp_path / "p.parquet").read_text() == "id,reason\n2,is empty\n"
        assert not (tmp_path / "p.parquet.parts").exists()

    def test_many_small_parts_become_few_row_groups(self, tmp_path, monkeypatch):
        monkeypatch.setattr("mtss_zoo.bulk.finish.GROUP_BYTES", rows(0, 1).nbytes * 4)
        with Parts(tmp_path / "p.parquet", ABOUT) as parts:
            for n in range(0, 60, 3):
                add(parts, rows(n, n + 1))
            finish(parts, SCHEMA, "{}")
        with pq.ParquetFile(tmp_path / "p.parquet") as file:
            assert file.metadata.num_rows == 40 and 5 <= file.num_row_groups <= 10

    @pytest.mark.parametrize("key", list(ABOUT))
    def test_another_model_or_source_is_refused_by_name(self, tmp_path, key):
        Parts(tmp_path / "p.parquet", ABOUT).__exit__(None, None, None)
        with pytest.raises(UsageError, match=f"begun with another {key}"):
            Parts(tmp_path / "p.parquet", ABOUT | {key: "other"})
        with Parts(tmp_path / "p.parquet", ABOUT) as parts:  # and the lock is free again
            assert parts.done == 0

    def test_two_processes_do_not_write_one_file(self, tmp_path):
        with Parts(tmp_path / "p.parquet", ABOUT), pytest.raises(UsageError, match="in use by another process"):
            Parts(tmp_path / "p.parquet", ABOUT)

    def test_a_file_that_is_there_is_not_overwritten(self, tmp_path):
        (tmp_path / "p.parquet").write_text("mine")
        with pytest.raises(UsageError, match="there already"):
            Parts(tmp_path / "p.parquet", ABOUT)
        assert [path.name for path in tmp_path.iterdir()] == ["p.parquet"]

    def test_a_part_that_somebody_removed_is_missed(self, tmp_path):
        with Parts(tmp_path / "p.parquet", ABOUT) as parts:
            add(parts, rows(0))
            add(parts, rows(1))
            add(parts, rows(2))
        next((tmp_path / "p.parquet.parts").glob("000000000001-*")).unlink()
        with pytest.raises(MtssZooError, match="lacks the rows 1 to 1"):
            Parts(tmp_path / "p.parquet", ABOUT)

    def test_other_files_in_the_folder_are_left_alone(self, tmp_path):
        with Parts(tmp_path / "p.parquet", ABOUT) as parts:
            add(parts, rows(0))
            (parts.folder / "notes.txt").touch()
            finish(parts, SCHEMA, "{}")
        assert [path.name for path in (tmp_path / "p.parquet.parts").iterdir()] == ["notes.txt"]

    def test_a_file_that_was_not_finished_is_not_there(self, tmp_path):
        with pytest.raises(KeyError), synced_file(tmp_path / "f") as file:
            file.write(b"half")
            raise KeyError
        assert list(tmp_path.iterdir()) == []


def outcome(out: Path) -> tuple[list[str], list[str]]:
    with bad_list(out).open(newline="") as file:
        return pq.read_table(out)["id"].to_pylist(), [row["id"] for row in csv.DictReader(file)]


def predict(model, shop: Path, out: Path) -> None:
    bulk_predict(model, shop, out, batch_size=2, part_rows=4, workers=0)


def killed(model, shop: Path, out: Path, module, name: str, call: int, before: bool) -> int:
    """The exit code of a process that kills itself at this call of a function."""

    def run() -> None:
        calls, function = [], getattr(module, name)

        def patched(*args, **kwargs):
            calls.append(args)
            if before and len(calls) == call:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*args, **kwargs)
            if len(calls) == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(module, name, patched)
        predict(model, shop, out)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join()
    return process.exitcode


# The run replaces 7 files: what it is about, four parts of 14 pictures, the predictions, the list of bad ones.
KILLS = [
    *((os, "replace", call, before) for call in range(1, 8) for before in (True, False)),
    *((parts_module.Path, "unlink", call, before) for call in range(1, 7) for before in (True, False)),
]


@pytest.mark.parametrize("module, name, call, before", KILLS)
def test_after_a_kill_at_any_moment_no_picture_is_missing_and_none_twice(
    model, shop, good, tmp_path, module, name, call, before
):
    out = tmp_path / "p.parquet"
    assert killed(model, shop, out, module, name, call, before) == -signal.SIGKILL
    over = out.exists() and not (tmp_path / "p.parquet.parts/run.json").exists()
    if over:
        with pytest.raises(UsageError, match="there already"):
            predict(model, shop, out)
    else:
        assert not out.exists() or (tmp_path / "p.parquet.parts").exists()
        predict(model, shop, out)
    assert outcome(out) == (good, ["empty.png", "women/broken.jpg"])
    assert over or sorted(path.name for path in tmp_path.iterdir()) == ["p.parquet", "p.parquet.bad.csv"]


def test_a_kill_costs_no_more_than_a_part(model, shop, tmp_path, monkeypatch):
    out = tmp_path / "p.parquet"
    assert killed(model, shop, out, os, "replace", 4, before=False) == -signal.SIGKILL
    read = []
    monkeypatch.setattr("mtss_zoo.bulk.run.in_batches", lambda items, size: [read.extend(items) or read])
    predict(model, shop, out)
    assert len(read) == 14 - 3 * 4


def test_ctrl_c_keeps_what_is_predicted_and_says_how_to_go_on(model, shop, good, tmp_path, monkeypatch, capsys):
    from mtss_zoo.bulk.answers import Answers

    tables = Answers.tables

    def interrupted(self, read):
        for number, table in enumerate(tables(self, read)):
            if number == 3:
                raise KeyboardInterrupt
            yield table

    out = tmp_path / "p.parquet"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Answers, "tables", interrupted)
        bulk_predict(model, shop, out, batch_size=2, workers=0)
    assert "stopped after 6 pictures; the same command goes on" in capsys.readouterr().err
    predict(model, shop, out)
    assert "going on after 6 pictures" in capsys.readouterr().err
    assert outcome(out)[0] == good


@pytest.mark.parametrize(
    "error, words",
    [
        (OSError(errno.ENOSPC, "No space left on device", "p"), "p: No space left on device."),
        (OSError("a library's own words"), "a library's own words."),
        (MemoryError(), "memory does not suffice: take fewer workers or a smaller batch size."),
    ],
)
def test_an_end_for_want_of_room_says_how_to_go_on(model, shop, good, tmp_path, monkeypatch, error, words):
    written = []

    def write(rows, file, original=pq.write_table):
        if written:
            raise error
        written.append(rows)
        original(rows, file)

    out = tmp_path / "p.parquet"
    with monkeypatch.context() as patch, pytest.raises(MtssZooError) as ended:
        patch.setattr(parts_module.pq, "write_table", write)
        predict(model, shop, out)
    assert str(ended.value) == f"{words} The same command goes on after 4 pictures."
    predict(model, shop, out)
    assert outcome(out)[0] == good


def test_a_changed_folder_or_setting_is_refused(model, shop, tmp_path):
    out = tmp_path / "p.parquet"
    killed(model, shop, out, os, "replace", 3, before=False)
    with pytest.raises(UsageError, match="another list of pictures"):
        predict(model, shop / "women", out)
    with pytest.raises(UsageError, match="another top_k and another choice of embeddings"):
        bulk_predict(model, shop, out, top_k=1, embeddings=True)


@pytest.mark.slow
def test_a_real_command_killed_in_the_middle_goes_on(model_folder, shop, good, tmp_path):
    """With worker processes, which must end too."""
    (tmp_path / "list.csv").write_text("image,id\n" + "".join(f"{shop / good[i % 12]},{i}\n" for i in range(300)))
    call = "mtss_zoo.bulk_predict({!r}, 'list.csv', 'p.parquet', batch_size=4, part_rows=4, workers=2)"
    command = [sys.executable, "-c", f"import mtss_zoo; {call.format(str(model_folder))}"]
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True)
    try:
        while len(list(tmp_path.glob("p.parquet.parts/*.parquet"))) < 5:
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
    process.wait()
    part = tmp_path / "p.parquet.parts"
    assert json.loads((part / "run.json").read_text())["top_k"] == 3 and not (tmp_path / "p.parquet").exists()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "going on after" in done.stderr, done.stderr
    assert pq.read_table(tmp_path / "p.parquet")["id"].to_pylist() == [str(i) for i in range(300)]
    with pytest.raises(ProcessLookupError):  # its workers ended as well
        for _ in range(1000):
            os.killpg(process.pid, 0)
            time.sleep(0.01)
