"""What goes wrong on the way: each case one sentence or two with the way out, and nothing half-written left behind."""

from __future__ import annotations

import json

import hub_client
import pytest

from mtss_zoo.errors import CheckpointError


def whole_files_only(folder):
    return [path for path in folder.rglob("*") if path.name.endswith((".incomplete", ".part"))] == []


class TestTampering:
    @pytest.mark.parametrize("name", ["model.safetensors", "recipe.yaml", "README.md"])
    def test_a_flipped_bit_is_refused_by_the_name_of_the_file(self, hub, user, published, name, tmp_path):
        good = dict(hub.store)
        hub.flip_a_bit("anna/toy", name)
        with pytest.raises(CheckpointError, match=f"{name} of {published} is not what was published"):
            user(hub_client.pull, published, "copy", home="ben")
        assert not (tmp_path / "ben/copy").exists()
        hub.store = good
        user(hub_client.pull, published, "copy", home="ben", force_download=True)

    def test_the_message_says_how_to_fetch_it_again(self, hub, user, published):
        hub.flip_a_bit("anna/toy", "metrics.json")
        for offline in ("0", "1"):  # also what came into the cache
            with pytest.raises(CheckpointError, match=f"Fetch it again with `mtss-zoo pull {published} --force`"):
                user(hub_client.answers, published, home="ben", environment={"HF_HUB_OFFLINE": offline})

    def test_a_card_may_be_edited_on_the_hub(self, hub, user, published):
        hub.put("anna/toy", {"README.md": b"---\nlicense: mit\n---\n# A better name\n"})
        user(hub_client.pull, "anna/toy", home="ben")

    def test_another_file_may_not(self, hub, user, published):
        hub.put("anna/toy", {"metrics.json": b"{}"})
        with pytest.raises(CheckpointError, match=r"metrics.json of anna/toy@\w+ is not what was published"):
            user(hub_client.pull, "anna/toy", home="ben")

    def test_a_repository_without_a_record_is_refused(self, hub, user):
        hub.put("anna/plain", {"model.safetensors": b"", "recipe.yaml": b""})
        with pytest.raises(CheckpointError, match=r"has no files.json, so it was not published by `mtss-zoo push`"):
            user(hub_client.pull, "anna/plain")

    @pytest.mark.parametrize("name", ["../escaped.txt", "/escaped.txt"])
    def test_a_record_names_files_of_its_own_folder_only(self, hub, user, published, name):
        record = json.loads(hub.store[hub.entry("anna/toy", "files.json").oid])
        hub.put("anna/toy", {"files.json": json.dumps(record | {name: record["recipe.yaml"]}).encode()})
        with pytest.raises(CheckpointError, match=r"files.json records .* which is no plain name"):
            user(hub_client.pull, "anna/toy", home="ben")

    def test_paths_of_a_repository_that_leave_the_folder_are_not_fetched(self, hub, user, published, tmp_path):
        hub.put("anna/toy", dict.fromkeys(("../escaped.txt", "/escaped.txt", "sub/../../escaped.txt"), b"escaped"))
        user(hub_client.pull, "anna/toy", "copy", home="ben")
        assert [path for path in tmp_path.rglob("*") if "escaped" in path.name] == []


@pytest.mark.slow
class TestInterruption:
    def test_an_upload_that_breaks_off_commits_nothing(self, hub, user, models, expected):
        hub.drop_uploads = 100
        with pytest.raises(CheckpointError, match=r"cannot be reached .* Nothing was committed"):
            user(hub_client.push, str(models / "first"), "anna/toy")
        assert set(hub.repos["anna/toy"].commits[hub.repos["anna/toy"].refs["main"]]) == {".gitattributes"}
        hub.drop_uploads = 0
        user(hub_client.push, str(models / "first"), "anna/toy")
        assert user(hub_client.answers, "anna/toy", home="ben") == expected["first"]

    def test_a_download_that_breaks_off_goes_on_where_it_was(self, hub, user, published, expected):
        hub.drop_downloads = 1
        assert user(hub_client.answers, published, home="ben") == expected["first"]

    def test_one_that_never_ends_leaves_nothing_half_written(self, hub, user, published, expected, tmp_path):
        hub.drop_downloads = 10_000
        with pytest.raises(CheckpointError, match=f"cannot be reached for {published}"):
            user(hub_client.pull, published, "copy", home="ben")
        assert not (tmp_path / "ben/copy").exists() and whole_files_only(tmp_path / "ben")
        hub.drop_downloads = 0
        assert user(hub_client.answers, published, home="ben") == expected["first"]


