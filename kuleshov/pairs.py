"""Pairs of a sample and the same sample without its key frames (VideoPerceiver, section 3.1).

    full        v0  v1  v2  v3  v4  v5
    key frames          *           *
    degraded    v0  v1  v1  v3  v4  v4     each key frame shows what was on screen before it

A pair is two recipes: no pixel is stored. The degraded sample has the same id, prompt, answer and
clock as the full one and one more edit in its media, which acts on what the model would have seen,
edits included. Nothing differs but the listed frames.

The paper replaces v_t by v_max(t-1, 1). Local maxima are never neighbours, so v_(t-1) is no key
frame there; where key frames come in runs (ours), what was on screen before the run stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from kuleshov.errors import UsageError
from kuleshov.sample import MediaItem, Sample
from kuleshov.tasks import task_of

Place = tuple[int, int]
"""A frame of a sample: (media item, index in it)."""

First = Literal["itself", "following"]
"""What a key frame shows that has nothing before it: itself, as in the paper, or the first frame
after it that is no key frame (ours), so that nothing of a run is left."""


class Pair(NamedTuple):
    """A sample with and without its key frames.

    Args:
        full: as it is.
        degraded: the same, but for `absent`.
        absent: the frames that differ, and no others do.
    """

    full: Sample
    degraded: Sample
    absent: tuple[Place, ...]


def degraded(sample: Sample, keys: Iterable[Place], first: First = "itself") -> Sample:
    """The sample in which each key frame shows what was on screen before it.

    Args:
        sample: any sample.
        keys: its key frames.
        first: what a key frame shows that has nothing before it.

    Raises:
        UsageError: a key frame that the sample does not have, or all frames of a media item are
            key frames and `first` is "following".
    """
    wanted: dict[int, set[int]] = {}
    for item, index in keys:
        if not (0 <= item < len(sample.media) and 0 <= index < len(sample.media[item].frames)):
            sizes = [len(medium.frames) for medium in sample.media]
            raise UsageError(f"key frame ({item}, {index}): the media items have {sizes} frames")
        wanted.setdefault(item, set()).add(index)
    media = list(sample.media)
    for item, indices in wanted.items():
        order = held(len(media[item].frames), indices, first)
        if order != list(range(len(order))):
            media[item] = media[item].edited({"edit": "reorder", "order": order})
    return replace(sample, media=tuple(media))


def held(num_frames: int, keys: set[int], first: First = "itself") -> list[int]:
    """Which frame is on screen at each place.

    >>> held(6, {2, 5}), held(6, {0, 3, 4})
    ([0, 1, 1, 3, 4, 4], [0, 1, 2, 2, 2, 5])
    >>> held(6, {0, 1, 4}, "following")
    [2, 2, 2, 3, 3, 5]

    Raises:
        UsageError: see `degraded`.
    """
    before = 0
    if first == "following":
        rest = [t for t in range(num_frames) if t not in keys]
        if not rest:
            raise UsageError(
                f"all {num_frames} frames of a media item are key frames, so none is left to be "
                'shown instead; give fewer of them, or first="itself"'
            )
        before = rest[0]
    order = []
    for t in range(num_frames):
        before = before if t in keys else t
        order.append(before)
    return order


def pair(sample: Sample, keys: Iterable[Place], first: First = "itself") -> Pair | None:
    """A sample and the same without these frames; None if that changes nothing.

    Raises:
        UsageError: see `degraded`.
    """
    other = degraded(sample, keys, first)
    absent = differing(sample, other)
    return Pair(sample, other, tuple(absent)) if absent else None


KEY_FRAMES = "key_frames"
"""In the provenance of a sample: its key frames as [media item, index], where they are known."""


def evidence(sample: Sample) -> list[Place]:
    """The frames that an answer depends on: those that the sample's provenance lists, or the ones
    that differ where the effect is switched off, or those of the true units that are about one
    part. Ours.

    To freeze them hides what happens there, but not when: where the question is when, what is
    frozen still tells, and `without_effect` is the pair that does not.

    None are known of a question that was made elsewhere and lists none. Where the answer is about
    whole media items, such as the order of clips, all their frames are listed.
    """
    if KEY_FRAMES in sample.provenance:
        return sorted((item, index) for item, index in sample.provenance[KEY_FRAMES])
    off = None if sample.made_elsewhere else task_of(sample).switched_off(sample)
    return marked(sample) if off is None else differing(sample, off)


def marked(sample: Sample) -> list[Place]:
    """The frames that the answer is about: of every true unit that is about one part alone.

    Such as perturbed frames, or the candidates that are right. None are known of a question that
    was made elsewhere.
    """
    if sample.made_elsewhere:
        return []
    return sorted(
        {
            (part.item, index)
            for unit in task_of(sample).units(sample)
            if unit.label and len(unit.parts) == 1
            for part in unit.parts
            for index in range(part.start, part.stop)
        }
    )


def without_effect(sample: Sample) -> Pair | None:
    """A sample and the same with the effect switched off that its task asks for. Ours.

    For questions about whole clips, of which no frame is left to stay on screen. None where
    nothing can be switched off, or it was not on: the arrow of a clip that runs forwards.
    """
    off = None if sample.made_elsewhere else task_of(sample).switched_off(sample)
    absent = [] if off is None else differing(sample, off)
    return Pair(sample, off, tuple(absent)) if off is not None and absent else None


def differing(full: Sample, other: Sample) -> list[Place]:
    """The frames whose recipe differs between two samples of as many frames."""
    return [
        (i, t)
        for i, (a, b) in enumerate(zip(full.media, other.media, strict=True))
        for t in range(len(a.frames))
        if _shown(a, t) != _shown(b, t)
    ]


def _shown(item: MediaItem, index: int) -> tuple[Any, ...]:
    """What decides the pixels of a frame: where it comes from, and the edits that act on it."""
    acting: list[Any] = []
    for edit in reversed(item.edits):  # from what is shown back to what it was made of
        start, stop = edit.get("start", 0), edit.get("stop", len(item.frames))
        if start <= index < stop:
            if edit["edit"] == "reorder":
                index = start + edit["order"][index - start]
            elif edit["edit"] == "hold":
                index = start + edit["frame"]
            elif edit["edit"] != "nothing":
                acting.append(edit)
    frame = item.frames[index]
    return frame.video_id, frame.source_seconds, item.height, item.width, acting
