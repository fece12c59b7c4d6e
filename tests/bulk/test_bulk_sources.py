"""Sources list pictures one by one, in an order that never changes, and open none."""

from __future__ import annotations

import io
import os
import tarfile
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtss_zoo.bulk.manifest import Manifest
from mtss_zoo.bulk.naming import find_source, is_plain
from mtss_zoo.bulk.reading import Reader, in_batches
from mtss_zoo.bulk.run import _own
from mtss_zoo.bulk.sources import Files, Folder, Member, Tars, Unusable
from mtss_zoo.errors import DataError, UsageError


def ids(source) -> list[str]:
    return [item.id for item in source]


class TestFolder:
    def test_lists_pictures_by_their_endings_folder_by_folder(self, shop, good):
        listed = ids(Folder(shop))
        assert listed == [*good[:4], "empty.png", *good[4:], "women/broken.jpg"]
        assert Folder(shop).survey().total == len(listed) == 14

    def test_each_item_names_a_file(self, shop):
        assert all(Path(item.image).is_file() and item.bbox is None for item in Folder(shop))

    def test_the_fingerprint_is_that_of_the_names(self, tmp_path):
        (tmp_path / "1.jpg").touch()
        before = Folder(tmp_path).survey()
        (tmp_path / "notes.txt").touch()
        (tmp_path / "1.jpg").write_bytes(b"changed")
        assert Folder(tmp_path).survey() == before
        (tmp_path / "1.jpg").rename(tmp_path / "2.jpg")
        assert Folder(tmp_path).survey().fingerprint != before.fingerprint

    def test_a_folder_without_pictures_is_refused_and_tars_in_it_are_hinted_at(self, tmp_path):
        (tmp_path / "000.tar").touch()
        with pytest.raises(DataError, match=r"holds no pictures .*/\*\.tar"):
            Folder(tmp_path).survey()

    def test_a_name_that_is_not_utf_8_still_gives_an_id(self, tmp_path):
        (tmp_path / os.fsdecode(b"caf\xe9.jpg")).touch()
        (item,) = Folder(tmp_path)
        assert item.id == "caf\N{REPLACEMENT CHARACTER}.jpg" and Path(item.image).is_file()


