"""A server of pictures, and lists of its addresses."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from picture_server import PictureServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PictureServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = PictureServer()
    yield server
    server.stop()


@pytest.fixture
def listed(server: PictureServer, tmp_path: Path) -> Callable[..., Path]:
    """``listed("ok/1.jpg", ...)`` writes iMaterialist's JSON with these addresses; ids count from 1."""

    def write(*paths: str) -> Path:
        images = [
            {"url": path if "://" in path else f"{server.url}/{path}", "imageId": str(number)}
            for number, path in enumerate(paths, 1)
        ]
        (tmp_path / "train.json").write_text(json.dumps({"info": {}, "images": images, "annotations": []}))
        return tmp_path / "train.json"

    return write
