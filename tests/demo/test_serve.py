"""``mtss-zoo serve``: where it listens, what it says, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

import pytest
from PIL import Image

import mtss_zoo
from mtss_zoo import demo
from mtss_zoo.demo.examples import example_pictures
from mtss_zoo.demo.server import PORTS, address, listen
from mtss_zoo.errors import MtssZooError, UsageError


@pytest.fixture
def serve(monkeypatch, zoo):
    """``serve("--port", 1)`` with everything but the model and the server; gives exit code and standard error."""
    monkeypatch.setattr("mtss_zoo.cli.serving.open_model", lambda name: name)
    monkeypatch.setattr("mtss_zoo.demo.server.serve", lambda model, **options: print(model, sorted(options.items())))

    return lambda *args: zoo("serve", "folder", *args)


def test_by_default_only_this_machine_reaches_the_page(serve):
    code, out, err = serve()
    assert (code, err) == (0, "")
    assert "('host', '127.0.0.1')" in out
    assert "('port', None)" in out


def test_it_warns_when_others_can_reach_it(serve):
    _, out, err = serve("--host", "0.0.0.0", "--no-explain")
    assert err == "warning: on 0.0.0.0, anybody who reaches this machine can use the page.\n"
    assert "('explain', False)" in out


def test_without_the_extra_it_says_what_to_install(serve, monkeypatch):
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    code, _, err = serve()
    assert code == 1
    assert "pip install 'mtss-zoo[demo]'" in err


class TestListen:
    def test_a_busy_port_is_named_with_a_free_one(self):
        with listen("127.0.0.1", None) as busy:
            port = busy.getsockname()[1]
            with pytest.raises(MtssZooError, match=rf"port {port} is in use. Port (\d+) is free.") as refused:
                listen("127.0.0.1", port)
            free = int(str(refused.value).split()[-3])
            assert free in PORTS and free != port

    def test_without_a_port_the_first_free_one_is_taken(self):
        with listen("127.0.0.1", None) as one, listen("127.0.0.1", None) as two:
            assert PORTS[0] <= one.getsockname()[1] < two.getsockname()[1] <= PORTS[-1]

    def test_an_address_of_another_machine_is_refused_in_words(self):
        with pytest.raises(MtssZooError, match=r"cannot listen on 192\.0\.2\.1, port"):
            listen("192.0.2.1", None)

    @pytest.mark.parametrize("host, shown", [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]")])
    def test_the_address_can_be_opened_in_a_browser(self, host, shown):
        if ":" in host and not socket.has_ipv6:
            pytest.skip("this machine has no IPv6")
        with listen(host, None) as listening:
            assert address(listening) == f"http://{shown}:{listening.getsockname()[1]}"


class TestExamples:
    def test_drawn_garments_of_different_categories(self, tmp_path):
        pictures = example_pictures(None, tmp_path)
        assert [path.name for path in pictures] == [f"garment_{n}.png" for n in range(1, 7)]
        assert len({path.read_bytes() for path in pictures}) == 6

    def test_the_first_pictures_of_a_folder_but_what_cannot_be_read(self, tmp_path):
        for name in "hgfedcba":
            Image.new("RGB", (9, 9)).save(tmp_path / f"{name}.png")
        (tmp_path / "a.jpg").write_text("no picture")
        (tmp_path / "notes.txt").touch()
        assert [path.name for path in example_pictures(tmp_path, tmp_path)] == [f"{name}.png" for name in "abcdef"]

    def test_a_folder_without_pictures_is_refused(self, tmp_path):
        with pytest.raises(UsageError, match="holds no picture that could be an example"):
            example_pictures(tmp_path, tmp_path)


@pytest.mark.slow
def test_ctrl_c_ends_it_kindly_and_leaves_nothing_behind(model, tmp_path):
    mtss_zoo.save(model, tmp_path / "model")
    environment = os.environ | {"TMPDIR": str(tmp_path / "temporary")}
    (tmp_path / "temporary").mkdir()
    code = "from mtss_zoo.cli import main; main()"
    line = [sys.executable, "-c", code, "serve", str(tmp_path / "model")]
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        with urlopen(url) as response:
            assert response.status == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "stopped.\n", "")
    assert list((tmp_path / "temporary").glob("mtss-zoo-page-*")) == []
