"""The same work in several processes of one machine, each with its share of the cores and with a device of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable

from mtss_zoo.errors import MtssZooError
from mtss_zoo.recipe import TrainerSpec


def run_processes(work: Callable[[int], None], processes: int) -> None:
    """Calls ``work`` with 0, 1, ... in as many processes at once, and waits for them.

    Raises:
        KeyboardInterrupt: after Ctrl-C, once all processes have ended; each lets its step end and writes a restart
            point, or ends at once when told a second time.
        MtssZooError: a process died.
    """
    context = multiprocessing.get_context("spawn")  # a fork of a process that has used torch's threads may hang
    workers = [context.Process(target=_work_apart, args=(work, index, processes)) for index in range(processes)]
    for worker in workers:
        worker.start()
    stopped = False
    while any(worker.is_alive() for worker in workers):
        try:
            for worker in workers:
                worker.join()
        except KeyboardInterrupt:
            stopped = True
            for worker in workers:
                if worker.is_alive() and worker.pid:
                    os.kill(worker.pid, signal.SIGINT)
    if stopped:
        raise KeyboardInterrupt
    if any(worker.exitcode for worker in workers):
        raise MtssZooError("one of the processes died; what it said is above. The same command goes on.")


def _work_apart(work: Callable[[int], None], index: int, processes: int) -> None:
    """In a process of its own, which ends as after Ctrl-C when the one that started it is gone."""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    os.setpgrp()  # a terminal's Ctrl-C reaches the first process only, which passes it on once

    def end_with_parent() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        parent.join()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        work(index)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def own_device(trainer: TrainerSpec, index: int) -> int | list[int]:
    """What ``trainer.devices`` is in one of several processes: one device, several GPUs being shared out."""
    import torch

    if trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return [index % torch.cuda.device_count()]
    return 1
