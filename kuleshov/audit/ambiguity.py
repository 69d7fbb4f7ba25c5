"""Questions that have no one answer, because nothing to be seen decides between two.

Thresholds: see visible.py. Nothing here knows a task; what is asked comes from `Task.units` and
`Task.switched_off`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from kuleshov.audit.findings import Finding
from kuleshov.audit.visible import differ
from kuleshov.sample import Pixels, Sample
from kuleshov.tasks.task import Unit


def ambiguities(
    sample: Sample,
    units: Sequence[Unit],
    rendered: Sequence[Pixels],
    off: Sample | None,
    without: Sequence[Pixels] | None,
) -> list[Finding]:
    """Why a sample has no one answer.

    Args:
        sample: the question.
        units: its yes-no questions.
        rendered: its media.
        off: it with the effect switched off, if it can be.
        without: the media of that.
    """
    texts = _alike(units, rendered)
    if off is not None and without is not None and off.media != sample.media:
        texts += _nothing_changes(sample, units, rendered, off, without)
    return [Finding("ambiguous", sample.entry, text, sample.id) for text in texts]


def _alike(units: Sequence[Unit], rendered: Sequence[Pixels]) -> list[str]:
    """Whole items that are asked about and look the same, frame by frame."""
    asked = sorted(
        {
            part.item
            for unit in units
            for part in unit.parts
            if (part.start, part.stop) == (0, len(rendered[part.item]))
        }
    )
    return [
        f"media items {a + 1} and {b + 1} look the same"
        for a, b in combinations(asked, 2)
        if rendered[a].shape == rendered[b].shape and not differ(rendered[a], rendered[b]).any()
    ]


def _nothing_changes(
    sample: Sample,
    units: Sequence[Unit],
    rendered: Sequence[Pixels],
    off: Sample,
    without: Sequence[Pixels],
) -> list[str]:
    changed = [differ(one, other) for one, other in zip(rendered, without, strict=True)]
    if not any(frames.any() for frames in changed):
        return ["the effect changes nothing that can be seen"]
    # Frame by frame only where the question is which frames are edited.
    single = all(len(u.parts) == 1 and u.parts[0].stop - u.parts[0].start == 1 for u in units)
    edits_only = all(
        one.frames == other.frames for one, other in zip(sample.media, off.media, strict=True)
    )
    if not (units and single and edits_only):
        return []
    true = {(u.parts[0].item, u.parts[0].start) for u in units if u.label}
    # Where a run begins and ends decides the answer; within one, a frame may come to its own
    # place when frames are shuffled. The change may show one frame further in, as where a
    # stutter holds the frame that it begins with.
    unseen: set[int] = set()
    for item, frame in true:
        for inwards in (1, -1):
            is_end = (item, frame - inwards) not in true
            near = [f for f in (frame, frame + inwards) if (item, f) in true]
            if is_end and not any(changed[item][f] for f in near):
                unseen.add(frame + 1)
    if unseen:
        return [f"the effect cannot be seen on frame {', '.join(map(str, sorted(unseen)))}"]
    return []
