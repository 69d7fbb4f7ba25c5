"""A question of your own, with its answer: labelled rows beside the pretext tasks.

    options    the letter of the right one     (A) red  (B) green      answer B
    none       the answer as text              answer   a red car

Reward: 1 for the right answer, else 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import ClassVar, Self

import numpy as np

from kuleshov.errors import UsageError
from kuleshov.sample import Json, MediaItem, Sample, Skip, Video
from kuleshov.sampling import too_short, uniform_in
from kuleshov.tasks import free_form
from kuleshov.tasks.choice import Reading
from kuleshov.tasks.task import Donors, Part, Task, Unit

CHOICE = "Answer with the letter of the right option."
TEXT = "Answer in as few words as possible."
_MARK = re.compile(
    r"\s*(?:option\s+)?[(\[*]*([A-Z])"
    r"(?:(?:[.)\]:*、．：]+|\s+[-–—])(\s+)|[.)\]:*、．：]+(?![A-Z](?:[.:]|$)))(\S.*?)\s*",
    re.DOTALL | re.IGNORECASE,
)
"""A letter before an option, as people write it, and the option; with white space between them, or
without where it is no abbreviation such as A.D. or ratio such as A:B."""
_LETTER = re.compile(r"\(?([A-Za-z])\)?[.:]?")


@dataclass(frozen=True, kw_only=True)
class Labelled(Task):
    """A given question about a video. It makes none up: see `make.labelled` (labels.py).

    No paper publishes it: both settings are the same but for the form of the answer.

    Texts are compared without case, without marks and spaces around them and with single spaces
    within. Chance of an answer as text is taken to be 0.

    Args:
        options: to choose from, of one sample; none where the answer is text.
        num_frames: frames shown, evenly spaced; with `fps` at most.
        fps: frames shown for each second, to the nearest even number, at least 2; None for
            `num_frames` of them.
        trim: share of the video left out at each end.
        min_seconds: shorter videos are skipped.
        min_frames: videos with fewer decodable frames are skipped.
        reading: how a choice is read, see choice.py; "exact" is the letter alone, perhaps in
            brackets or with a mark behind it, as all were read before there was a choice.
    """

    name: ClassVar[str] = "labelled"
    READINGS: ClassVar[tuple[Reading, ...]] = ("ours", "exact")
    BEFORE: ClassVar[dict[str, Json]] = {"reading": "exact"}

    options: tuple[str, ...] = ()
    num_frames: int = 48
    fps: float | None = None
    trim: float = 0.0
    min_seconds: float = 0.0
    min_frames: int = 2
    reading: Reading = "ours"

    def __post_init__(self) -> None:
        if self.num_frames < 2 or self.num_frames % 2:
            # Video models merge frames in pairs and repeat the last of an odd number.
            raise UsageError(f"labelled: num_frames is {self.num_frames}; allowed: even numbers")
        if self.fps is not None and self.fps <= 0:
            raise UsageError(f"labelled: fps is {self.fps}; allowed: above 0, or null")
        if self.options and not 2 <= len(set(map(plain, self.options))) == len(self.options) <= 26:
            raise UsageError(
                f"labelled: options are {list(self.options)}; allowed: 2 to 26 different ones"
            )

    @classmethod
    def paper(cls) -> Self:
        return cls(form="direct", reading="exact")

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        return Skip(video.path, "its questions come from rows, see make.labelled", self.name)

    def ask(self, video: Video, question: str, answer: str) -> Sample | Skip:
        """A question about a video.

        Args:
            video: what it is about.
            question: the text, without its options.
            answer: the letter of the right option, or the text.
        """
        if reason := too_short(video, self.min_seconds, self.min_frames):
            return Skip(video.path, reason, self.name)
        frames = uniform_in(video, self._count(video), self.trim).frames(video)
        options = [
            f"({letter}) {option}"
            for letter, option in zip(ascii_uppercase, self.options, strict=False)
        ]
        prompt = "\n".join(["<video>", question, *options, CHOICE if options else TEXT])
        chance = 1 / len(options) if options else 0.0
        item = MediaItem(frames, *self.frame_size(video))
        return self.sample([video], [item], prompt, answer, chance)

    def _count(self, video: Video) -> int:
        """Frames shown."""
        if self.fps is None:
            return self.num_frames
        pairs = round(video.duration * (1 - 2 * self.trim) * self.fps / 2)
        return min(self.num_frames, max(2, 2 * pairs))

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        if self.options:
            return ascii_uppercase[rng.integers(len(self.options))]
        return "unknown"

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        """All answers of the set."""
        return sorted({sample.answer for sample in samples})

    def units(self, sample: Sample) -> list[Unit]:
        """Is this the right option? None where the answer is text."""
        (item,) = sample.media
        whole = (Part(0, 0, len(item.frames)),)
        return [
            Unit(whole, letter == sample.answer, option)
            for letter, option in zip(ascii_uppercase, self.options, strict=False)
        ]

    def switched_off(self, sample: Sample) -> None:
        """Nothing was done to the video."""
        return None

    def write(self, answer: Json, sample: Sample | None = None) -> str:
        return str(answer)

    def parse(self, text: str, sample: Sample) -> Json:
        if not self.options:
            return text if plain(text) else None
        if self.reading == "ours":
            return free_form.letter(text, self.options)
        match = _LETTER.fullmatch(text)
        given = match.group(1).upper() if match else ""
        return given if given and given in ascii_uppercase[: len(self.options)] else None

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        return {"total": float(plain(answer) == plain(truth))}


def plain(text: str) -> str:
    """A text as it is compared.

    >>> plain('  "A red  Car." ')
    'a red car'
    """
    return " ".join(text.casefold().split()).strip(" .,;:!?\"'")


def unlettered(options: Sequence[str]) -> tuple[str, ...]:
    """Options without the letters that they bring, which are those that they are shown with.

    Raises:
        UsageError: the letters are not A, B, C, ... in order, so that an answer by its letter
            would name another option.

    >>> unlettered(["A. a car", "(B) a bus"]), unlettered(["E. coli", "yeast"])
    (('a car', 'a bus'), ('E. coli', 'yeast'))
    """
    marks = [mark for option in options if (mark := _MARK.fullmatch(option))]
    own = ascii_uppercase[: len(options)]
    if len(options) < 2 or len(marks) < len(options):
        return tuple(options)
    letters = "".join(mark[1].upper() for mark in marks)
    if letters == own:
        return tuple(mark[3] for mark in marks)
    apart = all(mark[2] for mark in marks)
    if sorted(letters) == list(own) or (apart and "A" in letters):
        raise UsageError(
            f"options is {list(options)!r}, with letters other than A, B, C, ... in order; "
            "options are shown behind letters in order, so leave the letters out"
        )
    return tuple(options)


def marked(text: str) -> tuple[str, str] | None:
    """The letter that an option or answer brings, and what is behind it; None if it brings none.

    >>> marked("(b) a bus"), marked("a bus")
    (('B', 'a bus'), None)
    """
    mark = _MARK.fullmatch(text)
    return (mark[1].upper(), mark[3]) if mark else None


def named(letter: str, options: Sequence[str]) -> int:
    """The place of the option that a letter names; -1 if there is none.

    Args:
        letter: large.
        options: behind whose letters it stands.

    Raises:
        UsageError: another option brings this letter.
    """
    place = ascii_uppercase.index(letter)
    for i, option in enumerate(options):
        mark = marked(option)
        if mark and mark[0] == letter and i != place:
            raise UsageError(
                f"the answer is {letter!r}, a letter that {option!r} brings, and options are shown "
                "behind letters in order; leave the letters out"
            )
    return place if place < len(options) else -1


def text_of(sample: Sample) -> str:
    """What is said of the video: the question, and the answer where that is text.

    A caption is an answer as text; options are not part of it.
    """
    options = sample.knobs["options"]
    lines = sample.prompt.split("\n")[1 : -1 - len(options)]
    return "\n".join(lines if options else [*lines, str(sample.answer)])
