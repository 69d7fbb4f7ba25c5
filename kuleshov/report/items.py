"""What the flip browser is told of each item.

As with `kuleshov view` (entries.py): `data.js` holds what the list and the filters need of all
items, `details/000.js` and so on the rest, of `CHUNK` items each, read when they are looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import fsum
from typing import Any, NamedTuple

from kuleshov.evaluate.figures import right_from
from kuleshov.evaluate.metrics import metric_of
from kuleshov.evaluate.results import Result
from kuleshov.evaluate.scores import Answers
from kuleshov.evaluate.time_gain import solved
from kuleshov.report.compared import Compared, label
from kuleshov.report.entries import entry, script, written
from kuleshov.report.needs_time import CONDITIONS
from kuleshov.report.sheets import GAP
from kuleshov.sample import Json, Sample

CHUNK = 100
LONGEST = 20_000
"""Characters of a completion that are shown; the rest stays in `results.jsonl`."""

FLIPS = ("wrong to right", "right to wrong", "wrong in both", "right in both")
OUTCOMES = ("wrong", "right")
"""What became of an item, in the order of the page: of two models, or of one."""

FLAGS = ("needs time", "solved blind", "no answer", "one answer was cut")
STRIPS = {"masked": 0, "jigsaw": -1}
"""Tasks whose answer lists media items: the number of one, less its place among the media."""


class Item(NamedTuple):
    """An item, as far as its list shows it.

    Args:
        kind: place in `FLIPS` or `OUTCOMES`.
        change: score lost, so that what gained most comes first; of a flip to wrong the gain.
        key: its id; after the name of its set, if another set has the same one.
        row: what its row of the table is called.
        scores: mean of each model.
        flags: places in `FLAGS`.
        set: place of its sample set.
        sample: what was asked.
        sheet: name of its sheets, see `Entry`.
        details: the rest that the page shows of it. It is far more than all of the above, and
            there is only one chunk of it at a time.
    """

    kind: int
    change: float
    key: str
    row: str
    scores: tuple[float, ...]
    flags: tuple[int, ...]
    set: int
    sample: Sample
    sheet: str
    details: Callable[[], dict[str, Json]]


def items(sets: Sequence[Compared], names: Sequence[str]) -> list[Item]:
    """All items, what became right first.

    Args:
        sets: what is compared.
        names: of the two models, or of the one.
    """
    seen: set[str] = set()
    found = []
    for number, one in enumerate(sets):
        least = dict(zip((s.id for s in one.samples), right_from(one.samples), strict=True))
        needing = {i for row in one.rows.values() for i in row.needs_time or ()}
        for sample in one.samples:
            key = sample.id if sample.id not in seen else f"{one.name}:{sample.id}"
            seen.add(sample.id)
            row = label(sets, one, sample.entry)
            item = _item(sample, one, names, least[sample.id], sample.id in needing)
            found.append(item._replace(key=key, row=row, set=number))
    return sorted(found, key=lambda item: (item.kind, item.change, item.set, item.key))


def _item(
    sample: Sample, one: Compared, names: Sequence[str], least: float, needs_time: bool
) -> Item:
    given = [answers["full"][sample.id] for answers in one.models]
    right = [_right(results, least) for results in given]
    scores = tuple(_mean(results) for results in given)
    kind = int(right[0]) if len(right) == 1 else _flip(right[0], right[1])
    gain = scores[-1] - scores[0]
    blind = one.after.get("blind", {}).get(sample.id)
    flags = (
        needs_time,
        blind is not None and _right(blind, least),
        any(not result.parsed for results in given for result in results),
        any(result.finish == "length" for results in given for result in results),
    )
    return Item(
        kind,
        round(gain if FLIPS[kind] == "right to wrong" else -gain, 6),
        sample.id,
        sample.entry,
        scores,
        tuple(place for place, flag in enumerate(flags) if flag),
        0,
        sample,
        entry(sample).sheet,
        partial(_details, sample, one.models, names),
    )


def _details(sample: Sample, models: Sequence[Answers], names: Sequence[str]) -> dict[str, Json]:
    """What `kuleshov view` shows of a sample, and the answers of the models beside it."""
    shown = entry(sample)
    given = [answers["full"][sample.id] for answers in models]
    outputs = [
        _output(sample, result, f"{name} {place}" if len(results) > 1 else name)
        for name, results in zip(names, given, strict=True)
        for place, result in enumerate(results, 1)
    ]
    return {
        **json.loads(shown.details),
        "outputs": outputs,
        "controls": _controls(sample, models),
        "span": _span(sample.answer) if metric_of(sample.task) == "iou" else None,
        "strip": _strip(sample, sample.answer),
        "prompt": shown.prompt,
    }


def _flip(before: bool, after: bool) -> int:
    words = ("wrong", "right")
    if before == after:
        return FLIPS.index(f"{words[before]} in both")
    return FLIPS.index(f"{words[before]} to {words[after]}")


def _right(results: Sequence[Result], least: float) -> bool:
    return bool(solved([[r.score for r in results]], least)[0])


def _mean(results: Sequence[Result]) -> float:
    return fsum(r.score for r in results) / len(results)


def _output(sample: Sample, result: Result, name: str) -> dict[str, Json]:
    text = result.completion
    return {
        "name": name,
        "text": text[:LONGEST],
        "more": max(0, len(text) - LONGEST),
        "answer": None if result.answer is None else written(sample, result.answer),
        "score": result.score,
        "scores": result.scores,
        "finish": result.finish,
        "frames": result.num_frames,
        "sizes": [list(size) for size in dict.fromkeys(map(tuple, result.sizes))],
        "tokens": result.num_tokens,
        "sent": result.sent,
        "span": _span(result.answer) if metric_of(sample.task) == "iou" else None,
        "strip": _strip(sample, result.answer),
    }


def _controls(sample: Sample, models: Sequence[Answers]) -> list[Json]:
    """[condition, mean score of each model] of what was asked beside the full condition."""
    rows = []
    for name, words in CONDITIONS.items():
        here = [answers.get(name, {}).get(sample.id) for answers in models]
        if name != "full" and any(here):
            rows.append([words, [None if not found else _mean(found) for found in here]])
    return rows


def _span(answer: Json) -> Json:
    """Start and end in seconds, where an answer is an interval."""
    numbers = isinstance(answer, list) and all(isinstance(x, int | float) for x in answer)
    return [float(x) for x in answer] if numbers and len(answer) == 2 else None


def _strip(sample: Sample, answer: Json) -> Json:
    """The media items that an answer lists, in its order."""
    if sample.task not in STRIPS or not isinstance(answer, list):
        return None
    return [number + STRIPS[sample.task] for number in answer]


def data(listed: Sequence[Item], about: Mapping[str, Json], state: Callable[[Item], str]) -> str:
    """The script with what the list and the filters need.

    Args:
        listed: in the order of the page.
        about: more values.
        state: "drawn" if an item has its sheets, "" if none were asked for, "nothing" for one that
            shows nothing, else why there is none.
    """
    rows = _Numbers()
    paths = _Numbers()
    states = _Numbers("", "drawn", "nothing")
    table: list[list[Any]] = [
        [
            item.key,
            item.kind,
            rows(item.row),
            paths(item.sample.path),
            [round(score, 4) for score in item.scores],
            sum(1 << place for place in item.flags),
            states(state(item)),
        ]
        for item in listed
    ]
    columns = [list(column) for column in zip(*table, strict=True)] or [[]] * 7
    told = {
        **about,
        "rows": list(rows.numbers),
        "paths": list(paths.numbers),
        "sheets": list(states.numbers),
        "chunk": CHUNK,
        "gap": GAP,
        "flags": FLAGS,
        "items": columns,
    }
    return script("data", told)


def details(listed: Sequence[Item]) -> Iterator[str]:
    """The scripts with the rest, in the order of the page."""
    for number, start in enumerate(range(0, len(listed), CHUNK)):
        here = [item.details() for item in listed[start : start + CHUNK]]
        yield script("details", number, {"samples": here})


class _Numbers:
    """Values by number, each kept once."""

    def __init__(self, *known: str) -> None:
        self.numbers = {value: number for number, value in enumerate(known)}

    def __call__(self, value: str) -> int:
        return self.numbers.setdefault(value, len(self.numbers))
