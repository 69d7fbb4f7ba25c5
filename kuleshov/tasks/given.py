"""Questions of a benchmark, by the kind of their answer.

    given_choice     letter of an option        1 if right               given_choices.py
    given_yes_no     yes or no                  1 if right
    given_order      1 to n in their order      1 if all are in place
    given_number     number                     relative accuracy        given_values.py
    given_interval   [start, end] in seconds    IoU with a true one
    given_text       text                       1 if it is a true one    given_texts.py
    given_caption    text                       ROUGE-L with the true one

The prompt is a benchmark's own and is not touched, so the form is direct, and the answer is looked
for in what a model says in its own words (free_form.py).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from kuleshov.sample import Form, Json, Sample, Skip, Video, dump_json
from kuleshov.tasks.task import Donors, Task, Unit


@dataclass(frozen=True, kw_only=True)
class Given(Task):
    """A question that comes with its answer. It makes none up: adapters write them."""

    form: Form = "direct"

    @classmethod
    def paper(cls) -> Self:
        return cls()

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        return Skip(video.path, "its questions come from a benchmark", self.name)

    def units(self, sample: Sample) -> list[Unit]:
        """None: the audit looks for leaks in what we made, and made is nothing here."""
        return []

    def switched_off(self, sample: Sample) -> None:
        return None

    @abstractmethod
    def chance(self, sample: Sample, rng: np.random.Generator) -> float:
        """Mean reward of a guess; 0 where no prior is known and a guess is no answer."""


def answers_of(samples: Sequence[Sample]) -> list[Json]:
    """All different answers of some samples."""
    return list({dump_json(sample.answer): sample.answer for sample in samples}.values())
