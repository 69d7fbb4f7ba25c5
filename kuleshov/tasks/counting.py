r"""How many circles, squares and triangles were drawn onto the frames?

Object Counting of VideoSSR (arXiv 2511.06281, section 3.1.2 and `pretext_tasks/counting.py`).
Each shape appears on a few frames, which it shares with no other shape, several times on each.

    frame    3       9      12      27      31
    drawn    oo      []     o       /\       [][]        answer 3,3,1

Reward: for each shape max(0, 1 - |given - true| / true), averaged over the shapes (eq. 5 and 6),
or strict: 1 if all three counts are right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import fsum, prod
from typing import ClassVar, Literal, Self, get_args

import numpy as np

from kuleshov.errors import UsageError, unknown_name
from kuleshov.sample import Json, MediaItem, Sample, Skip, Video
from kuleshov.sampling import too_short, uniform_in
from kuleshov.tasks.task import Donors, Part, Task, Unit

Variant = Literal["smooth", "strict"]
SHAPES = ("circle", "square", "triangle")
PROMPT = (
    "<video>\nShapes were drawn onto some frames of this video, in any color and at any angle, "
    "sometimes several on one frame. How many circles, squares and triangles are there in all "
    "frames together? Give three numbers as circles,squares,triangles, for example 3,1,4."
)


@dataclass(frozen=True, kw_only=True)
class Counting(Task):
    """Shapes drawn onto single frames, to be counted over the whole video.

    `default` differs from `paper` in this:
        - form: tagged; an answer without tags can be hit by accident.

    Counts are never 0: the published reward divides by them. The prompt's wording is ours. As
    published, a shape that finds no free place in `max_tries` may cover another one. The
    published "hard" level is max_frames=4, max_instances=4.

    Args:
        num_frames: frames shown, evenly spaced.
        trim: share of the video left out at each end.
        max_frames: frames on which one shape appears: 1 to this many, drawn uniformly.
        max_instances: of one shape on one of its frames: 1 to this many, drawn uniformly.
        min_gap: frames of the same shape are more than this many frames apart.
        color: range of each of red, green and blue.
        size: range of a shape's side or diameter, as a share of the frame's shorter side.
        central: shapes lie within this share of the frame, around its middle.
        margin: distance from the edge of that region to a centre, in sizes of the shape.
        max_tries: to find a place at least one size away from the other shapes' centres.
        reward: "smooth" (as above) or "strict" (1 if all three counts are right, else 0: the
            paper's ablation, which does not say whether it means all three or each).
        min_seconds: shorter videos are skipped (ours).
        min_frames: videos with fewer decodable frames are skipped.
    """

    name: ClassVar[str] = "counting"
    LEVELS: ClassVar[dict[str, dict[str, Json]]] = {
        "easy": {},
        "hard": {"max_frames": 4, "max_instances": 4},
    }

    num_frames: int = 48
    trim: float = 0.05
    max_frames: int = 3
    max_instances: int = 3
    min_gap: int = 8
    color: tuple[int, int] = (50, 255)
    size: tuple[float, float] = (0.2, 0.4)
    central: float = 0.7
    margin: float = 0.75
    max_tries: int = 20
    reward: Variant = "smooth"
    min_seconds: float = 2.0
    min_frames: int = 48

    def __post_init__(self) -> None:
        if self.reward not in get_args(Variant):
            raise unknown_name("reward of counting", self.reward, get_args(Variant))
        # The frames of one shape as close as allowed.
        if (self.max_frames - 1) * (self.min_gap + 1) + 1 > self.num_frames:
            raise self._too_crowded()

    def _too_crowded(self) -> UsageError:
        return UsageError(
            f"counting: {self.max_frames} frames of each shape, more than {self.min_gap} apart, "
            f"do not fit {self.num_frames} frames; lower max_frames or min_gap"
        )

    @classmethod
    def paper(cls) -> Self:
        return cls(form="direct")

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        if reason := too_short(video, self.min_seconds, self.min_frames):
            return Skip(video.path, reason, self.name)
        clip = uniform_in(video, self.num_frames, self.trim)
        height, width = self.frame_size(video)
        answer, edits = [], []
        for shape, frames in zip(SHAPES, self._place(rng), strict=True):
            counts = [int(rng.integers(1, self.max_instances + 1)) for _ in frames]
            answer.append(sum(counts))
            for frame, count in zip(frames, counts, strict=True):
                edits += self._draw(shape, frame, count, height, width, rng)
        return self.sample(
            [video],
            [MediaItem(clip.frames(video), height, width, tuple(edits))],
            PROMPT,
            answer,
            chance=self._chance(answer),
        )

    def _place(self, rng: np.random.Generator) -> list[list[int]]:
        """For each shape, the frames on which it appears.

        How many frames each shape gets is drawn first and kept; placing starts over where it
        gets stuck, so that crowded settings do not favour small counts.
        """
        wanted = [int(rng.integers(1, self.max_frames + 1)) for _ in SHAPES]
        for _ in range(1000):
            free = list(range(self.num_frames))
            placed: list[list[int]] = []
            for count in wanted:
                frames: list[int] = []
                for frame in rng.permutation(free).tolist():
                    if all(abs(frame - other) > self.min_gap for other in frames):
                        frames.append(frame)
                    if len(frames) == count:
                        break
                free = [frame for frame in free if frame not in frames]
                placed.append(frames)
            if [len(frames) for frames in placed] == wanted:
                return placed
        raise self._too_crowded()

    def _draw(
        self, shape: str, frame: int, count: int, height: int, width: int, rng: np.random.Generator
    ) -> list[dict[str, Json]]:
        """Edits that draw `count` instances of a shape onto one frame."""
        edits: list[dict[str, Json]] = []
        centers: list[tuple[float, float]] = []
        for _ in range(count):
            color = rng.integers(self.color[0], self.color[1] + 1, size=3).tolist()
            size = rng.uniform(*self.size) * min(height, width)
            for _ in range(self.max_tries):
                x, y = (self._coordinate(side, size, rng) for side in (width, height))
                if all(np.hypot(x - a, y - b) >= size for a, b in centers):
                    break
            centers.append((x, y))
            edits.append(
                {
                    "edit": "shape",
                    "start": frame,
                    "stop": frame + 1,
                    "shape": shape,
                    "x": round(x / width, 4),
                    "y": round(y / height, 4),
                    "size": round(size / min(height, width), 4),
                    "angle": round(float(rng.uniform(0, 360)), 1),
                    "color": color,
                }
            )
        return edits

    def _coordinate(self, side: int, size: float, rng: np.random.Generator) -> float:
        """A centre within the central region or, where a shape is too large for it, the frame."""
        low = side * (1 - self.central) / 2 + self.margin * size
        if low >= side / 2:
            low = min(self.margin * size, side / 2)
        return float(rng.uniform(low, side - low))

    def _prior(self) -> dict[int, float]:
        """Probability of each count of one shape."""
        prior: dict[int, float] = {}
        instances = range(1, self.max_instances + 1)
        for frames in range(1, self.max_frames + 1):
            for counts in product(instances, repeat=frames):
                p = 1 / (self.max_frames * self.max_instances**frames)
                prior[sum(counts)] = prior.get(sum(counts), 0.0) + p
        return prior

    def _chance(self, truth: Sequence[int]) -> float:
        prior = self._prior()
        if self.reward == "strict":
            return prod(prior[y] for y in truth)
        return fsum(p * closeness(n, y) for y in truth for n, p in prior.items()) / len(truth)

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        return [
            int(
                rng.integers(
                    1, self.max_instances + 1, size=rng.integers(1, self.max_frames + 1)
                ).sum()
            )
            for _ in SHAPES
        ]

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        """The best one: the best count of each shape, or strictly the most frequent truth."""
        if self.reward == "strict":
            ((most, _),) = Counter(tuple(sample.answer) for sample in samples).most_common(1)
            return [list(most)]
        counts = range(1, self.max_frames * self.max_instances + 1)
        best = []
        for shape in range(len(SHAPES)):
            truths = [sample.answer[shape] for sample in samples]
            best.append(max(counts, key=lambda c: fsum(closeness(c, y) for y in truths)))
        return [best]

    def units(self, sample: Sample) -> list[Unit]:
        """Is anything drawn on this frame?"""
        (item,) = sample.media
        drawn = {edit["start"] for edit in item.edits}
        return [Unit((Part(0, i, i + 1),), i in drawn) for i in range(len(item.frames))]

    def switched_off(self, sample: Sample) -> Sample:
        """The same shapes of size 0."""
        (item,) = sample.media
        edits = tuple({**edit, "size": 0.0} for edit in item.edits)
        return replace(sample, media=(replace(item, edits=edits),))

    def write(self, answer: Json, sample: Sample | None = None) -> str:
        return ",".join(map(str, answer))

    def parse(self, text: str, sample: Sample) -> Json:
        # As published: the whole answer holds exactly three whole numbers. A count beyond a
        # billion, of however many digits, is as wrong as one of a billion.
        numbers = [int(min(float(digits), 1e9)) for digits in re.findall(r"\d+", text)]
        return numbers if len(numbers) == len(SHAPES) else None

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        strict = self.reward == "strict"
        parts = {
            shape: float(given == true) if strict else closeness(given, true)
            for shape, given, true in zip(SHAPES, answer, truth, strict=True)
        }
        total = float(answer == truth) if strict else fsum(parts.values()) / len(parts)
        return {**parts, "total": total}


def closeness(given: int, true: int) -> float:
    """1 - relative error, at least 0; `true` is at least 1.

    >>> closeness(3, 4), closeness(9, 4)
    (0.75, 0.0)
    """
    return max(0.0, 1 - abs(given - true) / true)