@pytest.mark.slow
class TestOffline:
    def test_what_is_in_the_cache_works_without_network(self, hub, user, published, expected):
        user(hub_client.pull, "anna/toy", home="ben")
        hub.requests.clear()
        offline = {"HF_HUB_OFFLINE": "1"}
        for name in ("anna/toy", published):
            assert user(hub_client.answers, name, home="ben", environment=offline) == expected["first"]
        assert user(hub_client.answers, published, home="ben") == expected["first"]  # a commit needs no question
        assert hub.requests == []
        nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9"}
        assert user(hub_client.answers, "anna/toy", home="ben", environment=nowhere) == expected["first"]

    @pytest.mark.parametrize(
        "environment, words",
        [
            ({"HF_HUB_OFFLINE": "1"}, r"not whole in the cache, and HF_HUB_OFFLINE forbids"),
            ({"HF_ENDPOINT": "http://127.0.0.1:9"}, r"cannot be reached .* Check the network"),
        ],
    )
    def test_what_is_not_says_so(self, user, models, environment, words):
        with pytest.raises(CheckpointError, match=words):
            user(hub_client.pull, "anna/toy", environment=environment)
        with pytest.raises(CheckpointError, match=f"{words}.* Nothing was committed"):
            user(hub_client.push, str(models / "first"), "anna/toy", environment=environment)


class TestAccess:
    def test_a_private_repository_is_for_tokens_of_its_owner(self, hub, user, models, expected):
        pinned = user(hub_client.push, str(models / "first"), "anna/toy", private=True)
        assert hub.repos["anna/toy"].private
        assert user(hub_client.answers, pinned, home="laptop") == expected["first"]
        for token in ("", "hf_ben"):
            with pytest.raises(CheckpointError, match=r"no anna/toy@\w+ here or on the Hub, or it is private"):
                user(hub_client.pull, pinned, home="ben", token=token)

    def test_nothing_private_is_pushed_where_everybody_reads(self, hub, user, models, published):
        hub.requests.clear()
        with pytest.raises(CheckpointError, match="exists already and is public"):
            user(hub_client.push, str(models / "second"), "anna/toy", private=True)
        assert [line for line in hub.requests if "/commit/" in line or "PUT" in line] == []

    def test_a_token_that_is_none(self, user, models, published):
        for job, arguments in ((hub_client.pull, [published]), (hub_client.push, [str(models / "first"), "anna/toy"])):
            with pytest.raises(CheckpointError, match=r"does not accept the token .*`hf auth login`"):
                user(job, *arguments, home="ben", token="hf_wrong")

    def test_a_token_of_somebody_else(self, user, models, published):
        with pytest.raises(CheckpointError, match="the token that was sent may not do this"):
            user(hub_client.push, str(models / "first"), "anna/toy", token="hf_ben")

    def test_no_token_at_all(self, user, models, published):
        with pytest.raises(CheckpointError, match="hf auth login"):
            user(hub_client.push, str(models / "first"), "anna/toy", home="ben", token="")

    def test_a_gated_repository_says_where_to_ask(self, hub, user, published):
        hub.repos["anna/toy"].gated = True
        with pytest.raises(CheckpointError, match=f"{published} is gated. Ask for access"):
            user(hub_client.pull, published, home="ben")

    @pytest.mark.parametrize(
        "name, words",
        [
            ("anna/absent", "there is no anna/absent here or on the Hub"),
            ("anna/toy@v9", "anna/toy@v9 has no such branch, tag or commit"),
            ("anna/toy@" + "0" * 40, "has no such branch, tag or commit"),
            ("anna/" + "x" * 200, "no name that a repository on the Hub can have"),
        ],
    )
    def test_what_does_not_exist(self, user, published, name, words):
        with pytest.raises(CheckpointError, match=words):
            user(hub_client.pull, name, home="ben")
