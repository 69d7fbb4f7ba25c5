"""What happened when, in a story that is told in text alone?

T3 (arXiv 2410.06166) trains on captions with questions about their order, changes, and what
happens when. Its templates are not known to us, so wording and kinds below follow its list of
tasks only. The captions are made up:

    0-2 s: The red box was opened.
    2-5 s: The blue cup was hidden.
    5-9 s: The white door was sold.

There is no video to see, and the answer is in the prompt by design: what is trained is how to
reason about time, not how to see. Floors and probes that read only the prompt can solve it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import ClassVar, NamedTuple, Self

import numpy as np

from kuleshov.errors import UsageError, unknown_name
from kuleshov.sample import Sample, Skip, Video
from kuleshov.tasks.choice import Choice
from kuleshov.tasks.stories import COLOURS, Event, events_of_different_things
from kuleshov.tasks.task import Donors


class Question(NamedTuple):
    """What is asked about a text, with the right option first."""

    captions: list[str]
    question: str
    options: list[str]


def order_sentence(spans: Sequence[str], rng: np.random.Generator) -> Question:
    return _order(spans, lambda event: event.clause, rng)


def order_phrase(spans: Sequence[str], rng: np.random.Generator) -> Question:
    return _order(spans, lambda event: event.phrase, rng)


def order_prefix(spans: Sequence[str], rng: np.random.Generator) -> Question:
    return _order(spans, lambda event: f"{event.phrase} was ...", rng)


def attribute(spans: Sequence[str], rng: np.random.Generator) -> Question:
    """One thing changes its colour from caption to caption."""
    (event,) = events_of_different_things(1, rng)
    colours = [COLOURS[i] for i in rng.permutation(len(COLOURS))[: len(spans)]]
    captions = [f"The {event.thing} is {colour}." for colour in colours]
    return Question(
        captions,
        f"How does the colour of the {event.thing} change?",
        _orders(colours, rng),
    )


def referring(spans: Sequence[str], rng: np.random.Generator) -> Question:
    captions, asked = _story(spans, rng)
    others = [caption for caption in captions if caption != captions[asked]]
    return Question(captions, f"What happens at {spans[asked]}?", [captions[asked], *others])


def grounding(spans: Sequence[str], rng: np.random.Generator) -> Question:
    captions, asked = _story(spans, rng)
    others = [span for span in spans if span != spans[asked]]
    return Question(captions, f"When does this happen: {captions[asked]}", [spans[asked], *others])


KINDS: dict[str, Callable[[Sequence[str], np.random.Generator], Question]] = {
    "order_sentence": order_sentence,
    "order_phrase": order_phrase,
    "order_prefix": order_prefix,
    "attribute": attribute,
    "referring": referring,
    "grounding": grounding,
}


@dataclass(frozen=True, kw_only=True)
class TextOrder(Choice):
    """Made-up captions and a question about their time.

    `default` and `paper` are the same, as the published templates are not known. The video is
    not looked at: it decides the split and what is drawn.

    Args:
        kinds: of questions, one of which is drawn for each sample.
        num_captions: how many, and as many options: 3 to 8.
        max_seconds: length of a caption's span: 1 to this many, drawn uniformly.
    """

    name: ClassVar[str] = "text_order"
    about_order: ClassVar[bool] = True

    kinds: tuple[str, ...] = tuple(KINDS)
    num_captions: int = 4
    max_seconds: int = 5

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise unknown_name("text_order kind", kind, KINDS)
        for knob, value, allowed in [
            ("num_captions", self.num_captions, range(3, len(COLOURS) + 1)),
            ("max_seconds", self.max_seconds, range(1, 1001)),
            ("number of kinds", len(self.kinds), range(1, 1001)),
        ]:
            if value not in allowed:
                raise UsageError(
                    f"text_order: {knob} is {value}; allowed: {allowed[0]} to {allowed[-1]}"
                )

    @classmethod
    def paper(cls) -> Self:
        return cls(reading="exact")

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        lengths = rng.integers(1, self.max_seconds + 1, size=self.num_captions).tolist()
        ends = accumulate(lengths, initial=0)
        spans = [f"{start}-{end} s" for start, end in pairwise(ends)]
        asked = KINDS[self.kinds[rng.integers(len(self.kinds))]](spans, rng)
        text = "\n".join(
            f"{span}: {caption}" for span, caption in zip(spans, asked.captions, strict=True)
        )
        question = f"Captions of a video:\n{text}\n{asked.question}"
        return self.ask([video], [], question, asked.options, rng)

    def switched_off(self, sample: Sample) -> None:
        """There is nothing to see that could be switched off."""
        return None


def _order(
    spans: Sequence[str], name: Callable[[Event], str], rng: np.random.Generator
) -> Question:
    told = events_of_different_things(len(spans), rng)
    return Question(
        [event.sentence for event in told],
        "In which order does this happen?",
        _orders([name(event) for event in told], rng),
    )


def _orders(names: Sequence[str], rng: np.random.Generator) -> list[str]:
    """As many different orders as there are names, the given one first."""
    given = tuple(range(len(names)))
    orders = [given]
    while len(orders) < len(names):
        drawn = tuple(rng.permutation(len(names)).tolist())
        if drawn not in orders:
            orders.append(drawn)
    return [", then ".join(names[i] for i in order) for order in orders]


def _story(spans: Sequence[str], rng: np.random.Generator) -> tuple[list[str], int]:
    """Captions, and the number of the one that is asked about."""
    told = events_of_different_things(len(spans), rng)
    return [event.sentence for event in told], int(rng.integers(len(spans)))
