"""The answer again, by another way than the task took: from the frames and their recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kuleshov.audit.findings import Finding
from kuleshov.edits import GREY
from kuleshov.sample import Pixels, Sample

Again = Callable[[Sample, Sequence[Pixels], Sequence[Pixels]], str | None]
"""(sample, its frames, its frames without the effect) -> what contradicts the answer, or None."""


def _anomaly(sample: Sample, shown: Sequence[Pixels], without: Sequence[Pixels]) -> str | None:
    """The frames that differ from those without the edit are a run; its ends, on the clock."""
    changed = np.flatnonzero((shown[0] != without[0]).any(axis=(1, 2, 3)))
    if not len(changed):
        return "no frame is changed"
    clock = [frame.shown_seconds for frame in sample.media[0].frames]
    step = (clock[-1] - clock[0]) / (len(clock) - 1)
    interval = [clock[changed[0]], clock[changed[-1]] + step]
    if all(abs(a - b) <= step / 2 for a, b in zip(interval, sample.answer, strict=True)):
        return None
    return f"the changed frames are {interval[0]:.3f}-{interval[1]:.3f} s, not {sample.answer}"


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


RECOMPUTED: dict[str, Again] = {
    "anomaly": _anomaly,
    "counting": _counting,
    "jigsaw": _jigsaw,
    "masked": _masked,
}
"""By task. The answers of a task that is not here are taken as they are, and that is said."""


def contradictions(
    sample: Sample, rendered: Sequence[Pixels], without: Sequence[Pixels]
) -> list[Finding]:
    """What the frames say against a sample's answer."""
    again = RECOMPUTED.get(sample.task)
    text = again(sample, rendered, without) if again else None
    return [] if text is None else [Finding("contradicted", sample.task, text, sample.id)]
