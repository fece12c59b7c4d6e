"""The command in a process of its own: killed, interrupted, and called again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from picture_server import jpeg

from mtss_zoo.fetch.run import FetchSettings, fetch_urls

COMMAND = "import sys; from mtss_zoo.cli import main; sys.argv[0] = 'mtss-zoo'; main()"
PICTURES = 12


def start(*arguments: Any, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "data", "fetch-urls", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200"} | (environment or {}),
    )


def fetched(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix == ".jpg"}


@pytest.fixture
def stalled(server, listed, tmp_path):
    """A process that has fetched half of the list, and waits for the next pictures."""
    server.stall_after = PICTURES // 2
    path = listed(*[f"ok/{number}.jpg" for number in range(PICTURES)])
    process = start(path, "--out", tmp_path, "--workers", 3, "--per-host", 3, "--rate", 10000)
    assert server.stalled.wait(120)
    yield process
    process.kill()
    process.communicate()


def goes_on(server, tmp_path) -> None:
    """The next call fetches what the first one did not, and nothing twice."""
    folder = tmp_path / "train"
    before = fetched(folder)
    assert all((folder / name).read_bytes() == jpeg(int(name[:-4]) - 1) for name in before)
    server.stall_after = None
    server.release.set()
    server.asked.clear()
    done = fetch_urls(tmp_path / "train.json", tmp_path, FetchSettings(rate=10_000))
    assert done.pictures == {"there": len(before), "fetched": PICTURES - len(before)}
    assert {f"/ok/{int(name[:-4]) - 1}.jpg" for name in fetched(folder) - before} == set(server.asked)
    assert len(fetched(folder)) == PICTURES
    assert {path.name for path in folder.iterdir()} - fetched(folder) == {".lock"}


@pytest.mark.slow
def test_a_killed_process_leaves_whole_pictures_and_the_next_call_goes_on(server, stalled, tmp_path):
    stalled.send_signal(signal.SIGKILL)
    assert stalled.wait(60) == -signal.SIGKILL
    (tmp_path / "train/.3.jpg.part").write_bytes(b"half")
    goes_on(server, tmp_path)


@pytest.mark.slow
def test_ctrl_c_says_what_was_done_and_the_next_call_goes_on(server, stalled, tmp_path):
    stalled.send_signal(signal.SIGINT)
    server.release.set()
    out, err = stalled.communicate(timeout=120)
    assert stalled.returncode == 130, err
    assert "Stopped before the end of the list. The same command goes on." in out and err == ""
    goes_on(server, tmp_path)


@pytest.mark.slow
def test_what_the_command_prints(server, listed, tmp_path):
    path = listed("ok/1.jpg", "status/404", "status/404", "html/1", "ok/2.jpg")
    process = start(path, "--out", tmp_path, "--rate", 10000)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert re.search(r"dead: nobody has them there any more +2 *\n", out) and re.search(r"dead +status 404 +2 *\n", out)
    assert f"3 pictures are missing; {tmp_path / 'train.fetch.jsonl'} says why, one line each." in out

    process = start(path, "--out", tmp_path, "--rate", 10000, "--json")
    report = json.loads(process.communicate(timeout=120)[0])
    assert report["pictures"] == {"fetched": 0, "there": 2, "dead": 2, "refused": 1, "failed": 0}
    assert report["reasons"][0] == {"outcome": "dead", "reason": "status 404", "pictures": 2}
    assert report["folder"] == str(tmp_path / "train") and report["stopped"] is False


@pytest.mark.slow
def test_no_picture_at_all_is_exit_code_1_and_no_list_2_or_1(server, listed, tmp_path):
    process = start(listed("status/404"), "--out", tmp_path)
    assert process.wait(120) == 1
    process = start(tmp_path / "absent.json", "--out", tmp_path / "new")
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (1, f"error: {tmp_path / 'absent.json'}: no such list.\n")
    assert not (tmp_path / "new").exists()
