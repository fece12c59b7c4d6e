"""``mtss-zoo evaluate --corruptions``: JSON for programs, four tables for people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mtss_zoo
from mtss_zoo.json_text import to_json

pytest.importorskip("imagecorruptions")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    recipe = {
        "name": "tiny",
        "data": {"dataset": {"name": "garments", "args": {"n_val": 6, "image_size": 32}}, "image_size": [32, 32]},
        "model": {"backbone": {"name": "timm", "args": {"name": "test_resnet"}}, "head": "linear"},
    }
    return mtss_zoo.save(mtss_zoo.build(recipe), tmp_path_factory.mktemp("model") / "student")


@pytest.fixture
def evaluate(monkeypatch, zoo, checkpoint):
    """``evaluate("--corruptions")`` gives exit code, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "100")

    return lambda *args: zoo("evaluate", checkpoint, *args)


def test_json_is_what_python_gives(evaluate, checkpoint) -> None:
    options = ("--names", "fog, contrast", "--variant", "imagenet-c", "--max-images", "4", "--workers", "0")
    code, out, _ = evaluate("--corruptions", *options, "--seed", "7", "--save-quality", "85", "--json")
    assert code == 0
    expected = mtss_zoo.evaluate_corrupted(
        checkpoint,
        variant="imagenet-c",
        names=["fog", "contrast"],
        max_images=4,
        seed=7,
        save_quality=85,
        workers=0,
    )
    assert json.loads(out) == json.loads(to_json(expected))
    assert json.loads(out)["n"] == 4


def test_the_tables_show_stage_severity_corruption_and_type(evaluate) -> None:
    code, out, _ = evaluate("--corruptions", "--names", "fog,contrast", "--workers", "0")
    assert code == 0
    assert "val, 6 pictures, variant imaug of imagecorruptions-imaug 1.1.5, seed 0: recall@3 of all types" in out
    header = next(line for line in out.splitlines() if "drop in %" in line)
    assert header.split() == ["stage", "clean", "corrupted", "drop", "in", "%", "weather", "digital"]
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows if len(row) == 7] == ["corruption", "fog", "contrast"]
    assert {"category", "colour", "all"} <= {row[0] for row in rows if row}


@pytest.mark.parametrize(
    "option", ["--names=fog", "--variant=imaug", "--max-images=3", "--seed=0", "--save-quality=85", "--workers=1"]
)
def test_an_option_of_the_corruptions_alone_is_asked_wrongly(evaluate, option) -> None:
    code, _, err = evaluate(option)
    assert code == 2 and f"{option.split('=')[0]} can be given with --corruptions only" in err


def test_an_unknown_corruption_is_asked_wrongly(evaluate) -> None:
    code, _, err = evaluate("--corruptions", "--names", "fgo")
    assert code == 2 and "no corruption 'fgo'. Did you mean fog" in err
