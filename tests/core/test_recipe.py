"""A recipe is checked whole before anything heavy is imported: every fault at once, with file, line and key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mtss_zoo.errors import RecipeError, UnknownNameError, UsageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_files import find_recipe, list_recipes
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.recipe_yaml import _FastLoader, _loaded, _PlainLoader

RECIPE = """\
name: tiny
schema:
  types:
  - {name: colour, classes: [red, green]}
data:
  dataset: garments
model:
  backbone: resnet18
  head: {name: label_embedding, args: {dim: 8}}
stages:
  teachers:
    strategy: supervised
    loss: {name: focal_ranking, args: {gamma: 2}}
    per_type: true
    epochs: 1
    optimizer: {name: adamw, lr: 2e-3}
"""


def write(folder: Path, text: str, name: str = "tiny.yaml") -> Path:
    path = folder / name
    path.write_text(dedent(text))
    return path


def faults(path: Path, **overrides: object) -> list[str]:
    with pytest.raises(RecipeError) as error:
        load_recipe(path, overrides)
    return str(error.value).splitlines()


def test_defaults_of_components_are_written_out(tmp_path):
    recipe = load_recipe(write(tmp_path, RECIPE))
    assert recipe.stages["teachers"].loss.args == {"gamma": 2.0, "negatives": "all"}
    assert recipe.stages["teachers"].optimizer.lr == 0.002


@pytest.mark.parametrize("name", list_recipes())
def test_what_show_prints_loads_again_as_the_same_recipe(tmp_path, name):
    recipe = load_recipe(name)
    assert load_recipe(write(tmp_path, recipe.to_yaml())) == recipe
    assert load_recipe(recipe) == recipe
    assert load_recipe(yaml.safe_load(recipe.to_yaml())) == recipe


def test_all_faults_are_reported_at_once_with_file_line_and_key(tmp_path):
    broken = (
        RECIPE.replace("resnet18", "resnet81")
        .replace("gamma: 2", "gama: 2")
        .replace("per_type: true", "per_typ: true")
        .replace("dim: 8", "dim: -8")
        .replace("lr: 2e-3", "lr: fast")
    )
    path = write(tmp_path, broken)
    found = faults(path)
    assert [f.split(" ")[0] for f in found] == [f"{path}:{line}:" for line in (8, 9, 13, 14, 16)]
    assert "model.backbone" in found[0] and "Did you mean" in found[0] and "resnet18" in found[0]
    assert "model.head.args.dim" in found[1] and "(given: -8)" in found[1]
    assert "stages.teachers.loss.args.gama" in found[2] and "Did you mean gamma?" in found[2]
    assert "stages.teachers.per_typ" in found[3] and "Did you mean per_type?" in found[3]
    assert "stages.teachers.optimizer.lr" in found[4] and "'fast'" in found[4]


def test_what_contradicts_is_reported_beside_what_is_wrong_in_itself(tmp_path):
    broken = RECIPE.replace("lr: 2e-3", "lr: fast").replace("epochs: 1", "losses: {color: bce}")
    types = "  - {name: colour, classes: [red, green]}\n"
    path = write(tmp_path, broken.replace(types, types + types + "  - {name: a/b, classes: [x]}\n"))
    found = faults(path)
    assert [f.split(" ")[0] for f in found] == [f"{path}:{line}:" for line in (5, 6, 13, 17, 18)]
    assert "schema.types.1.name: an earlier type is called 'colour' too." in found[0]
    assert "attribute type 'a/b': a name is needed, without dot and slash." in found[1]
    assert "stages.teachers: needs either epochs or steps." in found[2]
    assert "Did you mean colour?" in found[3]
    assert "stages.teachers.optimizer.lr" in found[4]


@pytest.mark.parametrize("name", list_recipes())
def test_both_parsers_give_the_same_data_and_places(name):
    """libyaml is fast, PyYAML's own names the line where a fault begins."""
    text = find_recipe(name).read_text(encoding="utf-8")
    assert _loaded(_FastLoader(text), name) == _loaded(_PlainLoader(text), name)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name: [unclosed", "tiny.yaml:1"),
        ("name: a\nname: b\n", "tiny.yaml:2: key 'name' is written twice"),
        ("a: &x 1\nb: *x\n", "tiny.yaml:2: aliases"),
        ("name: !!python/object/apply:os.system [date]\n", "tiny.yaml:1: the tag"),
        ("- 1\n- 2\n", "a recipe is a mapping"),
        ("", "name: is required"),
        ("[" * 5000, "tiny.yaml: not readable as YAML"),
    ],
)
def test_broken_yaml_is_an_error_with_its_place(tmp_path, text, fault):
    assert fault in "\n".join(faults(write(tmp_path, text)))


