"""The dataset `garments`: pictures drawn by the package itself, each a function of seed, split and row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from mtss_zoo.errors import UsageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Sample
from mtss_zoo_datasets.garment_details import DETAILS, POSSIBLE
from mtss_zoo_datasets.garment_drawing import Domain, draw
from mtss_zoo_datasets.garment_fabric import COLOURS, PATTERNS
from mtss_zoo_datasets.garment_shapes import Garment
from mtss_zoo_datasets.labels import Integers, Labels, TypeLabels, in_range, known_split

CATEGORIES = tuple(POSSIBLE)
NECKLINES = ("crew", "collar", "v-neck", "scoop", "hood", "turtleneck")
SLEEVES = ("long", "short", "sleeveless", "three-quarter")
WORN_NECKLINES = {
    "t-shirt": ("crew", "v-neck", "scoop"),
    "dress": ("crew", "v-neck", "scoop", "collar", "turtleneck"),
    "shirt": ("collar",),
    "sweater": ("crew", "v-neck", "hood", "turtleneck"),
    "jacket": ("collar", "hood", "crew"),
    "coat": ("collar", "hood"),
    "tank top": ("crew", "v-neck", "scoop"),
}
WORN_SLEEVES = {
    "t-shirt": ("long", "short", "three-quarter"),
    "dress": ("long", "short", "sleeveless", "three-quarter"),
    "shirt": ("long", "short", "three-quarter"),
    "sweater": ("long", "three-quarter"),
    "jacket": ("long",),
    "coat": ("long",),
    "tank top": ("sleeveless",),
}
SCHEMA = AttributeSchema(
    (
        AttributeType("category", "single", CATEGORIES),
        AttributeType("colour", "single", tuple(COLOURS)),
        AttributeType("pattern", "single", PATTERNS),
        AttributeType("neckline", "single", NECKLINES),
        AttributeType("sleeve", "single", SLEEVES),
        AttributeType("details", "multi", DETAILS),
    )
)
SMALL = 64
"""Pixels up to which drawn pictures are kept in memory: 16,384 of them take 200 MB at the most."""
# Part of what every random number is drawn from; the order must not change.
STREAMS = ("train", "val", "test", "unlabelled")
DOMAINS = ("studio", "street")
Codes = npt.NDArray[np.int8]


class Garments:
    """Generated garments with sparse, long-tailed labels; nothing is read from disk.

    ``n_train``, ``n_val``, ``n_test``, ``n_unlabelled`` are numbers of pictures; row r shows the same whatever
    they are. A type is labelled for ``label_share`` of the training pictures, and for all of val and test, except
    neckline and sleeve of garments that have none. The class of rank i is drawn with weight ``i ** -long_tail``;
    0 makes all classes equally frequent. ``domain``: studio backdrops, or the street with its light.
    """

    splits = ("train", "val", "test")

    def __init__(
        self,
        seed: int = 0,
        n_train: int = 1500,
        n_val: int = 500,
        n_test: int = 500,
        n_unlabelled: int = 6000,
        image_size: int = 64,
        domain: Domain = "studio",
        label_share: float = 0.5,
        long_tail: float = 0.8,
        *,
        schema: AttributeSchema | None = None,
    ) -> None:
        self.seed, self.image_size, self.domain = seed, image_size, domain
        self.label_share, self.long_tail = label_share, long_tail
        self.sizes = dict(zip(STREAMS, (n_train, n_val, n_test, n_unlabelled), strict=True))
        self.schema = SCHEMA if schema is None else _checked(schema)

    def split(self, name: str) -> GarmentSamples:
        """The pictures of train, val or test, with their labels."""
        return GarmentSamples(self, known_split(name, self.splits))

    def unlabelled(self) -> GarmentSamples:
        """More pictures of the same kind, without labels."""
        return GarmentSamples(self, "unlabelled")

    def check(self) -> list[str]:
        """Nothing can be missing."""
        return []


def _checked(schema: AttributeSchema) -> AttributeSchema:
    for attribute_type in schema:
        if attribute_type != SCHEMA[attribute_type.name]:
            raise UsageError(
                f"garments draws {attribute_type.name} as {SCHEMA[attribute_type.name].kind} of "
                f"{', '.join(SCHEMA[attribute_type.name].classes)}; the schema asked for differs."
            )
    return schema


class GarmentSamples:
    """One split, drawn on access."""

    def __init__(self, dataset: Garments, split: str) -> None:
        self._dataset, self._split = dataset, split
        self._looks = looks(dataset.seed, split, dataset.domain, dataset.sizes[split], dataset.long_tail)
        self._labels = self._known()

    def _known(self) -> Labels:
        dataset, rows = self._dataset, len(self)
        if self._split == "unlabelled":
            return Labels.unknown(dataset.schema, rows)
        share = dataset.label_share if self._split == "train" else 1.0
        types = {}
        for name in dataset.schema.names:
            known = _uniform(dataset.seed, self._split, dataset.domain, f"known {name}", rows) < share
            if name == "details":
                row, detail = np.nonzero(self._looks["details"] * known[:, None])
                types[name] = TypeLabels.from_pairs(row, detail, known)
            else:
                types[name] = TypeLabels.from_codes(np.where(known, self._looks[name], -1))
        return Labels(types)

    def __len__(self) -> int:
        return self._dataset.sizes[self._split]

    def __getitem__(self, row: int) -> Sample:
        row = in_range(row, len(self))
        dataset = self._dataset
        place = (dataset.seed, STREAMS.index(self._split), DOMAINS.index(dataset.domain), row)
        picture = _small_picture if dataset.image_size <= SMALL else _picture
        image = picture(self.garment(row), place, dataset.image_size, dataset.domain)
        return Sample(f"{self._split}-{row}", image, self._labels.at(row), {"domain": dataset.domain})

    def garment(self, row: int) -> Garment:
        """What the picture of a row shows, whether or not its labels are known."""
        look = {name: int(self._looks[name][row]) for name in ("category", "colour", "pattern", "neckline", "sleeve")}
        return Garment(
            CATEGORIES[look["category"]],
            tuple(COLOURS)[look["colour"]],
            PATTERNS[look["pattern"]],
            NECKLINES[look["neckline"]] if look["neckline"] >= 0 else None,
            SLEEVES[look["sleeve"]] if look["sleeve"] >= 0 else None,
            frozenset(DETAILS[i] for i in np.flatnonzero(self._looks["details"][row])),
        )

    def label_pairs(self, type_name: str) -> tuple[Integers, Integers]:
        """All labels of one type as ``(rows, classes)``; draws no picture."""
        return self._labels.pairs(type_name)


def _picture(garment: Garment, place: tuple[int, ...], image_size: int, domain: Domain) -> Image.Image:
    return draw(garment, np.random.default_rng(place), image_size, domain)


# Drawing costs more than a small network's training step, and a training reads every picture once an epoch.
_small_picture = lru_cache(maxsize=16384)(_picture)


def looks(seed: int, split: str, domain: str, rows: int, long_tail: float) -> dict[str, npt.NDArray[np.integer]]:
    """What R rows show: class codes (R,) a type, -1 where a garment has none; details (R, 5), 1 where it has one."""

    def uniform(field: str) -> npt.NDArray[np.float32]:
        return _uniform(seed, split, domain, field, rows)

    always = np.ones((1, len(CATEGORIES)), bool)
    anything = np.zeros(rows, np.int8)
    category = _drawn(uniform("category"), anything, always, long_tail)
    details = np.stack([uniform(f"detail {name}") for name in DETAILS], axis=1) < _detail_shares(long_tail)[category]
    details[:, DETAILS.index("zip")] &= ~details[:, DETAILS.index("buttons")]
    return {
        "category": category,
        "colour": _drawn(uniform("colour"), anything, np.ones((1, len(COLOURS)), bool), long_tail),
        "pattern": _drawn(uniform("pattern"), anything, np.ones((1, len(PATTERNS)), bool), long_tail),
        "neckline": _drawn(uniform("neckline"), category, _worn(WORN_NECKLINES, NECKLINES), long_tail),
        "sleeve": _drawn(uniform("sleeve"), category, _worn(WORN_SLEEVES, SLEEVES), long_tail),
        "details": details.astype(np.int8),
    }


def _uniform(seed: int, split: str, domain: str, field: str, rows: int) -> npt.NDArray[np.float32]:
    entropy = (seed, STREAMS.index(split), DOMAINS.index(domain), *field.encode())
    return np.random.default_rng(entropy).random(rows, np.float32)


def _drawn(uniform: npt.NDArray[np.float32], given: Codes, possible: npt.NDArray[np.bool_], long_tail: float) -> Codes:
    """Classes (R,) from uniform numbers (R,): class i has weight (i + 1) ** -long_tail where ``possible[given, i]``."""
    weights = possible * (np.arange(possible.shape[1]) + 1.0) ** -long_tail
    total = weights.sum(1, keepdims=True)
    edges = (np.cumsum(weights, 1) / np.where(total > 0, total, 1)).astype(np.float32)
    edges[:, -1] = 1
    codes: Codes = (uniform[:, None] >= edges[given]).sum(1, dtype=np.int8)
    codes[total[given, 0] == 0] = -1
    return codes


def _worn(worn: Mapping[str, Sequence[str]], classes: Sequence[str]) -> npt.NDArray[np.bool_]:
    return np.array([[name in worn.get(category, ()) for name in classes] for category in CATEGORIES])


def _detail_shares(long_tail: float) -> npt.NDArray[np.float64]:
    possible = np.array([[name in POSSIBLE[category] for name in DETAILS] for category in CATEGORIES])
    return possible * 0.4 * (np.arange(len(DETAILS)) + 1.0) ** (-long_tail / 3)
