"""What a pretext task is.

A task makes questions from videos and grades answers to them. It is a frozen dataclass whose
fields are its knobs, all of them; a sample carries them along, so a sample alone is enough to
build its task again and grade a completion. To add a task: copy a file, write the abstract
methods, name it in `tasks/__init__.py`, run the contract test.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, NamedTuple, Self, final

import numpy as np

from kuleshov.errors import unknown_name
from kuleshov.reward import INSTRUCTIONS, extract, wrap
from kuleshov.sample import Form, Json, MediaItem, Reward, Sample, Skip, Video
from kuleshov.sampling import fit_size

Donors = Callable[[int], list[Video]]
"""`donors(n)` gives n other videos of the same split; most tasks ignore it."""


class Part(NamedTuple):
    """A half-open range of frames of a sample's media item."""

    item: int
    start: int
    stop: int


class Unit(NamedTuple):
    """One of the yes-no questions that a sample's question consists of, for the audit.

    Args:
        parts: what it is about, such as the two clips that may follow each other.
        label: the answer.
        text: what it is about where that is text, such as one of several options.
    """

    parts: tuple[Part, ...]
    label: bool
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A pretext task in one of its settings.

    `Task()` is the `default` setting and `Task.paper()` the published one.

    Args:
        form: how the answer is to be given, see reward.py.
        min_pixels: least area of a frame (VideoSSR: 128 * 128).
        max_pixels: largest area of a frame (VideoSSR: 256 * 256).
        size_multiple: both sides of a frame are a multiple of this, so that the model's
            processor resizes nothing: 32 for Qwen3-VL (default, ours), 28 for Qwen2.5-VL.
    """

    name: ClassVar[str]
    timed: ClassVar[bool] = False
    """Whether the answer is a time on the shown clock, which the model must then be told."""
    answers_in_seconds: ClassVar[bool] = False
    """Whether the answer is a time, or a list of them: best constants are searched on all clocks
    that a model is shown (floors.py)."""
    LEVELS: ClassVar[dict[str, dict[str, Json]]] = {}
    """Named difficulties: for each the knobs that differ from the setting it is given with."""
    about_order: ClassVar[bool] = False
    """Whether the answer is an order or a direction: shuffled frames then ask another question, so
    its time gain counts from a single frame alone (evaluate/time_gain.py)."""
    READINGS: ClassVar[tuple[str, ...]] = ()
    """Allowed values of `reading`, of a task that has it: how an answer is read (choice.py)."""
    BEFORE: ClassVar[dict[str, Json]] = {}
    """Values of knobs in samples that were made before there were these knobs."""
    right_from: ClassVar[float] = 1.0
    """The least reward of an answer that is called right where only right and wrong are told."""

    form: Form = "tagged"
    min_pixels: int = 128 * 128
    max_pixels: int = 256 * 256
    size_multiple: int = 32

    @classmethod
    @abstractmethod
    def paper(cls) -> Self:
        """The published setting."""

    @final
    @classmethod
    def level(cls, name: str) -> Self:
        """The `default` setting at a named difficulty.

        Raises:
            UsageError: it is not in `LEVELS`.
        """
        if name not in cls.LEVELS:
            raise unknown_name(f"level of {cls.name}", name, cls.LEVELS)
        return cls(**cls.LEVELS[name])

    @abstractmethod
    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        """One question about a video, or why there is none."""

    @abstractmethod
    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        """An answer drawn from the task's own prior for this sample, without looking."""

    @abstractmethod
    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        """The constant answers among which the best one over a set is searched."""

    @abstractmethod
    def write(self, answer: Json, sample: Sample | None = None) -> str:
        """An answer as the prompt asks for it.

        Args:
            answer: of the task's form.
            sample: whose prompt says how, such as with how many decimals; without one, in any way
                that is read as this answer.
        """

    @abstractmethod
    def parse(self, text: str, sample: Sample) -> Json:
        """The one answer of the task's form that a text gives, or None."""

    @abstractmethod
    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        """Named parts of the reward of a parsed answer; "total" is in [0, 1], 1 for the truth."""

    @abstractmethod
    def units(self, sample: Sample) -> list[Unit]:
        """The question taken apart: the same number of units, in a fixed order, for each answer.

        The audit's probes try to tell the labels from what gives nothing away.
        """

    @abstractmethod
    def switched_off(self, sample: Sample) -> Sample | None:
        """The sample without the effect that is asked for, made by the same path.

        Nothing in its media tells the answer, which it keeps, so what still finds the answer has
        found a leak. None where nothing can be switched off.
        """

    def versions(self, sample: Sample) -> Sequence[Sample]:
        """The sample with the media of each answer that it might have had, its own among them.

        Of a task whose effect may be off already, or may look like another one: where two of
        these look the same, the question cannot be answered, whatever its answer is. Empty where
        that is told from the sample itself.
        """
        return ()

    @final
    def score(self, sample: Sample, completion: str) -> Reward:
        """What a completion earns: 0 unless it gives exactly one answer of the task's form."""
        text = extract(completion, sample.form)
        answer = None if text is None else self.parse(text, sample)
        if answer is None:
            return Reward(0.0)
        parts = self.grade(answer, sample.answer)
        return Reward(parts.pop("total"), parts, answer)

    @final
    def completion(self, answer: Json, sample: Sample | None = None) -> str:
        """A completion that gives this answer in the task's form, see `write`."""
        return wrap(self.write(answer, sample), self.form)

    @final
    def knobs(self) -> dict[str, Json]:
        """All fields, as JSON."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @final
    def asked(self) -> dict[str, Json]:
        """The knobs that decide what is asked, which ids hash: not how an answer is read."""
        return {key: value for key, value in self.knobs().items() if key != "reading"}

    @final
    def frame_size(self, video: Video) -> tuple[int, int]:
        """(height, width) of this video's frames."""
        return fit_size(
            video.width,
            video.height,
            min_pixels=self.min_pixels,
            max_pixels=self.max_pixels,
            multiple=self.size_multiple,
        )

    @final
    def sample(
        self,
        videos: Sequence[Video],
        media: Sequence[MediaItem],
        prompt: str,
        answer: Json,
        chance: float,
    ) -> Sample:
        """A sample from these videos; id, split and seed are filled in by `synthesize.py`."""
        return Sample(
            id="",
            task=self.name,
            video_ids=tuple(video.id for video in videos),
            split="train",
            media=tuple(media),
            prompt=f"{prompt} {INSTRUCTIONS[self.form]}",
            answer=answer,
            form=self.form,
            knobs=self.knobs(),
            seed=0,
            chance=chance,
            provenance={"videos": [video.origin for video in videos]},
        )
