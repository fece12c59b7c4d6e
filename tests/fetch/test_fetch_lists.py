"""Lists of addresses in every format, and the turns that servers take."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtss_zoo.errors import DataError
from mtss_zoo.fetch.hosts import SILENT, Hosts
from mtss_zoo.fetch.lists import Entry, read_list

ROWS = [("a-1.x", "http://h/1.jpg"), ("2", "https://h/2.jpg?x=1,2")]
EXPECTED = [Entry(*row) for row in ROWS]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


class TestLists:
    def test_tables(self, tmp_path):
        lines = "".join(json.dumps({"url": url, "id": name, "more": 1}) + "\n" for name, url in ROWS)
        table = pa.table({"url": [url for _, url in ROWS], "id": [name for name, _ in ROWS]})
        pq.write_table(table, tmp_path / "a.parquet")
        paths = [
            write(tmp_path / "a.csv", '\ufeffid,more,url\na-1.x,,http://h/1.jpg\n2,,"https://h/2.jpg?x=1,2"\n'),
            write(tmp_path / "a.jsonl", lines + "\n"),
            tmp_path / "a.parquet",
        ]
        assert [list(read_list(path)) for path in paths] == [EXPECTED] * 3

    def test_both_spellings_of_imaterialist(self, tmp_path):
        images = [{"imageId": "1", "url": "http://h/1"}, {"image_id": 2, "url": ["http://h/2", "http://h/3"]}]
        path = write(tmp_path / "train.json", json.dumps({"annotations": [{"imageId": "1"}], "images": images}))
        assert list(read_list(path)) == [Entry("1", "http://h/1"), Entry("2", "http://h/2")]

    @pytest.mark.parametrize("name", ["../1", "a/b", ".hidden", "", " ", "x" * 201, "a\nb", "-rf", "~", None])
    def test_an_id_that_leaves_the_folder_is_refused(self, tmp_path, name):
        path = write(tmp_path / "a.jsonl", json.dumps({"id": name, "url": "http://h/1"}) + "\n")
        assert [entry.fault for entry in read_list(path)] == ["its id cannot be the name of a file"]

    def test_an_id_is_fetched_once(self, tmp_path):
        path = write(tmp_path / "a.csv", "id,url\n1,http://h/1\n1,http://h/2\n2,\n")
        faults = ["", "its id occurs a second time", "its address is none of http or https"]
        assert [entry.fault for entry in read_list(path)] == faults

    @pytest.mark.parametrize(
        ("name", "text", "words"),
        [
            ("a.txt", "", "a list of addresses is a .json, .csv, .jsonl, .parquet file"),
            ("a.csv", "", "the column 'id' is missing; there are none"),
            ("a.csv", "id,link\n1,x\n", "the column 'url' is missing; there are id, link"),
            ("a.jsonl", '{"id": 1}\n', "a.jsonl, line 1: the column 'url' is missing; there are id"),
            ("a.jsonl", "[1]\n", "line 1: the column 'id' is missing"),
            ("a.jsonl", "{\n", "this is not JSON, one object a line"),
            ("a.json", "{}", "has no list `images`"),
            ("a.json", '{"images": [1]}', r"images\[0\]: an entry with imageId and url is expected"),
            ("a.json", '{"images": [{"imageId": 1}]}', r"images\[0\]: an entry with imageId and url"),
            ("a.json", '{"images": [{', "this is not JSON"),
            ("a.parquet", "PAR1", "this is not a Parquet file"),
        ],
    )
    def test_what_is_no_list_is_refused_in_words(self, tmp_path, name, text, words):
        with pytest.raises(DataError, match=words):
            list(read_list(write(tmp_path / name, text)))

    def test_a_list_that_does_not_exist(self, tmp_path):
        with pytest.raises(DataError, match=r"a.json: no such list"):
            list(read_list(tmp_path / "a.json"))


class TestTurns:
    def test_one_server_is_asked_at_its_rate(self):
        hosts = Hosts(per_host=9, rate=2)
        for number in range(4):
            hosts.add(Entry(str(number), "http://a/x"))
        starts = [(tenth, job.entry.id) for tenth in range(20) for job in hosts.ready(tenth / 10, most=9)]
        assert starts == [(0, "0"), (5, "1"), (10, "2"), (15, "3")]
        assert hosts.waiting == 0

    def test_another_server_has_a_rate_of_its_own(self):
        hosts = Hosts(per_host=9, rate=1)
        for url in ("http://a/1", "http://a/2", "http://b:80/1", "http://B:80/2"):
            hosts.add(Entry(url, url))
        assert [job.entry.url for job in hosts.ready(5.0, 9)] == ["http://a/1", "http://b:80/1"]
        assert hosts.next_start() == 6.0

    def test_a_server_that_wants_to_be_left_alone_is(self):
        hosts = Hosts(per_host=9, rate=100)
        for number in range(2):
            hosts.add(Entry(str(number), "http://a/x"))
        job = next(hosts.ready(0.0, 1))
        hosts.finished(job, answered=True, leave_until=30.0)
        assert list(hosts.ready(29.0, 9)) == [] and hosts.next_start() == 30.0
        assert [job.entry.id for job in hosts.ready(30.0, 9)] == ["1"]

    def test_a_picture_that_is_tried_again_waits_for_its_time(self):
        hosts = Hosts(per_host=1, rate=100)
        hosts.add(Entry("0", "http://a/x"))
        (job,) = hosts.ready(0.0, 1)
        hosts.finished(job, answered=True, leave_until=0)
        hosts.again(job, 8.0)
        assert (hosts.waiting, hosts.next_start(), list(hosts.ready(7.9, 1))) == (1, 8.0, [])
        assert list(hosts.ready(8.0, 1)) == [job] and hosts.waiting == 0

    def test_a_server_is_given_up_after_silence_only(self):
        hosts = Hosts(per_host=1, rate=1e9)
        for number in range(2 * SILENT):
            hosts.add(Entry(str(number), "http://a/x"))
        for tick in range(SILENT):
            (job,) = hosts.ready(float(tick), 1)
            assert not hosts.is_gone(job)
            hosts.finished(job, answered=tick == 5, leave_until=0)
        for tick in range(6):
            (job,) = hosts.ready(1000.0 + tick, 1)
            hosts.finished(job, answered=False, leave_until=0)
        assert hosts.is_gone(job)

    @given(
        per_host=st.integers(1, 3),
        urls=st.lists(st.sampled_from(["http://a/", "http://b/", "http://c/"]), max_size=30),
        most=st.integers(1, 5),
    )
    def test_every_picture_has_its_turn_once_and_limits_hold(self, per_host, urls, most):
        hosts = Hosts(per_host, rate=1.0)
        for number, url in enumerate(urls):
            hosts.add(Entry(str(number), url))
        now, running, seen = 0.0, [], []
        while hosts.waiting or running:
            running += hosts.ready(now, most - len(running))
            assert len(running) <= most
            assert all([job.host for job in running].count(host) <= per_host for host in "abc")
            if running:
                job = running.pop(0)
                seen.append(job.entry.id)
                hosts.finished(job, answered=True, leave_until=0)
            now += 1.0
        assert sorted(seen) == sorted(str(number) for number in range(len(urls)))
