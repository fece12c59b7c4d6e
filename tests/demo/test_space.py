"""A folder for a Space: settings that the Hub reads, an app of a few lines, exact requirements, pictures."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import pytest
import yaml
from PIL import Image

import mtss_zoo
from mtss_zoo.cli import main
from mtss_zoo.demo import server
from mtss_zoo.demo.space import write_space
from mtss_zoo.errors import UsageError
from mtss_zoo.recipe import WeightsSpec
from mtss_zoo.recipe_source import load_recipe

WEIGHTS = WeightsSpec(repo="anna/garments", revision="3f6c" * 10, sha256="0" * 64)


@pytest.fixture
def recipe(model):
    return model.recipe.model_copy(update={"license": "apache-2.0", "provided_by": {"backbone x": "acme-zoo 1.2"}})


def test_the_settings_are_those_that_a_space_needs(tmp_path, recipe):
    write_space(tmp_path / "space", WEIGHTS, recipe)
    _, settings, body = (tmp_path / "space/README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(settings) == {
        "title": "mtss_quickstart",
        "sdk": "gradio",
        "sdk_version": version("gradio"),
        "python_version": "3.12",
        "app_file": "app.py",
        "models": ["anna/garments"],
        "license": "apache-2.0",
    }
    assert "category, colour, pattern" in body
    assert WEIGHTS.revision in body


def test_the_requirements_are_this_version_and_the_plugins_of_the_recipe(tmp_path, recipe):
    write_space(tmp_path / "space", WEIGHTS, recipe)
    assert (tmp_path / "space/requirements.txt").read_text().splitlines() == [
        f"mtss-zoo[demo]=={version('mtss-zoo')}",
        "acme-zoo==1.2",
    ]


def test_the_app_serves_the_published_commit_to_everybody_with_its_examples(tmp_path, recipe, model, monkeypatch):
    write_space(tmp_path / "space", WEIGHTS, recipe)
    called: dict[str, Any] = {}
    monkeypatch.setattr(mtss_zoo, "load", lambda name: called.update(name=name) or model)
    monkeypatch.setattr(server, "serve", lambda served, **options: called.update(options, model=served))
    exec((tmp_path / "space/app.py").read_text(), {})
    assert called.pop("model") is model
    assert called == {
        "name": f"anna/garments@{WEIGHTS.revision}",
        "host": "0.0.0.0",
        "port": 7860,
        "examples": "examples",
    }
    assert len(list((tmp_path / "space/examples").glob("*.png"))) == 6


def test_an_example_of_ones_own_goes_in_without_what_the_camera_wrote(tmp_path, recipe):
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    Image.new("RGB", (2000, 1000), "navy").save(tmp_path / "photo.jpg", exif=exif, comment="at home")
    write_space(tmp_path / "space", WEIGHTS, recipe, tmp_path / "photo.jpg")
    (written,) = (tmp_path / "space/examples").iterdir()
    assert b"at home" not in written.read_bytes()
    with Image.open(written) as image:
        assert image.size == (512, 256)


class TestPush:
    @pytest.fixture
    def push(self, model, tmp_path, monkeypatch):
        """``push("--space", folder)`` of a checkpoint folder; what it publishes goes into ``push.published``."""
        mtss_zoo.save(model, tmp_path / "model")
        published: list[Any] = []
        monkeypatch.setattr(mtss_zoo, "push", lambda *args, **_: published.append(args) or WEIGHTS)

        def run(*arguments: Any) -> list[Any]:
            line = ["mtss-zoo", "push", tmp_path / "model", "anna/garments", *arguments]
            monkeypatch.setattr(sys, "argv", list(map(str, line)))
            with pytest.raises(SystemExit) as stop:
                main()
            assert stop.value.code in (0, 2)
            return published

        return run

    def test_push_writes_the_folder_and_says_how_it_goes_online(self, push, tmp_path, capsys):
        assert push("--space", tmp_path / "space", "--license", "mit")
        assert {path.name for path in (tmp_path / "space").iterdir()} == {
            "README.md",
            "app.py",
            "requirements.txt",
            "examples",
        }
        assert "license: mit" in (tmp_path / "space/README.md").read_text()
        assert f"hf upload anna/garments {tmp_path / 'space'} --repo-type space" in capsys.readouterr().out

    @pytest.mark.parametrize("options, words", [((), "the card names no licence"), (("--license", "mit"), "")])
    def test_a_model_without_a_licence_is_published_with_a_word_about_it(self, push, capsys, options, words):
        assert push(*options)
        error = capsys.readouterr().err
        assert words in error and bool(error) == bool(words)

    def test_nothing_is_published_when_the_folder_is_taken(self, push, tmp_path, capsys):
        (tmp_path / "space").mkdir()
        (tmp_path / "space/mine.txt").touch()
        assert push("--space", tmp_path / "space") == []
        assert "Name a new folder for the Space" in capsys.readouterr().err


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, recipe):
    (tmp_path / "app.py").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        write_space(tmp_path, WEIGHTS, recipe)
    assert (tmp_path / "app.py").read_text() == "mine"


def test_a_recipe_without_schema_has_a_space_too(tmp_path):
    write_space(tmp_path / "space", WEIGHTS, load_recipe("mtss_quickstart"))
    assert (tmp_path / "space/app.py").exists()
