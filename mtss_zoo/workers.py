"""Worker processes that read ahead, and end when the process that they read for does, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterable
from typing import Any

import torch
from torch.utils.data import DataLoader

from mtss_zoo.process_group import in_group


def read_ahead(reader: Any, requests: Iterable[Any], workers: int, pin_memory: bool) -> DataLoader[Any]:
    """``reader[request]`` for each request, in order, as it is.

    Args:
        reader: is copied into the workers; in a distributed run by pickle.
        requests: taken no further than the workers read ahead.
        workers: 0 reads in this process, nothing ahead.
        pin_memory: where the answers go to a GPU.
    """
    return DataLoader(
        reader,
        batch_size=None,
        sampler=requests,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_prepare,
        multiprocessing_context=_start_method(reader) if workers else None,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # else starting the workers would draw from the global generator
    )


def _start_method(reader: object) -> str | None:
    """How workers start: beside the threads of a process group not by a fork, which may copy a lock that one holds."""
    if not in_group():
        return None
    multiprocessing.set_forkserver_preload([type(reader).__module__])  # imported once for all workers
    return "forkserver"


def _as_it_is(answer: object) -> object:
    return answer


def _prepare(worker: int) -> None:
    # Ctrl-C reaches every process of the terminal; the main one ends its workers without a traceback from each.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(starter: int) -> None:
    # When the main process is killed, a worker that waits to deliver a batch would otherwise wait for ever. A fork
    # server outlives it, and a pipe that tells of its end may have been copied by another fork: so both are watched.
    main = multiprocessing.parent_process()
    while os.getppid() == starter and main is not None and main.is_alive():
        time.sleep(1)
    os._exit(1)
