"""A small untrained model, its page on loopback, and files of every kind to upload."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import mtss_zoo
from mtss_zoo.demo.server import address, listen, make_server
from mtss_zoo.model import AttributeModel


@pytest.fixture(scope="session")
def model() -> AttributeModel:
    import torch

    torch.manual_seed(0)
    return mtss_zoo.build("mtss_quickstart", **{"model.head.args.dim": 8}).eval()


@contextmanager
def served(model: Any, folder: Path, **options: Any) -> Iterator[str]:
    """The address of a model's page; a connection waits until the server is up."""
    with listen("127.0.0.1", None) as listening:
        server = make_server(model, folder, **{"explain": True, "examples": None, "top_k": 3} | options)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield address(listening)
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where files that are uploaded lie; gradio knows one such folder a process."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="session")
def url(model: AttributeModel, uploads: Path) -> Iterator[str]:
    """The page of `model`, for all tests."""
    with served(model, uploads) as address:
        yield address


@pytest.fixture
def other_url(uploads: Path) -> Iterator[Callable[..., str]]:
    """``other_url(model, top_k=5)`` serves the page of another model, without heat maps."""
    with ExitStack() as pages:
        yield lambda model, **options: pages.enter_context(served(model, uploads, explain=False, **options))


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that can be used, and files that only look like it."""
    folder = tmp_path_factory.mktemp("files")
    picture = Image.effect_noise((60, 40), 80).convert("RGB")
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG")
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    picture.save(folder / "plain.png")
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    picture.save(folder / "turned.jpg", exif=turned)
    picture.save(folder / "moving.gif", save_all=True, append_images=[picture.rotate(180)])
    picture.save(folder / "print.tiff")
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    (folder / "text.jpg").write_text("not a picture")
    (folder / "empty.jpg").touch()
    (folder / "cut.jpg").write_bytes(jpeg.getvalue()[: len(jpeg.getvalue()) // 2])
    (folder / "bomb.png").write_bytes(png_that_claims(60_000, 60_000))
    (folder / "wide.png").write_bytes(png_that_claims(10_000, 10_000))
    (folder / "heavy.jpg").write_bytes(jpeg.getvalue() + bytes(21 * 2**20))
    return folder


def png_that_claims(width: int, height: int) -> bytes:
    """A small file of a large picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")
