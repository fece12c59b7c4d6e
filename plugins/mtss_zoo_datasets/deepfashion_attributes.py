"""The attributes of DeepFashion: which there are, and which each picture has, from 0.9 GB of -1, 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from mtss_zoo.errors import DataError
from mtss_zoo.interfaces import AttributeType
from mtss_zoo_datasets.given_schema import distinct
from mtss_zoo_datasets.labels import Integers, TypeLabels
from mtss_zoo_datasets.padded_lists import SPACE, Rows, check_count, read_head, read_names, read_rows, shown

Variant = Literal["coarse", "fine"]
TYPES: dict[Variant, dict[int, str]] = {
    "coarse": {1: "texture", 2: "fabric", 3: "shape", 4: "part", 5: "style"},
    "fine": {1: "texture", 2: "sleeve", 3: "length", 4: "neckline", 5: "fabric", 6: "fit"},
}
"""What the numbers in list_attr_cloth.txt mean: not the same in the two variants."""
KINDS: dict[Variant, Literal["single", "multi"]] = {"coarse": "multi", "fine": "single"}
MINUS, ZERO, ONE = b"-01"


@dataclass(frozen=True)
class Vocabulary:
    """A attributes in T types. An attribute is its row in the list; names occur in several types, and twice in one."""

    types: tuple[AttributeType, ...]
    type_of: Integers
    """(A,) the type of each attribute."""
    class_of: Integers
    """(A,) its class in that type."""


@dataclass(frozen=True)
class Signs:
    """Which attributes R pictures have."""

    paths: list[bytes]
    """(R,) pictures, where the list names them."""
    rows: Integers
    """(L,) rows that have an attribute, sorted."""
    attributes: Integers
    """(L,) which one."""
    doubtful: npt.NDArray[np.bool_]
    """(R, T) where a type has a 0, which says that nobody knows."""

    def __len__(self) -> int:
        return len(self.doubtful)

    def without_doubt(self) -> Signs:
        """The same with every 0 taken for -1."""
        return replace(self, doubtful=np.zeros_like(self.doubtful))


def read_vocabulary(path: Path, variant: Variant) -> Vocabulary:
    """Reads list_attr_cloth.txt.

    Raises:
        DataError: its types are not those of the variant.
    """
    rows, names = read_names(path), TYPES[variant]
    numbers = np.array([number for _, number in rows])
    if foreign := set(numbers.tolist()) - set(names):
        other = " Perhaps these are the other variant's lists." if foreign <= {6} else ""
        raise DataError(f"{path}: attribute type {min(foreign)} is unknown in the {variant} variant.{other}")
    if lacking := [f"{number} ({name})" for number, name in names.items() if number not in numbers]:
        raise DataError(
            f"{path} has no attribute of type {', '.join(lacking)}, so it is not that of the {variant} variant."
        )
    types, class_of = [], np.zeros(len(rows), np.int64)
    for number, name in names.items():
        mine = np.flatnonzero(numbers == number)
        class_of[mine] = np.arange(len(mine))
        classes = distinct([rows[i][0] for i in mine], (mine + 1).tolist())
        types.append(AttributeType(name, KINDS[variant], classes))
    return Vocabulary(tuple(types), np.searchsorted(list(names), numbers), class_of)


def read_signs(path: Path, vocabulary: Vocabulary, named: bool) -> Signs:
    """Reads list_attr_img.txt, or with ``named=False`` train_attr.txt, which has neither head nor paths.

    Raises:
        DataError: a row has another number of attributes, or one that is not -1, 0 or 1.
    """
    paths: list[bytes] = []
    parts: list[tuple[Integers, Integers]] = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    doubtful: list[npt.NDArray[np.bool_]] = [np.empty((0, len(vocabulary.types)), bool)]
    count = 0
    for block in read_rows(path, len(vocabulary.type_of) + named, skip=2 * named):
        rows, attributes, doubt = _signs(block, vocabulary, int(named))
        parts.append((rows + count, attributes))
        doubtful.append(doubt)
        paths += block.words(0) if named else []
        count += len(block)
    if named:
        check_count(path, read_head(path), count)
    rows, attributes = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Signs(paths, rows, attributes, np.concatenate(doubtful))


def concatenated(parts: Sequence[Signs]) -> Signs:
    """Several lists without paths, one after the other."""
    first = np.cumsum([0, *(len(part) for part in parts[:-1])])
    return Signs(
        [],
        np.concatenate([part.rows + start for part, start in zip(parts, first, strict=True)]),
        np.concatenate([part.attributes for part in parts]),
        np.concatenate([part.doubtful for part in parts]),
    )


def attribute_labels(
    vocabulary: Vocabulary, signs: Signs, place: Integers, pictures: int
) -> tuple[dict[str, TypeLabels], list[str]]:
    """The labels of all types for N pictures, and notes on those that could not be used.

    A multi type is known of every listed picture. A single type is unknown where none or several classes are named.

    Args:
        place: (R,) the picture of each row, -1 for none.
        pictures: N.
    """
    found: dict[str, TypeLabels] = {}
    notes: list[str] = []
    for number, attribute_type in enumerate(vocabulary.types):
        mine = vocabulary.type_of[signs.attributes] == number
        rows, classes = place[signs.rows[mine]], vocabulary.class_of[signs.attributes[mine]]
        known = np.zeros(pictures + 1, bool)  # the last one stands for no picture
        known[place] = ~signs.doubtful[:, number]
        known = known[:-1]
        if attribute_type.kind == "single":
            counts = np.bincount(rows[rows >= 0], minlength=pictures)
            known &= counts == 1
            if several := int((counts > 1).sum()):
                notes.append(f"{attribute_type.name}: {several} pictures have several classes of it, unknown.")
        kept = (rows >= 0) & known[rows]
        found[attribute_type.name] = TypeLabels.from_pairs(rows[kept], classes[kept], known)
    return found, notes


def _signs(block: Rows, vocabulary: Vocabulary, first: int) -> tuple[Integers, Integers, npt.NDArray[np.bool_]]:
    """Rows and attributes of all 1s, and which types have a 0; whole blocks at once, as there are 300 million words."""
    data, columns = block.data, block.starts.shape[1]
    space = data <= SPACE
    alone = space[:-2] & space[2:]
    ones = _places(block, np.flatnonzero((data[1:-1] == ONE) & alone) + 1)
    zeros = np.flatnonzero((data[1:-1] == ZERO) & alone) + 1
    minus = np.count_nonzero((data[1:-2] == MINUS) & (data[2:-1] == ONE) & space[:-3] & space[3:])
    ones = ones[ones % columns >= first]
    if len(ones) + len(zeros) + minus != len(block) * (columns - first):
        raise _fault(block, first)
    doubtful = np.zeros((len(block), len(vocabulary.types)), bool)
    if len(zeros):
        rows, attributes = np.divmod(_places(block, zeros), columns)
        doubtful[rows, vocabulary.type_of[attributes - first]] = True
    rows, attributes = np.divmod(ones, columns)
    return rows, attributes - first, doubtful


def _places(block: Rows, at: Integers) -> Integers:
    """Which words of the block, counted row after row, begin at these bytes."""
    return np.searchsorted(block.starts.ravel(), at)


def _fault(block: Rows, first: int) -> DataError:
    for column in range(first, block.starts.shape[1]):
        for row, word in enumerate(block.words(column)):
            if word not in (b"-1", b"0", b"1"):
                message = f"attribute {column + 1 - first} is {shown(word)}, but -1, 0 or 1 is expected."
                return block.fail(row, message)
    return block.fail(0, "a path that looks like a number is among the attributes.")
