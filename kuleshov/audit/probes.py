"""Cues that neither motion nor meaning has a part in, as features of each yes-no question.

A probe turns `Evidence` into a matrix with a row for each unit, or None where the units have
nothing that it looks at. Which of these features tell the labels is found out in leaks.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kuleshov.audit.auc import Floats
from kuleshov.audit.evidence import Evidence
from kuleshov.tasks.task import Part, Unit

NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Probe:
    """A cue.

    Args:
        features: of a sample's units, shape (units, features).
        on_set: whether what beats chance on the samples as they are is a leak; else only on their
            control, because with the effect on, the effect itself has this cue.
        about: what it looks at, for people.
    """

    features: Callable[[Evidence], Floats | None]
    on_set: bool
    about: str


def prompt(seen: Evidence) -> Floats | None:
    """Where a unit's text, times and number stand in the prompt."""
    text = seen.sample.prompt
    numbers = np.array([float(number) for number in NUMBER.findall(text)] or [np.inf])
    rows = []
    for unit in seen.units:
        row = [len(unit.text), unit.text.count(" "), _value(unit.text)]
        row += [text.count(unit.text), text.find(unit.text)] if unit.text else [0, 0]
        for part in (unit.parts[0], unit.parts[-1]) if unit.parts else ():
            shown = seen.sample.media[part.item].frames[part.start : part.stop]
            first, last = shown[0].shown_seconds, shown[-1].shown_seconds
            row += [(numbers < first).sum(), ((numbers >= first) & (numbers <= last)).sum()]
            mentions = [m.start() for m in re.finditer(rf"\b{part.item + 1}\b", text)]
            row += [len(mentions), mentions[-1] if mentions else -1]
        row += [0] * (13 - len(row))
        rows.append(row)
    return _with_ranks(np.array(rows, dtype=np.float64))


def times(seen: Evidence) -> Floats | None:
    """The clock that the model is told, and how many frames of which size there are."""

    def of(part: Part) -> Floats:
        item = seen.sample.media[part.item]
        shown = [frame.shown_seconds for frame in item.frames[part.start : part.stop]]
        return np.array(
            [shown[0], shown[-1], len(shown), len(item.frames), item.height, item.width]
        )

    return _of_parts(seen.units, of)


def quantisation(seen: Evidence) -> Floats | None:
    """How coarsely the files of the frames were compressed, whatever they show."""
    coarseness = [np.array([[f.luma, f.chroma] for f in files], float) for files in seen.files]
    return _of_parts(seen.units, lambda part: _spread(seen.of(coarseness, part)))


def sizes(seen: Evidence) -> Floats | None:
    """Bytes of the frames, as logarithms."""
    bytes_ = [np.log([[f.size] for f in files]) for files in seen.files]
    return _of_parts(seen.units, lambda part: _spread(seen.of(bytes_, part)))


def look(seen: Evidence) -> Floats | None:
    """Brightness, contrast, colour and border, without regard to what is where."""
    looks = [_look(frames) for frames in seen.small]
    return _of_parts(seen.units, lambda part: _spread(seen.of(looks, part)))


def likeness(seen: Evidence) -> Floats | None:
    """How alike the middles of the units look: to each other, or the two parts of a unit."""
    if not all(unit.parts for unit in seen.units):
        return None
    ends = [(unit.parts[0], unit.parts[-1]) for unit in seen.units]
    middles = np.stack([[_middle(seen, part) for part in pair] for pair in ends])
    within = np.einsum("ud,ud->u", middles[:, 0], middles[:, 1])
    others = middles[:, 0] @ middles[:, 0].T
    np.fill_diagonal(others, -1.0)
    ranked = np.sort(others, axis=1)[:, ::-1][:, : max(1, min(3, len(others) - 1))]
    mean = (others.sum(axis=1) + 1) / max(1, len(others) - 1)
    return np.column_stack([within, ranked, mean])


