"""A page to try a model: drop a photo, see the classes of every attribute type. It needs the extra ``demo``."""

from __future__ import annotations

import os
from importlib.util import find_spec

from mtss_zoo.errors import MtssZooError

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported, which is always after this package


def require_gradio() -> None:
    """Refuses to go on without the extra ``demo``.

    Raises:
        MtssZooError: it is not installed.
    """
    if find_spec("gradio") is None:
        raise MtssZooError("the page needs gradio. Install it with: pip install 'mtss-zoo[demo]'")
