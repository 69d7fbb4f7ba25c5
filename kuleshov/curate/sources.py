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
from pathlib import Path
from typing import Any

from kuleshov.curate.clip import Clip, Event
from kuleshov.errors import UsageError
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
        names = read["meta_info"]["action_mapping"]
        for id, clip in read["clips"].items():
            told = clip["attributes"]
            flags = zip(names, told["action"], strict=True)
            events = [Event(name.replace("_", " ")) for name, flag in flags if flag]
            emotion = told["emotion"]
            if emotion["sep_flag"]:
                events += [
                    Event(f"looks {one['emotion']}", float(one["start_sec"]), float(one["end_sec"]))
                    for one in emotion["labels"]
                ]
            yield Clip(file.format(id=id), tuple(events))


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
        for one in read.values():
            if str(one["accident occurred"]) != "1":
                continue
            start, end = int(one["t_co"]) / fps, int(one["t_ae"]) / fps
            yield Clip(file.format(**one), (Event(str(one["texts"]), start, end),))


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
def _layout(path: Path, what: str) -> Iterator[None]:
    """Whatever is not where the published layout has it is an error that says so."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path} is not laid out as {what} is published: {error!r}") from error
