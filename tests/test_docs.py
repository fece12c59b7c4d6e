"""What the README and the guides show is true: their code runs, their commands parse, their recipes load."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from PIL import Image

import mtss_zoo
from mtss_zoo import registry
from mtss_zoo.checkpoint_files import read_json
from mtss_zoo.cli import app
from mtss_zoo.recipe_source import load_recipe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(?P<language>\w+)(?: (?P<info>[^\n]+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN = "no-test"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page. ``info`` follows the language: the name of a file, or `NOT_RUN`."""

    page: Path
    line: int
    language: str
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, language: str = "") -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [Block(page, text[: m.start()].count("\n") + 1, m[1], m[2] or "", m[3]) for m in FENCE.finditer(text)]
    return [block for block in found if language in ("", block.language)]


def every(things: list[Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("thing", things, ids=[getattr(thing, "name", str(thing)) for thing in things])


def is_recipe(block: Block) -> bool:
    """Otherwise it is the schema file of a manifest."""
    return "types" not in yaml.safe_load(block.text)


RECIPES = [b for page in PAGES for b in blocks(page, "yaml") if is_recipe(b)]
COMMANDS = [
    (f"{b}: {line}", line.partition(" #")[0])
    for page in PAGES
    for b in blocks(page, "sh")
    for line in b.text.splitlines()
]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a reader follows a page: with photos, and what the quickstart leaves, if untrained."""
    monkeypatch.chdir(tmp_path)
    for name in ("shirt.jpg", "dress.png", "new_photo.jpg"):
        Image.new("RGB", (40, 50), "navy").save(name)
    return tmp_path


def write_files(page: Path) -> None:
    """The files that a page shows, and the photos that its manifest lists."""
    for block in blocks(page):
        if block.info and block.info != NOT_RUN:
            Path(block.info).parent.mkdir(parents=True, exist_ok=True)
            Path(block.info).write_text(block.text)
    for photo in re.findall(r"^(photos/\S+?),", "".join(b.text for b in blocks(page, "csv")), re.MULTILINE):
        Path("shop", photo).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 50), "navy").save(Path("shop", photo))


@every(PAGES)
def test_the_python_of_a_page_runs_from_top_to_bottom(thing: Path, desk: Path) -> None:
    write_files(thing)
    if '"runs/quickstart/student"' in thing.read_text(encoding="utf-8"):
        mtss_zoo.save(mtss_zoo.build("mtss_quickstart", **{"model.head.args.dim": 8}), "runs/quickstart/student")
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in blocks(thing, "python"):
        if block.info != NOT_RUN:
            # Empty lines in front, so that a traceback names the line of the page.
            exec(compile("\n" * block.line + block.text, str(thing), "exec", dont_inherit=True), namespace)


@every(RECIPES)
def test_every_recipe_loads(thing: Block, desk: Path) -> None:
    data = yaml.safe_load(thing.text)
    assert load_recipe(data).name == data["name"]


@pytest.mark.parametrize("where, line", COMMANDS, ids=[where for where, _ in COMMANDS])
def test_every_command_exists_with_its_options(where: str, line: str) -> None:
    program, *arguments = shlex.split(line)
    if program == "mtss-zoo":
        parsed_only().main(arguments, prog_name=program, standalone_mode=False)
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("line", ["mtss-zoo quickstrat", "mtss-zoo predict folder", "mtss-zoo list --knid loss"])
def test_a_command_that_does_not_exist_would_be_found(line: str) -> None:
    with pytest.raises(Exception, match=r"No such|Missing"):
        parsed_only().main(shlex.split(line)[1:], standalone_mode=False)


def parsed_only() -> Any:
    """The command line, whose commands do nothing."""

    def silence(command: Any) -> Any:
        command.callback = lambda **_: None
        for sub in getattr(command, "commands", {}).values():
            silence(sub)
        return command

    return silence(typer.main.get_command(app))


@every(PAGES)
def test_the_text_names_no_command_that_does_not_exist(thing: Path) -> None:
    named = set(re.findall(r"`mtss-zoo ([a-z]+)", thing.read_text(encoding="utf-8")))
    assert named <= set(parsed_only().commands)


@every(PAGES)
def test_every_relative_link_leads_somewhere(thing: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", thing.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (thing.parent / link).exists()] == []


def test_every_guide_is_linked_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if f"(docs/{page.name})" not in text] == []


def test_the_pictures_are_small() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "docs/images").glob("*.png")) <= 300_000


def recipe_table() -> str:
    rows = ["| recipe | what | dataset | backbone, picture size |", "|---|---|---|---|"]
    for name in mtss_zoo.list_recipes():
        recipe = load_recipe(name)
        backbone = recipe.model.backbone.args.get("name", recipe.model.backbone.name)
        height, width = recipe.data.image_size
        data = recipe.data.dataset.name
        rows.append(f"| `{name}` | {recipe.summary} | `{data}` | `{backbone}`, {height} x {width} |")
    return "\n".join(rows)


def test_the_table_of_recipes_is_that_of_the_recipes() -> None:
    marked = re.search(r"<!-- recipes: .*? -->\n(.*?)\n<!-- /recipes -->", (ROOT / "README.md").read_text(), re.DOTALL)
    assert marked and marked[1] == recipe_table(), f"put this table into the README:\n{recipe_table()}"


def test_what_the_readme_says_of_the_trained_student_was_measured() -> None:
    folder = registry.bundled("mtss_student_fashion_products")
    assert folder is not None
    types = read_json(folder / "metrics.json")["types"]
    readme = " ".join((ROOT / "README.md").read_text().split())
    for name, row in types.items():
        assert f"{name} {100 * row['f1@1_valid']:.0f} %" in readme


@pytest.mark.slow
def test_the_shop_of_the_readme_trains_and_predicts(desk: Path) -> None:
    write_files(ROOT / "README.md")
    small: dict[str, Any] = {"data.image_size": [32, 32], "data.workers": 0}
    for stage in load_recipe("shop.yaml").stages:
        small |= {f"stages.{stage}.{key}": value for key, value in (("batch_size", 2), ("epochs", None), ("steps", 1))}
    student = mtss_zoo.train("shop.yaml", data_root="shop", overrides=small)
    assert student == Path("runs/my_shop/student")
    (answer,) = mtss_zoo.load(student).predict("new_photo.jpg")
    assert set(answer) == {"colour", "pattern"}


@pytest.mark.slow
def test_the_plugin_of_the_guide_conforms(tmp_path: Path) -> None:
    package, info = tmp_path / "mtss_zoo_named_files", tmp_path / "mtss_zoo_named_files-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    for block in blocks(ROOT / "docs/plugins.md", "python"):
        if block.info:
            (package / block.info).write_text(block.text)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mtss-zoo-named-files\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mtss_zoo]\nnamed_files = mtss_zoo_named_files\n")
    suite = ["-m", "pytest", "-q", "--pyargs", "mtss_zoo.conformance", "--plugin", "mtss-zoo-named-files"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, *suite], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
