"""DeepFashion, category and attribute prediction: the exact lists, what is odd about them, and what may be wrong."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtss_zoo_datasets import deepfashion_attributes, example_trees, padded_lists
from mtss_zoo_datasets.deepfashion import DeepFashion
from mtss_zoo_datasets.deepfashion_lists import read_coarse
from PIL import Image

from mtss_zoo.errors import DataError, UsageError
from mtss_zoo.images import crop, decode
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Dataset, Sample

FINE_ATTRIBUTES = (
    *((name, 1) for name in ("floral", "graphic", "striped", "embroidered", "pleated", "solid", "lattice")),
    *((name, 2) for name in ("long_sleeve", "short_sleeve", "sleeveless")),
    *((name, 3) for name in ("maxi_length", "mini_length", "no_dress")),
    *((name, 4) for name in ("crew_neckline", "v_neckline", "square_neckline", "no_neckline")),
    *((name, 5) for name in ("denim", "chiffon", "cotton", "leather", "faux", "knit")),
    *((name, 6) for name in ("tight", "loose", "conventional")),
)
FIRST = "img/Item_0/img_00000000.jpg"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    example_trees.deepfashion(tmp_path)
    return tmp_path


@pytest.fixture
def fine(tmp_path: Path) -> Path:
    """Nine pictures; each type has exactly one attribute, and train.txt has the two spellings of paths."""
    example_trees.deepfashion(tmp_path)
    anno = tmp_path / "Anno_fine"
    anno.mkdir()
    (anno / "list_category_cloth.txt").write_text((tmp_path / "Anno_coarse/list_category_cloth.txt").read_text())
    lines = "".join(f"{name:<30}{number}\n" for name, number in FINE_ATTRIBUTES)
    (anno / "list_attr_cloth.txt").write_text(f"26\nattribute_name  attribute_type\n{lines}")
    for split, first in (("train", 0), ("val", 24), ("test", 36)):
        numbers = range(first, first + 3)
        paths = [f"img/Item_{n // 6}/img_{n:08d}.jpg" for n in numbers]
        (anno / f"{split}.txt").write_text("\n".join(paths) + "\n")
        (anno / f"{split}_attr.txt").write_text("".join(f"{fine_row(n)}\n" for n in numbers))
        (anno / f"{split}_cate.txt").write_text("".join(f"{n % 3 + 1}\n" for n in numbers))
        (anno / f"{split}_bbox.txt").write_text("".join(f"00{n % 5} 001 020 030\n" for n in numbers))
    return tmp_path


def fine_row(number: int) -> str:
    """One 1 in each type, at the place ``number`` modulo its size."""
    sizes, row = (7, 3, 3, 4, 6, 3), []
    for size in sizes:
        row += [int(i == number % size) for i in range(size)]
    return " ".join(map(str, row)) + " "


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def said(sample: Sample, dataset: DeepFashion) -> dict[str, tuple[str, ...]]:
    return {name: tuple(dataset.schema[name].classes[c] for c in labels) for name, labels in sample.labels.items()}


def sample_of(dataset: DeepFashion, path: str) -> Sample:
    every = [dataset.split(name) for name in dataset.splits]
    return next(part[row] for part in every for row in range(len(part)) if part[row].id == path)


# The lists as they are


def test_a_row_of_each_list_becomes_one_sample(root: Path) -> None:
    dataset = DeepFashion(str(root))
    assert isinstance(dataset, Dataset)
    assert {name: len(dataset.split(name)) for name in dataset.splits} == {"train": 24, "val": 12, "test": 12}
    sample = dataset.split("train")[0]
    assert sample.id == FIRST and sample.image == root / "Img" / FIRST
    assert said(sample, dataset) == {
        "category": ("Blouse",),
        "texture": ("floral",),
        "fabric": (),
        "shape": ("maxi",),
        "part": (),
        "style": ("summer",),
    }
    assert sample.bbox == (2, 3, 20, 30)


def test_category_is_single_and_attributes_are_multi(root: Path) -> None:
    kinds = {t.name: (t.kind, len(t)) for t in DeepFashion(str(root)).schema}
    assert kinds["category"] == ("single", 3)
    assert [kinds[name] for name in ("texture", "fabric", "shape", "part", "style")] == [("multi", 2)] * 5


def test_a_clean_tree_has_no_problems_and_says_that_it_is_not_the_whole_set(root: Path) -> None:
    dataset = DeepFashion(str(root))
    assert dataset.check() == []
    assert dataset.remarks()[0].startswith("This is not the whole published set: train 24 of 209,222, val 12 of 40,000")
    assert "3 of 3 of category" in dataset.remarks()[1]


def test_no_picture_is_unlabelled(root: Path) -> None:
    assert len(DeepFashion(str(root)).unlabelled()) == 0


def test_minus_one_says_absent_and_a_picture_without_any_attribute_is_known_to_have_none(root: Path) -> None:
    rows, classes = DeepFashion(str(root)).split("train").label_pairs("texture")
    assert set(zip(rows.tolist(), classes.tolist(), strict=True)) == {
        (n, c) for n in range(24) for c in range(2) if (n + c) % 4 == 0
    }
    assert DeepFashion(str(root)).split("train")[1].labels["texture"] == ()


def test_zeros_are_minus_one_or_unknown_as_one_likes(root: Path) -> None:
    change(root / "Anno_coarse/list_attr_img.txt", f"{FIRST:<70}  1 -1", f"{FIRST:<70}  1  0")
    assert DeepFashion(str(root)).split("train")[0].labels["texture"] == (0,)
    careful = DeepFashion(str(root), zeros="unknown").split("train")
    assert "texture" not in careful[0].labels and careful[0].labels["shape"] == (0,)
    assert 0 not in careful.label_pairs("texture")[0], "an unknown type gives no labels to draw"


# The pitfalls of the format


def test_names_with_spaces_stay_whole(root: Path) -> None:
    assert DeepFashion(str(root)).schema["texture"].classes == ("floral", "abstract chevron print")


def test_equal_names_are_different_attributes(root: Path) -> None:
    change(root / "Anno_coarse/list_attr_cloth.txt", "floral                 ", "abstract chevron print ")
    change(root / "Anno_coarse/list_attr_cloth.txt", "summer   ", "a-line   ")
    dataset = DeepFashion(str(root))
    assert dataset.schema["texture"].classes == ("abstract chevron print", "abstract chevron print (2)")
    assert "a-line" in dataset.schema["shape"].classes and "a-line" in dataset.schema["style"].classes
    assert dataset.split("train")[0].labels["texture"] == (0,)


def test_categories_count_from_one_and_unused_ones_stay(root: Path) -> None:
    names = "".join(f"{f'Category{i}':<30}{1 + i // 20}\n" for i in range(1, 51))
    (root / "Anno_coarse/list_category_cloth.txt").write_text(f"50\ncategory_name  category_type\n{names}")
    change(root / "Anno_coarse/list_category_img.txt", f"{FIRST:<70}1", f"{FIRST:<70}50")
    dataset = DeepFashion(str(root))
    assert len(dataset.schema["category"]) == 50
    assert said(dataset.split("train")[0], dataset)["category"] == ("Category50",)
    assert "4 of 50 of category" in dataset.remarks()[-1]


def test_padded_numbers_are_decimal(root: Path) -> None:
    change(root / "Anno_coarse/list_bbox.txt", f"{FIRST:<70}002 003 020 030", f"{FIRST:<70}008 009 020 031")
    assert DeepFashion(str(root)).split("train")[0].bbox == (8, 9, 20, 31)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_lists_in_any_order_are_joined_by_path(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    tree = tmp_path_factory.mktemp("tree")
    example_trees.deepfashion(tree)
    anno, partition = tree / "Anno_coarse", tree / "Eval/list_eval_partition.txt"
    before = read_coarse(anno, partition, False)
    rng = np.random.default_rng(seed)
    for name in ("list_attr_img.txt", "list_category_img.txt", "list_bbox.txt"):
        head, rows = (anno / name).read_text().splitlines()[:2], (anno / name).read_text().splitlines()[2:]
        (anno / name).write_text("\n".join([*head, *(rows[i] for i in rng.permutation(len(rows)))]))
    after = read_coarse(anno, partition, False)
    assert after.paths == before.paths and (after.boxes == before.boxes).all()
    assert [after.labels.at(row) for row in range(48)] == [before.labels.at(row) for row in range(48)]


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_the_size_of_the_pieces_that_are_read_changes_nothing(
    root: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = DeepFashion(str(root)).split("train")
    monkeypatch.setattr(padded_lists, "BLOCK", size)
    pieces = DeepFashion(str(root)).split("train")
    assert [pieces[row] for row in range(24)] == [whole[row] for row in range(24)]


def test_only_positives_are_kept(root: Path) -> None:
    anno = root / "Anno_coarse"
    vocabulary = deepfashion_attributes.read_vocabulary(anno / "list_attr_cloth.txt", "coarse")
    signs = deepfashion_attributes.read_signs(anno / "list_attr_img.txt", vocabulary, named=True)
    assert len(signs.rows) == len(signs.attributes) == 48 * 10 // 4


def test_the_same_number_is_another_type_in_the_fine_variant(fine: Path) -> None:
    coarse, other = DeepFashion(str(fine)).schema, DeepFashion(str(fine), variant="fine").schema
    assert coarse.names == ("category", "texture", "fabric", "shape", "part", "style")
    assert other.names == ("category", "texture", "sleeve", "length", "neckline", "fabric", "fit")
    assert other["sleeve"].classes == ("long_sleeve", "short_sleeve", "sleeveless")


def test_lists_of_the_other_variant_are_refused(fine: Path) -> None:
    (fine / "Anno_coarse").rename(fine / "kept")
    (fine / "Anno_fine").rename(fine / "Anno_coarse")
    for name in ("list_attr_img.txt", "list_category_img.txt", "list_bbox.txt"):
        (fine / "kept" / name).rename(fine / "Anno_coarse" / name)
    with pytest.raises(DataError, match="attribute type 6 is unknown in the coarse variant"):
        DeepFashion(str(fine))


def test_an_item_whose_pictures_are_in_two_splits_stays_as_the_official_split_has_it(root: Path) -> None:
    change(root / "Eval/list_eval_partition.txt", f"{FIRST:<70}train", f"{FIRST:<70}test")
    dataset = DeepFashion(str(root))
    assert dataset.split("test")[0].id == FIRST
    assert dataset.split("train")[0].id == "img/Item_0/img_00000001.jpg"


def test_paths_that_differ_in_case_on_disk_are_found(root: Path) -> None:
    (root / "Img/img/Item_0").rename(root / "Img/img/item_0")
    (root / "Img/img/item_0/img_00000000.jpg").rename(root / "Img/img/item_0/IMG_00000000.JPG")
    dataset = DeepFashion(str(root))
    assert dataset.check() == []
    assert dataset.split("train")[0].image == root / "Img/img/item_0/IMG_00000000.JPG"
    assert dataset.split("train")[0].id == FIRST


def test_missing_pictures_are_left_out_and_counted(root: Path) -> None:
    (root / "Img" / FIRST).unlink()
    (root / "Img/img/Item_0/img_00000003.jpg").unlink()
    dataset = DeepFashion(str(root))
    assert len(dataset.split("train")) == 22
    assert dataset.check() == [
        f"2 pictures are missing in {root / 'Img'} and are left out: {FIRST}, img/Item_0/img_00000003.jpg."
    ]


def test_a_box_that_overruns_the_picture_is_cut_and_one_of_no_size_unused(root: Path) -> None:
    boxes = root / "Anno_coarse/list_bbox.txt"
    change(boxes, f"{FIRST:<70}002 003 020 030", f"{FIRST:<70}010 012 090 099")
    change(boxes, "img_00000001.jpg".ljust(59) + "002 003 020 030", "img_00000001.jpg".ljust(59) + "007 003 007 030")
    dataset = DeepFashion(str(root))
    first, second = dataset.split("train")[0], dataset.split("train")[1]
    assert crop(decode(first.image, first.id), first.bbox).shape == (3, 32 - 12, 24 - 10)
    assert second.bbox is None
    assert dataset.check() == ["1 boxes are less than 2 pixels high or wide, unused: img/Item_0/img_00000001.jpg."]


def test_boxes_grow_by_the_pad_as_far_as_the_picture_goes(root: Path) -> None:
    sample = DeepFashion(str(root), bbox_pad=10).split("train")[0]
    assert sample.bbox == (0, 0, 30, 40)
    assert crop(decode(sample.image, sample.id), sample.bbox).shape == (3, 32, 24)


@pytest.mark.parametrize("name", ["Anno", "anno", "ANNO_COARSE", "Anno_v1.1"])
def test_the_folder_of_annotations_has_many_names(root: Path, name: str) -> None:
    (root / "Anno_coarse").rename(root / name)
    assert len(DeepFashion(str(root)).split("train")) == 24


def test_the_newer_folder_goes_before_the_older_one(root: Path) -> None:
    (root / "Anno").mkdir()
    assert len(DeepFashion(str(root)).split("train")) == 24


@pytest.mark.parametrize("place", [".", "Img", "Img/img", "Img/Img"])
def test_pictures_are_found_where_img_zip_was_unpacked(root: Path, place: str) -> None:
    (root / "Img/img").rename(root / "unpacked")
    (root / "Img").rmdir()
    (root / place).mkdir(parents=True, exist_ok=True)
    (root / "unpacked").rename(root / place / "img")
    dataset = DeepFashion(str(root))
    assert dataset.check() == [] and len(dataset.split("test")) == 12


def test_pictures_unpacked_without_their_folder_are_found(root: Path) -> None:
    (root / "Img/img").rename(root / "items")
    (root / "Img").rmdir()
    (root / "items").rename(root / "Img")
    dataset = DeepFashion(str(root))
    assert dataset.check() == []
    assert dataset.split("train")[0].image == root / "Img/Item_0/img_00000000.jpg"


# The fine variant


def test_row_i_of_every_fine_list_is_of_the_same_picture(fine: Path) -> None:
    dataset = DeepFashion(str(fine), variant="fine")
    assert {name: len(dataset.split(name)) for name in dataset.splits} == {"train": 3, "val": 3, "test": 3}
    assert dataset.check() == []
    sample = dataset.split("train")[2]
    assert sample.id == "img/Item_0/img_00000002.jpg" and sample.bbox == (2, 1, 20, 30)
    assert said(sample, dataset) == {
        "category": ("Dress",),
        "texture": ("striped",),
        "sleeve": ("sleeveless",),
        "length": ("no_dress",),
        "neckline": ("square_neckline",),
        "fabric": ("cotton",),
        "fit": ("conventional",),
    }
    assert all(t.kind == "single" for t in dataset.schema)


def test_the_high_resolution_spelling_of_fine_paths_is_cut_at_the_last_hyphen(fine: Path) -> None:
    (fine / "Img/img/Item_0").rename(fine / "Img/img/Pleated-Front-Blouse")
    lines = "".join(f"img_highres_subset/Pleated-Front-Blouse-img_{n:08d}.jpg\n" for n in range(3))
    (fine / "Anno_fine/train.txt").write_text(lines)
    sample = DeepFashion(str(fine), variant="fine").split("train")[0]
    assert sample.id == "img/Pleated-Front-Blouse/img_00000000.jpg"


def test_a_fine_type_with_none_or_several_attributes_is_unknown(fine: Path) -> None:
    attributes = fine / "Anno_fine/train_attr.txt"
    rows = attributes.read_text().splitlines()
    attributes.write_text("\n".join(["0" + rows[0][1:], "1" + rows[1][1:], rows[2]]))
    dataset = DeepFashion(str(fine), variant="fine")
    train = dataset.split("train")
    assert ["texture" in train[row].labels for row in range(3)] == [False, False, True]
    assert dataset.check() == ["texture: 1 pictures have several classes of it, unknown."]


@pytest.mark.parametrize("kind", ["attr", "cate", "bbox"])
def test_fine_lists_of_unequal_length_are_refused(fine: Path, kind: str) -> None:
    path = fine / f"Anno_fine/val_{kind}.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(DataError, match=f"val_{kind}.txt has 2 rows and val.txt 3. Row i of one is of row i"):
        DeepFashion(str(fine), variant="fine")


def test_a_picture_in_two_fine_splits_is_refused(fine: Path) -> None:
    change(fine / "Anno_fine/val.txt", "img/Item_4/img_00000024.jpg", FIRST)
    with pytest.raises(DataError, match=r"Anno_fine: img/Item_0/img_00000000.jpg is in train and in val"):
        DeepFashion(str(fine), variant="fine")


# Hostile files

CATEGORY, BOX, SIGNS, SPLIT = f"{FIRST:<70}1", f"{FIRST:<70}002 003", f"{FIRST:<70}  1 -1", f"{FIRST:<70}train"
DENIM, PART = "denim                         2", "{}                        4"
HOSTILE = {
    "a list that is cut off": ("list_bbox", "48\n", "49\n", "list_bbox.txt: line 1 says 49 rows, but there are 48"),
    "a list that is too long": ("list_attr_img", "48\n", "40\n", "line 1 says 40 rows, but there are 48"),
    "no count": ("list_category_img", "48\n", "many\n", "line 1: the number of rows is expected, not 'many'"),
    "classes cut off": ("list_attr_cloth", "10\n", "1000\n", "line 1 says 1000 rows, but there are 10"),
    "a class without type": (
        "list_attr_cloth",
        DENIM,
        "denim",
        "line 5: a name and a number are expected, not 'denim'",
    ),
    "a type that does not exist": ("list_attr_cloth", DENIM, "denim 9", "attribute type 9 is unknown in the coarse"),
    "category 0": ("list_category_img", CATEGORY, f"{FIRST} 0", "_img.txt, line 3: category 0 is not one of 1 to 3"),
    "category 4": ("list_category_img", CATEGORY, f"{FIRST} 4", "_img.txt, line 3: category 4 is not one of 1 to 3"),
    "category in words": ("list_category_img", CATEGORY, f"{FIRST} Tee", "line 3: a number is expected, not 'Tee'"),
    "a box of three numbers": ("list_bbox", BOX, f"{FIRST} 3", "_bbox.txt, line 50: 4 words where 5 are expected"),
    "a box that is no number": ("list_bbox", BOX, f"{FIRST} 2.5 3", "line 50: a number is expected, not '2.5'"),
    "a box of odd signs": ("list_bbox", BOX, f"{FIRST} --2 3", "line 50: a number is expected, not '--2'"),
    "a box too large": ("list_bbox", BOX, f"{FIRST} {10**30} 3", "line 50: a number is expected, not '1000"),
    "an attribute too few": ("list_attr_img", SIGNS, f"{FIRST} 1", "_img.txt, line 3: 10 words where 11 are expected"),
    "an attribute of 2": ("list_attr_img", SIGNS, f"{FIRST} 1 2", "line 3: attribute 2 is '2', but -1, 0 or 1"),
    "attributes run together": ("list_attr_img", SIGNS, f"{FIRST} 1 -1-1", "line 3: attribute 2 is '-1-1', but -1, 0"),
    "no such split": ("list_eval_partition", SPLIT, f"{FIRST} valid", "line 3: train, val or test is expected, not 'v"),
}


@pytest.mark.parametrize(("file", "old", "new", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_fault_is_named_by_file_and_line(root: Path, file: str, old: str, new: str, message: str) -> None:
    change(next(root.rglob(f"{file}.txt")), old, new)
    with pytest.raises(DataError, match=message):
        DeepFashion(str(root))


def test_a_type_without_attributes_is_refused(root: Path) -> None:
    for name in ("sleeve", "collar"):
        change(root / "Anno_coarse/list_attr_cloth.txt", PART.format(name), f"{name} 3")
    with pytest.raises(
        DataError, match=r"has no attribute of type 4 \(part\), so it is not that of the coarse variant"
    ):
        DeepFashion(str(root))


def test_a_picture_in_two_splits_is_refused(root: Path) -> None:
    change(root / "Eval/list_eval_partition.txt", f"{'img/Item_4/img_00000024.jpg':<70}val", f"{FIRST} val")
    with pytest.raises(DataError, match=rf"list_eval_partition.txt, line 27: {FIRST} is in train and in val"):
        DeepFashion(str(root))


LISTS = [
    "Anno_coarse/list_attr_cloth.txt",
    "Anno_coarse/list_attr_img.txt",
    "Anno_coarse/list_bbox.txt",
    "Anno_coarse/list_category_cloth.txt",
    "Anno_coarse/list_category_img.txt",
    "Eval/list_eval_partition.txt",
]


@pytest.mark.parametrize("file", LISTS)
def test_an_empty_list_is_named(root: Path, file: str) -> None:
    (root / file).write_text("")
    with pytest.raises(DataError, match=f"{Path(file).name} is empty"):
        DeepFashion(str(root))


@pytest.mark.parametrize("file", LISTS)
def test_a_list_of_no_rows_is_no_crash(root: Path, file: str) -> None:
    (root / file).write_text("0\nimage_name  something\n")
    try:
        assert DeepFashion(str(root)).check()
    except DataError as error:
        assert Path(file).name in str(error)


LAYOUTS: dict[str, Callable[[bytes], bytes]] = {
    "line ends of Windows": lambda text: text.replace(b"\n", b"\r\n"),
    "no line end at the end": lambda text: text.rstrip(b"\n"),
    "tabs and many spaces": lambda text: text.replace(b" ", b" \t  "),
    "spaces around lines": lambda text: text.replace(b"\n", b"  \n  "),
    "empty lines": lambda text: text + b"\n\n  \n",
    "a mark of UTF-8": lambda text: b"\xef\xbb\xbf" + text,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_white_space_does_not_matter(root: Path, layout: Callable[[bytes], bytes]) -> None:
    before = DeepFashion(str(root)).split("train")
    for file in LISTS:
        (root / file).write_bytes(layout((root / file).read_bytes()))
    dataset = DeepFashion(str(root))
    after = dataset.split("train")
    assert dataset.schema["texture"].classes == ("floral", "abstract chevron print")
    assert [after[row] for row in range(24)] == [before[row] for row in range(24)]


def test_a_mark_of_utf_8_costs_no_picture_of_the_fine_lists(fine: Path) -> None:
    before = DeepFashion(str(fine), "fine").split("train")
    for path in (fine / "Anno_fine").iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    after = DeepFashion(str(fine), "fine").split("train")
    assert [after[row] for row in range(3)] == [before[row] for row in range(3)]


def test_a_repeated_row_counts_once_and_is_counted(root: Path) -> None:
    for file, last in ((LISTS[1], f"{FIRST}" + " -1" * 10), (LISTS[4], f"{FIRST} 3"), (LISTS[5], f"{FIRST} train")):
        (root / file).write_text((root / file).read_text().replace("48\n", "49\n", 1) + last + "\n")
    dataset = DeepFashion(str(root))
    assert said(dataset.split("train")[0], dataset)["category"] == ("Blouse",)
    assert dataset.split("train")[0].labels["texture"] == (0,) and len(dataset.split("train")) == 24
    assert dataset.check() == [
        f"list_eval_partition.txt: 1 rows repeat a picture: {FIRST}.",
        f"list_category_img.txt: 1 rows repeat a picture; only its first row counts: {FIRST}.",
        f"list_attr_img.txt: 1 rows repeat a picture; only its first row counts: {FIRST}.",
    ]


def test_a_picture_that_one_list_lacks_is_unknown_there_and_one_without_split_is_left_out(root: Path) -> None:
    for file in (LISTS[1], LISTS[2], LISTS[4]):
        change(root / file, FIRST, "img/Item_0/img_99999999.jpg")
    dataset = DeepFashion(str(root))
    sample = dataset.split("train")[0]
    assert (sample.id, sample.labels, sample.bbox) == (FIRST, {}, None)
    for name in ("list_attr_img.txt", "list_bbox.txt", "list_category_img.txt"):
        assert f"{name}: 1 pictures of the splits are not in it: {FIRST}." in dataset.check()
        assert f"{name}: 1 pictures are in no split and are left out: img/Item_0/img_99999999.jpg." in dataset.check()


def test_names_that_are_not_utf8_or_hold_braces_are_read(root: Path) -> None:
    old, new = FIRST.encode(), b"img/Item_0/caf\xe9_{0}.jpg"
    for file in (LISTS[1], LISTS[2], LISTS[4], LISTS[5]):
        (root / file).write_bytes((root / file).read_bytes().replace(old, new))
    os.rename(os.fsencode(root / "Img" / FIRST), os.path.join(os.fsencode(root / "Img"), new))
    sample = DeepFashion(str(root)).split("train")[0]
    assert sample.id == "img/Item_0/caf\\xe9_{0}.jpg" and sample.labels["texture"] == (0,)
    assert decode(sample.image, sample.id).shape == (3, 32, 24)


def test_every_missing_list_is_named_at_once(root: Path) -> None:
    for file in (LISTS[2], LISTS[5]):
        (root / file).unlink()
    with pytest.raises(DataError, match=r"Anno_coarse/list_bbox.txt, Eval/list_eval_partition.txt are missing"):
        DeepFashion(str(root))


def test_a_folder_without_annotations_or_pictures_is_named(root: Path) -> None:
    with pytest.raises(DataError, match="the folder Anno_fine with the lists is missing; there is Anno_coarse, Eval"):
        DeepFashion(str(root), variant="fine")
    (root / "Img").rename(root / "photos")
    with pytest.raises(DataError, match=f"the pictures are missing, such as Img/{FIRST}; unpack img.zip in Img"):
        DeepFashion(str(root))
    (root / "Anno_coarse").rename(root / "Anno_fine")
    with pytest.raises(
        DataError, match=r"folder Anno_coarse \(or Anno\) .* For Anno_fine set variant: fine, as with --set data\.d"
    ):
        DeepFashion(str(root))


def test_a_file_that_never_ends_a_line_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(padded_lists, "BLOCK", 64)
    monkeypatch.setattr(padded_lists, "LONGEST_LINE", 1000)
    (root / LISTS[2]).write_text("48\nimage_name\n" + "0 " * 2000)
    with pytest.raises(DataError, match=r"list_bbox.txt, line 3: the line has no end; this is not such a list"):
        DeepFashion(str(root))


def test_pictures_that_cannot_be_decoded_are_found_among_some_that_are_tried(root: Path) -> None:
    (root / "Img" / FIRST).write_bytes(b"")
    Image.new("RGB", (4, 4)).save(root / "Img/img/Item_1/img_00000006.jpg", "PNG")
    (problem,) = DeepFashion(str(root)).check()
    assert problem.startswith(f"1 of 48 pictures that were tried cannot be used: picture {FIRST}")


# Under a given schema


def test_a_given_schema_keeps_its_order_and_its_classes(root: Path) -> None:
    types = (AttributeType("style", "multi", ("print", "summer")), AttributeType("category", "single", ("Dress",)))
    dataset = DeepFashion(str(root), schema=AttributeSchema(types))
    assert dataset.schema.types == types
    assert dataset.split("train")[0].labels == {"style": (1,)}
    assert dataset.split("train")[2].labels == {"style": (), "category": (0,)}
    assert dataset.check() == ["category: 32 labels are of classes that the schema lacks, unknown: Blouse, Jeans."]


def test_a_class_beyond_the_schema_is_other_where_the_type_has_one(root: Path) -> None:
    category = AttributeType("category", "single", ("rest", "Dress"), other="rest")
    dataset = DeepFashion(str(root), schema=AttributeSchema((category,)))
    assert [dataset.split("train")[row].labels["category"] for row in range(3)] == [(0,), (0,), (1,)]
    assert dataset.check() == []


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (AttributeType("colour", "single", ("red",)), r"no type colour \(single\); its types are category \(single\)"),
        (AttributeType("texture", "single", ("floral",)), r"no type texture \(single\)"),
        (AttributeType("texture", "multi", ("0", "1")), "none of the classes 0, 1 of texture; it has floral, abstract"),
    ],
)
def test_types_that_are_not_there_are_refused(root: Path, wanted: AttributeType, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DeepFashion(str(root), schema=AttributeSchema((wanted,)))
