"""What all multiple-choice tasks share.

    question
    A. an option        the options in random order, each behind its letter
    B. another one
    answer  B           one letter; two of them are no answer

Reward: 1 for the right option, 0 for another one.

How an answer is read is a setting, `reading`, the same for all questions with options:

    ours        one option named by its letter or its text, in any words    option_named.py
    published   as a benchmark's own code reads                              published_readings.py
    exact       the letter, in either case, and nothing else
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import ClassVar, Literal, final

import numpy as np

from kuleshov.sample import Json, MediaItem, Sample, Video
from kuleshov.tasks.option_named import option_named, yes_or_no
from kuleshov.tasks.task import Part, Task, Unit

Reading = Literal["ours", "published", "exact"]

_OPTION = re.compile(r"^([A-Z])\. (.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Choice(Task):
    """A task whose answer is one of a few options that the prompt lists behind letters.

    A task with answers of another kind overrides `options`.

    Args:
        reading: how an answer is read: "ours" or "exact", see above. `paper` settings are read
            exactly, and so are sets that were made before there was a choice.
    """

    READINGS: ClassVar[tuple[Reading, ...]] = ("ours", "exact")
    BEFORE: ClassVar[dict[str, Json]] = {"reading": "exact"}

    reading: Reading = "ours"

    @final
    def ask(
        self,
        videos: Sequence[Video],
        media: Sequence[MediaItem],
        question: str,
        options: Sequence[str],
        rng: np.random.Generator,
    ) -> Sample:
        """A sample that asks for one of some options.

        Args:
            videos: those that the media come from.
            media: one for each `<video>` of the question.
            question: the text before the options; no line of it looks like one.
            options: the right one first, in one line each; at most 26.
            rng: draws the order in which they are shown, so no letter is likelier than another.
        """
        order = rng.permutation(len(options)).tolist()
        lines = [f"{ascii_uppercase[place]}. {options[i]}" for place, i in enumerate(order)]
        prompt = "\n".join([question, *lines, "Give the letter of the right option."])
        answer = ascii_uppercase[order.index(0)]
        return self.sample(videos, media, prompt, answer, chance=1 / len(options))

    def options(self, sample: Sample) -> dict[str, str]:
        """What each possible answer stands for."""
        return dict(_OPTION.findall(sample.prompt))

    @final
    def right(self, sample: Sample) -> str:
        """What the true answer stands for."""
        return self.options(sample)[sample.answer]

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        answers = list(self.options(sample))
        return answers[rng.integers(len(answers))]

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        return list(self.options(samples[0]))

    def units(self, sample: Sample) -> list[Unit]:
        """Is this option the right one?"""
        parts = tuple(Part(i, 0, len(item.frames)) for i, item in enumerate(sample.media))
        return [
            Unit(parts, answer == sample.answer, text)
            for answer, text in self.options(sample).items()
        ]

    def write(self, answer: Json, sample: Sample | None = None) -> str:
        return str(answer)

    def parse(self, text: str, sample: Sample) -> Json:
        options = self.options(sample)
        if self.reading == "exact":
            return {name.lower(): name for name in options}.get(text.lower())
        return yes_or_no(text) if "yes" in options else option_named(text, options)

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        return {"total": float(answer == truth)}