class TestTars:
    def test_members_are_found_by_their_offsets(self, shop, good, packed, tmp_path):
        first = packed(tmp_path / "000.tar", shop, [*good[:5], "notes.txt", "._00.JPG"])
        second = packed(tmp_path / "001.tar", shop, good[5:])
        source = Tars([first, second])
        assert ids(source) == [f"000.tar/{n}" for n in good[:5]] + [f"001.tar/{n}" for n in good[5:]]
        for item, name in zip(source, good, strict=True):
            with Path(item.image.tar).open("rb") as file:
                file.seek(item.image.offset)
                assert file.read(item.image.size) == (shop / name).read_bytes()

    def test_ids_tell_tars_of_different_folders_apart(self, shop, good, packed, tmp_path):
        tars = []
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir()
            tars.append(packed(tmp_path / folder / "0.tar", shop, good[:1]))
        assert ids(Tars(tars)) == ["a/0.tar/00.JPG", "b/0.tar/00.JPG"]

    def test_headers_do_not_pile_up(self, shop, good, packed, tmp_path, monkeypatch):
        held = []
        following = tarfile.TarFile.next
        monkeypatch.setattr(tarfile.TarFile, "next", lambda tar: held.append(len(tar.members)) or following(tar))
        assert len(ids(Tars([packed(tmp_path / "0.tar", shop, good)]))) == 12
        assert max(held) <= 1

    @pytest.mark.parametrize(
        "cut, held", [("end mark", 2), ("last header", 1), ("first picture", 1), ("first header", 0)]
    )
    def test_a_tar_that_is_cut_off_is_said_to_be_so_after_what_it_still_lists(
        self, shop, good, packed, tmp_path, cut, held
    ):
        whole = packed(tmp_path / "whole.tar", shop, good[:2])
        with tarfile.open(whole) as tar:
            first, last = tar.getmembers()
        end = last.offset_data + -(-last.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        at = {
            "end mark": end,
            "last header": last.offset + 9,
            "first picture": first.offset_data + 9,
            "first header": 9,
        }
        (tmp_path / "cut.tar").write_bytes(whole.read_bytes()[: at[cut]])
        listed = list(Tars([tmp_path / "cut.tar", whole]))
        assert [i.id for i in listed] == [
            *(f"cut.tar/{name}" for name in good[:held]),
            "cut.tar",
            *(f"whole.tar/{name}" for name in good[:2]),
        ]
        assert [type(i.image) for i in listed] == [Member] * held + [Unusable] + [Member] * 2

    def test_the_fingerprint_is_that_of_the_tars(self, shop, good, packed, tmp_path):
        tar = packed(tmp_path / "0.tar", shop, good[:1])
        before = Tars([tar]).survey()
        assert before == Tars([tar]).survey() and before.total is None
        packed(tar, shop, good[:3])
        assert Tars([tar]).survey() != before

    def test_the_second_name_of_a_file_is_read_where_the_first_one_is(self, shop, good, packed, tmp_path):
        (tmp_path / "a.png").write_bytes((shop / good[0]).read_bytes())
        os.link(tmp_path / "a.png", tmp_path / "b.png")
        first, second = Tars([packed(tmp_path / "0.tar", tmp_path, ["a.png", "b.png"])])
        assert [first.id, second.id] == ["0.tar/a.png", "0.tar/b.png"]
        assert isinstance(first.image, Member) and first.image == second.image
        assert first.image.size == (shop / good[0]).stat().st_size

    def test_other_links_and_sparse_files_are_listed_but_not_read(self, tmp_path):
        with tarfile.open(tmp_path / "0.tar", "w") as tar:
            for name, kind, target in (("1", tarfile.SYMTYPE, "/etc/passwd"), ("2", tarfile.LNKTYPE, "3.jpg")):
                link = tarfile.TarInfo(f"{name}.jpg")
                link.type, link.linkname = kind, target
                tar.addfile(link)
            tar.addfile(tarfile.TarInfo("3.jpg"), io.BytesIO(b""))
        *links, plain = Tars([tmp_path / "0.tar"])
        assert [link.id for link in links] == ["0.tar/1.jpg", "0.tar/2.jpg"] and isinstance(plain.image, Member)
        why = "picture 0.tar/1.jpg cannot be used: it is a link inside the tar, or sparse"
        assert links[0].image == Unusable(why) and isinstance(links[1].image, Unusable)


ROWS = [
    {"image": "a.jpg", "id": "first", "bbox": "1 2 30 40"},
    {"image": "b.jpg", "id": "", "bbox": ""},
    {"image": "/elsewhere/c.jpg", "id": "3", "bbox": "0.5, 0, 9,9"},
]


def manifest(folder: Path, suffix: str) -> Path:
    path = folder / f"list{suffix}"
    if suffix == ".csv":
        lines = ["image,id,label,bbox", *(f'{r["image"]},{r["id"]},x,"{r["bbox"]}"' for r in ROWS)]
        path.write_text("\n".join(lines), encoding="utf-8-sig")
    elif suffix == ".jsonl":
        path.write_text(
            '{"image": "a.jpg", "id": "first", "bbox": [1, 2, 30, 40]}\n\n{"image": "b.jpg"}\n'
            '{"image": "/elsewhere/c.jpg", "id": 3, "bbox": [0.5, 0, 9, 9]}\n'
        )
    else:
        boxes = [[1.0, 2.0, 30.0, 40.0], None, [0.5, 0.0, 9.0, 9.0]]
        columns = {"image": [r["image"] for r in ROWS], "id": ["first", None, "3"], "label": ["x"] * 3, "bbox": boxes}
        pq.write_table(pa.table(columns), path)
    return path


class TestManifest:
    @pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
    def test_every_format_says_the_same(self, tmp_path, suffix):
        source = Manifest(manifest(tmp_path, suffix))
        assert [tuple(item) for item in source] == [
            ("first", str(tmp_path / "a.jpg"), (1, 2, 30, 40)),
            ("b.jpg", str(tmp_path / "b.jpg"), None),
            ("3", "/elsewhere/c.jpg", (0.5, 0, 9, 9)),
        ]
        assert source.survey().total == 3

    def test_corners_may_have_columns_of_their_own(self, tmp_path):
        (tmp_path / "list.csv").write_text("image,x1,y1,x2,y2\na.jpg,1,2,3,4\nb.jpg,,,,\n")
        assert [item.bbox for item in Manifest(tmp_path / "list.csv")] == [(1, 2, 3, 4), None]

    @pytest.mark.parametrize(
        "name, text, message",
        [
            ("l.csv", "picture\na.jpg\n", "line 2: there is no column 'image'; the columns are picture"),
            ("l.csv", "image\n\n \n", r"line 3, column image: .* an empty cell"),
            ("l.csv", "image\nhttps://shop/a.jpg\n", "needed, not https://shop/a.jpg"),
            ("l.csv", "image,bbox\na.jpg,1 2 3\n", "line 2: four numbers"),
            ("l.csv", "image,bbox\na.jpg,5 2 3 9\n", "x1 < x2"),
            ("l.csv", "image,x1,y1,x2,y2\na.jpg,1,2,3,\n", "four numbers"),
            ("l.csv", "image,bbox\na.jpg,0 0 inf 9\n", "x1 < x2"),
            ("l.csv", "image,id\na.jpg\n", "line 2: this line has not as many cells"),
            ("l.csv", "image\n", "no rows"),
            ("l.csv", "image\ncaf\udce9\n", "not CSV in UTF-8"),
            ("l.jsonl", '{"image": "a.jpg"}\n[1]\n', "line 2: one object"),
            ("l.jsonl", "image\n", "not JSON"),
            ("l.parquet", "image\n", "not a Parquet file"),
        ],
    )
    def test_a_row_that_cannot_be_used_is_named(self, tmp_path, name, text, message):
        (tmp_path / name).write_text(text, encoding="utf-8", errors="surrogateescape")
        with pytest.raises(DataError, match=message):
            Manifest(tmp_path / name).survey()

    def test_the_fingerprint_is_that_of_the_file(self, tmp_path):
        path = manifest(tmp_path, ".csv")
        before = Manifest(path).survey().fingerprint
        path.write_text(path.read_text() + "\nd.jpg,,x,\n")
        assert Manifest(path).survey().fingerprint != before


class TestNames:
    def test_what_is_named_says_which_source_is_meant(self, shop, tmp_path):
        (tmp_path / "list.csv").touch()
        for name in ("s-08.tar", "s-09.tar", "s-10.tar"):
            (tmp_path / name).touch()
        assert find_source(shop) == Folder(shop)
        assert find_source([str(tmp_path / "list.csv")]) == Manifest(tmp_path / "list.csv")
        assert find_source(f"{tmp_path}/s-{{08..10}}.tar") == Tars(sorted(tmp_path.glob("*.tar")))
        assert find_source([shop / "00.JPG", shop / "03.JPG"]) == Files([shop / "00.JPG", shop / "03.JPG"])

    @pytest.mark.parametrize(
        "names, message",
        [
            (["nowhere"], "no such file or folder"),
            (["s-{1..2}.tar"], "s-2.tar: no such"),
            (["s-1.tar", "a.jpg"], "here is pictures, tars"),
            (["folder", "folder"], "name one folder at a time"),
            (["s-1.tar.gz"], "compressed"),
            (["s-1.tgz"], "compressed"),
            ([], "here is nothing"),
        ],
    )
    def test_what_does_not_go_together_is_refused(self, tmp_path, monkeypatch, names, message):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "folder").mkdir()
        for name in ("s-1.tar", "a.jpg", "s-1.tar.gz", "s-1.tgz"):
            (tmp_path / name).touch()
        with pytest.raises(UsageError, match=message):
            find_source(names)

    def test_a_file_that_is_named_like_a_range_is_that_file(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "b{1..2}.jpg").touch()
        assert find_source("b{1..2}.jpg") == Files([Path("b{1..2}.jpg")])

    def test_pictures_alone_are_plain(self, shop):
        assert is_plain(["a.jpg", "not_there", "b.heic"])
        assert not any(is_plain(["a.jpg", name]) for name in (shop, "l.csv", "l.parquet", "s-{0..9}.tar", "s.tar.gz"))