def test_files_that_are_no_recipe_are_refused_in_words(tmp_path):
    (tmp_path / "photo.yaml").write_bytes(b"\xff\xd8\xff\xe0")
    assert "not UTF-8" in faults(tmp_path / "photo.yaml")[0]
    (tmp_path / "large.yaml").write_bytes(b"#" * 3_000_000)
    assert "larger than" in faults(tmp_path / "large.yaml")[0]
    with pytest.raises(UnknownNameError, match="no recipe file"):
        load_recipe(tmp_path / "absent.yaml")
    with pytest.raises(UnknownNameError, match="Did you mean mtss_quickstart"):
        load_recipe("mtss_quickstrat")


class TestOther:
    """A type may name the class to which every value belongs that is not listed."""

    TYPE = "{name: colour, classes: [red, other], other: other}"

    def test_it_travels_with_the_schema(self, tmp_path):
        recipe = load_recipe(write(tmp_path, RECIPE.replace("{name: colour, classes: [red, green]}", self.TYPE)))
        schema = recipe.attribute_schema
        assert schema["colour"].other == "other"
        assert AttributeSchema.from_dict(schema.to_dict()) == schema
        assert load_recipe(write(tmp_path, recipe.to_yaml())) == recipe.with_schema(schema) == recipe

    def test_it_is_not_written_where_there_is_none(self, tmp_path):
        recipe = load_recipe(write(tmp_path, RECIPE))
        assert "other" not in recipe.to_yaml()
        assert "other" not in recipe.attribute_schema.to_dict()["types"][0]

    @pytest.mark.parametrize("classes", ["[red, green]", "2"])
    def test_it_is_one_of_the_classes(self, tmp_path, classes):
        text = RECIPE.replace("classes: [red, green]", f"classes: {classes}, other: rest")
        (fault,) = faults(write(tmp_path, text))
        assert "schema.types" in fault and "other is 'rest', which is not among the classes." in fault
        with pytest.raises(UsageError, match="'colour': other is 'rest', which is not among its classes"):
            AttributeType("colour", "single", ("red",), other="rest")


@pytest.mark.parametrize("key", ["label_share", "unlabelled_share"])
@pytest.mark.parametrize("share", [0, 1.01, -0.5])
def test_a_share_is_above_0_and_at_most_1(tmp_path, key, share):
    (fault,) = faults(write(tmp_path, RECIPE), **{f"data.{key}": share})
    assert f"data.{key}" in fault


class TestExtends:
    def test_mappings_merge_and_values_replace(self, tmp_path):
        write(tmp_path, RECIPE, "base.yaml")
        child = load_recipe(write(tmp_path, "extends: base.yaml\nname: child\nmodel: {head: {args: {dim: 16}}}\n"))
        assert child.name == "child"
        assert child.model.head.name == "label_embedding"
        assert child.model.head.args["dim"] == 16
        assert child.stages["teachers"].optimizer.lr == 0.002

    def test_another_component_does_not_inherit_arguments(self, tmp_path):
        write(tmp_path, RECIPE, "base.yaml")
        child = load_recipe(write(tmp_path, "extends: base.yaml\nname: child\nmodel: {head: {name: linear}}\n"))
        assert "dim" not in child.model.head.args

    def test_null_takes_a_key_away(self, tmp_path):
        write(tmp_path, RECIPE, "base.yaml")
        text = "extends: base.yaml\nstages: {teachers: {epochs: null, steps: 7}}\n"
        stage = load_recipe(write(tmp_path, text)).stages["teachers"]
        assert (stage.epochs, stage.steps) == (None, 7)

    def test_a_fault_is_shown_in_the_file_that_wrote_it(self, tmp_path):
        write(tmp_path, RECIPE.replace("lr: 2e-3", "lr: fast"), "base.yaml")
        child = write(tmp_path, "extends: base.yaml\nmodel: {head: {args: {dim: none}}}\n", "child.yaml")
        assert [f.split(" ")[0] for f in faults(child)] == [f"{tmp_path}/base.yaml:16:", f"{tmp_path}/child.yaml:2:"]

    def test_a_base_that_is_not_there_is_shown_where_it_is_named(self, tmp_path):
        path = write(tmp_path, "name: child\nextends: xyzzy\n")
        assert faults(path) == [f"{path}:2: extends: no recipe 'xyzzy'. `mtss-zoo list` shows all that there are."]
        path = write(tmp_path, "extends: absent.yaml\n")
        assert faults(path) == [f"{path}:1: extends: no recipe file absent.yaml."]

    def test_a_circle_is_refused(self, tmp_path):
        write(tmp_path, "extends: b.yaml\n", "a.yaml")
        write(tmp_path, "extends: a.yaml\n", "b.yaml")
        assert "circle" in faults(tmp_path / "a.yaml")[0]


