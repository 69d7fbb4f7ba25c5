"""Requests into model inputs, as in training: see `kuleshov.train.encode`."""

from __future__ import annotations

from typing import Any, final

from kuleshov.evaluate.backends.backend import Request
from kuleshov.sample import Pixels
from kuleshov.train.encode import Encoded, Encoder


@final
class Encoding:
    """One `Encoder` for all requests of a run, which asks its processor once what it can do.

    Its frames are those of the request that was encoded last, as these are rendered already.

    Args:
        processor: of the model's family.
    """

    def __init__(self, processor: Any) -> None:
        self._pixels: list[Pixels] = []
        self.encoder = Encoder(processor, lambda _: self._pixels)

    def __call__(self, request: Request) -> Encoded:
        """A request as its model takes it.

        Raises:
            UsageError: see `Encoder`.
            MissingVideoError: likewise.
        """
        self._pixels = list(request.pixels)
        return self.encoder(request.sample)
