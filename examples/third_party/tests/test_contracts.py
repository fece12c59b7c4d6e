"""The dataset and the loss keep the contracts of mtss-zoo."""

from mtss_zoo.conformance import run


def test_the_plugin_conforms():
    assert run("mtss-zoo-colour-chips") == 0
