"""Installs plugins for one test, and runs the suite on them in this process."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mtss_zoo.conformance import run
from mtss_zoo.plugins import plugins
from mtss_zoo.registry import list_components


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """``install("acme", {"entry": "acme_module"}, *folders)``: metadata, and the folders of its modules."""
    before = set(sys.modules)

    def install(distribution: str, entry_points: Mapping[str, str], *folders: Path) -> None:
        site = tmp_path / "site"
        info = site / f"{distribution}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        entries = "".join(f"{name} = {module}\n" for name, module in entry_points.items())
        (info / "entry_points.txt").write_text(f"[mtss_zoo]\n{entries}")
        for folder in (site, *folders):
            monkeypatch.syspath_prepend(folder)
        plugins.cache_clear()

    yield install
    plugins.cache_clear()
    for module in set(sys.modules) - before:
        if module.startswith(("broken_plugin", "mtss_zoo_try")):
            del sys.modules[module]


@pytest.fixture
def conformance(tmp_path: Path) -> Callable[[str], tuple[int, dict[str, set[str]]]]:
    """``conformance(plugin)``: pytest's exit code, and for each component (or entry point) the tests that it fails."""

    def of(plugin: str) -> tuple[int, dict[str, set[str]]]:
        report = tmp_path / "report.xml"
        code = run(plugin, "-q", "--no-header", "--tb=no", f"--junitxml={report}")
        names = {p.name for p in plugins()} | {c.name for c in list_components()}
        failures = defaultdict(set)
        for case in ElementTree.parse(report).iter("testcase"):
            test, _, parameters = case.attrib["name"].partition("[")
            if case.find("failure") is not None or case.find("error") is not None:
                failures[next(part for part in parameters.rstrip("]").split("-") if part in names)].add(test)
        return code, dict(failures)

    return of
