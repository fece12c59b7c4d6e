"""Files inside tars are found and read by their offsets, by any process and thread."""

from __future__ import annotations

import io
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mtss_zoo.errors import DataError, ImageError
from mtss_zoo.files import tars
from mtss_zoo.files.file_names import written_out
from mtss_zoo.files.tars import TarMember, TarReader, hard_links, is_compressed, tar_members


def tar(path: Path, **files: bytes) -> Path:
    with tarfile.open(path, "w") as out:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
    return path


def test_members_are_listed_with_their_places(tmp_path: Path) -> None:
    path = tar(tmp_path / "0.tar", a=b"one", b=b"three")
    assert list(tar_members(path)) == [TarMember("a", 512, 3), TarMember("b", 1536, 5)]
    reader = TarReader([str(path)])
    assert [reader.read(0, m.offset, m.size, m.name) for m in tar_members(path)] == [b"one", b"three"]


def test_a_member_with_a_long_name_lies_behind_several_headers(tmp_path: Path) -> None:
    name = "x" * 300
    (member,) = tar_members(tar(tmp_path / "0.tar", **{name: b"one"}))
    assert member.name == name and member.offset > 512
    assert TarReader([str(tmp_path / "0.tar")]).read(0, member.offset, 3, name) == b"one"


def test_damage_is_named_after_what_is_listed(tmp_path: Path) -> None:
    path = tar(tmp_path / "0.tar", a=b"one")
    path.write_bytes(path.read_bytes()[:1024])
    listing = tar_members(path)
    assert next(listing).name == "a"
    with pytest.raises(DataError, match=r"0.tar is cut off or damaged at byte 1,024"):
        next(listing)
    with pytest.raises(DataError, match=r"gone.tar is no uncompressed tar, or is damaged .*No such file"):
        next(tar_members(tmp_path / "gone.tar"))


def test_a_hard_link_stands_for_the_last_member_of_that_name_before_it(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as out:
        for name, target in (("a", ""), ("b", "a"), ("c", "b"), ("a", ""), ("d", "a"), ("e", "f"), ("f", "")):
            member = tarfile.TarInfo(name)
            if target:
                member.type, member.linkname = tarfile.LNKTYPE, target
            out.addfile(member, io.BytesIO())
    first, b, c, second, d, *_ = tar_members(tmp_path / "0.tar")
    assert (b.plain, b.twin) == (False, "a")
    assert hard_links(tmp_path / "0.tar") == {b.offset: first, c.offset: first, d.offset: second}


def test_few_tars_stay_open_whoever_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tars, "MAX_OPEN", 2)
    reader = TarReader([str(tar(tmp_path / f"{i}.tar", a=str(i).encode() * 9)) for i in range(6)])
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda i: reader.read(i % 6, 512, 9, "a"), range(600)))
    assert read == [str(i % 6).encode() * 9 for i in range(600)]
    assert reader._opened.cache_info().currsize == 2


def test_a_copy_opens_its_own(tmp_path: Path) -> None:
    reader = TarReader([str(tar(tmp_path / "0.tar", a=b"one"))])
    reader.read(0, 512, 3, "a")
    copy = pickle.loads(pickle.dumps(reader))
    assert copy._opened.cache_info().currsize == 0 and copy.read(0, 512, 3, "a") == b"one"


@pytest.mark.parametrize(("offset", "size"), [(-1, 3), (512, 10**15), (10**15, 3), (600, -3)])
def test_nothing_outside_of_the_tar_is_read(tmp_path: Path, offset: int, size: int) -> None:
    with pytest.raises(ImageError, match="picture a cannot be used"):
        TarReader([str(tar(tmp_path / "0.tar", a=b"one"))]).read(0, offset, size, "a")


def test_a_tar_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"picture a cannot be used: .*0.tar cannot be read: No such file"):
        TarReader([str(tmp_path / "0.tar")]).read(0, 512, 3, "a")


def test_names_say_what_is_compressed() -> None:
    names = ["a.tar", "a.tgz", "a.tar.gz", "a.TAR.XZ", "a.tar.zst", "a.tar.idx", "tar.gz.jpg"]
    assert [is_compressed(Path(name)) for name in names] == [False, True, True, True, True, False, False]


def test_ranges_are_written_out() -> None:
    assert list(written_out("a{08..10}.tar")) == ["a08.tar", "a09.tar", "a10.tar"]
    assert list(written_out("{0..1}-{0..1}")) == ["0-0", "0-1", "1-0", "1-1"]
