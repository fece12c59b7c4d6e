"""A good dataset, and copies that each break one promise."""

import dataclasses
import threading

import numpy as np
import torch

from mtss_zoo import AttributeSchema, AttributeType, Sample
from mtss_zoo.errors import UnknownNameError

SCHEMA = AttributeSchema(
    (AttributeType("colour", "single", ("red", "green")), AttributeType("trims", "multi", ("zip", "lace", "belt")))
)


class Pictures:
    def __init__(self, name, labels):
        self.name, self.labels = name, labels
        generator = torch.Generator().manual_seed(len(labels))
        self.pixels = torch.randint(0, 256, (len(labels), 3, 8, 8), generator=generator, dtype=torch.uint8)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, row):
        return Sample(f"{self.name}-{row}", self.pixels[row], self.labels[row])

    def label_pairs(self, type_name):
        pairs = [(row, c) for row, labels in enumerate(self.labels) for c in labels.get(type_name, ())]
        return tuple(np.array(pairs, np.int64).reshape(-1, 2).T)


class good_dataset:
    splits = ("train", "val")
    labels = ({"colour": (0,), "trims": (0, 2)}, {"colour": (1,)}, {"trims": ()}, {"colour": (1,), "trims": (1,)})
    pictures = Pictures

    def __init__(self, schema=None):
        self.schema = schema or SCHEMA

    def split(self, name):
        if name not in self.splits:
            raise UnknownNameError(f"no split {name}; there are train and val.")
        return self.pictures(name, self.labels if name == "train" else self.labels[:2])

    def unlabelled(self):
        return self.pictures("unlabelled", ({},) * 3)

    def check(self):
        return []


class leaves_its_schema(good_dataset):
    labels = ({"colour": (2,)}, {"colour": (0,)})


class several_of_a_single_type(good_dataset):
    labels = ({"colour": (0, 1)}, {"colour": (0,)})


class answers_without_a_draw(good_dataset):
    class pictures(Pictures):
        def __getitem__(self, row):
            sample = super().__getitem__(row)
            return dataclasses.replace(sample, answers={"colour": (0, 1)} if sample.labels else {})


class answers_against_the_label(good_dataset):
    class pictures(Pictures):
        def __getitem__(self, row):
            sample = super().__getitem__(row)
            said = {"colour": (1 - sample.labels["colour"][0],)} if "colour" in sample.labels else {}
            return dataclasses.replace(sample, answers=said)


class pairs_disagree(good_dataset):
    class pictures(Pictures):
        def label_pairs(self, type_name):
            rows, classes = super().label_pairs(type_name)
            return rows[1:], classes[1:]


class pairs_unsorted(good_dataset):
    class pictures(Pictures):
        def label_pairs(self, type_name):
            return tuple(part[::-1] for part in super().label_pairs(type_name))


class other_every_time(good_dataset):
    made = 0

    def __init__(self, schema=None):
        super().__init__(schema)
        other_every_time.made += 1
        self.order = other_every_time.made

    def split(self, name):
        return Pictures(f"{name}-{self.order}", super().split(name).labels)


class repeats_ids(good_dataset):
    class pictures(Pictures):
        def __getitem__(self, row):
            return Sample(str(row), self.pixels[row], self.labels[row])


class known_unlabelled(good_dataset):
    def unlabelled(self):
        return Pictures("unlabelled", self.labels)


class key_error_for_a_split(good_dataset):
    def split(self, name):
        return {name: super(key_error_for_a_split, self).split(name) for name in self.splits}[name]


class finds_fault(good_dataset):
    def check(self):
        return ["2 pictures are missing."]


class unreadable(good_dataset):
    class pictures(Pictures):
        def __getitem__(self, row):
            return Sample(f"{self.name}-{row}", self.pixels[row].float(), self.labels[row])


class not_for_workers(good_dataset):
    class pictures(Pictures):
        def __init__(self, name, labels):
            super().__init__(name, labels)
            self.lock = threading.Lock()


class own_schema_only(good_dataset):
    def __init__(self, schema=None):
        if schema is not None:
            raise ValueError("no schema is taken")
        super().__init__()


of_labels = (answers_without_a_draw, answers_against_the_label, pairs_disagree, pairs_unsorted)
for broken in (*of_labels, repeats_ids, unreadable, not_for_workers):
    globals()[f"{broken.__name__}_pictures"] = broken.pictures  # where pickle looks for it
    broken.pictures.__qualname__ = f"{broken.__name__}_pictures"
