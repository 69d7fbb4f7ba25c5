"""What the page of `kuleshov view` is told of a set.

`data.js` holds what lists and filters need of all samples, and is read at once; `details/000.js`
and so on hold the rest, of `CHUNK` samples each, and are read when they are looked at. Both are
scripts that hand over JSON: a page that is opened as a file may load scripts, but no data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from kuleshov.pairs import Place, marked
from kuleshov.report.page import clean
from kuleshov.report.sheets import GAP, Sheet, as_in_video, as_shown, labels
from kuleshov.sample import Json, MediaItem, Sample, Skip, dump_json
from kuleshov.tasks import task_of

CHUNK = 200
_SHEETS = 1
"""Of the way in which sheets are drawn; another one is another name of the files."""


class Entry(NamedTuple):
    """A sample, as far as the page shows it.

    Args:
        task: its name.
        id: of the sample.
        split: its name.
        path: of its first video.
        knobs: as JSON.
        edits: names of the edits, sorted.
        prompt: as it is.
        sheet: name of its sheets, from all that they show; "" if it shows nothing.
        details: the rest, as JSON.
    """

    task: str
    id: str
    split: str
    path: str
    knobs: str
    edits: tuple[str, ...]
    prompt: str
    sheet: str
    details: str


def entry(sample: Sample) -> Entry:
    """What the page shows of a sample."""
    videos = sample.videos
    knobs = dump_json(sample.knobs)
    shown = {
        "labels": labels(sample),
        "marks": _ranges(marks_of(sample)),
        "media": [_medium(item, [video["id"] for video in videos]) for item in sample.media],
        "sheets": [_sheet(found) for found in (as_shown(sample), as_in_video(sample)) if found],
    }
    sheet = _sheet_name([_SHEETS, shown, videos]) if sample.media else ""
    details = {
        **shown,
        "answer": written(sample, sample.answer),
        "chance": round(sample.chance, 4),
        "form": sample.form,
        "provenance": sample.provenance,
        "seed": sample.seed,
        "sheet": sheet,
        "videos": [video["path"] for video in videos],
    }
    return Entry(
        sample.task,
        sample.id,
        sample.split,
        sample.path,
        knobs,
        tuple(sorted({str(edit["edit"]) for item in sample.media for edit in item.edits})),
        sample.prompt,
        sheet,
        dump_json(details),
    )


def marks_of(sample: Sample) -> list[Place]:
    """The frames that the answer is about; none where the task is not known here."""
    try:
        return marked(sample)
    except Exception:  # of a sample that can be shown and not asked, see dataset.BadRow
        return []


def written(sample: Sample, answer: Json) -> str:
    """An answer to a sample as its prompt asks for it; as JSON where the task is not known here."""
    try:
        return task_of(sample).write(answer, sample)
    except Exception:  # as above
        return dump_json(answer)


def _sheet_name(shown: Json) -> str:
    return blake2b(dump_json(shown).encode(), digest_size=16).hexdigest()


def _medium(item: MediaItem, ids: list[str]) -> Json:
    """Frames as columns; one video for all of them, or one for each."""
    known = {video: place for place, video in enumerate(ids)}
    videos = [known.get(frame.video_id, -1) for frame in item.frames]
    return {
        "size": [item.height, item.width],
        "videos": videos[0] if len(set(videos)) == 1 else videos,
        "source": [frame.source_seconds for frame in item.frames],
        "told": [frame.shown_seconds for frame in item.frames],
        "edits": list(item.edits),
    }


def _sheet(sheet: Sheet) -> Json:
    """Its size, and its blocks as lists; frames in their order are 0."""
    blocks = [
        [b.item, 0 if list(b.frames) == list(range(len(b.frames))) else list(b.frames), *b[2:]]
        for b in sheet.blocks
    ]
    return {"size": [sheet.width, sheet.height], "blocks": blocks}


def _ranges(marks: Sequence[Place]) -> list[list[int]]:
    """[item, first frame, end frame] of each run of marked frames."""
    runs: list[list[int]] = []
    for item, index in marks:
        if runs and runs[-1][0] == item and runs[-1][2] == index:
            runs[-1][2] += 1
        else:
            runs.append([item, index, index + 1])
    return runs


class _Names:
    """Values by number, each kept once."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, value: str) -> int:
        return self.numbers.setdefault(value, len(self.numbers))


def script(function: str, *values: Json) -> str:
    """A call with JSON; it may stand in a page as well as in a file of its own."""
    texts = (json.dumps(value, separators=(",", ":"), ensure_ascii=False) for value in values)
    text = f"{function}({','.join(texts)});\n".replace("</", "<\\/")
    return clean(text)


def chunks(entries: Sequence[Entry]) -> Iterable[str]:
    """The scripts with the details, in the order of the entries."""
    for number, start in enumerate(range(0, len(entries), CHUNK)):
        here = entries[start : start + CHUNK]
        prompts = _Names()
        numbers = [prompts(e.prompt) for e in here]
        samples = [
            {**json.loads(e.details), "prompt": n} for e, n in zip(here, numbers, strict=True)
        ]
        yield script("details", number, {"prompts": list(prompts.numbers), "samples": samples})


def data(
    entries: Sequence[Entry],
    skips: Sequence[Skip],
    sheet_of: Callable[[Entry], str],
    about: Mapping[str, Json],
) -> str:
    """The script with what lists and filters need.

    Args:
        entries: in the order of the page.
        skips: of the set.
        sheet_of: "" where there is no sheet, "drawn" where there is one, "nothing" for a sample
            that shows nothing, else why there is none.
        about: more values.
    """
    tasks, splits, paths, knobs, edits, sheets, reasons = (_Names() for _ in range(7))
    for state in ("", "drawn", "nothing"):
        sheets(state)
    rows = [
        (
            e.id,
            tasks(e.task),
            splits(e.split),
            paths(e.path),
            knobs(e.knobs),
            edits(dump_json(e.edits)),
            sheets(sheet_of(e)),
        )
        for e in entries
    ]
    skipped = [(paths(s.path), s.task or "", s.reason, reasons(kind_of(s.reason))) for s in skips]
    return script(
        "data",
        {
            **about,
            "chunk": CHUNK,
            "gap": GAP,
            "tasks": list(tasks.numbers),
            "splits": list(splits.numbers),
            "paths": list(paths.numbers),
            "knobs": [json.loads(value) for value in knobs.numbers],
            "edits": [json.loads(value) for value in edits.numbers],
            "sheets": list(sheets.numbers),
            "samples": [list(column) for column in zip(*rows, strict=True)] or [[]] * 7,
            "reasons": list(reasons.numbers),
            "skips": skipped,
        },
    )


def kind_of(reason: str) -> str:
    """A reason without what differs from video to video.

    >>> kind_of("1.25 s long, needs 2 s (knob min_seconds)"), kind_of("duplicate of a/b.mp4")
    ('… s long, needs … s (knob min_seconds)', 'duplicate of …')
    """
    if reason.startswith("duplicate of "):
        return "duplicate of …"
    return re.sub(r"\d+(\.\d+)?", "…", reason)
