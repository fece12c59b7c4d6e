"""Checkpoint folders made to harm who loads them: each is refused by an error that names what is wrong with it."""

from __future__ import annotations

import json
import os
import pickle
import resource
import struct
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from mtss_zoo.build import build
from mtss_zoo.checkpoint import load, save
from mtss_zoo.checkpoint_files import check_inside, read_json, read_record
from mtss_zoo.errors import CheckpointError, RecipeError, UsageError
from mtss_zoo.recipe_source import load_recipe

FLOATS = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.fixture
def folder(toy_plugin, tmp_path):
    recipe = yaml.safe_load((toy_plugin / "recipe.yaml").read_text())
    return save(build(recipe), tmp_path / "model")


@pytest.fixture
def little_memory():
    """Less than any of the sizes asked for below; an allocation above it fails at once."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 1_500_000_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


def change(folder, **values):
    """Sets keys of the recipe, ``model__head__args__dim=8``."""
    path = folder / "recipe.yaml"
    data = yaml.safe_load(path.read_text())
    for dotted, value in values.items():
        *parents, last = dotted.split("__")
        at = data
        for key in parents:
            at = at[key]
        at[last] = value
    path.write_text(yaml.safe_dump(data))


class TestWeights:
    def write(self, folder, header, data=b"", length=None):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        length = len(text) if length is None else length
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", length) + text + data)

    def test_a_pickle_that_calls_itself_safetensors(self, folder, tmp_path):
        class Bomb:
            def __reduce__(self):
                return open, (str(tmp_path / "executed"), "w")

        for content in (pickle.dumps(Bomb()), b"\x80\x04" + bytes(100)):
            (folder / "model.safetensors").write_bytes(content)
            with pytest.raises(CheckpointError, match=r"model.safetensors is not a whole safetensors file"):
                load(folder)
        assert not (tmp_path / "executed").exists()

    @pytest.mark.parametrize(
        "header, data, length",
        [
            (b"{}", b"", 2**63),
            (b"{}", b"", 10**9),
            (b"[" * 100_000, b"", None),
            ({"a": FLOATS, "b": FLOATS}, bytes(8), None),
            ({"a": FLOATS, "b": {**FLOATS, "data_offsets": [4, 12]}}, bytes(12), None),
            ({"a": {**FLOATS, "data_offsets": [8, 0]}}, bytes(8), None),
            ({"a": {**FLOATS, "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}, bytes(8), None),
            ({"a": {**FLOATS, "shape": [2**40, 2**40]}}, bytes(8), None),
            ({"a": {**FLOATS, "shape": [-2]}}, bytes(8), None),
            ({"a": {**FLOATS, "dtype": "PICKLE"}}, bytes(8), None),
            ({"a": FLOATS}, bytes(4), None),
            ({"a": FLOATS}, bytes(80), None),
        ],
        ids=[
            "length",
            "overlong",
            "deep",
            "same",
            "overlap",
            "backwards",
            "sparse",
            "overflow",
            "negative",
            "type",
            "short",
            "trailing",
        ],
    )
    def test_a_header_that_lies_about_sizes(self, folder, little_memory, header, data, length):
        self.write(folder, header, data, length)
        with pytest.raises(CheckpointError, match=r"model.safetensors is not a whole safetensors file"):
            load(folder)

    def test_tensors_that_do_not_fit_the_recipe(self, folder):
        path = folder / "model.safetensors"
        whole = load_file(path)
        name = "backbone.0.weight"
        for tensors, words in (
            ({k: v for k, v in whole.items() if k != name}, f"misses {name}"),
            (whole | {"payload": torch.zeros(1)}, "has unknown payload"),
            (whole | {name: torch.zeros(1)}, f"has other shapes for {name}"),
            (whole | {name: whole[name].int()}, f"has other types for {name}"),
            (whole | {"colour_trained": torch.ones(3)}, "has other types for colour_trained"),
        ):
            save_file(tensors, path)
            with pytest.raises(CheckpointError, match=f"does not fit its recipe: it {words}"):
                load(folder)

    def test_half_precision_is_no_fault(self, folder):
        path = folder / "model.safetensors"
        whole = load_file(path)
        save_file({k: v.half() if v.is_floating_point() else v for k, v in whole.items()}, path)
        model = load(folder)
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        assert torch.equal(model.state_dict()["backbone.0.weight"], whole["backbone.0.weight"].half().float())

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_numbers_that_make_every_score_nan(self, folder, value):
        path = folder / "model.safetensors"
        whole = load_file(path)
        whole["backbone.1.running_var"][3] = value
        save_file(whole, path)
        with pytest.raises(CheckpointError, match=r"NaN or infinite numbers in backbone.1.running_var"):
            load(folder)

    def test_large_numbers_whose_sum_overflows_are_no_fault(self, folder):
        path = folder / "model.safetensors"
        whole = load_file(path)
        whole["backbone.0.weight"].fill_(3e38)
        save_file(whole, path)
        load(folder)


class TestRecipe:
    @pytest.mark.parametrize(
        "line, words",
        [
            ("summary: !!python/object/apply:os.system ['touch executed']", "the tag .*os.system is not plain data"),
            ("trainer: !!python/object/new:os.system {args: ['touch executed']}", "the tag .* is not plain data"),
            ("summary: !!python/name:os.system ''", "is not plain data"),
            ("summary: !!binary aGk=", "is not plain data"),
            ("summary: &a [x]\nname: *a", "aliases .* are not allowed"),
            ("summary: " + "[" * 20_000, "not readable as YAML .RecursionError"),
            ("{a: " * 20_000, "not readable as YAML"),
            ("seed: " + "9" * 10_000, "not a number"),
            ("? [a, b]\n: c", "a key is one word"),
        ],
        ids=["call", "object", "name", "binary", "alias", "deep", "deeper", "integer", "key"],
    )
    def test_yaml_that_is_more_than_plain_data(self, folder, line, words, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        (folder / "recipe.yaml").write_text(line)
        with pytest.raises(RecipeError, match=rf"recipe\.yaml(:\d+)?: .*{words}"):
            load(folder)
        assert not (tmp_path / "executed").exists()

    def test_a_file_larger_than_any_recipe(self, folder):
        (folder / "recipe.yaml").write_text("# " + "x" * 2_100_000)
        with pytest.raises(RecipeError, match="larger than 2 MB"):
            load(folder)

    @pytest.mark.parametrize("base", ["../secret.yaml", "secret.yaml", "mtss_quickstart", "/etc/passwd"])
    def test_it_may_not_extend_another(self, folder, base):
        for place in (folder, folder.parent):
            (place / "secret.yaml").write_text("name: secret\n")
        with (folder / "recipe.yaml").open("a") as file:
            file.write(f"extends: {base}\n")
        for read in (load, load_recipe, build):
            with pytest.raises(RecipeError, match=r"recipe\.yaml:\d+: the recipe of a checkpoint is complete"):
                read(folder)

    @pytest.mark.parametrize("name", ["os:system", "os.system", "toy_zoo:toy_backbone", "../toy", "toy-zoo:../toy"])
    def test_a_component_is_a_name_and_no_path_to_code(self, folder, name):
        change(folder, model__backbone={"name": name})
        with pytest.raises(RecipeError, match=r"model\.backbone\.name: no backbone"):
            load(folder)

    def test_a_missing_plugin_is_named_with_its_package(self, folder):
        change(folder, model__backbone={"name": "swirl"}, provided_by={"backbone swirl": "acme-swirl 2.1"})
        with pytest.raises(RecipeError, match=r"It comes with the package acme-swirl 2\.1: install that"):
            load(folder)

    @pytest.mark.parametrize(
        "package", ["x; rm -rf ~ 1", "-r http://evil 1", "swirl @ http://evil 1", "\x1b[2Jswirl 1"]
    )
    def test_a_package_is_a_name_and_no_command(self, folder, package):
        change(folder, model__backbone={"name": "swirl"}, provided_by={"backbone swirl": package})
        with pytest.raises(RecipeError) as error:
            load(folder)
        assert "install that" not in str(error.value)

    @pytest.mark.parametrize(
        "values, words",
        [
            ({"schema": {"types": [{"name": "colour", "classes": 10**9}]}}, "1,000,000,000 classes are more than"),
            ({"schema": {"types": [{"name": f"t{i}", "classes": 10**6} for i in range(50)]}}, "50,000,000 classes"),
            ({"data__image_size": [10**6, 10**6]}, "less than or equal to 4096"),
        ],
    )
    def test_sizes_that_no_model_has(self, folder, little_memory, values, words):
        change(folder, **values)
        for read in (load, load_recipe):
            with pytest.raises(RecipeError, match=words):
                read(folder)

    def test_a_model_wider_than_its_file_takes_no_memory(self, folder, little_memory):
        change(folder, model__head__args__dim=10**6)
        with pytest.raises(CheckpointError, match=r"has other shapes for heads\.colour_head"):
            load(folder)

    def test_a_model_of_more_parts_than_its_file_is_given_up_early(self, folder, little_memory):
        change(folder, model__backbone={"name": "mae_vit_tiny", "args": {"depth": 10_000}})
        with pytest.raises(CheckpointError, match="tensors, and the recipe asks for far more"):
            load(folder)

    @pytest.mark.parametrize(
        "backbone",
        [
            {"name": "mae_vit_tiny", "args": {"depth": 10**9}},
            {"name": "timm", "args": {"name": "test_vit", "kwargs": {"depth": 10**9}}},
            {"name": "timm", "args": {"name": "test_vit", "img_size": [10**9, 10**9]}},
        ],
    )
    def test_a_size_that_is_taken_before_it_can_be_compared(self, folder, little_memory, backbone):
        change(folder, model__backbone=backbone)
        with pytest.raises(RecipeError, match=r"model\.backbone\.args\.\w+: 1,000,000,000 is more than"):
            load(folder)

    def test_tables_that_no_file_holds_and_that_are_far_larger_than_it(self, toy_plugin, tmp_path, little_memory):
        """Two tables of 10^8 numbers for a network of a few weights: positions within windows of 100 x 100."""
        window = {"window_size": 100, "depths": [1], "num_heads": [1], "embed_dim": 8}
        swin = {"name": "swin_tiny_patch4_window7_224", "img_size": [400, 400], "kwargs": window}
        recipe = yaml.safe_load((toy_plugin / "recipe.yaml").read_text())
        model = {**recipe["model"], "backbone": {"name": "timm", "args": swin}}
        schema = {"types": [{"name": "colour", "kind": "single", "classes": ["red", "blue"]}]}
        whole = load_recipe({**recipe, "model": model, "schema": schema})
        with torch.device("meta"):
            shapes = build(whole).state_dict()
        save_file(
            {name: torch.zeros(t.shape, dtype=t.dtype) for name, t in shapes.items()}, tmp_path / "model.safetensors"
        )
        (tmp_path / "recipe.yaml").write_text(whole.to_yaml())
        with pytest.raises(CheckpointError, match=r"model.safetensors does not fit its recipe.* MB beside its weights"):
            load(tmp_path)

    def test_words_that_steer_the_readers_terminal(self, folder):
        types = [{"name": "colour", "kind": "single", "classes": ["red", "blue\x1b]0;owned\x07"]}]
        change(folder, schema={"types": types})
        with pytest.raises((RecipeError, UsageError), match="holds a control character"):
            load(folder)

    def test_it_states_its_classes(self, folder):
        change(folder, schema=None)
        with pytest.raises(RecipeError, match="schema: is required in a checkpoint"):
            load(folder)

    def test_no_file_that_an_argument_names_is_opened(self, folder, tmp_path, monkeypatch):
        """Opening a pipe to which nobody writes would never return."""
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "root").mkdir()
        for name in ("manifest.csv", "schema.yaml"):
            os.mkfifo(tmp_path / "root" / name)
        change(folder, data__dataset={"name": "manifest", "args": {"root": str(tmp_path / "root")}})
        change(folder, stages__student__init_from=str(tmp_path / "pipe"))
        assert load(folder).schema.names == ("colour", "marks")
        vit = {"name": "mae_vit_tiny", "args": {"depth": 1, "image_size": [16, 16]}}
        recipe = yaml.safe_load((folder / "recipe.yaml").read_text()) | {"stages": {}}
        saved = save(build({**recipe, "model": {**recipe["model"], "backbone": vit}}), tmp_path / "vit")
        change(saved, model__backbone__args__weights=str(tmp_path / "pipe"))
        load(saved)


class TestFolder:
    @pytest.mark.parametrize("name", ["model.safetensors", "recipe.yaml"])
    def test_a_link_out_of_the_folder(self, folder, name, tmp_path):
        (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
        with pytest.raises(CheckpointError, match=f"{name} is a link to a file outside the folder"):
            load(folder)

    def test_links_of_the_hubs_cache_and_within_the_folder_are_followed(self, tmp_path):
        snapshot, blobs = tmp_path / "models--a--b/snapshots/c0ffee", tmp_path / "models--a--b/blobs"
        snapshot.mkdir(parents=True), blobs.mkdir()
        (blobs / "1").write_text("x")
        (snapshot / "recipe.yaml").symlink_to("../../blobs/1")
        (snapshot / "metrics.json").symlink_to("recipe.yaml")
        assert check_inside(snapshot, "metrics.json").read_text() == "x"

    def test_links_of_the_hubs_cache_lead_to_what_it_fetched_only(self, tmp_path):
        """A folder is no cache because of its name: whoever made it chose that."""
        snapshot, store = tmp_path / "models--a--b/snapshots/c0ffee", tmp_path / "blobs/ab"
        snapshot.mkdir(parents=True), store.mkdir(parents=True)
        (store / "1").write_text("of all repositories of the cache")
        (snapshot / "recipe.yaml").symlink_to("../../../blobs/ab/1")
        assert check_inside(snapshot, "recipe.yaml").is_file()
        (tmp_path / "secret").write_text("of the reader")
        (snapshot / "README.md").symlink_to("../../../secret")
        with pytest.raises(CheckpointError, match=r"README.md is a link to a file outside the folder"):
            check_inside(snapshot, "README.md")

    @pytest.mark.parametrize("text", ["", "not json", "[" * 100_000, "[1]", '"text"', "\xff"])
    def test_json_that_is_none(self, tmp_path, text):
        (tmp_path / "metrics.json").write_bytes(text.encode("latin-1"))
        with pytest.raises(CheckpointError, match=r"metrics.json (is not JSON|holds no JSON object)"):
            read_json(tmp_path / "metrics.json")

    def test_json_that_is_a_pit(self, tmp_path, little_memory):
        with (tmp_path / "metrics.json").open("wb") as file:
            file.truncate(10**12)
        with pytest.raises(CheckpointError, match=r"metrics.json is larger than 50 MB"):
            read_json(tmp_path / "metrics.json")

    @pytest.mark.parametrize(
        "change, words",
        [
            ({"../recipe.yaml": {"sha256": "0" * 64, "size": 1}}, "records '../recipe.yaml', which is no plain name"),
            ({"/etc/passwd": {"sha256": "0" * 64, "size": 1}}, "which is no plain name"),
            ({"C:\\recipe.yaml": {"sha256": "0" * 64, "size": 1}}, "which is no plain name"),
            ({"a/../../b": {"sha256": "0" * 64, "size": 1}}, "which is no plain name"),
            ({".hidden": {"sha256": "0" * 64, "size": 1}}, "which is no plain name"),
            ({"recipe.yaml": {"sha256": "0" * 63, "size": 1}}, "does not give the sha256 and the size of recipe.yaml"),
            ({"recipe.yaml": ["0" * 64, 1]}, "does not give the sha256"),
            ({"recipe.yaml": None}, "does not give the sha256"),
        ],
    )
    def test_a_record_that_is_none(self, tmp_path, change, words):
        good = {name: {"sha256": "0" * 64, "size": 1} for name in ("model.safetensors", "recipe.yaml")}
        (tmp_path / "files.json").write_text(json.dumps(good | change))
        with pytest.raises(CheckpointError, match=words):
            read_record(tmp_path / "files.json")

    def test_a_record_without_weights(self, tmp_path):
        (tmp_path / "files.json").write_text("{}")
        with pytest.raises(CheckpointError, match=r"does not record model.safetensors"):
            read_record(tmp_path / "files.json")
