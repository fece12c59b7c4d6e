"""The page over HTTP, by gradio's own client: what a browser sends and gets, without a browser."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from gradio_client import Client, handle_file

import mtss_zoo
from mtss_zoo.demo.page import Page, application


@pytest.fixture(scope="session")
def client(url):
    return Client(url, verbose=False, download_files=False, analytics_enabled=False)


@pytest.fixture
def ask(client):
    """``ask(file)`` uploads it and gives the words of the answer, and of the heat maps."""

    def run(file: Path) -> tuple[str, str]:
        said, maps = client.predict(handle_file(file), api_name="/predict")
        return words(said), words(maps)

    return run


def words(source: str) -> str:
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", source)).split())


def test_the_answer_is_what_the_model_predicts(ask, model, files):
    said, maps = ask(files / "plain.png")
    (prediction,) = model.predict(files / "plain.png", top_k=3)
    for name, classes in prediction.items():
        several = "may have several " if model.schema[name].kind == "multi" else ""
        assert f"{name} {several}" + " ".join(f"{c} {score:z.2f}" for c, score in classes) in said
        assert f"{name} {classes[0][0]}" in maps


@pytest.mark.parametrize("name", ["cmyk.jpg", "turned.jpg", "moving.gif", "print.tiff"])
def test_odd_pictures_have_answers_too(ask, model, files, name):
    (prediction,) = model.predict(files / name, top_k=1)
    ((best, score),) = prediction["category"]
    assert f"category {best} {score:z.2f}" in ask(files / name)[0]


@pytest.mark.parametrize("name", ["text.jpg", "empty.jpg", "cut.jpg", "dot.png", "bomb.png", "wide.png"])
def test_what_cannot_be_used_is_refused_in_one_sentence(ask, files, name):
    said, maps = ask(files / name)
    assert re.fullmatch(rf"Picture {name} [^{{}}]*\.", said)
    assert "Traceback" not in said
    assert maps == ""


def test_too_many_megabytes_are_refused_before_they_are_kept(url, files):
    line = b"--x\r\n"
    about = b'Content-Disposition: form-data; name="files"; filename="heavy.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = line + about + (files / "heavy.jpg").read_bytes() + b"\r\n--x--\r\n"
    request = Request(f"{url}/gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=x"})
    with pytest.raises(HTTPError, match="413"):
        urlopen(request)


@pytest.mark.parametrize("where", ["{files}/plain.png", "{url}/static/img/logo.svg", "http://192.0.2.1/photo.png"])
def test_the_server_opens_and_fetches_nothing_for_anybody(url, files, where):
    """Neither a file of its own nor an address, also one that only it can reach."""
    file = {"path": where.format(files=files, url=url), "meta": {"_type": "gradio.FileData"}}
    body = json.dumps({"data": [file]}).encode()
    with urlopen(Request(f"{url}/gradio_api/call/predict", body, {"Content-Type": "application/json"})) as response:
        event = json.load(response)["event_id"]
    with urlopen(f"{url}/gradio_api/call/predict/{event}") as response:
        answer = response.read().decode()
    assert answer.startswith("event: error")
    assert "Upload the photo itself." in answer


@pytest.mark.parametrize("path", ["/etc/hostname", "{files}/plain.png", "pyproject.toml", "../../etc/hostname"])
def test_the_server_gives_no_file_of_its_own(url, files, path):
    with pytest.raises(HTTPError, match=r"403|404"):
        urlopen(f"{url}/gradio_api/file={path.format(files=files)}")


def test_there_is_no_other_door(client):
    assert set(client.view_api(return_format="dict", print_info=False)["named_endpoints"]) == {"/predict"}


class TestPage:
    def test_without_a_photo_it_says_what_to_do(self, model):
        assert [words(said) for said, _ in Page(model).look(None)] == [
            "The answer comes here as soon as there is a photo."
        ]

    def test_the_answer_does_not_wait_for_the_maps(self, model, files):
        first, second = Page(model).look(str(files / "plain.png"))
        assert first == (second[0], "")
        assert second[1].count("<img") == len(model.schema)

    def test_maps_can_be_left_out(self, model, files):
        ((_, maps),) = Page(model, explaining=False).look(str(files / "plain.png"))
        assert maps == ""

    def test_top_k_is_the_number_of_classes(self, model, files):
        ((said, _),) = Page(model, explaining=False, top_k=1).look(str(files / "plain.png"))
        assert said.count("<li>") == len(model.schema)

    def test_a_model_in_an_onnx_file_has_a_page_without_maps(self, model, files, tmp_path):
        mtss_zoo.save(model, tmp_path)
        exported = mtss_zoo.export(tmp_path, out=tmp_path / "model.onnx")
        page = Page(mtss_zoo.OnnxModel(exported.path))
        ((said, maps),) = page.look(str(files / "plain.png"))
        assert page.title == "mtss_quickstart"
        (prediction,) = model.predict(files / "plain.png", top_k=1)
        assert prediction["category"][0][0] in words(said)
        assert maps == ""

    def test_a_model_that_diverged_says_so(self, model, files, monkeypatch):
        monkeypatch.setattr(model, "forward", lambda images: {n: images.sum() * float("nan") + images.new_zeros(
            (len(images), len(model.schema[n]))) for n in model.schema.names})  # fmt: skip
        ((said, _),) = Page(model).look(str(files / "plain.png"))
        assert "are not numbers (NaN)" in words(said)

    def test_it_works_without_examples(self, model):
        assert application(Page(model), []).routes

    def test_nothing_is_written_beside_the_source(self):
        """gradio writes a stub file there for every component that is defined."""
        import mtss_zoo.demo.page

        assert not Path(mtss_zoo.demo.page.__file__).with_suffix(".pyi").exists()
