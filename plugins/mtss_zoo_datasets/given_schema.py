"""The labels of a dataset whose classes are fixed, read under the schema of a recipe or checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtss_zoo.errors import UsageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType
from mtss_zoo_datasets.labels import Labels, TypeLabels, shortened


def under_schema(
    dataset: str, own: AttributeSchema, labels: Labels, schema: AttributeSchema | None
) -> tuple[AttributeSchema, Labels, list[str]]:
    """The schema, the labels under it, and notes on labels that it lacks; classes are matched by name.

    A label of a class that the schema lacks is its ``other``, or left out; a picture that keeps none of its labels
    is then unknown.

    Raises:
        UsageError: the dataset has no such type, or none of its classes.
    """
    if schema is None or schema == own:
        return own, labels, []
    chosen: dict[str, TypeLabels] = {}
    notes: list[str] = []
    for wanted in schema:
        have = next((t for t in own if (t.name, t.kind) == (wanted.name, wanted.kind)), None)
        if have is None:
            types = ", ".join(f"{t.name} ({t.kind})" for t in own)
            raise UsageError(f"{dataset} has no type {wanted.name} ({wanted.kind}); its types are {types}.")
        if not set(have.classes) & set(wanted.classes):
            raise UsageError(
                f"{dataset} has none of the classes {shortened(wanted.classes, 3)} of {wanted.name}; "
                f"it has {shortened(have.classes, 3)}."
            )
        chosen[wanted.name], lost = _recoded(labels.types[wanted.name], have, wanted)
        notes += lost
    return schema, Labels(chosen), notes


def distinct(names: Sequence[str], numbers: Sequence[int]) -> tuple[str, ...]:
    """Class names; of several that are equal, all but the first carry their number in the file: ``print (17)``."""
    seen: set[str] = set()
    unique = []
    for name, number in zip(names, numbers, strict=True):
        unique.append(f"{name} ({number})" if name in seen else name)
        seen.add(unique[-1])
    return tuple(unique)


def _recoded(labels: TypeLabels, have: AttributeType, wanted: AttributeType) -> tuple[TypeLabels, list[str]]:
    if have.classes == wanted.classes:
        return labels, []
    index = {name: i for i, name in enumerate(wanted.classes)}
    other = -1 if wanted.other is None else index[wanted.other]
    rows, old = labels.pairs()
    new = np.array([index.get(name, other) for name in have.classes])[old]
    kept = new >= 0
    known = labels.known.copy()
    known[rows[~kept]] = False
    known[rows[kept]] = True
    lost = np.unique(old[~kept])
    note = (
        f"{wanted.name}: {int((~kept).sum())} labels are of classes that the schema lacks, unknown: "
        f"{shortened([have.classes[i] for i in lost])}."
    )
    return TypeLabels.from_pairs(rows[kept], new[kept], known), [note] if len(lost) else []
