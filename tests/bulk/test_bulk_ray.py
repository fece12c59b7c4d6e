"""Bulk prediction by Ray Data: two workers of a local Ray give what one process gives."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import tempfile
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mtss_zoo.bulk.batch_predictor import BatchPredictor
from mtss_zoo.bulk.run import bulk_predict

ray = pytest.importorskip("ray")
# Where they are given, Ray does not wait for its helpers to choose them, for which it has 15 s and then dies.
PORTS = ("metrics_agent_port", "dashboard_agent_listen_port", "runtime_env_agent_port")


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture
def two_workers(monkeypatch):
    """A Ray with two processors on this machine, which asks nobody anything and leaves nothing behind."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    metrics, *ports = free_ports(1 + len(PORTS))
    parameters = ray._private.parameter
    ends_with = signal.getsignal(signal.SIGTERM)  # Ray sets one of its own, for the whole process
    given = partial(parameters.RayParams, **dict(zip(PORTS, ports, strict=True)))
    monkeypatch.setattr(parameters, "RayParams", given)
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        try:
            ray.init(
                num_cpus=2,
                include_dashboard=False,
                object_store_memory=80_000_000,
                log_to_driver=False,
                _temp_dir=folder,
                _metrics_export_port=metrics,
            )
            yield
        finally:
            ray.shutdown()
            signal.signal(signal.SIGTERM, ends_with)


@pytest.mark.slow
def test_two_workers_of_ray_give_what_one_process_gives(onnx_file: Path, shop: Path, two_workers, tmp_path):
    from ray.data import ActorPoolStrategy, DataContext, read_binary_files

    class Predictor(BatchPredictor):
        """Says which process answered. Defined here, because workers cannot import a test."""

        def __call__(self, batch):
            table = super().__call__(batch)
            return table.append_column("process", [[os.getpid()] * len(table)])

    bulk_predict(onnx_file, shop, tmp_path / "alone.parquet", top_k=2)
    DataContext.get_current().enable_progress_bars = False
    DataContext.get_current().wait_for_min_actors_s = 600  # else the first one may be done before the second starts
    pictures = read_binary_files(str(shop), include_paths=True, file_extensions=["jpg", "JPG", "png"])
    answers = pictures.repartition(8).map_batches(
        Predictor,
        fn_constructor_kwargs={"model": str(onnx_file), "image": "bytes", "top_k": 2},
        compute=ActorPoolStrategy(size=2),
        batch_size=2,
        num_cpus=0.5,  # else reading the files would wait for processors that the two hold
    )
    rows = sorted(answers.take_all(), key=lambda row: row["path"])
    assert len({row["process"] for row in rows} - {os.getpid()}) == 2
    usable = {os.path.relpath(row["path"], shop): row for row in rows if row["error"] is None}
    alone = {row["id"]: row for row in pq.read_table(tmp_path / "alone.parquet").to_pylist()}
    assert usable.keys() == alone.keys() and len(rows) > len(usable)
    for name, row in alone.items():
        assert [usable[name][key] for key in ("colour", "trims")] == [row[key] for key in ("colour", "trims")]
        assert usable[name]["colour_top"][1]["score"] == pytest.approx(row["colour_top"][1]["score"], rel=1e-5)
