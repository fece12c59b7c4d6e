"""From items to pictures of the model's size, in this process or in others; what cannot be used gets a reason."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mtss_zoo.bulk.sources import Box, Item, Member, Unusable, as_text
from mtss_zoo.errors import ImageError
from mtss_zoo.files.tars import TarReader
from mtss_zoo.pil_images import check_bytes, explained

if TYPE_CHECKING:
    from mtss_zoo.interfaces import ImageSource

Pixels: TypeAlias = npt.NDArray[np.uint8]
Decode: TypeAlias = "Callable[[ImageSource, str, Box | None], Pixels]"
"""A picture, its name and a box to RGB 3HW of the model's size."""


@dataclass
class Pictures:
    """Some items with the pictures of those that can be used."""

    ids: list[str] = field(default_factory=list)
    reasons: list[str | None] = field(default_factory=list)
    """For each item, why it cannot be used; ``None`` if it can."""
    images: Any = None
    """B3HW, uint8: an array, or a tensor where torch shares it between processes; ``None`` without any picture."""

    def pin_memory(self) -> Pictures:
        """Called by torch's DataLoader, so that the copy to an accelerator does not block."""
        if self.images is not None:
            self.images = self.images.pin_memory()
        return self


@dataclass(frozen=True)
class Reader:
    """Reads some items; it is copied into worker processes, so it holds no model."""

    decode: Decode
    stack: Callable[[Sequence[Pixels]], Any] = np.stack

    def __getitem__(self, items: Sequence[Item]) -> Pictures:
        found, images = Pictures(), []
        for item in items:
            reason = None
            try:
                images.append(self.decode(_encoded(item), item.id, item.bbox))
            except ImageError as error:
                reason = as_text(str(error))  # it names the path, which may not be UTF-8
            found.ids.append(item.id)
            found.reasons.append(reason)
        found.images = self.stack(images) if images else None
        return found


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Up to ``size`` items at a time."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def read_in_threads(reader: Reader, batches: Iterable[list[Item]], workers: int) -> Generator[Pictures, None, None]:
    """Reads ahead by threads, in order. Pillow decodes outside Python's lock; ``workers`` 0 reads nothing ahead."""
    if not workers:
        yield from (reader[items] for items in batches)
        return
    ahead: deque[Future[Pictures]] = deque()
    # Reading a picture mutes warnings for a moment, which threads would not undo in order: this does at the end.
    with ThreadPoolExecutor(workers) as pool, warnings.catch_warnings():
        for items in batches:
            ahead.append(pool.submit(reader.__getitem__, items))
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _encoded(item: Item) -> ImageSource:
    match item.image:
        case Unusable(reason):
            raise ImageError(f"{reason}.")
        case Member(tar, offset, size):
            with explained(b"", item.id):
                check_bytes(size)
            return TarReader([tar]).read(0, offset, size, item.id)
        case image:
            return image
