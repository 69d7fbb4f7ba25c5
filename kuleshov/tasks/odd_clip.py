"""Which of these clips is not from the same video as the others?

video     1   2   3   4        consecutive clips
donor             x            as long, from anywhere in another video
shown     1   2   x   4        answer 3
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from kuleshov.errors import UsageError
from kuleshov.sample import MediaItem, Sample, Skip, Video
from kuleshov.sampling import Clip, consecutive, too_short, uniform_in
from kuleshov.tasks.choice import Choice
from kuleshov.tasks.task import Donors, Part, Unit

PROMPT = (
    "{clips}All of these clips but one are from the same video, in order. Which one is not? Give "
    "its number."
)


@dataclass(frozen=True, kw_only=True)
class OddClip(Choice):
    """One clip of another video, to be picked out.

    The published odd-one-out (O3N, arXiv 1611.06646) shuffles frames of the odd clip instead, so
    `default` and `paper` are the same, and all values are ours. The foreign clip has the same
    size, distance of frames and clock as the others. It comes from the donor that is nearest in
    its shape, and is stretched like any frame to the size of this video's; the donor's shape may
    differ by `max_stretch`. Look and quality differ from video to video, so one frame of each clip
    is often enough: this task is easy. A donor with the same content as the video would be a
    second right answer, so near-duplicates do not lend to each other, where they are looked for
    (`make.near_duplicates`).

    Args:
        num_clips: 3 to 9, so that one is odd and a digit names it; must divide num_frames.
        num_frames: frames of all clips together, evenly spaced.
        trim: share of a video left out at each end.
        clip_trim: share of each clip left out at each of its ends; neighbouring clips of one
            video match at the cut.
        num_donors: videos among which the nearest in shape is chosen.
        max_stretch: by how much the ratio of width to height may differ, as a ratio.
        min_seconds: shorter videos are skipped.
        min_frames: videos with fewer decodable frames are skipped.
    """

    name: ClassVar[str] = "odd_clip"

    num_clips: int = 4
    num_frames: int = 32
    trim: float = 0.05
    clip_trim: float = 0.1
    num_donors: int = 8
    max_stretch: float = 1.1
    min_seconds: float = 2.0
    min_frames: int = 32

    def __post_init__(self) -> None:
        if not 3 <= self.num_clips <= 9 or self.num_frames % self.num_clips:
            raise UsageError(
                f"odd_clip: num_clips is {self.num_clips} with {self.num_frames} frames; allowed: "
                "3 to 9, dividing num_frames"
            )

    @classmethod
    def paper(cls) -> Self:
        return cls(reading="exact")

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample | Skip:
        if reason := too_short(video, self.min_seconds, self.min_frames):
            return Skip(video.path, reason, self.name)
        whole = uniform_in(video, self.num_frames, self.trim)
        clips = consecutive(whole, self.num_clips, self.clip_trim)
        others = donors(self.num_donors)
        lenders = [other for other in others if self._fits(other, video, clips[0])]
        if not lenders:
            counted = "1 other video" if len(others) == 1 else f"{len(others)} other videos"
            reason = (
                f"no donor among {counted} is long enough and of this shape "
                "(knobs num_donors and max_stretch)"
                if others
                else "no donor: there is no other video on its side of the split"
            )
            return Skip(video.path, reason, self.name)
        # The first of the nearest, so that few choices change when a video comes or goes.
        donor = min(lenders, key=lambda other: _stretch(other, video))
        odd = int(rng.integers(self.num_clips))
        size = self.frame_size(video)
        media = [MediaItem(clip.frames(video), *size) for clip in clips]
        media[odd] = MediaItem(self._foreign(donor, clips[0], rng).frames(donor), *size)
        prompt = PROMPT.format(
            clips="".join(f"Clip {i}: <video>\n" for i in range(1, self.num_clips + 1))
        )
        return self.sample([video, donor], media, prompt, str(odd + 1), 1 / self.num_clips)

    def _fits(self, donor: Video, video: Video, clip: Clip) -> bool:
        room = donor.duration * (1 - 2 * self.trim) - clip.step * clip.num_frames
        # More frames than are shown, as in the other clips: repeated ones would stand out.
        sharp = donor.num_frames * clip.step >= donor.duration
        return room >= 0 and sharp and _stretch(donor, video) <= self.max_stretch

    def _foreign(self, donor: Video, clip: Clip, rng: np.random.Generator) -> Clip:
        """A clip like the others, anywhere in the donor."""
        margin = self.trim * donor.duration
        room = donor.duration - 2 * margin - clip.step * clip.num_frames
        first = donor.start + margin + rng.uniform(0, room) + clip.step / 2
        return clip._replace(first=first)

    def options(self, sample: Sample) -> dict[str, str]:
        return {str(i): f"clip {i}" for i in range(1, self.num_clips + 1)}

    def units(self, sample: Sample) -> list[Unit]:
        """Is this clip the odd one?"""
        return [
            Unit((Part(i, 0, len(item.frames)),), str(i + 1) == sample.answer)
            for i, item in enumerate(sample.media)
        ]

    def switched_off(self, sample: Sample) -> Sample:
        """The video's own clip in the place of the foreign one."""
        odd = int(sample.answer) - 1
        # The clips are evenly spaced: where one was follows from two others.
        a, b = [i for i in range(self.num_clips) if i != odd][:2]
        near, far = sample.media[a], sample.media[b]
        shift = (odd - a) / (b - a)
        frames = tuple(
            frame._replace(
                source_seconds=round(
                    frame.source_seconds + shift * (other.source_seconds - frame.source_seconds), 6
                )
            )
            for frame, other in zip(near.frames, far.frames, strict=True)
        )
        media = list(sample.media)
        media[odd] = replace(near, frames=frames)
        return replace(sample, media=tuple(media))


def _stretch(a: Video, b: Video) -> float:
    """By how much the shapes of two videos differ, as a ratio of at least 1."""
    ratio = (a.width * b.height) / (a.height * b.width)
    return max(ratio, 1 / ratio)
