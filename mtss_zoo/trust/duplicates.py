"""Pictures that a dataset holds twice: the same pixels, or saved anew or resized, within and across its splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mtss_zoo.errors import UsageError
from mtss_zoo.interfaces import AttributeSchema, Sample, Samples
from mtss_zoo.trust.fingerprints import Fingerprints, fingerprints
from mtss_zoo.trust.near_hashes import MAX_DISTANCE, near_pairs

Indices = npt.NDArray[np.int64]
UNLABELLED = "unlabelled"
AT_ONCE = 1 << 15
"""Pairs whose thumbnails are compared at once."""
PRODUCT = ("item_id", "group")
"""The metadata that say which product a picture shows."""


@dataclass(frozen=True)
class Picture:
    """One picture of a group."""

    split: str
    id: str
    product: str | None
    labels: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Duplicates:
    """Pictures of which the first one is like each of the others."""

    kind: Literal["identical", "similar"]
    """Identical: their decoded pixels are equal."""
    pictures: tuple[Picture, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        """Those that the group crosses."""
        return tuple(dict.fromkeys(p.split for p in self.pictures))

    @property
    def measured_and_seen(self) -> bool:
        """Whether a picture of it is measured on, and another one trained on or measured on in another split."""
        return len(self.splits) > 1 and not set(self.splits) <= {"train", UNLABELLED}

    @property
    def of_one_product(self) -> bool:
        """Whether all are known to show one product, and lie in one split: photos that are meant to be alike."""
        products = {p.product for p in self.pictures}
        return len(self.splits) == 1 and len(products) == 1 and None not in products

    def conflicts(self, schema: AttributeSchema) -> dict[str, dict[str, list[str]]]:
        """Attribute type to labels (several joined by ``|``) to the ids that have them, where they contradict."""
        found = {}
        for t in schema:
            said: dict[str, list[str]] = {}
            for p in self.pictures:
                if t.name in p.labels:
                    said.setdefault("|".join(t.classes[c] for c in sorted(p.labels[t.name])), []).append(p.id)
            if len(said) > 1:
                found[t.name] = said
        return found


def find_duplicates(parts: Mapping[str, Samples], schema: AttributeSchema, distance: int = 4) -> dict[str, Any]:
    """All groups of pictures that look alike, those that make a measurement untrue first.

    The pictures of a group are like its first one, not like each other: a catalogue of shoes on white would else be
    one chain. So a picture may be in two groups; similar ones hold the identical copies of their pictures too. A
    mirrored picture is another picture, as flipping is an augmentation. Memory is some 300 bytes a picture.

    Args:
        parts: the splits, and ``unlabelled``, by name.
        schema: of their labels.
        distance: bits of 64 in which perceptual hashes of similar pictures may differ.

    Returns:
        ``{"pictures", "unreadable", "crossing", "of_one_product", "groups"}``: ``crossing`` counts groups by the splits
        that they cross; ``of_one_product`` groups are left out of ``groups``, unless their labels contradict.

    Raises:
        UsageError: the distance is not 0 to 11.
    """
    if not 0 <= distance <= MAX_DISTANCE:
        raise UsageError(f"a distance of {distance}: it is 0 (equal hashes) to {MAX_DISTANCE} bits.")
    seen = fingerprints(parts.values())
    groups = [_group(parts, kind, members) for kind, members in _groups(*_first_alike(seen, distance))]
    groups.sort(key=lambda g: (not g.measured_and_seen, g.kind, not g.conflicts(schema), len(g.splits) == 1))
    shown = [g for g in groups if not g.of_one_product or g.conflicts(schema)]
    crossing = Counter(" + ".join(g.splits) for g in groups if len(g.splits) > 1)
    return {
        "pictures": {name: len(part) for name, part in parts.items()},
        "unreadable": int((~seen.readable).sum()),
        "distance": distance,
        "crossing": dict(crossing),
        "of_one_product": len(groups) - len(shown),
        "groups": [_plain(g, schema) for g in shown],
    }


def _plain(group: Duplicates, schema: AttributeSchema) -> dict[str, Any]:
    return {
        "kind": group.kind,
        "splits": list(group.splits),
        "pictures": [{"split": p.split, "id": p.id, "product": p.product} for p in group.pictures],
        "conflicts": group.conflicts(schema),
    }


def _first_alike(seen: Fingerprints, distance: int) -> tuple[Indices, Indices]:
    """For each of N pictures the first one with equal pixels (N,), and the first one of others that it is like (N,).

    Only a picture that is the first with its pixels is compared; the others, and those like none, are like themselves.
    """
    same, like = np.arange(len(seen.hashes)), np.arange(len(seen.hashes))
    rows = np.flatnonzero(seen.readable)
    _, first, which = np.unique(seen.contents[rows], axis=0, return_index=True, return_inverse=True)
    same[rows] = rows[first[which.ravel()]]
    distinct = rows[np.sort(first)]
    for near in near_pairs(seen.hashes[distinct], distance):
        for start in range(0, len(near[0]), AT_ONCE):
            a, b = (distinct[side[start : start + AT_ONCE]] for side in near)
            alike = seen.alike(a, b)
            np.minimum.at(like, np.maximum(a, b)[alike], np.minimum(a, b)[alike])
    return same, like


def _groups(same: Indices, like: Indices) -> Iterator[tuple[Literal["identical", "similar"], Indices]]:
    """The pictures of each group of two or more."""
    copies = dict(_by_value(same))
    yield from (("identical", rows) for rows in copies.values() if len(rows) > 1)
    later = np.flatnonzero(like < np.arange(len(like)))
    for first, others in _by_value(like[later]):
        yield "similar", np.concatenate([copies[i] for i in (first, *later[others].tolist())])


def _by_value(values: Indices) -> Iterator[tuple[int, Indices]]:
    """Each value with the places where it stands."""
    order = np.argsort(values, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(values[order])) + 1):
        if len(places):
            yield int(values[places[0]]), places


def _group(parts: Mapping[str, Samples], kind: Literal["identical", "similar"], members: Indices) -> Duplicates:
    ends = np.cumsum([len(part) for part in parts.values()])
    pictures = []
    for i in members.tolist():
        place = int(np.searchsorted(ends, i, side="right"))
        split, part = list(parts.items())[place]
        pictures.append(_picture(split, part[int(i - ends[place] + len(part))]))
    return Duplicates(kind, tuple(pictures))


def _picture(split: str, sample: Sample) -> Picture:
    product = next((sample.metadata[name] for name in PRODUCT if sample.metadata.get(name)), None)
    return Picture(split, sample.id, product, sample.labels)
