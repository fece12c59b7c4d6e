"""``mtss-zoo plugins new KIND NAME`` writes a package that keeps its contract from the start."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from mtss_zoo.errors import UsageError
from mtss_zoo.interfaces import KINDS
from mtss_zoo.plugin_template import write_plugin
from mtss_zoo.recipe_source import load_recipe


@pytest.fixture
def packages(tmp_path: Path) -> dict[str, Path]:
    """One new package of each kind."""
    return {kind: write_plugin(kind, f"try_{kind}", tmp_path / kind) for kind in KINDS}


def entry_points(package: Path) -> dict[str, str]:
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    return project["entry-points"]["mtss_zoo"]


def test_a_new_plugin_of_each_kind_passes_the_suite_and_its_recipe_is_good(packages, install, conformance):
    entries = {name: module for p in packages.values() for name, module in entry_points(p).items()}
    assert set(entries) == {f"try_{kind}" for kind in KINDS}
    install("mtss-zoo-try", entries, *packages.values())
    for kind, package in packages.items():
        assert f"try_{kind}" in load_recipe(package / "recipe.yaml").to_yaml()
    assert conformance("mtss_zoo.try") == (0, {})


def test_the_package_is_complete(packages):
    for kind, package in packages.items():
        module = f"mtss_zoo_try_{kind}"
        files = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
        code = {f"{module}/__init__.py", f"{module}/{kind}.py"}
        assert files == {"pyproject.toml", "README.md", "recipe.yaml", "tests/test_conformance.py", *code}
        project = tomllib.loads((package / "pyproject.toml").read_text())
        assert project["project"]["name"] == f"mtss-zoo-try-{kind}"
        assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [module]
        for path in package.rglob("*.py"):
            compile(path.read_text(), path, "exec")


def test_the_class_is_called_after_the_component(tmp_path):
    write_plugin("loss", "soft_margin_loss", tmp_path / "x")
    assert "class SoftMarginLoss(nn.Module)" in (tmp_path / "x/mtss_zoo_soft_margin_loss/loss.py").read_text()


def test_the_folder_is_called_after_the_distribution(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_plugin("head", "two_layers") == Path("mtss-zoo-two-layers")
    assert (tmp_path / "mtss-zoo-two-layers/pyproject.toml").is_file()


def test_a_folder_that_exists_is_left_alone(tmp_path):
    with pytest.raises(UsageError, match="exists already; name another folder with --out"):
        write_plugin("loss", "soft", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("los", "soft", "'los' is no kind of component. Did you mean loss?"),
        ("loss", "Soft Margin", "'Soft Margin' cannot be .* soft_margin would do"),
        ("loss", "SoftMargin", "soft_margin would do"),
        ("loss", "2x", "lower-case letters, digits and single _ only. x would do"),
        ("loss", "a__b", "a_b would do"),
        ("loss", "../x", "x would do"),
        ("loss", "_", "single _ only.$"),
        ("loss", "bce", "mtss-zoo offers a loss 'bce' already"),
        ("loss", "losses", "a package mtss_zoo_losses is installed already"),
    ],
)
def test_a_kind_or_name_that_cannot_be_is_refused_in_words(tmp_path, kind, name, message):
    with pytest.raises(UsageError, match=message):
        write_plugin(kind, name, tmp_path / "x")
    assert not (tmp_path / "x").exists()
