"""A server of pictures on this machine that misbehaves in every way that a test asks for."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from PIL import Image


def jpeg(number: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 12), (number % 256, 40, 40)).save(file, "JPEG")
    return file.getvalue()


def png_bomb(side: int = 60_000) -> bytes:
    """A PNG of a few hundred bytes that says it has 3.6 billion pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


class PictureServer:
    """``/ok/7.jpg`` is a picture; other paths do what their first part says.

    ``asked`` counts the requests by path. ``stall_after``: once so many ``/ok/`` pictures were sent, the next ones wait
    until ``release`` is set; ``stalled`` is set when the first one waits.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.stall_after: int | None = None
        self.release, self.stalled = threading.Event(), threading.Event()
        self.pair = threading.Barrier(2)
        self.at_once = self.most_at_once = self.sent = 0
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def _handler(server: PictureServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            with server.lock:
                server.asked[path] += 1
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                getattr(self, path.split("/")[1].replace("-", "_"))(path)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client had enough
            finally:
                with server.lock:
                    server.at_once -= 1

        def ok(self, path: str) -> None:
            with server.lock:
                stall = server.stall_after is not None and server.sent >= server.stall_after
                server.sent += not stall
            if stall:
                server.stalled.set()
                server.release.wait()
            self.answer(200, jpeg(int(path.split("/")[2].split(".")[0])))

        def pairs(self, path: str) -> None:
            server.pair.wait(20)
            self.answer(200, jpeg())

        def flaky(self, path: str) -> None:
            """500 twice, then a picture."""
            self.answer(500 if server.asked[path] <= 2 else 200, jpeg())

        def busy(self, path: str) -> None:
            self.answer(429 if server.asked[path] <= 1 else 200, jpeg(), {"Retry-After": "0"})

        def status(self, path: str) -> None:
            self.answer(int(path.split("/")[2]), b"no")

        def html(self, path: str) -> None:
            self.answer(200, b"<html>Not here any more</html>", {"Content-Type": "text/html; charset=utf-8"})

        def empty(self, path: str) -> None:
            self.answer(200, b"")

        def half(self, path: str) -> None:
            """The connection breaks off."""
            self.answer(200, jpeg()[:200], {"Content-Length": str(len(jpeg()))})
            self.close_connection = True

        def damaged(self, path: str) -> None:
            """All that was announced, and yet half a picture."""
            self.answer(200, jpeg()[:-4])

        def bomb(self, path: str) -> None:
            self.answer(200, png_bomb())

        def announced(self, path: str) -> None:
            self.answer(200, b"", {"Content-Length": str(10**9)})

        def endless(self, path: str) -> None:
            self.answer(200, b"", {"Transfer-Encoding": "chunked", "Content-Length": ""})
            for _ in range(100_000):
                self.wfile.write(b"2710\r\n" + bytes(10_000) + b"\r\n")

        def slow(self, path: str) -> None:
            """Half a picture, and then nothing."""
            self.answer(200, jpeg()[:100], {"Content-Length": str(len(jpeg()))})
            self.wfile.flush()
            server.release.wait()

        def silent(self, path: str) -> None:
            server.release.wait()
            self.close_connection = True

        def loop(self, path: str) -> None:
            self.answer(302, b"", {"Location": path})

        def moved(self, path: str) -> None:
            self.answer(301, b"", {"Location": path.replace("moved", "ok")})

        def to_file(self, path: str) -> None:
            self.answer(302, b"", {"Location": "file:///etc/passwd"})

        def answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
                if value:
                    self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Tests print nothing."""

    return Handler
