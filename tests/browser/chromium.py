"""Chromium for the tests of the page: the machine's own, or one that npm brings, without root, beside the packages.

    python tests/browser/chromium.py    # what `make test` does first

Playwright alone would fetch a browser from a server of its own, which many machines may not reach; a registry of
packages they reach. Where neither is to be had, the tests in the browser are skipped and say so.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGE = "@sparticuz/chromium@149.0.0"  # Chromium for Linux on x86-64 with the libraries and fonts that it needs
SHA512 = "2NECBVKlUA9xIUXb4fT8OoGKdAJs+I2tNYscO8FwcxCKCWA7FmpPI0fdVxGJoIJglrFZYn+4YEJqChq4rdrxQg=="
HOME = Path(sys.prefix) / "chromium"
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{home}/fonts</dir><cachedir>{home}/cache</cachedir></fontconfig>"""
HOW = "install Chromium (Debian: apt install chromium), or npm, with which `make test` fetches one"


def launch_options() -> dict[str, Any] | None:
    """What playwright needs to start the browser; ``None`` if there is none."""
    own = next(filter(None, map(shutil.which, INSTALLED)), None)
    if own:
        return {"executable_path": own}
    if not (HOME / "chromium").exists():
        return None
    environment = {"LD_LIBRARY_PATH": str(HOME / "lib"), "FONTCONFIG_FILE": str(HOME / "fonts.conf")}
    return {"executable_path": str(HOME / "chromium"), "env": os.environ | environment}


def fetch() -> None:
    """Downloads the package, checks it byte for byte, and unpacks the browser of it."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, timeout=600, stdout=subprocess.DEVNULL
        )
        (package,) = Path(folder).glob("*.tgz")
        if base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode() != SHA512:
            raise RuntimeError(f"{PACKAGE} is not what it was when this file was written")
        part = Path(folder) / "chromium"
        unpack(package, part)
        shutil.move(part, HOME)


def unpack(package: Path, home: Path) -> None:
    """The browser, its libraries in ``lib/`` and its fonts in ``fonts/``."""
    import brotli  # comes with gradio

    home.mkdir()
    with tarfile.open(package) as files:
        for name in ("chromium", "al2023.tar", "fonts.tar"):
            member = files.extractfile(f"package/bin/{name}.br")
            assert member
            data = brotli.decompress(member.read())
            if name.endswith(".tar"):
                with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                    tar.extractall(home, filter="data")
            else:
                (home / name).write_bytes(data)
    (home / "chromium").chmod(0o755)
    (home / "fonts.conf").write_text(FONTS.format(home=HOME))


if __name__ == "__main__":
    if launch_options() is None:
        try:
            fetch()
        except Exception as error:  # whatever it is, all other tests can run
            print(f"no browser for the tests of the page ({error}): {HOW}.")
