"""The rules that keep the house in order: who may import whom, what stays light, what is documented."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mtss_zoo

ROOT = Path(__file__).parents[1]

# The core, from the ground up. A module imports from the lines above its own only.
LAYERS = """
    errors process_group
    workers
    grid json_text paper_tables progress
    files
    run_log
    checkpoint_files frost_elastic hub_errors
    schema
    interfaces pil_images prediction stage_spec tune_spec
    plugins
    registry
    recipe recipe_files
    recipe_yaml
    aliases recipe_source processes
    corruption images leaks metrics sampling hub optim
    boxes joined local_paths
    augment corrupted_samples measures regime significance
    batches
    streams
    model
    averaging positions model_card weights
    build explaining
    checkpoint
    exporting
    named_model publish
    bulk fetch
    detection
    packing
    stage
    evaluate named_data training_module
    cross_domain look_ahead trust
    journal robustness
    fit
    plan
    train
    tuning
    studies
    demo report
    conformance plugin_template
    cli
"""
# The methods of a model that the Hub's ecosystem expects on it call upwards, and import only when they are called.
BRIDGES = {"model": {"checkpoint", "publish"}}
LEVEL = {module: level for level, line in enumerate(LAYERS.strip().splitlines()) for module in line.split()}

HEAVY = {"torch", "torchvision", "timm", "lightning", "pydantic", "pyarrow", "numpy"}
LONGEST = 250
LONGER = {"mtss_zoo/interfaces.py": 350}  # all contracts on one page

CORE = sorted((ROOT / "mtss_zoo").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
PLUGIN_PACKAGES = {path.relative_to(ROOT / "plugins").parts[0] for path in PLUGINS}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def every(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=name_of)


def run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under ``if TYPE_CHECKING``, which no running program sees."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from run_time_nodes(child)


def imported(source: str) -> Iterator[str]:
    """Dotted names of everything that a file imports, at its top or inside a function."""
    for node in run_time_nodes(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write the import in full, not relative."
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def core_module(dotted: str) -> str:
    """``mtss_zoo.build.make`` -> ``build``; a public name such as ``mtss_zoo.Component`` -> where it is defined."""
    assert dotted != "mtss_zoo", "say which module of mtss_zoo is meant: `from mtss_zoo import registry`."
    name = dotted.split(".")[1]
    return name if name in LEVEL else mtss_zoo._HOME.get(name, name).split(".")[0]


def arrows_back(module: str, source: str) -> list[str]:
    """The core modules that a module of this name must not import, yet does."""
    used = {core_module(name) for name in imported(source) if name.split(".")[0] == "mtss_zoo"} - {module}
    used -= BRIDGES.get(module, set())
    return sorted(name for name in used if LEVEL.get(name, len(LEVEL)) >= LEVEL[module])


@every([path for path in CORE if path != ROOT / "mtss_zoo/__init__.py"])
def test_imports_in_the_core_go_one_way(path: Path) -> None:
    module = path.relative_to(ROOT / "mtss_zoo").parts[0].removesuffix(".py")
    assert module in LEVEL, f"{module} is new: give it a place in LAYERS, above everything that imports it."
    assert arrows_back(module, path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "from mtss_zoo.build import make",
        "from mtss_zoo import build",
        "from mtss_zoo import load",
        "def late():\n    import mtss_zoo.train",
        "from mtss_zoo.never_heard_of import thing",
    ],
)
def test_an_arrow_back_is_found(source: str) -> None:
    assert len(arrows_back("registry", source)) == 1


def test_types_may_come_from_anywhere() -> None:
    assert arrows_back("registry", "if TYPE_CHECKING:\n    from mtss_zoo.model import AttributeModel") == []


@every(CORE)
def test_the_core_names_no_plugin(path: Path) -> None:
    assert {package for package in PLUGIN_PACKAGES if package in path.read_text()} == set()


@every(PLUGINS)
def test_a_plugin_imports_no_other_plugin(path: Path) -> None:
    own = path.relative_to(ROOT / "plugins").parts[0]
    packages = {name.split(".")[0] for name in imported(path.read_text())}
    assert {name for name in packages if name.startswith("mtss_zoo_")} <= {own}


def loaded_by(code: str, folder: Path) -> set[str]:
    """The top-level packages that a fresh process has loaded at its end."""
    report = "import atexit, sys; atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr))\n"
    run = subprocess.run([sys.executable, "-c", report + code], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return {line.split(".")[0] for line in run.stderr.splitlines()}


def test_importing_the_package_loads_nothing_heavy(tmp_path: Path) -> None:
    assert loaded_by("import mtss_zoo; mtss_zoo.hookimpl", tmp_path) & (HEAVY | PLUGIN_PACKAGES) == set()


def test_listing_components_imports_plugins_but_nothing_heavy(tmp_path: Path) -> None:
    loaded = loaded_by("import mtss_zoo; assert mtss_zoo.list_components()", tmp_path)
    assert loaded >= PLUGIN_PACKAGES
    assert loaded & HEAVY == set()


def test_the_command_line_lists_without_torch(tmp_path: Path) -> None:
    code = "from mtss_zoo.cli import main; sys.argv = ['mtss-zoo', 'list']; sys.exit(main())"
    assert loaded_by(code, tmp_path) & HEAVY <= {"pydantic"}  # typer brings it


@every(CORE + PLUGINS)
def test_public_names_are_documented(path: Path) -> None:
    tree = ast.parse(path.read_text())
    definitions = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    bare = [d.name for d in definitions if not d.name.startswith("_") and not ast.get_docstring(d)]
    assert bare == []
    assert ast.get_docstring(tree), "the file says nowhere what it is for."


@every(CORE + PLUGINS)
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGER.get(name_of(path), LONGEST)
