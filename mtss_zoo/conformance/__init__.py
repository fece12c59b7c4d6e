"""The contracts of `mtss_zoo.interfaces` as tests, which a plugin runs against itself.

    pytest --pyargs mtss_zoo.conformance --plugin NAME

``NAME`` is a distribution, all of whose plugins are then tested, or one entry point of the group ``mtss_zoo``. pytest
comes with ``pip install mtss-zoo[test]``. Every component is tried with the arguments that its ``example`` gives; a
failing test says what the contract wants.
"""

from __future__ import annotations


def run(plugin: str, *arguments: str) -> int:
    """Runs the suite in this process, for a test of a plugin's own: ``assert run("mtss-zoo-acme") == 0``.

    ``arguments`` are pytest's, such as ``"-k", "masked"``. Returns pytest's exit code; 0 is passed.
    """
    import pytest

    # Without the cache of the caller's own session, which `--lf` reads.
    return int(pytest.main(["--pyargs", __name__, "--plugin", plugin, "-p", "no:cacheprovider", *arguments]))
