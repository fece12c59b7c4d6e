"""Whose turn it is: which pictures may be asked for now, so that no server is asked too much at a time."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mtss_zoo.fetch.lists import Entry

SILENT = 20
"""After so many attempts in a row without any answer, a server is not asked again in this call."""


@dataclass
class Job:
    """A picture that is still to be fetched, and how often that was tried."""

    entry: Entry
    host: str
    tried: int = 0


@dataclass
class Host:
    """What is known of one server, and the pictures that wait for it."""

    waiting: deque[Job] = field(default_factory=deque)
    running: int = 0
    free_at: float = 0.0
    """When it may next be asked."""
    silent: int = 0
    """Attempts in a row that it did not answer."""


class Hosts:
    """All servers of a list.

    Args:
        per_host: pictures that one server is asked for at once.
        rate: requests a second to one server.
    """

    def __init__(self, per_host: int, rate: float) -> None:
        self.per_host, self.pause = per_host, 1 / rate
        self._hosts: dict[str, Host] = {}
        self._busy: dict[str, Host] = {}
        self._later: list[tuple[float, int, Job]] = []
        self._order = 0
        self.waiting = 0
        """Pictures, those to be tried again later included."""

    def add(self, entry: Entry) -> None:
        """Takes in a new picture."""
        self._queue(Job(entry, urlsplit(entry.url).netloc.lower()), self._hosts)

    def again(self, job: Job, when: float) -> None:
        """Takes a picture back, to be tried once more from then on."""
        self._order += 1
        self.waiting += 1
        heapq.heappush(self._later, (when, self._order, job))

    def ready(self, now: float, most: int) -> Iterator[Job]:
        """Up to ``most`` pictures that may be asked for now; each counts as running from then on."""
        while self._later and self._later[0][0] <= now:
            self.waiting -= 1
            self._queue(heapq.heappop(self._later)[2], self._hosts)
        for name, host in list(self._busy.items()):
            while most and host.waiting and (gone(host) or (host.running < self.per_host and host.free_at <= now)):
                host.running += 1
                host.free_at = now + self.pause
                self.waiting -= 1
                most -= 1
                yield host.waiting.popleft()
            if not host.waiting:
                del self._busy[name]

    def finished(self, job: Job, answered: bool, leave_until: float) -> None:
        """A picture of this server is not being asked for any more."""
        host = self._hosts[job.host]
        host.running -= 1
        host.silent = 0 if answered else host.silent + 1
        host.free_at = max(host.free_at, leave_until)

    def is_gone(self, job: Job) -> bool:
        """Whether its server has not answered for so long that it is not worth to ask."""
        return gone(self._hosts[job.host])

    def next_start(self) -> float:
        """When a picture that waits for nothing but time may be asked for; infinity if none does."""
        times = [host.free_at for host in self._busy.values() if host.running < self.per_host]
        return min([*times, *(when for when, _, _ in self._later[:1])], default=float("inf"))

    def _queue(self, job: Job, hosts: dict[str, Host]) -> None:
        host = hosts.setdefault(job.host, Host())
        host.waiting.append(job)
        self._busy[job.host] = host
        self.waiting += 1


def gone(host: Host) -> bool:
    """Whether a server has not answered for so long that it is not worth to ask."""
    return host.silent >= SILENT
