"""Fetches what a list names: several at once, with retries, and nothing twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import httpx2

from mtss_zoo.fetch.download import Attempt, Stopped, attempt, client
from mtss_zoo.fetch.hosts import Hosts, Job
from mtss_zoo.fetch.lists import Entry, read_list
from mtss_zoo.fetch.record import Outcome, Record
from mtss_zoo.files.locks import alone

AHEAD = 1000
"""Addresses that are read from the list before it is their turn, so that a slow server does not stop the others."""
LONGEST_WAIT = 120.0
"""Seconds before an attempt, however often the others failed and whatever the server asks for."""


@dataclass(frozen=True)
class FetchSettings:
    """How hard servers are asked.

    Args:
        workers: pictures at once, from all servers.
        per_host: pictures at once from one server.
        rate: requests a second to one server.
        retries: attempts after the first one, for pictures that may come later.
        backoff: seconds before the first of them; each later one waits twice as long.
        timeout: seconds that a picture may take.
        max_bytes: of one picture.
    """

    workers: int = 16
    per_host: int = 4
    rate: float = 10.0
    retries: int = 3
    backoff: float = 1.0
    timeout: float = 30.0
    max_bytes: int = 20_000_000


@dataclass
class Fetched:
    """What became of the list so far, in this call and before."""

    folder: Path
    record: Path
    pictures: Counter[str] = field(default_factory=Counter)
    """Of each kind of outcome; ``there`` are those that an earlier call fetched."""
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Pictures of a kind by reason."""
    stopped: bool = False
    """By Ctrl-C, before the end of the list."""

    def count(self, kind: str, reason: str = "") -> None:
        """Counts a picture."""
        self.pictures[kind] += 1
        if reason:
            self.reasons[kind, reason] += 1


def fetch_urls(
    path: Path, out: Path, settings: FetchSettings | None = None, on_picture: Callable[[int], None] = lambda _: None
) -> Fetched:
    """Fetches the pictures of a list to ``<out>/<name of the list>/<id>.jpg``, bytes as they come.

    Those that are there already are not fetched again, nor those that are recorded as dead or refused in
    ``<name of the list>.fetch.jsonl``. Ctrl-C ends it soon, a second one at once; either way the next call goes on.

    Args:
        on_picture: told 1 for each picture of which something became.

    Raises:
        DataError: the list is missing, or is none.
        UsageError: another process fetches the same list to the same folder.
    """
    done = Fetched(out / path.stem, out / f"{path.stem}.fetch.jsonl")
    entries = iter(read_list(path))
    first = list(islice(entries, 1))  # what is no list leaves no folder behind
    done.folder.mkdir(parents=True, exist_ok=True)
    with alone(done.folder / ".lock", "fetch"), Record(done.record) as record, _until_ctrl_c() as stop:
        for part in done.folder.glob(".*.part"):
            part.unlink()
        _Fetch(settings or FetchSettings(), record, done, stop, on_picture).run(_chained(first, entries))
    return done


class _Fetch:
    """One call. Everything but the attempts themselves happens in the thread that runs it."""

    def __init__(
        self,
        settings: FetchSettings,
        record: Record,
        done: Fetched,
        stop: threading.Event,
        on_picture: Callable[[int], None],
    ) -> None:
        self.settings, self.record, self.done, self.stop, self.on_picture = settings, record, done, stop, on_picture
        self.hosts = Hosts(settings.per_host, settings.rate)
        self.running: dict[Future[Attempt], Job] = {}

    def run(self, entries: Iterator[Entry]) -> None:
        with (
            client(self.settings.workers, self.settings.timeout) as web,
            ThreadPoolExecutor(self.settings.workers) as pool,
        ):
            while not self.stop.is_set():
                ahead = list(islice(entries, max(0, AHEAD - self.hosts.waiting)))
                for entry in ahead:
                    self._look_at(entry)
                if not self.hosts.waiting and not self.running:
                    if not ahead:
                        return
                    continue
                for job in self.hosts.ready(time.monotonic(), self.settings.workers - len(self.running)):
                    self._start(pool, web, job)
                self._collect()
            self.done.stopped = True
            pool.shutdown(cancel_futures=True)
            self._collect()

    def _look_at(self, entry: Entry) -> None:
        """Decides whether there is anything to fetch."""
        if entry.fault:
            self._close(entry, Outcome("refused", entry.fault), keep=False)
        elif _holds_something(f"{self.done.folder}/{entry.id}.jpg"):
            self.done.count("there")
            self.on_picture(1)
        elif known := self.record.final.pop(entry.id, None):
            self._close(entry, known, keep=False)
        else:
            self.hosts.add(entry)

    def _start(self, pool: ThreadPoolExecutor, web: httpx2.Client, job: Job) -> None:
        if self.hosts.is_gone(job):
            self.hosts.finished(job, answered=False, leave_until=0)
            self._close(job.entry, Outcome("failed", "its server does not answer"))
            return
        s = self.settings
        where = self._path(job.entry)
        self.running[pool.submit(attempt, web, job.entry.url, where, s.timeout, s.max_bytes, self.stop)] = job

    def _collect(self) -> None:
        """Waits until something happens, and takes it in."""
        pause = min(max(self.hosts.next_start() - time.monotonic(), 0.0), 0.2)
        if not self.running:
            self.stop.wait(pause)
            return
        full = len(self.running) >= self.settings.workers
        finished, _ = wait(self.running, 0.2 if full else pause, FIRST_COMPLETED)
        for future in finished:
            job = self.running.pop(future)
            if not future.cancelled() and not isinstance(future.exception(), Stopped):
                self._judge(job, future.result())

    def _judge(self, job: Job, came_to: Attempt) -> None:
        now = time.monotonic()
        asked = min(came_to.wait, LONGEST_WAIT)
        self.hosts.finished(job, came_to.answered, now + asked if asked else 0)
        job.tried += 1
        if came_to.again and job.tried <= self.settings.retries and not self.hosts.is_gone(job):
            pause = min(self.settings.backoff * 2 ** (job.tried - 1), LONGEST_WAIT)
            self.hosts.again(job, now + max(pause, asked))
        else:
            self._close(job.entry, came_to.outcome)

    def _close(self, entry: Entry, outcome: Outcome, keep: bool = True) -> None:
        if keep:
            self.record.write(entry.id, outcome)
        self.done.count(outcome.kind, outcome.reason)
        self.on_picture(1)

    def _path(self, entry: Entry) -> Path:
        return self.done.folder / f"{entry.id}.jpg"


def _holds_something(path: str) -> bool:
    """Whether there is a file; an empty one is what a power cut may leave. No Path: a list may have a million."""
    try:
        return os.stat(path).st_size > 0
    except OSError:
        return False


def _chained(first: list[Entry], rest: Iterator[Entry]) -> Iterator[Entry]:
    yield from first
    yield from rest


@contextmanager
def _until_ctrl_c() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second one does what it always does."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        stop.set()

    signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
