"""Plugins come in by entry points, one by one; a broken one is named and breaks nobody else."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from mtss_zoo.errors import PluginError, UnknownNameError
from mtss_zoo.plugins import plugins
from mtss_zoo.registry import find, list_components, provider, resolve

GOOD = """
import mtss_zoo

@mtss_zoo.hookimpl
def mtss_zoo_components():
    return [mtss_zoo.Component("loss", "{name}", "{module}:Loss", summary="a loss")]

class Loss: ...
"""


def good(distribution: str, name: str) -> str:
    return GOOD.format(name=name, module=f"{distribution}_plugin")


def test_a_strangers_component_is_found_like_a_built_in_one(install_plugin):
    install_plugin("acme", good("acme", "acme_loss"))
    component = find("loss", "acme_loss")
    assert provider(component).distribution == "acme"
    assert resolve(component).__name__ == "Loss"
    assert {"acme_loss", "focal_ranking"} <= {c.name for c in list_components("loss")}


def test_wildcards_and_kinds_narrow_the_list(install_plugin):
    install_plugin("acme", good("acme", "acme_loss"))
    assert [c.name for c in list_components("loss", "acme_*")] == ["acme_loss"]
    assert list_components("head", "acme_*") == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('no licence key')", "RuntimeError: no licence key"),
        ("import sys; sys.exit('no GPU here')", "SystemExit: no GPU here"),
        ("import module_that_is_not_there", "ModuleNotFoundError"),
        ("import sys; x = 1 +", "SyntaxError"),
        ("x = 1", "has no function mtss_zoo_components"),
        (
            "import mtss_zoo\n@mtss_zoo.hookimpl\ndef mtss_zoo_components():\n    return ['loss']",
            "must be a mtss_zoo.Component",
        ),
        ("import mtss_zoo\n@mtss_zoo.hookimpl\ndef mtss_zoo_components():\n    return 1 / 0", "ZeroDivisionError"),
        (good("acme", "x").replace('"loss"', '"optimiser"'), "kind 'optimiser' is none of"),
        (good("acme", "x").replace("acme_plugin:Loss", "acme_plugin.Loss"), "is not 'package.module:Name'"),
        (good("acme", "x").replace('"x"', "None"), "name is None, but it must be text"),
        (good("acme", "x").replace('"a loss"', "['a', 'loss']"), "summary is ['a', 'loss'], but it must be text"),
        (good("acme", "x").replace('summary="a loss"', "args=dict"), "must be a dataclass or None"),
        (good("acme", "x").replace('summary="a loss")', ")] * 2 + ["), "offers loss 'x' 2 times"),
        (good("acme", "x").replace('summary="a loss"', "api=99"), "interface version 99"),
        (good("acme", "x").replace("def mtss_zoo_components", "def mtss_zoo_component"), "unknown hook"),
    ],
)
def test_a_broken_plugin_is_recorded_with_its_reason_and_breaks_nobody(install_plugin, code, reason):
    install_plugin("acme", code)
    install_plugin("other", good("other", "other_loss"))
    broken = next(p for p in plugins() if p.distribution == "acme")
    assert broken.error is not None and reason in broken.error
    assert broken.components == ()
    assert find("loss", "other_loss")
    assert find("loss", "focal_ranking")


def test_two_plugins_with_one_name_are_an_error_that_names_both_and_the_way_out(install_plugin):
    install_plugin("acme", good("acme", "focal_ranking"))
    with pytest.raises(PluginError, match="acme:focal_ranking or mtss-zoo:focal_ranking"):
        find("loss", "focal_ranking")
    assert provider(find("loss", "acme:focal_ranking")).distribution == "acme"
    assert provider(find("loss", "mtss-zoo:focal_ranking")).distribution == "mtss-zoo"


def test_an_unknown_name_shows_near_matches_and_failed_plugins(install_plugin):
    install_plugin("acme", "raise RuntimeError('no licence key')")
    with pytest.raises(UnknownNameError) as error:
        find("loss", "focal_rankin")
    assert "Did you mean focal_ranking?" in str(error.value)
    assert "acme:acme (RuntimeError: no licence key" in str(error.value)


def test_a_target_that_cannot_be_imported_names_the_component_and_its_package(install_plugin):
    install_plugin("acme", good("acme", "acme_loss").replace("class Loss", "class Other"))
    with pytest.raises(PluginError, match=r"loss 'acme_loss' of acme could not be imported from acme_plugin:Loss"):
        resolve(find("loss", "acme_loss"))


def test_a_target_that_ends_the_process_ends_only_its_component(install_plugin):
    install_plugin("acme", good("acme", "acme_loss").replace("acme_plugin:Loss", "acme_heavy:Loss"))
    module = Path(import_module("acme_plugin").__file__).with_name("acme_heavy.py")
    module.write_text("import sys; sys.exit(3)")
    with pytest.raises(PluginError, match=r"could not be imported from acme_heavy:Loss: SystemExit: 3"):
        resolve(find("loss", "acme_loss"))


@pytest.mark.parametrize("block", ["acme", " acme ,nobody", "*"])
def test_a_user_can_block_a_plugin(install_plugin, monkeypatch, block):
    install_plugin("acme", good("acme", "acme_loss"))
    monkeypatch.setenv("MTSS_ZOO_BLOCK", block)
    plugins.cache_clear()
    assert list_components("loss", "acme_*") == []


def test_with_every_plugin_blocked_the_core_still_lists_and_is_empty(monkeypatch):
    monkeypatch.setenv("MTSS_ZOO_BLOCK", "*")
    plugins.cache_clear()
    assert plugins() == ()
    assert list_components() == []
    plugins.cache_clear()
