"""The dataset `huggingface` reads a repository of the Hub: from its cache, from a download, or over the network."""

from __future__ import annotations

import io
from pathlib import Path

import hub_client
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import Hub
from mtss_zoo_datasets import hub_example

from mtss_zoo.errors import DataError

REPO = "anna/photos"
HUB_NAME = f"datasets/{REPO}"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    hub_example.huggingface(folder)
    return folder


@pytest.fixture(scope="module")
def args(tree: Path) -> dict[str, object]:
    return {"types": {"colour": "baseColour", "season": "season"}, "id": "item_ID", "unlabelled": "pool"}


def files_of(tree: Path) -> dict[str, bytes]:
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


@pytest.fixture
def commit(hub: Hub, tree: Path) -> str:
    return hub.put(HUB_NAME, files_of(tree))


@pytest.fixture(scope="module")
def expected(tree: Path, args: dict[str, object]) -> dict[str, object]:
    return hub_client.read_dataset(root=str(tree), **args)


class TestOverTheNetwork:
    def test_it_is_what_a_folder_with_the_same_files_gives(self, user, commit, args, expected):
        read = user(hub_client.read_dataset, repo=REPO, revision=commit, stream=True, **args)
        assert read == expected
        assert {name: len(part) for name, part in read["pictures"].items()} == {
            "train": 22,
            "val": 11,
            "unlabelled": 15,
        }

    def test_a_branch_is_read_at_one_commit_which_is_named(self, hub, user, commit, args):
        read = user(hub_client.read_dataset, repo=REPO, stream=True, **args)
        assert read["remarks"] == [
            f"{REPO} is not pinned: its newest commit may move. It was read at revision: {commit}"
        ]
        assert not [line for line in hub.requests if "resolve/" in line and commit not in line]

    def test_only_what_is_asked_for_is_fetched(self, hub, user):
        """Twelve row groups of five pictures of 20 kB; Arrow reads the end of a file 64 KiB at a time."""
        pictures = [bytes([n]) * 20_000 for n in range(60)]
        table = pa.table({"image": [{"bytes": p, "path": None} for p in pictures], "colour": ["red", "blue"] * 30})
        file = io.BytesIO()
        pq.write_table(table, file, row_group_size=5, compression="none", use_dictionary=["colour"])
        hub.put(HUB_NAME, {"data/train-00000-of-00001.parquet": file.getvalue()})
        asked = {"repo": REPO, "stream": True, "types": {"colour": "colour"}, "splits": {"train": "train"}}
        assert user(hub_client.read_labels, **asked) == {"train": 60}
        labels, hub.sent = hub.sent, 0
        assert 0 < labels < 300_000
        assert user(hub_client.read_rows, [0, 3, 4, 1, 0], **asked) == [pictures[row] for row in (0, 3, 4, 1, 0)]
        assert labels + 100_000 < hub.sent < labels + 250_000

    def test_worker_processes_read_with_connections_of_their_own(self, user, commit, args, expected):
        read = user(hub_client.read_with_workers, 2, repo=REPO, revision=commit, stream=True, **args)
        assert read == [image for _, image in expected["pictures"]["train"].values()]

    def test_without_parquet_of_its_own_the_conversion_of_the_hub_is_read(self, hub, user, tree, args, expected):
        hub.put(HUB_NAME, {"README.md": b"# photos", "photos.zip": b"PK"})
        names = {"train-00000-of-00002": "train/0000", "train-00001-of-00002": "train/0001"}
        names |= {"validation-00000-of-00001": "validation/0000", "pool-00000-of-00001": "pool/0000"}
        converted = {
            f"default/{new}.parquet": (tree / f"data/{old}.parquet").read_bytes() for old, new in names.items()
        }
        hub.put(HUB_NAME, converted, "refs/convert/parquet")
        read = user(hub_client.read_dataset, repo=REPO, stream=True, **args)
        assert read["pictures"] == expected["pictures"]

    def test_no_parquet_at_all(self, hub, user, args):
        hub.put(HUB_NAME, {"README.md": b"# photos"})
        with pytest.raises(DataError, match=f"{REPO} has no Parquet files, which"):
            user(hub_client.read_labels, repo=REPO, stream=True, **args)
        with pytest.raises(DataError, match=r"has no Parquet files.* is revision refs/convert/parquet"):
            user(hub_client.read_labels, repo=REPO, revision="main", stream=True, **args)


