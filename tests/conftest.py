"""What all tests share: one thread, the CPU, no network, the same random numbers, and plugins of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from mtss_zoo.plugins import plugins

# Set before anything imports torch, which reads them once; processes that a test starts inherit them.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

settings.register_profile("deterministic", derandomize=True, deadline=None, database=None)
settings.load_profile("deterministic")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium, one for all tests: playwright runs only once in a process."""
    import chromium
    from playwright.sync_api import sync_playwright

    options = chromium.launch_options()
    if options is None:
        pytest.skip(f"no browser: {chromium.HOW}.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(**options, timeout=120_000)
        yield started
        started.close()


Zoo = Callable[..., tuple[int, str, str]]


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Zoo:
    """``zoo("list", "--json")`` gives exit code, standard output, standard error of ``mtss-zoo list --json``."""
    from mtss_zoo.cli import main

    def run(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mtss-zoo", *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            main()
            raise SystemExit(0)
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return run


InstallPlugin = Callable[..., None]


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InstallPlugin]:
    """``install_plugin("acme", code)`` makes distribution ``acme`` with one entry point into module ``acme_plugin``."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    modules: list[str] = []

    def install(distribution: str, code: str) -> None:
        module = f"{distribution}_plugin"
        modules.append(module)
        (folder / f"{module}.py").write_text(code)
        info = folder / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[mtss_zoo]\n{distribution} = {module}\n")
        plugins.cache_clear()

    yield install
    plugins.cache_clear()
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def toy_plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of `tests/toy_plugin`, installed: backbone ``toy`` and dataset ``tiles``."""
    folder = Path(__file__).parent / "toy_plugin"
    monkeypatch.syspath_prepend(folder)
    plugins.cache_clear()
    yield folder
    plugins.cache_clear()


ToyProcess = Callable[[str, Any], Any]


@pytest.fixture(scope="session")
def toy_process() -> ToyProcess:
    """``toy_process("attempts.py", jobs)`` runs a script of `tests/toy_plugin` on its own; what it prints, as JSON.

    It returns once all processes that the script has started have ended, as they hold the pipe that is read here.
    """
    folder = Path(__file__).parent / "toy_plugin"

    def run(script: str, argument: Any) -> Any:
        environment = os.environ | {"PYTHONPATH": str(folder)}
        command = [sys.executable, str(folder / script), json.dumps(argument)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
        print(done.stderr)
        assert done.returncode == 0, done.stderr
        return json.loads((done.stdout.splitlines() or ["null"])[-1])

    return run


@pytest.fixture(scope="session")
def toy_attempts(toy_process: ToyProcess) -> Callable[..., Any]:
    """``toy_attempts("studied.py", shared)`` is a function of a folder, moments and further arguments.

    It tells how every attempt ended, of which each is cut short at its moment.
    """

    def of(script: str, shared: dict[str, Any]) -> Callable[..., Any]:
        def run(out: Path, *moments: Any, **arguments: Any) -> Any:
            return toy_process(script, {"out": str(out), "attempts": moments, "arguments": shared | arguments})

        return run

    return of