class Numbers:
    """A source of endless, or so many, items, which counts what was asked of it."""

    def __init__(self, total: int = 10**9) -> None:
        self.total, self.listed = total, 0

    def __iter__(self):
        for i in range(self.total):
            self.listed += 1
            yield (str(i), b"", None)


@given(total=st.integers(0, 50), of=st.integers(1, 9), done=st.integers(0, 5))
def test_shards_are_disjoint_and_complete_and_go_on_where_they_were(total, of, done):
    shards = [[item[0] for item in _own(Numbers(total), (k, of))] for k in range(1, of + 1)]
    assert sorted(int(i) for shard in shards for i in shard) == list(range(total))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    for k, shard in enumerate(shards, 1):
        assert [item[0] for item in islice(_own(Numbers(total), (k, of)), done, None)] == shard[done:]


@given(total=st.integers(0, 50), size=st.integers(1, 9))
def test_batches_have_every_item_once_in_order(total, size):
    batches = list(in_batches(Numbers(total), size))
    assert [item[0] for batch in batches for item in batch] == [str(i) for i in range(total)]
    assert all(len(batch) == size for batch in batches[:-1])


def test_a_source_is_listed_only_as_far_as_it_is_read():
    source = Numbers()
    next(in_batches(_own(source, None), 5))
    assert source.listed == 5


def test_a_member_of_a_tar_that_is_gone_is_a_bad_picture(tmp_path):
    from mtss_zoo.bulk.sources import Item

    read = Reader(lambda source, name, bbox: source)[[Item("0.tar/1.jpg", Member(str(tmp_path / "0.tar"), 512, 9))]]
    assert read.images is None and "cannot be read: No such file" in read.reasons[0]


@pytest.mark.parametrize(
    "size, reason", [(10**9, "0.tar ends before it does."), (3 * 10**11, "bytes; make it smaller.")]
)
def test_a_member_that_says_it_is_larger_than_its_tar_is_a_bad_picture(tmp_path, size, reason):
    with tarfile.open(tmp_path / "0.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        huge = tarfile.TarInfo("1.jpg")
        huge.size = size
        tar.fileobj.write(huge.tobuf(tarfile.GNU_FORMAT))
    items = list(Tars([tmp_path / "0.tar"]))
    read = Reader(lambda source, name, bbox: source)[items]
    assert read.images is None and read.reasons[0].endswith(reason)
