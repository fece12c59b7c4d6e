"""What ``predict``, ``explain`` and ``export`` say of a name that means no model, before they do any work."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("command", [("predict", "x.jpg"), ("explain", "x.jpg"), ("export",)])
def test_a_misspelt_model_is_an_unknown_name(zoo, monkeypatch, tmp_path, command):
    monkeypatch.chdir(tmp_path)
    name, *pictures = command
    code, _, err = zoo(name, "mtss_student_fashion_product", *pictures)
    assert code == 2
    assert "no model 'mtss_student_fashion_product'. Did you mean mtss_student_fashion_products" in err
    code, _, err = zoo(name, "qqq", *pictures)
    assert code == 2 and "no model 'qqq'. Name a checkpoint folder, owner/repo@revision" in err


@pytest.mark.parametrize("out", ["folder.onnx", "file/model.onnx"])
def test_export_looks_whether_it_can_write_before_it_works(zoo, monkeypatch, tmp_path, out):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setattr("mtss_zoo.cli.use.pretrained_recipe", None)
    code, _, err = zoo("export", "mtss_student_fashion_products", "--out", out)
    assert code == 2 and out in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.onnx"]
