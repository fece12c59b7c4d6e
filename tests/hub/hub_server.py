"""A Hugging Face Hub on this machine: the routes that the unmodified client calls, over stores kept in memory.

Small files are kept under their checksum in git, large ones (``*.safetensors``) under their sha256, on a second port,
as the real Hub keeps them on another host. What is announced is never computed from what is stored, so a test can
change the store behind the Hub's back. Names of dataset repositories begin with ``datasets/``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

LARGE = re.compile(r".*\.(safetensors|jpg|onnx|parquet)")


@dataclass(frozen=True)
class Entry:
    """One file of a commit."""

    oid: str
    size: int
    large: bool


@dataclass
class Repo:
    """Commits by their checksum, and the names that point to them."""

    owner: str
    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, Entry]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, Entry]) -> str:
        parent = self.refs.get(branch, "")
        oid = hashlib.sha1(repr((parent, sorted(files.items()))).encode()).hexdigest()
        self.commits[oid], self.refs[branch] = files, oid
        return oid

    def resolve(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.refs.get(revision)


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status, self.code, self.message = status, code, message


class Hub:
    """The state of a Hub, its two servers, and the faults that a test asks for.

    ``drop_uploads``, ``drop_downloads``: how many transfers of large files break off half way.
    ``sent``: bytes of large files that were asked for.
    """

    def __init__(self) -> None:
        self.tokens = {"hf_anna": "anna", "hf_ben": "ben", "hf_you": "you"}
        self.repos: dict[str, Repo] = {}
        self.store: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.drop_uploads = self.drop_downloads = self.sent = 0
        self.servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, routes)) for routes in (HUB, STORAGE)]
        self.url, self.storage_url = (f"http://127.0.0.1:{server.server_port}" for server in self.servers)

    def start(self) -> None:
        for server in self.servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def entry(self, repo: str, name: str, revision: str = "main") -> Entry:
        found = self.repos[repo]
        return found.commits[found.resolve(revision)][name]

    def put(self, repo: str, files: dict[str, bytes], branch: str = "main") -> str:
        """Commits files as another program than ours would."""
        stored = self.repos.setdefault(repo, Repo(repo.split("/")[-2]))
        entries = {name: self.keep(content, bool(LARGE.fullmatch(name))) for name, content in files.items()}
        return stored.commit(branch, {**stored.commits.get(stored.refs.get(branch, ""), {}), **entries})

    def keep(self, content: bytes, large: bool) -> Entry:
        plain = hashlib.sha256(content) if large else hashlib.sha1(b"blob %d\0" % len(content) + content)
        self.store[plain.hexdigest()] = content
        return Entry(plain.hexdigest(), len(content), large)

    def flip_a_bit(self, repo: str, name: str) -> None:
        """In the middle of a stored file; its length and what is announced of it stay."""
        oid = self.entry(repo, name).oid
        changed = bytearray(self.store[oid])
        changed[len(changed) // 2] ^= 1
        self.store[oid] = bytes(changed)


class Request:
    """What a route sees."""

    def __init__(self, hub: Hub, handler: BaseHTTPRequestHandler) -> None:
        self.hub, self.method, self.headers = hub, handler.command, handler.headers
        address = urlsplit(handler.path)
        self.path, self.query = address.path, parse_qs(address.query)
        self.file, self.left = handler.rfile, int(handler.headers.get("Content-Length", 0))

    def body(self) -> bytes:
        """What is still to be read of what was sent."""
        left, self.left = self.left, 0
        return self.file.read(left)

    def user(self) -> str | None:
        """Who asks.

        Raises:
            Refused: the token is none.
        """
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if given and given not in self.hub.tokens:
            raise Refused(401, message="Invalid credentials in Authorization header")
        return self.hub.tokens.get(given)

    def repo(self, name: str, write: bool = False) -> Repo:
        """The repository that is meant, if the user may see it."""
        user, repo = self.user(), self.hub.repos.get(name)
        if repo is None or (repo.private and user != repo.owner):
            raise Refused(404 if user else 401, "RepoNotFound", "Repository not found")
        if write and user != repo.owner:
            raise Refused(403 if user else 401, message="You have no write access")
        return repo

    def at(self, name: str, revision: str) -> tuple[str, dict[str, Entry]]:
        repo = self.repo(name)
        commit = repo.resolve(unquote(revision))
        if commit is None:
            raise Refused(404, "RevisionNotFound", "Invalid rev id")
        return commit, repo.commits[commit]


Answer = tuple[int, dict[str, str], bytes]


def as_json(value: Any, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def create(request: Request) -> Answer:
    asked = json.loads(request.body())
    user, name = request.user(), f"{asked['organization']}/{asked['name']}"
    if user is None:
        raise Refused(401, message="Invalid username or password.")
    if user != asked["organization"]:
        raise Refused(403, message="You don't have the rights to create a model under this namespace")
    answer = {"url": f"{request.hub.url}/{name}", "name": name}
    if name in request.hub.repos:
        return as_json(answer, 409)
    request.hub.repos[name] = Repo(user, private=asked.get("visibility") == "private" or asked.get("private") is True)
    request.hub.put(name, {".gitattributes": b"*.safetensors filter=lfs\n"})
    return as_json(answer)


def validate_yaml(request: Request) -> Answer:
    """Refuses what the real Hub refuses in the metadata of a card."""
    content = json.loads(request.body())["content"]
    errors = []
    try:
        data = yaml.safe_load(content.split("---\n")[1])
        assert isinstance(data.get("license", ""), str), '"license" must be a string'
        for key in ("tags", "datasets"):
            assert all(isinstance(v, str) for v in data[key]), f'"{key}" must be a list of strings'
        for model in data.get("model-index", []):
            for result in model["results"]:
                assert result["task"]["type"] and result["dataset"]["type"] and result["dataset"]["name"]
                assert all(isinstance(m["value"], int | float) and m["type"] for m in result["metrics"])
    except Exception as error:
        errors.append({"message": repr(error)})
    return as_json({"errors": errors, "warnings": []}, 400 if errors else 200)


def info(request: Request, name: str, revision: str = "main") -> Answer:
    commit, files = request.at(name, revision)
    repo = request.hub.repos[name]
    siblings = [{"rfilename": path} for path in files]
    return as_json({"id": name, "sha": commit, "private": repo.private, "gated": repo.gated, "siblings": siblings})


def tree(request: Request, name: str, revision: str, folder: str | None = None) -> Answer:
    _, files = request.at(name, revision)
    prefix = f"{unquote(folder)}/" if folder else ""
    deep = request.query.get("recursive", ["false"])[0].lower() == "true"
    listing: list[dict[str, Any]] = []
    for path, entry in files.items():
        first, _, below = path.removeprefix(prefix).partition("/")
        if not path.startswith(prefix):
            continue
        if below and not deep:
            child = {"type": "directory", "path": prefix + first, "size": 0, "oid": "0" * 40}
            listing += [child] if child not in listing else []
            continue
        listing.append({"type": "file", "path": path, "size": entry.size, "oid": entry.oid[:40]})
        if entry.large:
            listing[-1]["lfs"] = {"oid": entry.oid, "size": entry.size, "pointerSize": 130}
    return as_json(listing)


def preupload(request: Request, name: str, revision: str) -> Answer:
    request.repo(name, write=True)
    paths = [file["path"] for file in json.loads(request.body())["files"]]
    modes = [{"path": p, "uploadMode": "lfs" if LARGE.fullmatch(p) else "regular"} for p in paths]
    return as_json({"files": [mode | {"shouldIgnore": False} for mode in modes]})


def lfs_batch(request: Request, name: str) -> Answer:
    request.repo(name, write=True)
    objects = json.loads(request.body())["objects"]
    for one in objects:
        if one["oid"] not in request.hub.store:
            at = f"{request.hub.storage_url}/{one['oid']}"
            one["actions"] = {"upload": {"href": at}, "verify": {"href": f"{request.hub.url}/{name}/verify"}}
    return as_json({"transfer": "basic", "objects": objects})


def lfs_verify(request: Request, name: str) -> Answer:
    asked = json.loads(request.body())
    stored = request.hub.store.get(asked["oid"])
    if stored is None or len(stored) != asked["size"]:
        raise Refused(422, message="The object was not uploaded")
    return as_json({})


def branch(request: Request, name: str, branch: str) -> Answer:
    repo = request.repo(name, write=True)
    if unquote(branch) in repo.refs:
        raise Refused(409, message="Reference already exists")
    repo.refs[unquote(branch)] = repo.refs["main"]
    return as_json({})


def commit(request: Request, name: str, branch: str) -> Answer:
    repo, branch = request.repo(name, write=True), unquote(branch)
    if branch not in repo.refs:
        raise Refused(404, "RevisionNotFound", "Invalid rev id")
    files = dict(repo.commits[repo.refs[branch]])
    for line in map(json.loads, request.body().splitlines()):
        value = line["value"]
        if line["key"] == "file":
            files[value["path"]] = request.hub.keep(base64.b64decode(value["content"]), large=False)
        if line["key"] == "lfsFile":
            if value["oid"] not in request.hub.store:
                raise Refused(400, message="The object was not uploaded")
            files[value["path"]] = Entry(value["oid"], value["size"], large=True)
    oid = repo.commit(branch, files)
    return as_json({"commitUrl": f"{request.hub.url}/{name}/commit/{oid}", "commitOid": oid, "pullRequestUrl": None})


def resolve(request: Request, name: str, revision: str, path: str) -> Answer:
    if request.repo(name).gated:
        raise Refused(403, "GatedRepo", "Access to this model is restricted")
    oid, files = request.at(name, revision)
    entry, headers = files.get(unquote(path)), {"X-Repo-Commit": oid}
    if entry is None:
        raise Refused(404, "EntryNotFound", "Entry not found")
    headers |= {"ETag": f'"{entry.oid}"', "Accept-Ranges": "bytes"}
    if not entry.large:
        return 200, headers, request.hub.store[entry.oid]
    headers |= {"X-Linked-Size": str(entry.size), "X-Linked-ETag": f'"{entry.oid}"'}
    return 302, headers | {"Location": f"{request.hub.storage_url}/{entry.oid}"}, b""


def upload(request: Request, oid: str) -> Answer:
    if request.hub.drop_uploads:
        request.hub.drop_uploads -= 1
        request.file.read(1000)
        raise ConnectionAbortedError
    content = request.body()
    if hashlib.sha256(content).hexdigest() != oid:
        raise Refused(400, message="The content does not have this checksum")
    request.hub.store[oid] = content
    return 200, {}, b""


def download(request: Request, oid: str) -> Answer:
    content = request.hub.store[oid]
    asked = re.match(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    first, last = (int(asked[1]), int(asked[2] or len(content) - 1)) if asked else (0, len(content) - 1)
    request.hub.sent += last - first + 1
    if asked:
        headers = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
        return 206, headers, content[first : last + 1]
    return 200, {"ETag": f'"{oid}"'}, content


REPO = r"([\w.-]+/[\w.-]+)"
DATASET = r"(datasets/[\w.-]+/[\w.-]+)"
HUB = {
    r"POST /api/repos/create": create,
    r"POST /api/validate-yaml": validate_yaml,
    rf"GET /api/models/{REPO}": info,
    rf"GET /api/models/{REPO}/revision/([^/]+)": info,
    rf"GET /api/models/{REPO}/tree/([^/]+)": tree,
    rf"POST /api/models/{REPO}/preupload/([^/]+)": preupload,
    rf"POST /api/models/{REPO}/branch/([^/]+)": branch,
    rf"POST /api/models/{REPO}/commit/([^/]+)": commit,
    rf"POST /{REPO}\.git/info/lfs/objects/batch": lfs_batch,
    rf"POST /{REPO}/verify": lfs_verify,
    rf"(?:GET|HEAD) /{REPO}/resolve/([^/]+)/(.+)": resolve,
    rf"GET /api/{DATASET}": info,
    rf"GET /api/{DATASET}/revision/([^/]+)": info,
    rf"GET /api/{DATASET}/tree/([^/]+)(?:/(.+))?": tree,
    rf"(?:GET|HEAD) /{DATASET}/resolve/([^/]+)/(.+)": resolve,
}
STORAGE = {r"PUT /(\w+)": upload, r"(?:GET|HEAD) /(\w+)": download}


def _handler(hub: Hub, routes: dict[str, Any]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            request = Request(hub, self)
            line = f"{request.method} {request.path}"
            hub.requests.append(line)
            try:
                status, headers, content = self.found(request, line)
            except Refused as no:
                status, content = no.status, json.dumps({"error": no.message}).encode()
                headers = {"X-Error-Code": no.code, "X-Error-Message": no.message, "Content-Type": "application/json"}
            except ConnectionAbortedError:
                self.close_connection = True
                return
            request.body()
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                if value:
                    self.send_header(key, value)
            self.end_headers()
            if request.method != "HEAD":
                self.wfile.write(self.perhaps_half(content, routes is STORAGE and request.method == "GET"))

        def found(self, request: Request, line: str) -> Answer:
            for pattern, route in routes.items():
                if match := re.fullmatch(pattern, line):
                    return route(request, *match.groups())
            raise Refused(501, message=f"this Hub has no route for {line}")

        def perhaps_half(self, content: bytes, large: bool) -> bytes:
            if not (large and hub.drop_downloads):
                return content
            hub.drop_downloads -= 1
            self.close_connection = True
            return content[: len(content) // 2]

        do_GET = do_HEAD = do_POST = do_PUT = answer

        def log_message(self, *_: Any) -> None:
            """Tests print nothing."""

    return Handler
