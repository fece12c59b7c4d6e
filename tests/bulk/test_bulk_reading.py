"""Reading ahead keeps the order and flat memory; a model is known by its fingerprint."""

from __future__ import annotations

import os
import signal
import warnings
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from mtss_zoo.bulk import run
from mtss_zoo.bulk.answers import _one_behind
from mtss_zoo.bulk.engines import open_engine
from mtss_zoo.bulk.reading import Pictures, Reader, in_batches, read_in_threads
from mtss_zoo.bulk.run import bulk_predict
from mtss_zoo.bulk.sources import Folder, Item
from mtss_zoo.errors import MtssZooError
from mtss_zoo.pil_images import box_inside


class Listed:
    """A long list of batches of one picture, which counts how far it was asked for."""

    def __init__(self) -> None:
        self.far = 0

    def __iter__(self):
        for i in range(10**9):
            self.far += 1
            yield [Item(str(i), b"")]


def black(source, name, bbox):
    return np.zeros((3, 2, 2), np.uint8)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_threads_keep_the_order_and_list_no_further_than_they_read_ahead(workers):
    listed = Listed()
    read = read_in_threads(Reader(black), listed, workers)
    assert [next(read).ids for _ in range(10)] == [[str(i)] for i in range(10)]
    read.close()
    assert listed.far <= 10 + 2 * workers


@pytest.mark.parametrize("workers", [0, 2])
def test_processes_keep_the_order_and_list_no_further_than_they_read_ahead(model, monkeypatch, workers):
    engine, listed = open_engine(model), Listed()
    monkeypatch.setattr(engine, "reader", Reader(lambda *_: torch.zeros(3, 2, 2, dtype=torch.uint8), torch.stack))
    read = engine.read(listed, workers)
    assert [next(read).ids for _ in range(10)] == [[str(i)] for i in range(10)]
    read.close()
    assert listed.far <= 10 + 2 * workers


def test_threads_leave_the_filters_of_warnings_alone(onnx_file, shop):
    engine, before = open_engine(str(onnx_file)), list(warnings.filters)
    assert sum(len(pictures.ids) for pictures in engine.read(in_batches(Folder(shop), 1), 4)) == 14
    assert warnings.filters == before


def test_pictures_are_pinned_for_an_accelerator():
    class Tensor:
        def pin_memory(self):
            return "pinned"

    assert Pictures(images=Tensor()).pin_memory().images == "pinned"
    assert Pictures().pin_memory().images is None


def test_an_accelerator_is_one_batch_ahead():
    begun: list[int] = []
    steps = _one_behind(begun.append(i) or i for i in range(4))
    assert [(i, len(begun)) for i in steps] == [(0, 2), (1, 3), (2, 4), (3, 4)]


@pytest.mark.parametrize(
    "bbox, box",
    [
        ((1.4, 2.6, 20, 30), (1, 3, 20, 30)),
        ((-5, -5, 500, 500), (0, 0, 30, 40)),
        ((5, 5, 6.4, 20), None),
        ((50, 5, 90, 20), None),
    ],
)
def test_a_box_is_rounded_and_clipped_and_a_tiny_one_is_none(bbox, box):
    assert box_inside(bbox, height=40, width=30) == box


def test_the_fingerprint_is_that_of_weights_classes_and_preprocessing(model, model_folder, monkeypatch):
    engine = open_engine(str(model_folder))
    before = engine.fingerprint()
    assert open_engine(model).fingerprint() == before
    with monkeypatch.context() as patch:
        patch.setitem(engine.model._buffers, "colour_trained", ~engine.model.trained("colour"))
        assert engine.fingerprint() != before
    monkeypatch.setattr(engine.model, "preprocess", replace(engine.model.preprocess, fit="crop"))
    assert engine.fingerprint() != before


def test_a_dead_worker_is_named_and_what_is_predicted_stays(model, shop, good, tmp_path, monkeypatch):
    engine = open_engine(model)
    whole = engine.reader
    parts = tmp_path / "p.parquet.parts"

    def decode(source, name, bbox):
        if name == "women/5.png":
            while not any(parts.glob("*.parquet")):  # what was read before is predicted
                os.sched_yield()
            os.kill(os.getpid(), signal.SIGKILL)
        return whole.decode(source, name, bbox)

    monkeypatch.setattr(run, "open_engine", lambda *_: engine)
    monkeypatch.setattr(engine, "reader", Reader(decode, torch.stack))
    with pytest.raises(MtssZooError, match=r"a process that reads pictures died.*The same command goes on"):
        bulk_predict(model, shop, tmp_path / "p.parquet", batch_size=1, workers=1, part_rows=1)
    assert sum(pq.read_metadata(part).num_rows for part in parts.glob("*.parquet")) > 0
    monkeypatch.setattr(engine, "reader", whole)
    bulk_predict(model, shop, tmp_path / "p.parquet", batch_size=1, workers=1)
    assert pq.read_table(tmp_path / "p.parquet")["id"].to_pylist() == good
