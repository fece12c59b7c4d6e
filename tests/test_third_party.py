"""A stranger's package, built and installed beside the zoo's wheel in a fresh environment, trains and conforms."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PLUGIN = "mtss-zoo-colour-chips"

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MTSS_ZOO_BLOCK")}
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, away from the checkout."""
    folder = tmp_path_factory.mktemp("example") / "third_party"
    return shutil.copytree(ROOT / "examples/third_party", folder, ignore=shutil.ignore_patterns("__pycache__", "dist"))


@pytest.fixture(scope="module")
def environment(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a new environment with both wheels. Other packages are those of this one, which are large."""
    wheels = tmp_path_factory.mktemp("wheels")
    for project in (ROOT, example):
        run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", wheels, project, cwd=example)
    home = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=example)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    pip = (sys.executable, "-m", "pip", "--python", home / "bin/python", "install")
    run(*pip, "--no-deps", "--no-index", "--no-compile", *sorted(wheels.glob("*.whl")), cwd=example)
    # A line of a .pth file goes behind the environment's own packages, and .pth files there are not followed.
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin"


@pytest.fixture(scope="module")
def command(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """``command("mtss-zoo", "list")`` of the new environment, in an empty folder."""
    folder = tmp_path_factory.mktemp("work")
    return lambda name, *arguments: run(environment / name, *arguments, cwd=folder)


def test_the_wheels_are_used_and_hold_the_recipes(command, environment):
    code = (
        "import mtss_zoo, mtss_zoo_colour_chips as chips, mtss_zoo.recipe_files as r;"
        "print(mtss_zoo.__file__, chips.__file__, r.recipe_folder(), *r.list_recipes())"
    )
    *places, recipes = command("python", "-c", code).split(maxsplit=3)
    assert all(Path(place).is_relative_to(environment.parent) for place in places)
    assert set(recipes.split()) == {path.stem for path in (ROOT / "recipes").glob("[!_]*.yaml")}


def test_both_components_are_listed(command):
    listed = json.loads(command("mtss-zoo", "list", "--json"))
    assert {(c["kind"], c["name"]) for c in listed if c["package"] == PLUGIN} == {
        ("dataset", "colour_chips"),
        ("loss", "asymmetric"),
    }
    assert {"bce", "resnet18"} <= {c["name"] for c in listed}


def test_it_trains_with_them(command, example, tmp_path):
    steps = ("--set", "stages.train.epochs=null", "--set", "stages.train.steps=2")
    command("mtss-zoo", "train", example / "recipe.yaml", "--out", tmp_path, *steps)
    trained = json.loads((tmp_path / "train/metrics.json").read_text())
    assert trained["training"]["steps"] == 2
    provided = yaml.safe_load((tmp_path / "train/recipe.yaml").read_text())["provided_by"]
    assert provided == {"dataset colour_chips": f"{PLUGIN} 1.0.0", "loss asymmetric": f"{PLUGIN} 1.0.0"}


def test_it_conforms_and_passes_its_own_tests(command, example):
    own = example / "tests/test_asymmetric.py"
    shown = command("python", "-m", "pytest", "-v", "--pyargs", "mtss_zoo.conformance", own, "--plugin", PLUGIN)
    for line in ("test_masked_entries_have_no_influence[asymmetric] PASSED", "test_the_loss_of_one_label"):
        assert line in shown
    assert "test_two_constructions_are_equal[colour_chips] PASSED" in shown


def test_a_new_plugin_can_be_written_there(command, tmp_path):
    command("mtss-zoo", "plugins", "new", "loss", "mine", "--out", tmp_path / "mine")
    assert (tmp_path / "mine/mtss_zoo_mine/loss.py").is_file()
