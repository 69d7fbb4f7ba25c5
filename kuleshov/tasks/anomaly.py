"""When was a segment of the video perturbed?

Anomaly Grounding of VideoSSR (arXiv 2511.06281, section 3.1.1 and `pretext_tasks/grounding.py`):

    shown    0   1   2   3   4   5   6   7   8   9      frames
             .   .   .   #   #   #   #   .   .   .      # perturbed
    answer               start           end            in seconds of the shown clock

Reward: temporal IoU of the given and the true interval (eq. 4).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from kuleshov.errors import UsageError, unknown_name
from kuleshov.sample import Json, MediaItem, Sample, Skip, Video
from kuleshov.sampling import decimals_for, too_short, uniform_in
from kuleshov.tasks.task import Donors, Part, Task, Unit

# What the prompt says of each kind; the names are those of edits.py, but for the shuffle.
DESCRIPTIONS = {
    "channel_swap": "the red and blue colour channels are swapped",
    "invert": "the colours are inverted",
    "mirror": "the picture is mirrored left to right",
    "rotate180": "the picture is rotated by 180 degrees",
    "shuffle": "the frames are shuffled, so that events happen out of order",
    "zoom_out": "the picture is zoomed out",
}
PROMPT = (
    "<video>\nIn one segment of this video {description}. When? Give the start and the end in "
    "seconds with {decimals} as start-end, for example {example}."
)
_INTERVAL = re.compile(r"(\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)")


@dataclass(frozen=True, kw_only=True)
class Anomaly(Task):
    """One perturbed segment, to be found in time.

    `default` differs from `paper` in this:
        - form: tagged; an answer without tags can be hit by accident.
        - zoom_per_frame: one zoom for the whole segment; a zoom drawn anew for each frame
          flickers, and flicker can be found without looking at the picture.
        - decimals: as many as the frame step needs; one decimal is coarser than the frames of
          a short clip.

    The shown clock is even and true; the published one is off by a tenth (it divides by the
    whole duration but samples the middle 90 %). The prompt's wording is ours: it asks for what
    the published one asks for, and names the kind of change as that does.

    Args:
        kinds: perturbations, one of which is drawn for each sample (VideoSSR-30K trains on
            channel_swap, mirror, zoom_out and rotate180).
        num_frames: frames shown, evenly spaced.
        trim: share of the video left out at each end.
        min_segment: least length of the segment, in frames.
        max_segment: largest length of the segment, in frames.
        zoom_out: range of the zoom factor.
        zoom_per_frame: draw the factor anew for each frame.
        decimals: of the answer; None for as many as keep rounding below half a frame step.
        min_seconds: shorter videos are skipped (ours).
        min_frames: videos with fewer decodable frames are skipped.
    """

    name: ClassVar[str] = "anomaly"

    kinds: tuple[str, ...] = tuple(DESCRIPTIONS)
    num_frames: int = 48
    trim: float = 0.05
    min_segment: int = 8
    max_segment: int = 16
    zoom_out: tuple[float, float] = (1.2, 1.4)
    zoom_per_frame: bool = False
    decimals: int | None = None
    min_seconds: float = 2.0
    min_frames: int = 48

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in DESCRIPTIONS:
                raise unknown_name("anomaly kind", kind, DESCRIPTIONS)
        if not 1 <= self.min_segment <= self.max_segment < self.num_frames:
            raise UsageError(
                f"anomaly: segments of {self.min_segment} to {self.max_segment} frames do not fit "
                f"{self.num_frames} frames; need 1 <= min_segment <= max_segment < num_frames"
            )

    @classmethod
    def paper(cls) -> Self:
        return cls(form="direct", zoom_per_frame=True, decimals=1)

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        if reason := too_short(video, self.min_seconds, self.min_frames):
            return Skip(video.path, reason, self.name)
        clip = uniform_in(video, self.num_frames, self.trim)
        decimals = decimals_for(clip.step) if self.decimals is None else self.decimals
        kind = self.kinds[rng.integers(len(self.kinds))]
        length = int(rng.integers(self.min_segment, self.max_segment + 1))
        start = int(rng.integers(0, self.num_frames - length + 1))
        height, width = self.frame_size(video)
        edit = {**self._edit(kind, length, rng), "start": start, "stop": start + length}
        answer = [round(i * clip.step, decimals) for i in (start, start + length)]
        prompt = PROMPT.format(
            description=DESCRIPTIONS[kind],
            decimals="1 decimal" if decimals == 1 else f"{decimals} decimals",
            example=f"{14.5:.{decimals}f}-{26.2:.{decimals}f}",
        )
        return self.sample(
            [video],
            [MediaItem(clip.frames(video), height, width, (edit,))],
            prompt,
            answer,
            chance=self._chance(answer, clip.step, decimals),
        )

    def _edit(self, kind: str, length: int, rng: np.random.Generator) -> dict[str, Json]:
        if kind == "shuffle":
            order = rng.permutation(length)
            while length > 1 and (order == np.arange(length)).all():
                order = rng.permutation(length)  # the frames as they were are no perturbation
            return {"edit": "reorder", "order": order.tolist()}
        if kind == "zoom_out":
            draws = rng.uniform(*self.zoom_out, size=length if self.zoom_per_frame else 1)
            scales = [round(float(draw), 4) for draw in draws]
            return {"edit": kind, "scale": scales if self.zoom_per_frame else scales[0]}
        return {"edit": kind}

    def _prior(self) -> Iterator[tuple[int, int, float]]:
        """(first frame, end frame, probability) of every segment that can be drawn."""
        lengths = range(self.min_segment, self.max_segment + 1)
        for length in lengths:
            starts = self.num_frames - length + 1
            for start in range(starts):
                yield start, start + length, 1 / (len(lengths) * starts)

    def _chance(self, truth: Sequence[float], step: float, decimals: int) -> float:
        return sum(
            p * iou((round(start * step, decimals), round(end * step, decimals)), truth)
            for start, end, p in self._prior()
        )

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        step, decimals = _clock(sample)
        length = int(rng.integers(self.min_segment, self.max_segment + 1))
        start = int(rng.integers(0, self.num_frames - length + 1))
        return [round(i * step, decimals) for i in (start, start + length)]

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        """Every true start with every later true end, at most 32 of each."""
        starts, ends = (
            np.unique(np.quantile(side, np.linspace(0, 1, 32), method="nearest"))
            for side in zip(*(sample.answer for sample in samples), strict=True)
        )
        return [[float(a), float(b)] for a in starts for b in ends if a <= b]

    def units(self, sample: Sample) -> list[Unit]:
        """Is this frame perturbed?"""
        (item,) = sample.media
        (edit,) = item.edits
        return [
            Unit((Part(0, i, i + 1),), edit["start"] <= i < edit["stop"])
            for i in range(len(item.frames))
        ]

    def switched_off(self, sample: Sample) -> Sample:
        """An edit of the same segment that changes nothing."""
        (item,) = sample.media
        (edit,) = item.edits
        nothing = {"edit": "nothing", "start": edit["start"], "stop": edit["stop"]}
        return replace(sample, media=(replace(item, edits=(nothing,)),))

    def write(self, answer: Json) -> str:
        return f"{answer[0]}-{answer[1]}"

    def parse(self, text: str, sample: Sample) -> Json:
        match = _INTERVAL.fullmatch(text)
        if match is None:
            return None
        start, end = map(float, match.groups())
        return [start, end] if start <= end else None

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        return {"total": iou(answer, truth)}


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Length of the overlap over length of the union; two equal points overlap fully.

    >>> iou((0.0, 2.0), (1.0, 4.0))
    0.25
    """
    if list(a) == list(b):
        return 1.0
    overlap = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - overlap
    return overlap / union if union > 0 else 0.0


def _clock(sample: Sample) -> tuple[float, int]:
    """(frame step, decimals) of a sample."""
    shown = [frame.shown_seconds for frame in sample.media[0].frames]
    step = (shown[-1] - shown[0]) / (len(shown) - 1)
    decimals = sample.knobs["decimals"]
    return step, decimals_for(step) if decimals is None else decimals
