"""Pictures that are measured on, found among others by id and by the bytes of their files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtss_zoo import leaks
from mtss_zoo.interfaces import Sample
from mtss_zoo.leaks import EvaluatedPictures


@dataclass
class Files:
    """Pictures by id and file."""

    files: list[tuple[str, Path | bytes]]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> Sample:
        return Sample(*self.files[row])

    def label_pairs(self, type_name: str) -> tuple[np.ndarray, np.ndarray]:
        return np.empty(0, np.int64), np.empty(0, np.int64)


def written(folder: Path, **contents: str) -> Files:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(content)
    return Files([(name, folder / name) for name in contents])


def test_a_picture_is_found_by_its_id_its_path_and_its_bytes(tmp_path: Path) -> None:
    val = written(tmp_path / "val", a="red", b="green")
    test = written(tmp_path / "test", c="blue")
    pool = written(tmp_path / "pool", d="grey", b="other", e="blue", f="blues")
    pool.files.append(("g", tmp_path / "val" / ".." / "val" / "a"))
    (tmp_path / "link").symlink_to(tmp_path / "val" / "b")
    pool.files.append(("h", tmp_path / "link"))
    # b has another picture's id, e is a copy, g another way to write a path, h a link; f merely begins the same.
    assert EvaluatedPictures([val, test]).among(pool) == {1: "b", 2: "c", 4: "a", 5: "b"}


def test_only_files_whose_size_occurs_on_both_sides_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(leaks, "_digest", lambda path: read.append(path.name) or path.read_bytes())
    val = written(tmp_path / "val", a="red", b="mauve")
    pool = written(tmp_path / "pool", c="grey", d="red", e="tan")
    assert EvaluatedPictures([val]).among(pool) == {1: "a"}
    assert sorted(read) == ["a", "d", "e"]


def test_a_missing_file_is_no_leak(tmp_path: Path) -> None:
    val = Files([("a", tmp_path / "gone")])
    assert EvaluatedPictures([val]).among(Files([("b", tmp_path / "gone"), ("a", tmp_path / "away")])) == {1: "a"}


def test_pictures_of_shards_are_found_among_files_and_files_among_shards(tmp_path: Path) -> None:
    shard = Files([("a", b"red"), ("b", b"green"), ("c", b"tan")])
    assert EvaluatedPictures([shard]).among(Files([("d", b"tan"), ("a", b"other"), ("e", b"mauve")])) == {
        0: "c",
        1: "a",
    }
    assert EvaluatedPictures([shard]).among(written(tmp_path / "pool", d="green", e="grey")) == {0: "b"}
    assert EvaluatedPictures([written(tmp_path / "val", d="green"), shard]).among(Files([("e", b"red")])) == {0: "a"}
    assert EvaluatedPictures([written(tmp_path / "val", d="green")]).among(shard) == {1: "d"}


def test_generated_pictures_are_not_made(tmp_path: Path) -> None:
    class Generated(Files):
        made = 0

        def __getitem__(self, row: int) -> Sample:
            self.made += 1
            return Sample(self.files[row][0], Image.new("RGB", (2, 2)))

    pool = Generated([("a", tmp_path)] * 100)
    assert EvaluatedPictures([written(tmp_path / "val", a="red")]).among(pool) == {}
    assert EvaluatedPictures([pool]).among(written(tmp_path / "pool", a="red")) == {}
    assert pool.made == 2


def test_with_nothing_measured_on_disk_nothing_is_read(tmp_path: Path) -> None:
    assert EvaluatedPictures([]).among(Files([("a", tmp_path / "a")])) == {}
