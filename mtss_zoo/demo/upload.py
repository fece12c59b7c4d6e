"""The field of the page that takes a photo."""

from __future__ import annotations

from abc import ABCMeta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio
from gradio.component_meta import ComponentMeta

if TYPE_CHECKING:
    from gradio.data_classes import ImageData


class Unwritten(ComponentMeta):
    """gradio's own metaclass writes a stub file beside the source of every component; this one writes nothing."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Unwritten:
        """The class, with the events of its base."""
        return ABCMeta.__new__(cls, name, bases, namespace)


class Upload(gradio.Image, metaclass=Unwritten):
    """A field for one picture that hands over the uploaded file as it is: gradio would decode it, with no limits."""

    is_template = True  # for the browser it is a `gradio.Image`

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        """Takes what was uploaded only; gradio's own also fetches any address, and here any file of the machine."""
        path = Path(url_or_file_path or "")
        if not path.resolve().is_relative_to(Path(self.GRADIO_CACHE).resolve()):
            raise gradio.Error("Upload the photo itself.", print_exception=False)
        return str(path)

    def preprocess(self, payload: ImageData | None) -> str | None:
        """Where the file is; ``None`` when the field was emptied."""
        return payload.path if payload else None
