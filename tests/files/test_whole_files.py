"""Files that are whole or not there, and locks that end with their process."""

import os
from pathlib import Path

import pytest

from mtss_zoo.errors import UsageError
from mtss_zoo.files.locks import alone
from mtss_zoo.files.whole_files import drop_parts, whole_file, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_two_that_write_one_file_at_once_do_not_spoil_each_others(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with whole_file(path) as first:
        first.write_text("first")
        with whole_file(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert names(tmp_path) == ["table.csv"]


def test_after_an_error_all_is_as_it_was(tmp_path: Path) -> None:
    write_whole(tmp_path / "table.csv", "before")
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "table.csv") as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == ["table.csv"]
    assert (tmp_path / "table.csv").read_text() == "before"


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".a.csv.0123abcd.part", ".a.csv.b.0123abcd.part", ".last.ckpt.part", "a.csv", "a.0123abcd.part"):
        (tmp_path / name).touch()
    drop_parts(tmp_path, "a.csv")
    assert names(tmp_path) == [".a.csv.b.0123abcd.part", ".last.ckpt.part", "a.0123abcd.part", "a.csv"]
    drop_parts(tmp_path)
    assert names(tmp_path) == [".last.ckpt.part", "a.0123abcd.part", "a.csv"]


def test_a_lock_is_held_alone(tmp_path: Path) -> None:
    refused = pytest.raises(UsageError, match="in use by another test; wait for its end, or stop it")
    with alone(tmp_path / "lock", "test"), refused, alone(tmp_path / "lock", "test"):
        pass
    with alone(tmp_path / "lock", "test"):
        pass


def test_a_fork_does_not_keep_the_lock_of_its_parent(tmp_path: Path) -> None:
    """A worker that reads pictures outlives a killed training for a second."""
    started, go_on = os.pipe(), os.pipe()
    with alone(tmp_path / "lock", "test"):
        child = os.fork()
        if not child:
            os.write(started[1], b"!")
            os.close(go_on[1])
            os.read(go_on[0], 1)
            os._exit(0)
        os.read(started[0], 1)
        with pytest.raises(UsageError), alone(tmp_path / "lock", "test"):
            pass
    try:
        with alone(tmp_path / "lock", "test"):
            pass
    finally:
        os.close(go_on[1])
        os.waitpid(child, 0)
        for end in (*started, go_on[0]):
            os.close(end)
