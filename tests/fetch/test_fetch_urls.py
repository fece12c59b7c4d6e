"""Fetching a list of addresses: what becomes of each, and what a second call does."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from mtss_zoo_datasets import example_trees
from mtss_zoo_datasets.imaterialist_fashion import IMaterialistFashion
from picture_server import jpeg

from mtss_zoo.errors import DataError, MtssZooError, UsageError
from mtss_zoo.fetch import run
from mtss_zoo.fetch.run import Fetched, FetchSettings
from mtss_zoo.files.locks import alone

FAST = {"rate": 10_000.0, "backoff": 0.001}


def fetch(path: Path, out: Path, **settings: Any) -> Fetched:
    return run.fetch_urls(path, out, FetchSettings(**(FAST | settings)))


def reasons(done: Fetched) -> dict[str, str]:
    """Reason by id, as the record has it."""
    return {e["id"]: e["reason"] for e in map(json.loads, done.record.read_text().splitlines())}


class TestOneAddress:
    def test_a_picture_is_kept_byte_for_byte(self, server, listed, tmp_path):
        done = fetch(listed("ok/7.jpg", "moved/8.jpg"), tmp_path)
        assert (tmp_path / "train/1.jpg").read_bytes() == jpeg(7)
        assert (tmp_path / "train/2.jpg").read_bytes() == jpeg(8)
        assert done.pictures == {"fetched": 2} and not done.stopped

    @pytest.mark.parametrize(
        ("path", "kind", "reason", "attempts"),
        [
            ("status/404", "dead", "status 404", 1),
            ("status/410", "dead", "status 410", 1),
            ("status/403", "dead", "status 403", 1),
            ("status/204", "dead", "status 204", 1),
            ("status/503", "failed", "status 503", 3),
            ("half/1", "failed", "the connection failed (RemoteProtocolError)", 3),
            ("html/1", "refused", "it is not a picture in a format that is read here", 1),
            ("empty/1", "refused", "it is empty (0 bytes)", 1),
            ("damaged/1", "refused", "it is cut off: the file ends before the picture does", 1),
            ("bomb/1", "refused", "it has more than 178,956,970 pixels", 1),
            ("announced/1", "refused", "larger than 50,000 bytes", 1),
            ("endless/1", "refused", "larger than 50,000 bytes", 1),
            ("loop/1", "refused", "more than 5 redirections", 6),
            ("to-file/1", "refused", "its address, or one that it leads to, is none of http or https", 1),
        ],
    )
    def test_what_is_no_picture_is_told_apart(self, server, listed, tmp_path, path, kind, reason, attempts):
        done = fetch(listed(path), tmp_path, retries=2, max_bytes=50_000)
        assert done.pictures == {kind: 1} and reasons(done)["1"].startswith(reason)
        assert server.asked[f"/{path}"] == attempts
        assert [p.name for p in (tmp_path / "train").iterdir()] == [".lock"]

    def test_a_page_instead_of_a_picture_is_called_so(self, listed, tmp_path):
        assert reasons(fetch(listed("html/1"), tmp_path))["1"].endswith("(sent as text/html)")

    @pytest.mark.parametrize("path", ["flaky/1", "busy/1"])
    def test_what_comes_later_is_waited_for(self, server, listed, tmp_path, path):
        assert fetch(listed(path), tmp_path).pictures == {"fetched": 1}
        assert server.asked[f"/{path}"] == (3 if path == "flaky/1" else 2)

    @pytest.mark.parametrize(
        ("path", "reason"), [("slow/1", "the server fell silent"), ("silent/1", "no answer in time")]
    )
    def test_a_server_that_says_no_more_is_not_waited_for(self, server, listed, tmp_path, path, reason):
        done = fetch(listed(path), tmp_path, retries=1, timeout=0.2)
        assert done.pictures == {"failed": 1} and reasons(done) == {"1": reason}
        assert server.asked[f"/{path}"] == 2

    def test_a_picture_that_drips_is_not_waited_for(self, server, listed, tmp_path, monkeypatch):
        """Time is counted, not passed: each piece of the answer takes a second."""
        seconds = iter(range(10**6))
        monkeypatch.setattr("mtss_zoo.fetch.download.monotonic", lambda: next(seconds))
        done = run.fetch_urls(listed("endless/1"), tmp_path, FetchSettings(retries=0, timeout=30, **FAST))
        assert reasons(done) == {"1": "not whole after 30 seconds"}

    @pytest.mark.parametrize(
        "url",
        [
            "http://",
            "http:///a.jpg",
            "http://[::1",
            "http://a b/c.jpg",
            "http://a\x00b/",
            "http://x..y/",
            "HTTP://:99999/a",
        ],
    )
    def test_an_address_that_is_none(self, listed, tmp_path, url):
        assert set(fetch(listed(url), tmp_path, retries=0).pictures) <= {"refused", "failed"}

    def test_addresses_of_other_kinds_are_never_opened(self, listed, tmp_path):
        done = fetch(listed("file:///etc/passwd", "ftp://127.0.0.1/a.jpg", "data://,x"), tmp_path)
        assert done.pictures == {"refused": 3}
        assert done.reasons == {("refused", "its address is none of http or https"): 3}


class TestManyAddresses:
    def test_a_dead_server_is_not_asked_for_ever(self, server, listed, tmp_path):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            gone = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            done = fetch(listed(*[f"{gone}/{n}.jpg" for n in range(200)], "ok/1.jpg"), tmp_path, retries=1)
        assert done.pictures == {"failed": 200, "fetched": 1}
        assert done.reasons["failed", "its server does not answer"] > 150
        assert [e for e in reasons(done) if e == "201"] == ["201"]

    def test_several_at_once_but_not_more_than_one_server_may_be_asked(self, server, listed, tmp_path):
        done = fetch(listed(*[f"pairs/{n}" for n in range(8)]), tmp_path, workers=6, per_host=2)
        assert done.pictures == {"fetched": 8} and server.most_at_once == 2

    def test_a_slow_server_does_not_stop_the_others(self, server, listed, tmp_path):
        other = server.url.replace("127.0.0.1", "localhost")
        stuck = [f"silent/{n}" for n in range(4)]
        seen: list[int] = []

        def note(n: int) -> None:
            seen.append(n)
            if len(seen) == 20:
                server.release.set()

        path = listed(*stuck, *[f"{other}/ok/{n}.jpg" for n in range(20)])
        settings = FetchSettings(workers=6, per_host=2, retries=0, **FAST)
        done = run.fetch_urls(path, tmp_path, settings, note)
        assert done.pictures == {"fetched": 20, "failed": 4}

    def test_what_it_fetched_is_what_the_reader_of_the_set_expects(self, server, tmp_path):
        example_trees.imaterialist_fashion(tmp_path)
        for name in ("train", "validation", "test"):
            path = tmp_path / f"{name}.json"
            data = json.loads(path.read_text())
            for image in data["images"]:
                image["url"] = f"{server.url}/ok/{image['imageId']}.jpg"
            path.write_text(json.dumps(data))
            for picture in (tmp_path / name).iterdir():
                picture.unlink()
            assert fetch(path, tmp_path).pictures == {"fetched": len(data["images"])}
        dataset = IMaterialistFashion(str(tmp_path))
        assert len(dataset.split("train")) == 24 and dataset.check() == []


class TestASecondCall:
    def test_only_what_is_missing_and_may_come_is_asked_for(self, server, listed, tmp_path):
        paths = ["ok/1.jpg", "ok/2.jpg", "status/404", "html/1", "status/503"]
        first = fetch(listed(*paths), tmp_path, retries=0)
        assert first.pictures == {"fetched": 2, "dead": 1, "refused": 1, "failed": 1}
        server.asked.clear()
        (tmp_path / "train/2.jpg").unlink()
        again = fetch(listed(*paths, "ok/6.jpg"), tmp_path, retries=0)
        assert again.pictures == {"there": 1, "fetched": 2, "dead": 1, "refused": 1, "failed": 1}
        assert again.reasons == first.reasons
        assert server.asked == {"/ok/2.jpg": 1, "/ok/6.jpg": 1, "/status/503": 1}

    def test_new_ones_are_found_behind_any_number_of_old_ones(self, server, listed, tmp_path, monkeypatch):
        monkeypatch.setattr(run, "AHEAD", 2)
        old = ["ok/1.jpg", "status/404", "html/1", "status/410", "ok/2.jpg", "ok/3.jpg"]
        fetch(listed(*old), tmp_path)
        again = fetch(listed(*old, "ok/4.jpg", *["status/404"] * 5), tmp_path)
        assert again.pictures == {"there": 3, "dead": 7, "refused": 1, "fetched": 1}

    def test_without_the_record_all_that_is_missing_is_tried_again(self, server, listed, tmp_path):
        fetch(listed("ok/1.jpg", "status/404"), tmp_path).record.unlink()
        assert fetch(listed("ok/1.jpg", "status/404"), tmp_path).pictures == {"there": 1, "dead": 1}
        assert server.asked == {"/ok/1.jpg": 1, "/status/404": 2}

    def test_an_empty_file_that_a_power_cut_left_is_fetched_again(self, server, listed, tmp_path):
        fetch(listed("ok/1.jpg"), tmp_path)
        (tmp_path / "train/1.jpg").write_bytes(b"")
        assert fetch(listed("ok/1.jpg"), tmp_path).pictures == {"fetched": 1}

    def test_a_line_that_was_not_finished_is_cut_off(self, listed, tmp_path):
        done = fetch(listed("status/404", "status/410"), tmp_path)
        whole = done.record.read_bytes()
        done.record.write_bytes(whole + b'{"id": "3", "outc')
        assert fetch(listed("status/404", "status/410"), tmp_path).pictures == {"dead": 2}
        assert done.record.read_bytes() == whole

    def test_a_record_that_is_none_is_named(self, listed, tmp_path):
        (tmp_path / "train.fetch.jsonl").write_text("{}\n")
        with pytest.raises(DataError, match=r"train.fetch.jsonl, line 1 is no line of this record"):
            fetch(listed("ok/1.jpg"), tmp_path)

    def test_two_at_the_same_time_do_not_work_on_one_folder(self, listed, tmp_path):
        (tmp_path / "train").mkdir()
        with alone(tmp_path / "train/.lock", "fetch"), pytest.raises(UsageError, match="in use by another fetch"):
            fetch(listed("ok/1.jpg"), tmp_path)

    def test_a_folder_that_cannot_be_written_ends_it(self, listed, tmp_path, monkeypatch):
        def full(self: Path, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(MtssZooError, match=r"1.jpg cannot be written: No space left on device"):
            fetch(listed("ok/1.jpg"), tmp_path)
