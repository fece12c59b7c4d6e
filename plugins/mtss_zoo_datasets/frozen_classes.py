"""From labels as they are written to class indices, where the classes may be those of the train split."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mtss_zoo.interfaces import AttributeSchema, AttributeType
from mtss_zoo_datasets.labels import NO_CLASSES, Integers, Labels, shortened
from mtss_zoo_datasets.manifest_labels import NamedLabels
from mtss_zoo_datasets.schema_file import DeclaredType


def freeze(
    types: list[DeclaredType],
    named: Mapping[str, NamedLabels],
    train: Integers,
    no_classes: Callable[[str], Exception],
    unlisted: Callable[[int, str, str], Exception] | None,
) -> tuple[AttributeSchema, Labels, list[str]]:
    """The schema, the labels under it, and notes on labels that it lacks.

    Args:
        train: the rows whose labels are the classes of a type that declares none; where there are none, all rows.
        no_classes: the error for a type that has none, to raise.
        unlisted: the error for a row, a type and a class that the type declares not; ``None``: it is unknown and noted.
    """
    chosen, labels, notes = [], {}, []
    for t in types:
        rows = train if len(train) else np.arange(len(named[t.name].labels))
        classes = t.classes or named[t.name].classes_in(rows)
        if not classes and len(train):
            raise no_classes(t.name)
        classes = classes or NO_CLASSES
        if t.other is not None and t.other not in classes:
            classes = (*classes, t.other)
        chosen.append(AttributeType(t.name, t.kind, classes, t.other))
        labels[t.name], dropped = named[t.name].as_classes(classes, t.other)
        if dropped and unlisted and t.classes:
            name = next(iter(dropped))
            raise unlisted(_row_of(named[t.name], name), t.name, name)
        if dropped:
            count = sum(dropped.values())
            notes.append(
                f"{t.name}: {count} labels are of classes that the schema lacks, unknown: {shortened(dropped)}."
            )
    return AttributeSchema(tuple(chosen)), Labels(labels), notes


def _row_of(named: NamedLabels, name: str) -> int:
    rows, codes = named.labels.pairs()
    return int(rows[np.flatnonzero(codes == named.names.index(name))[0]])
