"""What a backend is: questions with rendered media in, text out."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple

from kuleshov.errors import UsageError
from kuleshov.sample import IMAGE, VIDEO, MediaItem, Pixels, Sample, dump_json


class Shown(NamedTuple):
    """A media item as a model is shown it.

    Args:
        placeholder: `<video>` or `<image>`.
        item: its recipe, with the times that the model is told.
        pixels: uint8 RGB of shape (frames, height, width, 3).
    """

    placeholder: str
    item: MediaItem
    pixels: Pixels


@dataclass(frozen=True)
class Request:
    """One question as it is asked.

    Args:
        sample: the question, under its condition.
        pixels: the frames of each media item, as `kuleshov.render` gives them.
        condition: "full" or the name of a control.
        repeat: counted from 0.
        seed: of this answer's sampling, in [0, 2^31).
    """

    sample: Sample
    pixels: Sequence[Pixels]
    condition: str = "full"
    repeat: int = 0
    seed: int = 0

    def parts(self) -> list[str | Shown]:
        """The prompt in order: text, and a `Shown` in place of each `<video>` or `<image>`.

        Raises:
            UsageError: the prompt does not fit the media.
        """
        places, media = self.sample.placeholders, self.sample.media
        if not len(places) == len(media) == len(self.pixels):
            raise UsageError(
                f"sample {self.sample.id}: the prompt has {len(places)} {VIDEO} or {IMAGE} for "
                f"{len(media)} media items, of which {len(self.pixels)} are rendered"
            )
        shown = iter(map(Shown, places, media, self.pixels))
        texts = re.split(f"({VIDEO}|{IMAGE})", self.sample.prompt)
        return [next(shown) if text in (VIDEO, IMAGE) else text for text in texts if text]

    def seconds(self) -> list[list[float]]:
        """For each media item the times that the model is told."""
        return [[frame.shown_seconds for frame in item.frames] for item in self.sample.media]

    def sizes(self) -> list[list[int]]:
        """For each media item (height, width) of its frames."""
        return [list(frames.shape[1:3]) for frames in self.pixels]


@dataclass(frozen=True)
class Reply:
    """What a model wrote, and what it really received.

    Args:
        text: the completion.
        finish: why it ends: "stop", "length", or what an endpoint calls it; "" if unknown.
        num_frames: frames that reached the model.
        num_tokens: tokens of the prompt, vision included; None where an endpoint does not say.
        seconds: for each media item the times that the model was told.
        sizes: for each media item (height, width) of its frames in pixels, after the model's own
            processor where the backend sees that, else as handed over.
        sent: hash of the prompt and the pixels, see `digest_of`.
        sampling: what the completion was drawn with, see `Result.sampling`.
        positions: see `Result.positions`.
        reasoning: the model's thought, where an endpoint takes it apart from the answer.
    """

    text: str
    finish: str
    num_frames: int
    num_tokens: int | None
    seconds: Sequence[Sequence[float]]
    sizes: Sequence[Sequence[int]]
    sent: str
    sampling: dict[str, float | None] = field(default_factory=dict)
    positions: str = ""
    reasoning: str = ""


class Refusal(NamedTuple):
    """Why one question has no answer, where others have."""

    reason: str


class Backend(ABC):
    """A model that can be asked."""

    def coarse_clocks(self, samples: Sequence[Sample]) -> dict[str, str]:
        """Of which tasks the model cannot tell when frames are, and how that shows; {} where that
        is not known.
        """
        return {}

    @abstractmethod
    def ask(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Reply | Refusal]]:
        """Each request with its reply, as soon as there is one and so in any order; with a refusal
        where an endpoint refuses this question and answers others.

        Requests are taken only as they are needed: rendered frames are large.

        Raises:
            EndpointError: an answer cannot be had; those given before it count.
        """


def digest_of(prompt: object, pixels: Iterable[Pixels] = ()) -> str:
    """Hash of what is sent: the prompt as JSON and frames, 32 hex digits."""
    state = blake2b(dump_json(prompt).encode(), digest_size=16)
    for frames in pixels:
        state.update(dump_json(list(frames.shape)).encode())
        state.update(frames.tobytes())
    return state.hexdigest()


def batches(requests: Iterable[Request], size: int) -> Iterator[list[Request]]:
    """Lists of at most `size` requests."""
    rest = iter(requests)
    while batch := list(islice(rest, size)):
        yield batch
