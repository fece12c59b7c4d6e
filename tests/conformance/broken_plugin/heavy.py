"""A second entry point, which imports torch to say what it offers."""

import torch  # noqa: F401

import mtss_zoo


@mtss_zoo.hookimpl
def mtss_zoo_components() -> list[mtss_zoo.Component]:
    return [mtss_zoo.Component("loss", "good_heavy", "broken_plugin.loss:good_loss", "a good loss")]
