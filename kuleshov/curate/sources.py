"""Collections in the layouts in which they are published.

    hmdb51      <class>/<name>.avi                      51 folders of clips, as unpacked
    celebv_hq   celebvhq_info.json, <clip id>.mp4       as the published downloader names clips
    mm_au       a JSON of metadata by hash, videos      fields as in the published example

Tested on miniatures made here; none of the collections was at hand. Not verified: the file names of
MM-AU's videos, which its page does not tell (knob `file`), and their frame rate (`fps`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any

from kuleshov.curate.clip import Clip, Event
from kuleshov.errors import UsageError
from kuleshov.labels import whole
from kuleshov.untrusted import json_value, read_text


def hmdb51(root: Path) -> Iterator[Clip]:
    """HMDB51: the folder is the class, such as `brush_hair`. When it happens is not annotated."""
    found = sorted(root.glob("*/*.avi"))
    if not found:
        raise UsageError(f"{root} holds no <class>/<name>.avi; give the folder of the 51 classes")
    for path in found:
        text = path.parent.name.replace("_", " ")
        yield Clip(path.relative_to(root).as_posix(), (Event(text),))


def celebv_hq(annotation: Path, file: str = "{id}.mp4") -> Iterator[Clip]:
    """CelebV-HQ: actions of the whole clip, and emotions with their times where there are several.

    Args:
        annotation: `celebvhq_info.json`.
        file: path of a clip below the root of the videos.
    """
    read = _json(annotation)
    with _layout(annotation, "celebvhq_info.json"):
        names = [_text(name) for name in read["meta_info"]["action_mapping"]]
        clips = read["clips"].items()
    for id, clip in clips:
        with _layout(annotation, "celebvhq_info.json", f"clips.{id}"):
            told = clip["attributes"]
            flags = zip(names, map(_flag, told["action"]), strict=True)
            events = [Event(name.replace("_", " ")) for name, flag in flags if flag]
            emotion = told["emotion"]
            if _flag(emotion["sep_flag"]):
                events += [
                    Event(
                        f"looks {_text(one['emotion'])}",
                        _seconds(one["start_sec"]),
                        _seconds(one["end_sec"]),
                    )
                    for one in emotion["labels"]
                ]
            found = Clip(_text(file.format(id=id)), tuple(events))
        yield found


def mm_au(annotation: Path, file: str = "{video_name}.mp4", fps: float = 30.0) -> Iterator[Clip]:
    """MM-AU: an accident from the collision (`t_co`) to the end of its window (`t_ae`).

    The window itself begins earlier, when what leads to the accident is first seen (`t_ai`). That
    the event begins with the collision is ours.

    Args:
        annotation: the metadata.
        file: path of a video below the root of the videos, with any field of the metadata.
        fps: frames a second, by which frame numbers become seconds.
    """
    read = _json(annotation)
    with _layout(annotation, "the metadata of MM-AU"):
        rows = read.items()
    for id, one in rows:
        with _layout(annotation, "the metadata of MM-AU", id):
            if str(one["accident occurred"]) != "1":
                continue
            start, end = int(one["t_co"]) / fps, int(one["t_ae"]) / fps
            found = Clip(_text(file.format(**one)), (Event(_text(one["texts"]), start, end),))
        yield found


SOURCES: dict[str, Callable[..., Iterator[Clip]]] = {
    "celebv_hq": celebv_hq,
    "hmdb51": hmdb51,
    "mm_au": mm_au,
}
"""By name; each takes where its annotation lies."""


def _json(path: Path) -> Any:
    try:
        return json_value(read_text(path))
    except ValueError as error:
        raise UsageError(f"{path} cannot be read as JSON: {error}") from error


@contextmanager
def _layout(path: Path, what: str, row: str = "") -> Iterator[None]:
    """Whatever is not where the published layout has it is an error that says so.

    Args:
        path: the annotation.
        what: it should be.
        row: of it, as it is called there.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        where = f"{path}, {row!r}," if row else f"{path}"
        raise UsageError(f"{where} is not laid out as {what} is published: {error!r}") from error


def _text(value: Any) -> str:
    if not isinstance(value, str) or not whole(value):
        raise ValueError(f"{value!r} is no text")
    return value


def _flag(value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError(f"{value!r} is neither 0 nor 1")
    return bool(value)


def _seconds(value: Any) -> float:
    if not isfinite(seconds := float(value)):
        raise ValueError(f"{value!r} is no time")
    return seconds
