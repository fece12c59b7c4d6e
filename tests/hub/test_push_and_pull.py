"""A model goes onto the Hub and comes back, through the unmodified client, bit-equal and pinned to a commit."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import hub_client
import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard
from PIL import Image

from mtss_zoo.errors import CheckpointError, ImageError, UsageError

FILES = {"model.safetensors", "recipe.yaml", "metrics.json", "README.md", "example.jpg", "files.json"}


def read(hub, name, repo="anna/toy"):
    return hub.store[hub.entry(repo, name).oid]


def changes(hub):
    return [line for line in hub.requests if line.startswith("POST") and "/commit/" in line]


class TestRoundTrip:
    def test_what_was_pushed_predicts_bit_equal_elsewhere(self, hub, user, models, expected):
        pinned = user(hub_client.push, str(models / "first"), "anna/toy")
        assert len(changes(hub)) == 1
        assert set(hub.repos["anna/toy"].commits[pinned.partition("@")[2]]) == FILES | {".gitattributes"}
        assert user(hub_client.answers, pinned, home="ben", token="") == expected["first"]

    def test_a_branch_is_resolved_once_and_everything_is_of_that_commit(self, hub, user, published):
        hub.requests.clear()
        user(hub_client.pull, "anna/toy", home="ben")
        commit = published.partition("@")[2]
        asked = [line for line in hub.requests if "anna/toy" in line]
        assert asked[0] == "GET /api/models/anna/toy/revision/main"
        assert all(f"/{commit}" in line for line in asked[1:])

    def test_a_second_push_moves_main_and_not_the_pin(self, hub, user, models, published, expected):
        again = user(hub_client.push, str(models / "second"), "anna/toy")
        assert again != published
        assert user(hub_client.answers, "anna/toy", home="ben") == expected["second"]
        assert user(hub_client.answers, published, home="ben") == expected["first"]

    def test_a_branch_of_its_own_leaves_main_alone(self, hub, user, models, published, expected):
        user(hub_client.push, str(models / "second"), "anna/toy", branch="try/1")
        assert user(hub_client.answers, "anna/toy@try/1", home="ben") == expected["second"]
        assert hub.repos["anna/toy"].refs["main"] == published.partition("@")[2]

    def test_the_methods_on_a_model_do_the_same(self, hub, user, models, expected):
        pinned = user(hub_client.push_model, str(models / "first"), "anna/toy", metrics={}, commit_message="by method")
        name, _, commit = pinned.partition("@")
        assert user(hub_client.answers, name, revision=commit, home="ben", token="") == expected["first"]
        assert user(hub_client.answers, str(models / "first")) == expected["first"]

    def test_a_recipe_names_published_weights_by_commit_and_checksum(self, hub, user, published, expected):
        repo, _, commit = published.partition("@")
        weights = {
            "repo": repo,
            "revision": commit,
            "sha256": hashlib.sha256(read(hub, "model.safetensors")).hexdigest(),
        }
        assert user(hub_client.answers_of_recipe, weights, home="ben") == expected["first"]
        with pytest.raises(CheckpointError, match=r"model.safetensors of anna/toy@\w+ has sha256 .* --force"):
            user(hub_client.answers_of_recipe, weights | {"sha256": "0" * 64}, home="ben")


class TestWhatIsPublished:
    def test_metadata_that_the_hub_reads_with_the_measured_results(self, hub, user, models):
        user(hub_client.push, str(models / "first"), "anna/toy", license="cc-by-4.0")
        data = ModelCard(read(hub, "README.md").decode()).data
        assert (data.library_name, data.pipeline_tag, data.license) == ("mtss-zoo", "image-classification", "cc-by-4.0")
        assert data.datasets == ["tiles"] and "mtss-zoo" in data.tags and data.model_name == "toy"
        common = {"task_type": "image-classification", "task_name": "attribute prediction"}
        common |= {"dataset_type": "tiles", "dataset_name": "tiles", "dataset_split": "val"}
        assert data.eval_results == [
            EvalResult(**common, metric_type="f1", metric_value=0.5, metric_name="f1@1_valid of colour"),
            EvalResult(**common, metric_type="recall", metric_value=0.75, metric_name="recall@3 of colour"),
            EvalResult(**common, metric_type="mean_average_precision", metric_value=0.625, metric_name="mAP of colour"),
        ]
        assert yaml.safe_load(read(hub, "recipe.yaml"))["license"] == "cc-by-4.0"

    def test_the_lines_of_the_card_run(self, hub, user, published):
        (code,) = re.findall(r"^```python\n(.*?)^```", read(hub, "README.md").decode(), re.MULTILINE | re.DOTALL)
        assert "colour" in user(hub_client.execute, code, home="ben", token="")["printed"]

    def test_a_card_edited_by_hand_stays_but_for_the_lines_that_load(self, hub, user, folder):
        card = (folder / "README.md").read_text()
        (folder / "README.md").write_text(card.replace("tags:", "language: en\ntags:") + "\nNot for shoes.\n")
        user(hub_client.push, str(folder), "anna/toy")
        text = read(hub, "README.md").decode()
        assert text.endswith("\nNot for shoes.\n") and 'mtss_zoo.load("anna/toy")' in text
        assert "this/folder" not in text and ModelCard(text).data.language == "en"

    def test_the_record_holds_checksum_and_length_of_all_files_but_the_card(self, hub, user, published):
        record = json.loads(read(hub, "files.json"))
        assert set(record) == FILES - {"README.md", "files.json"}
        for name, entry in record.items():
            content = read(hub, name)
            assert entry == {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}

    def test_an_example_is_a_small_jpeg_without_metadata(self, hub, user, models, tmp_path):
        exif = Image.Exif()
        exif[0x010F] = "a camera"
        Image.new("RGB", (900, 600), "navy").save(tmp_path / "mine.png", exif=exif)
        user(hub_client.push, str(models / "first"), "anna/toy", example=str(tmp_path / "mine.png"))
        (tmp_path / "published.jpg").write_bytes(read(hub, "example.jpg"))
        with Image.open(tmp_path / "published.jpg") as picture:
            assert (picture.format, picture.size, dict(picture.getexif())) == ("JPEG", (512, 341), {})
        (tmp_path / "mine.png").write_text("no picture")
        with pytest.raises(ImageError, match="example"):
            user(hub_client.push, str(models / "first"), "anna/other", example=str(tmp_path / "mine.png"))

    def test_only_what_loads_is_published(self, hub, user, folder):
        (folder / "model.safetensors").write_bytes(b"no weights")
        with pytest.raises(CheckpointError, match="not a whole safetensors file"):
            user(hub_client.push, str(folder), "anna/toy")
        assert hub.requests == []

    def test_no_name_of_a_repository(self, user, models):
        for name in ("toy", "anna/toy@v1", "../toy"):
            with pytest.raises(UsageError, match="write owner/repo"):
                user(hub_client.push, str(models / "first"), name)

    def test_metadata_that_the_hub_refuses_is_quoted(self, hub, user, folder):
        card = (folder / "README.md").read_text()
        (folder / "README.md").write_text(card.replace("tags:", "tags: [1]\nold:"))
        with pytest.raises(CheckpointError, match=r'Invalid metadata in README.md.*"tags" must be .* Nothing was'):
            user(hub_client.push, str(folder), "anna/toy")


@pytest.mark.slow
class TestCommandLine:
    def test_push_says_how_to_load_it_and_pull_where_it_is(self, hub, user, models, expected, tmp_path):
        code, out, _ = user(hub_client.command, "push", str(models / "first"), "anna/toy", "--license", "mit")
        commit = hub.repos["anna/toy"].refs["main"]
        assert code == 0 and f'mtss_zoo.load("anna/toy@{commit}")' in out
        weights = yaml.safe_load(out.splitlines()[-1].partition("recipe: ")[2])["weights"]
        assert weights["revision"] == commit and weights["sha256"] == hub.entry("anna/toy", "model.safetensors").oid

        code, out, _ = user(hub_client.command, "pull", f"anna/toy@{commit}", "--out", "mine/toy", home="ben")
        assert (code, out) == (0, "mine/toy\n")
        copy = tmp_path / "ben/mine/toy"
        assert {path.name for path in copy.iterdir()} == FILES and not any(path.is_symlink() for path in copy.iterdir())
        assert [path.name for path in copy.parent.iterdir()] == ["toy"]
        assert user(hub_client.answers, str(copy)) == expected["first"]

        code, _, err = user(hub_client.command, "pull", "anna/toy", "--out", "mine/toy", home="ben")
        assert code == 2 and "exists already" in err

    def test_a_failure_is_one_message_and_exit_code_1(self, user):
        code, out, err = user(hub_client.command, "pull", "anna/absent")
        assert (code, out) == (1, "") and err.startswith("error: there is no anna/absent") and err.count("\n") == 1


@pytest.mark.slow
def test_the_guide_works_as_it_is_written(hub, user, models, tmp_path):
    page = (Path(__file__).parents[2] / "docs/share.md").read_text()
    shutil.copytree(models / "first", tmp_path / "anna/runs/quickstart/student")
    for command in re.findall(r"^mtss-zoo push .*", page, re.MULTILINE):
        assert user(hub_client.command, *command.split()[1:], token="hf_you")[0] == 0
    for code in re.findall(r"^```python no-test\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        user(hub_client.execute, code.replace("COMMIT", hub.repos["you/garments"].refs["main"]), token="hf_you")
    hub.repos["you/garments"].refs["v1"] = hub.repos["you/garments"].refs["main"]
    for command in re.findall(r"^mtss-zoo pull [^#\n]*", page, re.MULTILINE):
        assert user(hub_client.command, *command.split()[1:], token="")[0] == 0
