"""One attempt to fetch one picture: what the server says, and whether what it sends is a picture."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import monotonic

import httpx2
from PIL import Image

from mtss_zoo.errors import ImageError, MtssZooError
from mtss_zoo.fetch.record import Outcome
from mtss_zoo.files.whole_files import whole_file
from mtss_zoo.pil_images import FORMATS, decode

REDIRECTS = 5
SILENCE = 10.0
"""Seconds to connect, and between two pieces of an answer; also how long Ctrl-C may take."""
BUSY = {408, 425, 429, 500, 502, 503, 504}
"""What a server answers when it may answer otherwise later."""
LARGE_PIXELS = 10_000_000
_one_large_picture = threading.Lock()


@dataclass(frozen=True)
class Attempt:
    """What one attempt came to."""

    outcome: Outcome
    again: bool = False
    """Another attempt may succeed."""
    answered: bool = True
    """The server sent something."""
    wait: float = 0.0
    """Seconds for which the server wants to be left alone."""


class Stopped(Exception):
    """The user wants no more; nothing became of this picture."""


def client(workers: int, timeout: float) -> httpx2.Client:
    """A client that several threads share. It asks for pictures as they are, not compressed once more.

    Args:
        timeout: seconds that a picture may take; of these `SILENCE` at most without hearing anything.
    """
    return httpx2.Client(
        headers={"User-Agent": f"mtss-zoo/{version('mtss-zoo')}", "Accept": "image/*", "Accept-Encoding": "identity"},
        timeout=min(timeout, SILENCE),
        limits=httpx2.Limits(max_connections=workers, max_keepalive_connections=workers),
        follow_redirects=True,
        max_redirects=REDIRECTS,
    )


def attempt(web: httpx2.Client, url: str, path: Path, timeout: float, max_bytes: int, stop: threading.Event) -> Attempt:
    """Fetches a picture to ``path``, which is then whole and can be decoded, or is not there.

    Args:
        timeout: seconds that the whole answer may take.
        max_bytes: of the encoded picture.

    Raises:
        Stopped: ``stop`` was set before the end.
    """
    answered, deadline = False, monotonic() + timeout
    try:
        with web.stream("GET", url) as response:
            answered = True
            if response.status_code != 200:
                return _refusal(response)
            announced, content = response.headers.get("Content-Length", ""), bytearray()
            if announced.isdecimal() and int(announced) > max_bytes:
                return _refused(f"larger than {max_bytes:,} bytes")
            for piece in response.iter_raw():
                content += piece
                if len(content) > max_bytes:
                    return _refused(f"larger than {max_bytes:,} bytes")
                if stop.is_set():
                    raise Stopped
                if monotonic() > deadline:
                    return _failed(f"not whole after {timeout:g} seconds")
            kind = response.headers.get("Content-Type", "")
    except httpx2.TooManyRedirects:
        return _refused(f"more than {REDIRECTS} redirections")
    except (httpx2.UnsupportedProtocol, httpx2.InvalidURL, ValueError, OverflowError):  # the last two: odd names, ports
        return _refused("its address, or one that it leads to, is none of http or https")
    except httpx2.TimeoutException:
        return _failed("the server fell silent" if answered else "no answer in time", answered)
    except httpx2.RequestError as error:
        return _failed(f"the connection failed ({type(error).__name__})", answered)
    if fault := _fault(bytes(content)):
        return _refused(f"{fault} (sent as {kind.partition(';')[0][:40]})" if kind else fault)
    try:
        with whole_file(path) as part:
            part.write_bytes(content)
    except OSError as error:
        raise MtssZooError(f"{path} cannot be written: {error.strerror}. What was fetched before is kept.") from error
    return Attempt(Outcome("fetched"))


def _refusal(response: httpx2.Response) -> Attempt:
    reason = f"status {response.status_code}"
    if response.status_code not in BUSY:
        return Attempt(Outcome("dead", reason))
    asked = response.headers.get("Retry-After", "")
    wait = float(asked) if asked.isdecimal() else 0.0
    return Attempt(Outcome("failed", reason), again=True, wait=wait)


def _refused(reason: str) -> Attempt:
    return Attempt(Outcome("refused", reason))


def _failed(reason: str, answered: bool = True) -> Attempt:
    return Attempt(Outcome("failed", reason), again=True, answered=answered)


def _fault(content: bytes) -> str:
    """Why these bytes are no picture that can be used; decoded whole, as half a picture looks like one."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            large = image.width * image.height > LARGE_PIXELS
    except Exception:  # `decode` has the words for it
        large = False
    try:
        if large:  # many at once could take all memory
            with _one_large_picture:
                decode(content, "")
        else:
            decode(content, "")
    except ImageError as error:
        return str(error).partition("cannot be used: ")[2].partition(";")[0].rstrip(".")
    return ""
