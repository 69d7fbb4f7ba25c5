"""Questions that have no one answer, because nothing to be seen decides between two.

Thresholds: see visible.py. Nothing here knows a task; what is asked comes from `Task.units`,
`Task.switched_off` and `Task.versions`.

What cannot be answered is found whatever its answer is. Else what stays tells: where still clips
that run backwards are dropped and those that run forwards are not, "nothing moves" is an answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations

from kuleshov.audit.findings import Finding
from kuleshov.audit.visible import differ
from kuleshov.sample import Json, Pixels, Sample
from kuleshov.tasks.task import Unit

Version = tuple[Sample, Sequence[Pixels]]
"""A sample, and its media."""


def ambiguities(
    sample: Sample,
    units: Sequence[Unit],
    rendered: Sequence[Pixels],
    off: Sample | None,
    without: Sequence[Pixels] | None,
    versions: Sequence[Version] = (),
) -> list[Finding]:
    """Why a sample has no one answer.

    Args:
        sample: the question.
        units: its yes-no questions.
        rendered: its media.
        off: it with the effect switched off, if it can be.
        without: the media of that.
        versions: it with every answer that it might have had, see `Task.versions`.
    """
    texts = _alike(units, rendered)
    if versions:
        # With the effect off too: to a picture that mirrors itself, a mirror does nothing.
        control = [] if off is None or without is None else [(off, without)]
        texts += _looks_like_another([*versions, *control])
    elif off is not None and without is not None and off.media != sample.media:
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

    def same(one: int, other: int) -> bool:
        a, b = rendered[one], rendered[other]
        return a.shape == b.shape and not differ(a, b).any()

    groups: list[list[int]] = []
    for place, item in enumerate(asked):
        group = [item, *(other for other in asked[place + 1 :] if same(item, other))]
        # Not each pair of many that are all the same.
        if len(group) > 1 and not any(set(group) <= set(told) for told in groups):
            groups.append(group)
    return [f"media items {_listed([i + 1 for i in group])} look the same" for group in groups]


def _looks_like_another(versions: Sequence[Version]) -> list[str]:
    same = any(
        all(not differ(a, b).any() for a, b in zip(shown, others, strict=True))
        for (one, shown), (other, others) in combinations(versions, 2)
        if one.media != other.media
    )
    return ["with another answer it would look the same"] if same else []


def _listed(numbers: Sequence[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


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
    unseen: set[int] = set()
    # Where a run begins and ends decides the answer, and not what is within it.
    for item, run in _runs({(u.parts[0].item, u.parts[0].start) for u in units if u.label}):
        kept = in_place(sample.media[item].edits)
        moved = [frame for frame in run if frame not in kept]
        unseen |= {frame + 1 for frame in moved[:1] + moved[-1:] if not changed[item][frame]}
    if unseen:
        return [f"the effect cannot be seen on frame {', '.join(map(str, sorted(unseen)))}"]
    return []


def in_place(edits: Sequence[dict[str, Json]]) -> set[int]:
    """Frames that a new order of a segment leaves where they were."""
    return {
        edit.get("start", 0) + place
        for edit in edits
        if edit["edit"] == "reorder"
        for place, frame in enumerate(edit["order"])
        if place == frame
    }


def _runs(frames: Collection[tuple[int, int]]) -> list[tuple[int, list[int]]]:
    """(item, consecutive frames), longest possible."""
    runs: list[tuple[int, list[int]]] = []
    for item, frame in sorted(frames):
        if runs and runs[-1][0] == item and runs[-1][1][-1] == frame - 1:
            runs[-1][1].append(frame)
        else:
            runs.append((item, [frame]))
    return runs