class TestNothingIsFetchedUnasked:
    def test_what_is_not_in_the_cache_names_the_command_that_fetches_it(self, hub, user, commit, args):
        words = f"`hf download {REPO} --repo-type dataset --revision {commit}`, or .*stream=true"
        with pytest.raises(DataError, match=words):
            user(hub_client.read_labels, repo=REPO, revision=commit, **args)
        assert hub.requests == []

    @pytest.mark.parametrize("pinned", [True, False])
    def test_what_is_in_the_cache_is_read_without_network(self, hub, user, commit, args, expected, pinned):
        revision = commit if pinned else None
        user(hub_client.download_dataset, REPO, revision=revision)
        hub.requests.clear()
        read = user(hub_client.read_dataset, repo=REPO, revision=revision, **args)
        assert hub.requests == [] and read["pictures"] == expected["pictures"]
        assert [commit in remark for remark in read["remarks"]] == [] if pinned else [True]

    def test_a_downloaded_folder_is_read(self, user, commit, args, expected, tmp_path):
        user(hub_client.download_dataset, REPO, local_dir="photos")
        nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9"}
        read = user(hub_client.read_dataset, root="photos", repo=REPO, environment=nowhere, **args)
        assert read == expected

    def test_half_a_download_is_not_taken_for_the_whole(self, hub, user, commit, args):
        user(hub_client.download_dataset, REPO, revision=commit)
        user(hub_client.download_dataset, REPO, revision=commit, home="ben", allow_patterns="data/train-00000*")
        with pytest.raises(DataError, match="is not whole in the Hub's cache"):
            user(hub_client.read_labels, repo=REPO, revision=commit, home="ben", **args)


class TestAccess:
    @pytest.mark.parametrize("token", ["", "hf_ben"])
    def test_a_private_repository_needs_a_token_of_its_owner(self, hub, user, commit, args, token):
        hub.repos[HUB_NAME].private = True
        assert user(hub_client.read_labels, repo=REPO, stream=True, **args)["train"] == 22
        with pytest.raises(DataError, match=f"no {REPO} here or on the Hub, or it is private.*`hf auth login`"):
            user(hub_client.read_labels, repo=REPO, stream=True, token=token, **args)

    def test_a_gated_repository_says_where_to_ask(self, hub, user, commit, args):
        hub.repos[HUB_NAME].gated = True
        with pytest.raises(DataError, match=f"{REPO}.* is gated. Ask for access"):
            user(hub_client.read_labels, repo=REPO, stream=True, **args)

    def test_a_revision_that_does_not_exist(self, user, commit, args):
        with pytest.raises(DataError, match=f"{REPO}@v9 has no such branch, tag or commit"):
            user(hub_client.read_labels, repo=REPO, revision="v9", stream=True, **args)

    def test_no_network(self, user, args):
        nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9"}
        with pytest.raises(DataError, match=f"cannot be reached for {REPO}.* Check the network"):
            user(hub_client.read_labels, repo=REPO, stream=True, environment=nowhere, **args)
        with pytest.raises(DataError, match="HF_HUB_OFFLINE forbids"):
            user(hub_client.read_labels, repo=REPO, stream=True, environment={"HF_HUB_OFFLINE": "1"}, **args)

    def test_no_name_of_a_repository(self, user, args):
        for stream in (True, False):
            with pytest.raises(DataError, match="no name that a repository on the Hub can have"):
                user(hub_client.read_labels, repo="photos/of/anna", stream=stream, **args)

    def test_a_network_that_breaks_while_pictures_are_read_is_no_bad_picture(self, hub, user, commit, args):
        hub.drop_downloads = 10_000
        with pytest.raises(DataError, match="cannot be reached"):
            user(hub_client.read_rows, [0], repo=REPO, revision=commit, stream=True, **args)
