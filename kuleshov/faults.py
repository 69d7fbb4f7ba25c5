"""What is wrong with a row of a sample set, field by field. Rows may come from anyone.

A row is what `Sample.to_row` writes. Each rule here is one that the code behind it relies on, so
that nothing later on is surprised: numbers are finite and in range, names are known, the prompt has
one placeholder for each media item, frames are of videos that the row names, edits can be applied,
and the answer can be read back by the task that asks for it.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from kuleshov.edits import problem
from kuleshov.errors import KuleshovError
from kuleshov.reward import extract
from kuleshov.sample import IMAGE, RESERVED, VIDEO, Form, Frame, Json, MediaItem, Sample, Split
from kuleshov.tasks import GIVEN, TASKS, Task, task_of
from kuleshov.tasks.given_texts import GivenText
from kuleshov.untrusted import is_deep

LARGEST_SIDE = 16_384
"""Pixels of a frame from side to side."""
MOST_PIXELS = 1 << 30
"""Of all frames of a sample together: 3 GB of memory."""
MOST_EDITS = 10_000
"""Of a media item."""
MOST_SECONDS = 1e9
LONGEST_ID = 1_000
_ID = re.compile(r"\w[\w-]*")
_SHOWN = 80


class Fault(NamedTuple):
    """What is wrong with a field, such as `media[0].height`."""

    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.field} {self.text}"


class _Wrong(Exception):
    """A fault, on its way to the one place that collects them."""

    def __init__(self, field: str, got: object, allowed: str) -> None:
        super().__init__(field)
        self.fault = Fault(field, f"is {_short(got)}; allowed: {allowed}")


def checked(
    row: Mapping[str, Any], split: str | None = None
) -> tuple[Sample | None, tuple[Fault, ...]]:
    """The sample of a row, and its faults.

    Args:
        row: by name of the column; nothing in it is trusted.
        split: that of the file it stands in, if it stands in one.

    Returns:
        No sample where a field does not hold by itself. With faults, a sample can be shown, but
        not asked.
    """
    found: dict[str, Any] = {}
    wrong: list[Fault] = []
    for name, read in _FIELDS.items():
        try:
            if name not in row:
                raise _Wrong(name, "missing", "a column of this name")
            found[name] = read(name, row[name])
        except _Wrong as error:
            wrong.append(error.fault)
    if split is not None and found.get("split", split) != split:
        wrong.append(Fault("split", f"is {found['split']!r}, in a file of the split {split!r}"))
    if wrong:
        return None, tuple(wrong)
    sample = Sample(**found)
    return sample, tuple(_together(sample))


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong(field, value, "text")
    return value


def _id(field: str, value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_ID:
        raise _Wrong(field, value, f"text of 1 to {LONGEST_ID} characters")
    return value


def _one_of(kind: Any) -> Callable[[str, Any], str]:
    known = get_args(kind)

    def read(field: str, value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise _Wrong(field, value, ", ".join(known))
        return value

    return read


def _whole(field: str, value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise _Wrong(field, value, f"whole numbers from {least} to {most}")
    return value


def _seed(field: str, value: Any) -> int:
    return _whole(field, value, 0, 2**63 - 1)


def _number(field: str, value: Any, least: float, most: float) -> float:
    if type(value) not in (int, float) or not least <= value <= most:
        raise _Wrong(field, value, f"numbers from {least:g} to {most:g}")
    return float(value)


def _chance(field: str, value: Any) -> float:
    return _number(field, value, 0.0, 1.0)


def _list(field: str, value: Any, allowed: str) -> list[Any]:
    if not isinstance(value, list):
        raise _Wrong(field, value, allowed)
    return value


def _video_ids(field: str, value: Any) -> tuple[str, ...]:
    ids = _list(field, value, "a list of ids of videos")
    if not ids or not all(isinstance(one, str) and one for one in ids) or len({*ids}) < len(ids):
        raise _Wrong(field, ids, "one id or more, all of them different")
    return tuple(ids)


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(f"{_short(text)} is too large")
    return number


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


_JSON = json.JSONDecoder(object_pairs_hook=_once, parse_float=_finite, parse_constant=_refuse)


def _json(field: str, value: Any) -> Json:
    text = _text(field, value)
    try:
        found = _JSON.decode(text)
        if not is_deep(text, found):
            return found
        why = "nested too deeply"
    except RecursionError:
        why = "nested too deeply"
    except ValueError as error:
        why = str(error)
    raise _Wrong(field, value, f"JSON without NaN and repeated keys ({why})")


def _object(field: str, value: Any) -> dict[str, Json]:
    found = _json(field, value)
    if not isinstance(found, dict):
        raise _Wrong(field, value, "a JSON object")
    return found


def _provenance(field: str, value: Any) -> dict[str, Json]:
    found = _object(field, value)
    videos = _list(f"{field}.videos", found.get("videos", []), "a list of videos")
    paths: dict[str, str] = {}
    for place, video in enumerate(videos):
        here = f"{field}.videos[{place}]"
        if not isinstance(video, dict) or not video.get("id") or type(video["id"]) is not str:
            raise _Wrong(here, video, "an object with the id and path of a video")
        path = _text(f"{here}.path", video.get("path"))
        if paths.setdefault(video["id"], path) != path:
            raise _Wrong(f"{here}.path", path, f"one path of a video, {paths[video['id']]!r} here")
    if "entry" in found:
        _text(f"{field}.entry", found["entry"])
    if not isinstance(found.get("published", {}), dict):
        raise _Wrong(f"{field}.published", found["published"], "a JSON object")
    return found


def _is_below(path: str) -> bool:
    """As far as the text tells; `media` follows links."""
    return bool(path) and "\0" not in path and path[0] != "/" and ".." not in path.split("/")


def _media(field: str, value: Any) -> tuple[MediaItem, ...]:
    items = _list(field, value, "a list of media items")
    media = tuple(_item(f"{field}[{place}]", item) for place, item in enumerate(items))
    pixels = sum(len(item.frames) * item.height * item.width for item in media)
    if pixels > MOST_PIXELS:
        raise _Wrong(field, f"{pixels} pixels in all frames", f"up to {MOST_PIXELS}")
    return media


def _item(field: str, item: Any) -> MediaItem:
    if not isinstance(item, dict) or not {"frames", "height", "width", "edits"} <= item.keys():
        raise _Wrong(field, item, "an object of frames, height, width and edits")
    frames = _frames(f"{field}.frames", item["frames"])
    height = _whole(f"{field}.height", item["height"], 1, LARGEST_SIDE)
    width = _whole(f"{field}.width", item["width"], 1, LARGEST_SIDE)
    edits = _list(f"{field}.edits", _json(f"{field}.edits", item["edits"]), "a list of edits")
    if len(edits) > MOST_EDITS:
        raise _Wrong(f"{field}.edits", f"{len(edits)} edits", f"up to {MOST_EDITS}")
    for place, edit in enumerate(edits):
        if why := problem(edit, len(frames)):
            raise _Wrong(f"{field}.edits[{place}]", edit, why)
    return MediaItem(frames, height, width, tuple(edits))


def _frames(field: str, value: Any) -> tuple[Frame, ...]:
    listed = _list(field, value, "a list of frames")
    if not listed:
        raise _Wrong(field, "empty", "one frame or more")
    columns = _columns(listed)
    if columns is None:
        place = next(i for i, one in enumerate(listed) if _columns([one]) is None)
        raise _Wrong(
            f"{field}[{place}]",
            listed[place],
            f"video_id, and source_seconds and shown_seconds up to {MOST_SECONDS:g}, the latter "
            "from 0",
        )
    ids, source, shown = columns
    # A name of a video for all frames that show it: it would be half of a sample's memory.
    return tuple(map(Frame, map(sys.intern, ids), source, shown))


def _columns(listed: list[Any]) -> Sequence[Sequence[Any]] | None:
    """Ids and times of frames, or None where one is none.

    Looked at together, as most of a set is frames.
    """
    try:
        columns = [[frame.get(name) for frame in listed] for name in Frame._fields]
        ids, source, shown = columns
        fit = (
            max(map(len, listed)) == len(Frame._fields)
            and {*map(type, ids)} == {str}
            and math.isfinite(sum(source) + sum(shown))  # else the comparisons say nothing
            and max(map(abs, source)) <= MOST_SECONDS
            and min(shown) >= 0
            and max(shown) <= MOST_SECONDS
        )
    except (AttributeError, TypeError):  # no object, or no number
        return None
    return columns if fit else None


_FIELDS: dict[str, Callable[[str, Any], Any]] = {
    "id": _id,
    "task": _text,
    "video_ids": _video_ids,
    "split": _one_of(Split),
    "media": _media,
    "prompt": _text,
    "answer": _json,
    "form": _one_of(Form),
    "knobs": _object,
    "seed": _seed,
    "chance": _chance,
    "provenance": _provenance,
}
"""What makes of each column the field of a Sample, or refuses it."""


def _together(sample: Sample) -> Iterator[Fault]:
    """Faults of fields that are in order by themselves."""
    if not _ID.fullmatch(sample.id):
        yield Fault("id", f"is {_short(sample.id)}; allowed: letters, digits, _ and -")
    named = {video["id"] for video in sample.videos}
    for place, video in enumerate(sample.videos):
        if not _is_below(video["path"]):
            yield Fault(
                f"provenance.videos[{place}].path",
                f"is {_short(video['path'])}; allowed: a path below the folder of videos",
            )
    for place, item in enumerate(sample.media):
        if unknown := {frame.video_id for frame in item.frames} - named:
            yield Fault(
                f"media[{place}].frames",
                f"show the video {_short(min(unknown))}, which provenance.videos does not name",
            )
    yield from _unfit_prompt(sample)
    if sample.task not in TASKS and sample.task not in GIVEN:
        known = ", ".join(sorted({**TASKS, **GIVEN}))
        yield Fault("task", f"is {_short(sample.task)}; allowed: {known}")
        return
    try:
        task = task_of(sample)
    except KuleshovError as error:
        yield Fault("knobs", f"are refused: {error}")
    except Exception as error:  # of a task that was given what no task writes
        yield Fault("knobs", f"cannot be used: {type(error).__name__}: {_short(error)}")
    else:
        if why := _unreadable(sample, task):
            yield Fault("answer", f"is {_short(sample.answer)}; its own answer earns {why}")
        elif why := _unlike_the_task(sample, task):
            yield Fault("media", f"is not as {sample.task} makes it: {why}")


def _unfit_prompt(sample: Sample) -> Iterator[Fault]:
    places = sample.placeholders
    if len(places) != len(sample.media):
        yield Fault(
            "prompt",
            f"has {len(places)} placeholders (<video> and <image>) for {len(sample.media)} media "
            "items; allowed: one for each",
        )
        return
    marks = [mark for mark in RESERVED.findall(sample.prompt) if mark not in (VIDEO, IMAGE)]
    if marks:
        yield Fault("prompt", f"has {marks[0]}, which models put in by themselves; remove it")
    for number, (place, item) in enumerate(zip(places, sample.media, strict=True)):
        if place == "<image>" and len(item.frames) != 1:
            yield Fault(
                "prompt", f"has <image> for media[{number}], which has {len(item.frames)} frames"
            )


def _unreadable(sample: Sample, task: Task) -> str | None:
    """Why the task cannot tell its own answer; None where it can.

    Answers of benchmarks that are read back but earn less than 1, such as an interval of no length,
    are told by the audit.
    """
    try:
        text = extract(task.completion(sample.answer, sample), sample.form)
        read = None if text is None else task.parse(text, sample)
        if read is None:
            return f"0, not 1: {sample.task} cannot read it in the form {sample.form!r}"
        if isinstance(task, GivenText) and task.judged:
            return None
        earned = task.grade(read, sample.answer)["total"]
    except Exception as error:  # of a task that was given what no task writes
        why = f"{type(error).__name__}: {_short(error)}"
        return f"nothing, not 1: {sample.task} cannot use it: {why}"
    if earned == 1.0 or (read == sample.answer and 0 <= earned <= 1):
        return None
    return f"{earned}, not 1: {sample.task} reads it as {_short(read)}"


def _unlike_the_task(sample: Sample, task: Task) -> str | None:
    """Why the task cannot tell what it asked about; None where it can."""
    if sample.task not in TASKS or sample.made_elsewhere:
        return None
    try:
        task.units(sample)
        task.switched_off(sample)
    except KeyError as error:
        return f"an edit lacks {error}"
    except Exception:
        return None  # the audit says what is wrong
    return None


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, (str, float, int, list, dict, tuple)) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
