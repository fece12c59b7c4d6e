"""A Hub on this machine, and users of it with caches of their own."""

from __future__ import annotations

import copy
import multiprocessing
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))  # processes that are started import the client by its name

import hub_client
from hub_server import Hub

# Every process is a fork of one that has torch, but not the Hub's client: that reads the environment on its import.
# torch imports the compiler, for seconds, when a tensor on the meta device is first filled.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "mtss_zoo.publish",
        "mtss_zoo.cli",
        "mtss_zoo_datasets.huggingface",
        "torch._dynamo",
        "fsspec",
        "httpx2",
        "tqdm.auto",
    ]
)
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "0",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "NO_PROXY": "127.0.0.1",
}

User = Callable[..., Any]


def in_a_process(home: Path, environment: dict[str, str], job: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    home.mkdir(exist_ok=True)
    entered = (ENVIRONMENT | {"HF_HOME": str(home / "cache")} | environment, str(home))
    with ProcessPoolExecutor(1, PROCESSES, initializer=hub_client.enter, initargs=entered) as process:
        return process.submit(job, *args, **keywords).result()


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def user(hub: Hub, tmp_path: Path) -> User:
    """``user(job, *arguments, **keywords)`` runs a function of `hub_client` as anna, in her home folder.

    ``token``, ``home`` (another one has another cache) and ``environment`` change who it is.
    """

    def run(
        job: Callable[..., Any],
        *arguments: Any,
        token: str = "hf_anna",
        home: str = "anna",
        environment: dict[str, str] | None = None,
        **keywords: Any,
    ) -> Any:
        given = {"HF_ENDPOINT": hub.url, "HF_TOKEN": token} | (environment or {})
        return in_a_process(tmp_path / home, given, job, *arguments, **keywords)

    return run


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoint folders of one tiny network, ``first`` and ``second``, with other weights each."""
    home = tmp_path_factory.mktemp("models")
    in_a_process(home, {}, hub_client.save_toys, {"first": 0, "second": 1})
    return home


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    """A copy of ``first``, which a test may change."""
    return Path(shutil.copytree(models / "first", tmp_path / "first"))


@pytest.fixture(scope="session")
def pushed(models: Path) -> tuple[str, Hub]:
    """``first`` as anna/toy on a Hub that no test changes, and its name with the commit."""
    hub = Hub()
    hub.start()
    to = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_anna"}
    pinned = in_a_process(models, to, hub_client.push, "first", "anna/toy")
    hub.stop()
    return pinned, hub


@pytest.fixture
def published(hub: Hub, pushed: tuple[str, Hub]) -> str:
    """The same on the Hub of the test."""
    hub.repos, hub.store = copy.deepcopy(pushed[1].repos), dict(pushed[1].store)
    return pushed[0]


@pytest.fixture(scope="session")
def expected(models: Path) -> dict[str, list[Any]]:
    """What the model of each folder says, exactly."""
    return {name: in_a_process(models, {}, hub_client.answers, name) for name in ("first", "second")}
