"""When was a segment of the video perturbed?

Anomaly Grounding of VideoSSR (arXiv 2511.06281, section 3.1.1 and `pretext_tasks/grounding.py`):

    shown    0   1   2   3   4   5   6   7   8   9      frames
             .   .   .   #   #   #   #   .   .   .      # perturbed
    answer               start           end            in seconds of the shown clock

Reward: temporal IoU of the given and the true interval (eq. 4). What a perturbation is stands in
perturbations.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import fsum, isfinite
from typing import ClassVar, Literal, Self, get_args

import numpy as np

from kuleshov.errors import UsageError, unknown_name
from kuleshov.sample import Json, MediaItem, Sample, Skip, Video
from kuleshov.sampling import decimals_for, too_short, uniform_in, written
from kuleshov.tasks.perturbations import (
    DESCRIPTIONS,
    EDITED,
    PAPER,
    Strength,
    edit_of,
    frames_of,
    restored,
)
from kuleshov.tasks.task import Donors, Part, Task, Unit

Variant = Literal["smooth", "strict"]
MOST_DECIMALS = 6
"""Of a time in seconds: a microsecond; ours."""
PROMPT = (
    "<video>\nIn one segment of this video {description}. When? Give the start and the end in "
    "seconds with {decimals} as start-end, for example {example}."
)
_INTERVAL = re.compile(r"([\d.]++)\s*+-\s*+([\d.]++)")  # possessive: nothing is tried twice


@dataclass(frozen=True, kw_only=True)
class Anomaly(Task):
    """One perturbed segment, to be found in time.

    `default` differs from `paper` in this:
        - form: tagged; an answer without tags can be hit by accident.
        - jitter: one zoom and one strength of noise for the whole segment; drawn anew for each
          frame they flicker, and flicker can be found without looking at the picture. (Noise
          itself differs from frame to frame in both.)
        - ends_move: a shuffle that leaves the first or the last frame in its place changes less
          than the answer says.
        - decimals: as many as the frame step needs; one decimal is coarser than the frames of
          a short clip.
        - kinds: no slow and fast, which end in a jump and cannot be told where nothing moves.
          No swap, which only the published code has: another sharpness, other borders and two
          cuts betray the other video, and a set of one video has none. rotate90 and rotate270,
          which only that code has too, are in.

    What an edit brings along is in both: zoom_out has black borders, and so do rotate90 and
    rotate270 unless the picture is square; noise makes dark scenes lighter. shuffle and stutter
    cannot be told where nothing moves, and channel_swap, grayscale and saturation not in black
    and white: give such videos other kinds.

    The shown clock is even and true; the published one is off by a tenth (it divides by the
    whole duration but samples the middle 90 %). The prompt's wording is ours: it asks for what
    the published one asks for, names the kind of change as that does, and for slow and fast
    says, as that does, that the clock does not show it.

    Args:
        kinds: perturbations, one of which is drawn for each sample (VideoSSR-30K trains on
            channel_swap, mirror, zoom_out and rotate180).
        num_frames: frames shown, evenly spaced.
        trim: share of the video left out at each end.
        min_segment: least length of the segment, in frames.
        max_segment: largest length of the segment, in frames.
        zoom_in: range of the zoom factor.
        zoom_out: likewise.
        noise: range of the standard deviation, in grey levels.
        jitter: draw the zoom factor and the deviation anew for each frame.
        ends_move: a shuffle leaves neither end of its segment in place.
        speed: how many times as fast (fast) or slow (slow) a segment is. The paper does not say.
        decimals: of the answer; None for as many as keep rounding below half a frame step.
        reward: "smooth" (the IoU) or "strict" (1 from a threshold of the IoU on, else 0: the
            paper's ablation, which does not say from where on).
        threshold: least IoU that "strict" pays for (ours).
        min_seconds: shorter videos are skipped (ours), as donors too.
        min_frames: videos with fewer decodable frames are skipped.
    """

    name: ClassVar[str] = "anomaly"
    right_from: ClassVar[float] = 0.5  # R@1 at IoU 0.5
    timed: ClassVar[bool] = True
    answers_in_seconds: ClassVar[bool] = True

    kinds: tuple[str, ...] = EDITED
    num_frames: int = 48
    trim: float = 0.05
    min_segment: int = 8
    max_segment: int = 16
    zoom_in: tuple[float, float] = (1.3, 1.5)
    zoom_out: tuple[float, float] = (1.2, 1.4)
    noise: tuple[float, float] = (35, 70)
    jitter: bool = False
    ends_move: bool = True
    speed: float = 2.0
    decimals: int | None = None
    reward: Variant = "smooth"
    threshold: float = 0.5
    min_seconds: float = 2.0
    min_frames: int = 48

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in DESCRIPTIONS:
                raise unknown_name("anomaly kind", kind, DESCRIPTIONS)
        if self.reward not in get_args(Variant):
            raise unknown_name("reward of anomaly", self.reward, get_args(Variant))
        if not 1 <= self.min_segment <= self.max_segment < self.num_frames:
            raise UsageError(
                f"anomaly: segments of {self.min_segment} to {self.max_segment} frames do not fit "
                f"{self.num_frames} frames; need 1 <= min_segment <= max_segment < num_frames"
            )
        if self.decimals is not None and not 0 <= self.decimals <= MOST_DECIMALS:
            raise UsageError(
                f"anomaly: decimals is {self.decimals}; allowed: 0 to {MOST_DECIMALS}, or null"
            )
        if not 0 < self.threshold <= 1:
            raise UsageError(f"anomaly: threshold is {self.threshold}; allowed: above 0, up to 1")
        longest = (self.max_segment - 1) * self.speed if "fast" in self.kinds else 0
        if not (self.speed > 1 and longest <= self.num_frames - 1):
            raise UsageError(
                f"anomaly: speed is {self.speed:g}; allowed: above 1, and for fast so that "
                f"max_segment ({self.max_segment}) frames fit num_frames ({self.num_frames})"
            )

    @classmethod
    def paper(cls) -> Self:
        return cls(form="direct", kinds=PAPER, jitter=True, ends_move=False, decimals=1)

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        if reason := too_short(video, self.min_seconds, self.min_frames):
            return Skip(video.path, reason, self.name)
        kind = self.kinds[rng.integers(len(self.kinds))]
        lenders = donors(1) if kind == "swap" else []
        if kind == "swap" and (reason := self._no_swap(lenders)):
            return Skip(video.path, reason, self.name)
        clip = uniform_in(video, self.num_frames, self.trim)
        decimals = decimals_for(clip.step) if self.decimals is None else self.decimals
        length = int(rng.integers(self.min_segment, self.max_segment + 1))
        start = int(rng.integers(0, self.num_frames - length + 1))
        stop = start + length
        height, width = self.frame_size(video)
        own, *lent = (
            uniform_in(v, self.num_frames, self.trim).frames(v) for v in (video, *lenders)
        )
        frames = frames_of(kind, own, lent, start, stop, self.speed)
        edit = edit_of(kind, length, self._strength(kind, length, rng), self.ends_move, rng)
        edit |= {"start": start, "stop": stop}
        answer = [round(i * clip.step, decimals) for i in (start, stop)]
        prompt = PROMPT.format(
            description=DESCRIPTIONS[kind],
            decimals="1 decimal" if decimals == 1 else f"{decimals} decimals",
            example=f"{14.5:.{decimals}f}-{26.2:.{decimals}f}",
        )
        return self.sample(
            [video, *lenders],
            [MediaItem(frames, height, width, (edit,))],
            prompt,
            answer,
            chance=self._chance(answer, clip.step, decimals),
        )

    def _no_swap(self, lenders: Sequence[Video]) -> str | None:
        """Why nothing can be swapped in."""
        if not lenders:
            return "no other video to swap in (kind swap)"
        reason = too_short(lenders[0], self.min_seconds, self.min_frames)
        return reason and f"the video to swap in, {lenders[0].path}: {reason}"

    def _strength(self, kind: str, length: int, rng: np.random.Generator) -> Strength | None:
        """One for the segment, or one for each of its frames; None for kinds that have none."""
        knobs = {"noise": self.noise, "zoom_in": self.zoom_in, "zoom_out": self.zoom_out}
        if kind not in knobs:
            return None
        draws = rng.uniform(*knobs[kind], size=length if self.jitter else 1)
        strengths = [round(float(draw), 4) for draw in draws]
        return strengths if self.jitter else strengths[0]

    def _prior(self) -> Iterator[tuple[int, int, float]]:
        """(first frame, end frame, probability) of every segment that can be drawn."""
        lengths = range(self.min_segment, self.max_segment + 1)
        for length in lengths:
            starts = self.num_frames - length + 1
            for start in range(starts):
                yield start, start + length, 1 / (len(lengths) * starts)

    def _chance(self, truth: Sequence[float], step: float, decimals: int) -> float:
        return fsum(
            p * self._earned((round(start * step, decimals), round(end * step, decimals)), truth)
            for start, end, p in self._prior()
        )

    def guess(self, sample: Sample, rng: np.random.Generator) -> Json:
        step, decimals = _clock(sample)
        length = int(rng.integers(self.min_segment, self.max_segment + 1))
        start = int(rng.integers(0, self.num_frames - length + 1))
        return [round(i * step, decimals) for i in (start, start + length)]

    def candidates(self, samples: Sequence[Sample]) -> Iterable[Json]:
        """Every true start with every later true end, at most 32 of each.

        With the smooth reward, the best of all intervals is one of these if the set has no more:
        only at a true time does an IoU turn from rising to falling. With the strict one, or a
        larger set, it may earn a little more.
        """
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
        """An edit of the same segment that changes nothing, on its own frames."""
        (item,) = sample.media
        (edit,) = item.edits
        start, stop = edit["start"], edit["stop"]
        frames = restored(item.frames, start, stop) if edit["edit"] == "nothing" else item.frames
        nothing = {"edit": "nothing", "start": start, "stop": stop}
        return replace(sample, media=(replace(item, frames=frames, edits=(nothing,)),))

    def write(self, answer: Json, sample: Sample | None = None) -> str:
        decimals = self.decimals
        # What shows no clock, as under some controls, asks for no decimals.
        clocked = sample is not None and sample.media and len(sample.media[0].frames) > 1
        if decimals is None and sample is not None and clocked:
            decimals = _clock(sample)[1]
        return "-".join(written(time, decimals) for time in answer)

    def parse(self, text: str, sample: Sample) -> Json:
        # As published, "1." and ".5" included, but for numbers too large to be finite.
        match = _INTERVAL.fullmatch(text)
        try:
            start, end = map(float, match.groups() if match else ())
        except ValueError:
            return None
        return [start, end] if start <= end and isfinite(end) else None

    def grade(self, answer: Json, truth: Json) -> dict[str, float]:
        return {"iou": iou(answer, truth), "total": self._earned(answer, truth)}

    def _earned(self, answer: Sequence[float], truth: Sequence[float]) -> float:
        overlap = iou(answer, truth)
        return overlap if self.reward == "smooth" else float(overlap >= self.threshold)


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
    decimals = sample.knobs.get("decimals")
    return step, decimals_for(step) if decimals is None else decimals
