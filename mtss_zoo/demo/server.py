"""Serves the page of a model until it is interrupted."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mtss_zoo.demo import require_gradio
from mtss_zoo.demo.examples import example_pictures
from mtss_zoo.errors import MtssZooError

if TYPE_CHECKING:
    import uvicorn

    from mtss_zoo.exporting.onnx_model import OnnxModel
    from mtss_zoo.model import AttributeModel

PORTS = range(7860, 7960)


def serve(
    model: AttributeModel | OnnxModel,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    explain: bool = True,
    examples: str | Path | None = None,
    top_k: int = 3,
    announce: Callable[[str], None] = print,
) -> None:
    """Serves a page on which anybody who reaches it can try the model, until the process is interrupted.

    What is uploaded lies in a temporary folder and is deleted after an hour, or at the end.

    Args:
        model: as `mtss_zoo.load` gives it, or a `mtss_zoo.OnnxModel`.
        host: the address to listen on; ``0.0.0.0`` is every network that the machine is in.
        port: default is the first free one from 7860.
        explain: show heat maps too; an ONNX model has none.
        examples: a folder of pictures to offer. Default is drawn garments.
        top_k: classes shown of each attribute type.
        announce: is told the page's address.

    Raises:
        MtssZooError: the extra ``demo`` is not installed, or the port is taken.
        UsageError: ``examples`` holds no picture.
    """
    require_gradio()
    with listen(host, port) as listening, TemporaryDirectory(prefix="mtss-zoo-page-") as folder:
        server = make_server(model, Path(folder), explain, examples, top_k)
        announce(address(listening))
        try:
            server.run(sockets=[listening])
        except KeyboardInterrupt:  # uvicorn has closed everything before it comes here
            announce("stopped.")


def make_server(
    model: AttributeModel | OnnxModel, folder: Path, explain: bool, examples: str | Path | None, top_k: int
) -> uvicorn.Server:
    """A server of the page, which keeps its files in ``folder``; for the arguments see `serve`."""
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    import uvicorn

    from mtss_zoo.demo.page import Page, application

    page = Page(model, explain, top_k)
    app = application(page, example_pictures(examples, folder))
    # A browser keeps a connection open for as long as it shows the page.
    return uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))


def listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens on ``port``, or on the first free one of `PORTS`.

    Raises:
        MtssZooError: the port is taken, or the machine has no such address.
    """
    for candidate in PORTS if port is None else (port,):
        try:
            return socket.create_server((host, candidate), family=_family(host))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise MtssZooError(f"cannot listen on {host}, port {candidate}: {error.strerror}.") from error
    if port is None:
        raise MtssZooError(f"the ports {PORTS[0]} to {PORTS[-1]} are all in use. Name another one.")
    with listen(host, None) as free:
        raise MtssZooError(f"port {port} is in use. Port {free.getsockname()[1]} is free.")


def address(listening: socket.socket) -> str:
    """Where a browser on this machine finds the page."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
