"""What all tests share: one thread, the CPU, no network, the same random numbers, and plugins of their own."""

import os
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
    sys.path.append(str(Path(__file__).parent / "browser"))
    import chromium
    from playwright.sync_api import sync_playwright

    options = chromium.launch_options()
    if options is None:
        pytest.skip(f"no browser: {chromium.HOW}.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(**options, timeout=120_000)
        yield started
        started.close()


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
