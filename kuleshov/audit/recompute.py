"""The answer again, by another way than the task took: from the frames and their recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kuleshov.audit.ambiguity import in_place
from kuleshov.audit.findings import Finding
from kuleshov.edits import GREY
from kuleshov.sample import Pixels, Sample
from kuleshov.tasks import task_of
from kuleshov.tasks.choice import Choice

Again = Callable[[Sample, Sequence[Pixels], Sequence[Pixels]], str | None]
"""(sample, its frames, its frames without the effect) -> what contradicts the answer, or None."""


def _anomaly(sample: Sample, shown: Sequence[Pixels], without: Sequence[Pixels]) -> str | None:
    """The frames that differ from those without the effect are a run; its ends, on the clock.

    A shuffle or a stutter may leave its first frames in their places. A segment of other times or
    another video need not begin or end with another picture: it is only to lie inside.
    """
    first, last = _changed_run(shown[0], without[0])
    if first is None or last is None:
        return None  # nothing to be seen: ambiguous, and said so there
    (item,) = sample.media
    (edit,) = item.edits
    clock = [frame.shown_seconds for frame in item.frames]
    step = (clock[-1] - clock[0]) / (len(clock) - 1)
    start, end = sample.answer
    decimals = sample.knobs.get("decimals")
    kept = in_place(item.edits)
    while first - 1 in kept:
        first -= 1
    while last + 1 in kept:
        last += 1
    off = step / 2 + 10.0**-decimals / 2 if decimals else step / 2
    early, late = clock[first] - start, clock[last] + step - end
    if early >= -off and late <= off and (edit["edit"] == "nothing" or max(early, -late) <= off):
        return None
    run = f"{clock[first]:.3f}-{clock[last] + step:.3f}"
    return f"the changed frames are {run} s, not {sample.answer}"


def _changed_run(shown: Pixels, without: Pixels) -> tuple[int | None, int | None]:
    changed = np.flatnonzero((shown != without).any(axis=(1, 2, 3))).tolist()
    return (changed[0], changed[-1]) if changed else (None, None)


def _counting(sample: Sample, shown: Sequence[Pixels], without: Sequence[Pixels]) -> str | None:
    """The recipe's shapes, counted; and the pixels change on the frames that have some."""
    edits = sample.media[0].edits
    shapes = ("circle", "square", "triangle")
    counts = [sum(edit.get("shape") == shape for edit in edits) for shape in shapes]
    if counts != sample.answer:
        return f"the recipe draws {counts}, the answer is {sample.answer}"
    changed = np.flatnonzero((shown[0] != without[0]).any(axis=(1, 2, 3))).tolist()
    drawn = sorted({edit["start"] for edit in edits})
    return None if changed == drawn else f"frames {changed} change, {drawn} are drawn on"


def _jigsaw(sample: Sample, shown: Sequence[Pixels], without: Sequence[Pixels]) -> str | None:
    """The items by the times that their frames come from."""
    first = [item.frames[0].source_seconds for item in sample.media]
    order = [int(i) + 1 for i in np.argsort(first, kind="stable")]
    return None if order == sample.answer else f"source times say {order}, not {sample.answer}"


def _masked(sample: Sample, shown: Sequence[Pixels], without: Sequence[Pixels]) -> str | None:
    """The frames that are grey, found among the stills by the times that they come from."""
    grey = [i for i, frame in enumerate(shown[0]) if (frame == GREY).all()]
    hidden = [sample.media[0].frames[i].source_seconds for i in grey]
    stills = [item.frames[0].source_seconds for item in sample.media[1:]]
    order = [stills.index(second) + 1 for second in hidden if second in stills]
    return None if order == sample.answer else f"the grey frames are {order}, not {sample.answer}"


def _arrow(sample: Sample, shown: Sequence[Pixels], without: Sequence[Pixels]) -> str | None:
    """The source times rise or fall."""
    times = [frame.source_seconds for frame in sample.media[0].frames]
    wanted = "forwards" if times == sorted(times) else "backwards"
    right = _right(sample)
    return None if right == wanted else f"source times run {wanted}, the answer says {right}"


def _speed(sample: Sample, shown: Sequence[Pixels], without: Sequence[Pixels]) -> str | None:
    """Source seconds for each shown second."""
    first, last = sample.media[0].frames[0], sample.media[0].frames[-1]
    ratio = (last.source_seconds - first.source_seconds) / (
        last.shown_seconds - first.shown_seconds
    )
    told = float(_right(sample).removesuffix("x"))
    return None if abs(ratio / told - 1) < 0.01 else f"it runs at {ratio:.2f}x, not {told:g}x"


def _odd_clip(sample: Sample, shown: Sequence[Pixels], without: Sequence[Pixels]) -> str | None:
    """The item whose video is not that of the most."""
    ids = [item.frames[0].video_id for item in sample.media]
    odd = [str(i) for i, video in enumerate(ids, 1) if ids.count(video) == 1]
    return None if odd == [sample.answer] else f"clips {odd} are foreign, not {sample.answer}"


def _appearance(sample: Sample, shown: Sequence[Pixels], without: Sequence[Pixels]) -> str | None:
    """The frame at which the changed ones begin or end."""
    first, last = _changed_run(shown[0], without[0])
    if first is None or last is None:
        return None
    clock = [frame.shown_seconds for frame in sample.media[0].frames]
    step = clock[1] - clock[0]
    time = clock[last] + step if first == 0 else clock[first]
    return None if abs(time - sample.answer) <= step / 2 else f"it is at {time:.3f} s"


def _right(sample: Sample) -> str:
    task = task_of(sample)
    assert isinstance(task, Choice)
    return task.right(sample)


RECOMPUTED: dict[str, Again] = {
    "anomaly": _anomaly,
    "appearance": _appearance,
    "arrow": _arrow,
    "counting": _counting,
    "jigsaw": _jigsaw,
    "masked": _masked,
    "odd_clip": _odd_clip,
    "speed": _speed,
}
"""By task. The answers of a task that is not here are taken as they are, and that is said."""


def contradictions(
    sample: Sample, rendered: Sequence[Pixels], without: Sequence[Pixels]
) -> list[Finding]:
    """What the frames say against a sample's answer."""
    again = RECOMPUTED.get(sample.task)
    text = again(sample, rendered, without) if again else None
    return [] if text is None else [Finding("contradicted", sample.entry, text, sample.id)]
