"""``mtss_zoo.<name>``: every public name is there, lazily, and none is hidden by a submodule of the same name."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import mtss_zoo

SHADOWED = sorted(name for name, home in mtss_zoo._HOME.items() if name == home)


def test_type_checkers_see_the_names_that_a_program_gets() -> None:
    tree = ast.parse(Path(mtss_zoo.__file__).read_text())
    declared = {
        alias.name: node.module.removeprefix("mtss_zoo.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mtss_zoo.")
        for alias in node.names
    }
    assert declared == mtss_zoo._HOME
    assert sorted(mtss_zoo.__all__) == sorted(mtss_zoo._HOME)


@pytest.mark.parametrize("name", sorted(mtss_zoo._HOME))
def test_a_public_name_is_what_its_module_defines(name: str) -> None:
    assert getattr(mtss_zoo, name) is getattr(import_module(f"mtss_zoo.{mtss_zoo._HOME[name]}"), name)


def test_dir_and_version() -> None:
    assert set(dir(mtss_zoo)) >= {*mtss_zoo.__all__, "__version__"}
    assert mtss_zoo.__version__.count(".") == 2


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'biuld'"):
        mtss_zoo.biuld  # noqa: B018


def test_some_functions_share_their_names_with_submodules() -> None:
    assert SHADOWED == ["build", "evaluate", "report", "train"]


@pytest.mark.parametrize("name", SHADOWED)
@pytest.mark.parametrize(
    "code",
    [
        "import mtss_zoo.{0}; got = mtss_zoo.{0}",
        "import mtss_zoo; mtss_zoo.{0}; import mtss_zoo.{0}; got = mtss_zoo.{0}",
        "from mtss_zoo.{0} import {0} as direct; from mtss_zoo import {0} as got",
        "import importlib, mtss_zoo; importlib.import_module('mtss_zoo.{0}'); got = mtss_zoo.{0}",
    ],
)
def test_importing_a_submodule_does_not_hide_the_function(name: str, code: str, tmp_path: Path) -> None:
    """In a fresh process; a stand-in for the submodule keeps torch out of it."""
    (tmp_path / f"{name}.py").write_text(f"def {name}(): return 'called'")
    check = f"import mtss_zoo; mtss_zoo.__path__.insert(0, {str(tmp_path)!r})\n{code.format(name)}\n"
    run = subprocess.run([sys.executable, "-c", check + "print(got())"], capture_output=True, text=True)
    assert run.stdout.strip() == "called", run.stderr