def context(seen: Evidence) -> Floats | None:
    """How alike the units look to the nearest frame beside them, and to the edges of a gap.

    A gap are frames that show nothing; without one, the edge is where an item ends.
    """
    if not all(unit.parts for unit in seen.units):
        return None
    if not seen.context:
        return np.zeros((len(seen.units), 1))
    shown = set(seen.context)
    around = np.stack([seen.vectors[i][f] for i, f in seen.context])
    before = [seen.vectors[i][f] for i, f in seen.context if (i, f + 1) not in shown]
    after = [seen.vectors[i][f] for i, f in seen.context if (i, f - 1) not in shown]
    rows = []
    for unit in seen.units:
        first = seen.of(seen.vectors, unit.parts[0])[0]
        last = seen.of(seen.vectors, unit.parts[-1])[-1]
        edges = max(float(v @ first) for v in before), max(float(v @ last) for v in after)
        near = np.sort(around @ first)[::-1]
        rows.append([near[0], near.mean(), *edges, min(edges), sum(edges)])
    return np.array(rows)


def boundary(seen: Evidence) -> Floats | None:
    """How large the jump is where a unit begins and ends, or from its first part to its second."""
    if not all(unit.parts for unit in seen.units):
        return None
    return np.array([_jumps(seen, unit) for unit in seen.units])


PROBES: dict[str, Probe] = {
    "prompt": Probe(prompt, True, "the text of the prompt"),
    "times": Probe(times, True, "shown times, numbers and sizes of frames"),
    "quantisation": Probe(quantisation, True, "JPEG tables of the frames"),
    "sizes": Probe(sizes, False, "bytes of the frames"),
    "look": Probe(look, False, "brightness, contrast, colour, border"),
    "likeness": Probe(likeness, False, "likeness of the things asked about to each other"),
    "context": Probe(context, False, "likeness to the nearest shown frame and a gap's edges"),
    "boundary": Probe(boundary, False, "matching of frames where parts meet"),
}
"""What cheap cheating could go by. See also priors.py, for the answers themselves."""


def jump(one: Floats, other: Floats) -> float:
    """Mean difference of two small frames, in grey levels."""
    return float(np.abs(one - other).mean())


def _jumps(seen: Evidence, unit: Unit) -> list[float]:
    first, last = unit.parts[0], unit.parts[-1]
    if len(unit.parts) > 1:
        return [jump(seen.of(seen.small, first)[-1], seen.of(seen.small, last)[0])]
    frames = seen.small[first.item]
    into = jump(frames[first.start - 1], frames[first.start]) if first.start else 0.0
    out = jump(frames[first.stop - 1], frames[first.stop]) if first.stop < len(frames) else 0.0
    return [into, out, into + out]


def _middle(seen: Evidence, part: Part) -> Floats:
    frames: Floats = seen.of(seen.vectors, part)
    middle: Floats = frames[len(frames) // 2]
    return middle


def _of_parts(units: Sequence[Unit], of: Callable[[Part], Floats]) -> Floats | None:
    """Features of parts as features of units: their mean, and how the last differs from the first.

    Units without parts have none; where no unit has any, there is nothing to look at.
    """
    found = {part: of(part) for part in {part for unit in units for part in unit.parts}}
    if not found:
        return None
    none = np.zeros_like(next(iter(found.values())))
    rows = []
    for unit in units:
        values = [found[part] for part in unit.parts] or [none]
        rows.append(np.concatenate([np.mean(values, axis=0), values[-1] - values[0]]))
    return np.stack(rows)


def _spread(values: Floats) -> Floats:
    return np.concatenate([values.mean(axis=0), values.std(axis=0)])


def _look(frames: Floats) -> Floats:
    """For each frame of (frames, 16, 16, 3) its look."""
    luma = frames @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    edges = [luma[:, 0], luma[:, -1], luma[:, 1:-1, 0], luma[:, 1:-1, -1]]
    border, whole = np.concatenate(edges, axis=1), luma.reshape(len(luma), -1)
    columns = [
        *(whole.mean(axis=1), whole.std(axis=1), whole.min(axis=1), whole.max(axis=1)),
        (frames.max(axis=-1) - frames.min(axis=-1)).mean(axis=(1, 2)),
        *(border.mean(axis=1), border.std(axis=1), (border < 8).mean(axis=1)),
    ]
    return np.column_stack([frames.mean(axis=(1, 2)), *columns])


def _value(text: str) -> float:
    found = NUMBER.search(text)
    return float(found.group()) if found else -1.0


def _with_ranks(rows: Floats) -> Floats:
    """With each column's place among the sample's units, from 0 to 1, and its distance to 1/2."""
    below = (rows[None] < rows[:, None]).mean(axis=1)
    below += (rows[None] == rows[:, None]).mean(axis=1) / 2
    return np.concatenate([rows, below, np.abs(below - 0.5)], axis=1)