class TestWhichRecipeANameMeans:
    """A folder or file of the working directory takes no built-in recipe's place."""

    @pytest.fixture
    def same_name(self, tmp_path, monkeypatch) -> Path:
        """A working directory with a recipe of its own in a folder that is called as a built-in one."""
        monkeypatch.chdir(tmp_path)
        folder = tmp_path / "mtss_student_fashion_products"
        folder.mkdir()
        return write(folder, RECIPE, "recipe.yaml")

    def test_a_built_in_name_means_the_built_in_recipe(self, same_name):
        assert load_recipe(same_name.parent.name).name == "mtss_student_fashion_products"

    def test_a_path_means_the_folder(self, same_name):
        assert load_recipe(f"./{same_name.parent.name}").name == "tiny"

    def test_a_recipe_of_ones_own_extends_the_built_in_one(self, same_name, tmp_path):
        text = f"extends: {same_name.parent.name}\nname: child\n"
        assert load_recipe(write(tmp_path, text)).data.dataset.name == "fashion_products"

    def test_a_built_in_recipe_extends_built_in_ones_alone(self, same_name):
        assert find_recipe(same_name.parent.name, find_recipe("bce_teachers_fashion_products")) != same_name
        (same_name.parent.parent / "own").mkdir()
        write(same_name.parent.parent / "own", RECIPE, "recipe.yaml")
        with pytest.raises(UnknownNameError, match="no recipe 'own'"):
            find_recipe("own", find_recipe("bce_teachers_fashion_products"))


class TestOverrides:
    def test_dotted_keys_reach_components_in_their_short_form(self, tmp_path):
        path = write(tmp_path, RECIPE)
        overrides = {
            "model.head.args.dim": "32",
            "data.dataset.args.seed": 3,
            "stages.teachers.epochs": 9,
            "model.backbone": "resnet50",
            "schema.types.0.name": "hue",
        }
        recipe = load_recipe(path, overrides)
        assert recipe.model.head.args["dim"] == 32
        assert recipe.data.dataset.args["seed"] == 3
        assert recipe.stages["teachers"].epochs == 9
        assert recipe.model.backbone.name == "resnet50"
        assert recipe.attribute_schema.names == ("hue",)

    def test_a_wrong_key_names_the_override_and_what_was_meant(self, tmp_path):
        (fault,) = faults(write(tmp_path, RECIPE), **{"model.hed.args.dim": 1})
        assert fault.startswith("override model.hed.args.dim: model.hed") and "Did you mean head?" in fault


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        ({"stages.teachers.steps": 5}, "either epochs or steps"),
        ({"stages.teachers.init_from": "teachers"}, "does not come earlier"),
        ({"stages.teachers.losses": {"color": "bce"}}, "Did you mean colour?"),
        ({"stages.teachers.optimizer": {"name": "sgd", "lr": 1, "nesterov": True}}, "give a momentum, such as 0.9."),
    ],
)
def test_parts_that_contradict_each_other_are_faults(tmp_path, overrides, fault):
    assert fault in faults(write(tmp_path, RECIPE), **overrides)[0]


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("stages.teachers.optimizer.betas", [0.9, 1.0], "less than 1 (given: 1.0)"),
        ("stages.teachers.views.train.crop_scale", [1.0, 0.5], "from the smaller to the larger number: [0.5, 1.0]"),
        ("stages.teachers.views.train.crop_ratio", [2, 1], "from the smaller to the larger number: [1.0, 2.0]"),
        ("stages.teachers.views.train.crop_ratio", [0, 1], "greater than 0"),
        ("evaluate.k", [], "at least 1 item"),
    ],
)
def test_a_value_that_training_would_stumble_on_is_a_fault(tmp_path, key, value, fault):
    (found,) = faults(write(tmp_path, RECIPE), **{key: value})
    assert found.startswith(f"override {key}: {key}") and fault in found


@pytest.mark.parametrize("name", ["../../evil", "a/b", "..", "", ".hidden", "two words"])
def test_a_stage_is_a_folder_inside_the_run(tmp_path, name):
    path = write(tmp_path, RECIPE.replace("  teachers:", f'  "{name}":'))
    (fault,) = faults(path)
    assert fault.startswith(f"{path}:11: stages.{name}: names a folder: letters, digits and _ . - alone")


def test_a_missing_plugin_is_named_with_the_package_that_offers_it(tmp_path):
    text = RECIPE.replace("backbone: resnet18", "backbone: acmenet") + "provided_by: {backbone acmenet: acme-zoo 1.2}\n"
    assert "package acme-zoo 1.2" in faults(write(tmp_path, text))[0]


@given(st.text(max_size=200))
def test_any_text_is_a_recipe_or_a_recipe_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "recipe.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape" if text.isascii() else "replace")
    with pytest.raises(RecipeError):
        load_recipe(path)


def test_checking_a_recipe_imports_nothing_heavy(tmp_path):
    path = write(tmp_path, RECIPE)
    code = f"""
import sys
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.recipe_yaml import _FastLoader, _loaded, _PlainLoader
load_recipe({str(path)!r})
print([m for m in ("torch", "timm", "torchvision", "lightning") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_json_schema_describes_every_key():
    schema = Recipe.model_json_schema(by_alias=True)
    assert {"data", "model", "stages", "schema"} <= set(schema["properties"])
