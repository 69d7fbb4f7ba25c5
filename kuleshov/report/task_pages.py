"""The gallery of the documents, and a page for each task.

    python -m kuleshov.report.task_pages docs

    docs/gallery.md            a sample of each task
    docs/gallery/*.jpg         its frames, in each setting
    docs/tasks/<task>.md       what it asks, settings, floors, knobs, samples

What the pages say of a task stands in its docstrings, and is not written a second time: the
module's, the class's with the arguments, and those of `units` and `switched_off`. Figures and
samples are of procedural clips. Their random numbers hang on names and not on files, so another
encoder changes no figure (but for a task that looks at pixels).
"""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple

from kuleshov.clips import write_clips
from kuleshov.donors import Lender
from kuleshov.files import replace_text, replacing
from kuleshov.floors import best_constant, chance
from kuleshov.media import render
from kuleshov.pairs import marked
from kuleshov.randomness import digest
from kuleshov.read import read
from kuleshov.report import sheets
from kuleshov.sample import Json, Sample, Skip, Video
from kuleshov.synthesize import MakeConfig, synthesize
from kuleshov.tasks import SETTINGS, TASKS, Task, build, task_of

CLIPS, SECONDS, PER_VIDEO, SEED = 8, 10.0, 8, 0
KNOBS: dict[str, dict[str, Json]] = {
    "masked": {"max_similarity": 0.999, "fps": 2.0},
    "speed": {"num_frames": 12},
}
"""Procedural clips change less from second to second than real ones: more counts as different.
They have 12 frames a second, too few for the default speeds."""
_HEIGHT = 64  # of a frame in a picture of the documents
_MADE = "<!-- Made by `make gallery` from the docstrings of {}; change those. -->\n\n"


class Made(NamedTuple):
    """Samples of a task in a setting, or the reason why there are none."""

    samples: list[Sample]
    reason: str


def main() -> None:
    """See the module."""
    (docs,) = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        # The videos have names of their own, which must not meet those of other versions.
        os.environ["KULESHOV_CACHE"] = str(Path(folder) / "cache")
        write(docs, Path(folder) / "clips")


def write(docs: Path, clips: Path, pictures: bool = True) -> None:
    """Write all pages, and remove those of tasks that are gone.

    Args:
        docs: folder of the documents.
        clips: folder for the procedural clips.
        pictures: whether pictures are drawn too.
    """
    videos = _videos(clips)
    made = {(name, s): _made(videos, name, s) for name in TASKS for s in SETTINGS}
    texts = {f"tasks/{name}.md": task_page(name, made) for name in TASKS}
    texts["gallery.md"] = gallery_page(made)
    for name, text in texts.items():
        replace_text(docs / name, text)
    for path in (docs / "tasks").glob("*.md"):
        if path.stem not in TASKS:
            path.unlink()
    if pictures:
        _draw(docs / "gallery", made, clips)


def _videos(clips: Path) -> list[Video]:
    write_clips(clips, CLIPS, SEED, SECONDS)
    found = [item for item in read(clips) if isinstance(item, Video)]
    named = [replace(video, id=_name_of(video)) for video in found]
    return sorted(named, key=lambda video: video.id)


def _name_of(video: Video) -> str:
    """An id that does not depend on the encoder at hand, as samples are drawn by it."""
    return f"{digest('task pages', SEED, video.path):032x}"


def _under_own_names(sample: Sample, own: Mapping[str, str]) -> Sample:
    """The sample with the ids of its videos' content, by which rendering knows them."""
    text = sample.to_json()
    for name, content in own.items():
        text = text.replace(name, content)
    return Sample.from_json(text)


def _made(videos: Sequence[Video], name: str, setting: str) -> Made:
    config = MakeConfig(
        tasks={name: KNOBS.get(name, {})}, setting=setting, per_video=PER_VIDEO, seed=SEED
    )
    lenders = [Lender(video, video.id) for video in videos]
    results = [r for v in videos for r in synthesize(v, config.built(), lambda _: lenders, config)]
    skips = [result.reason for result in results if isinstance(result, Skip)]
    return Made([r for r in results if isinstance(r, Sample)], skips[0] if skips else "")


def _draw(folder: Path, made: dict[tuple[str, str], Made], clips: Path) -> None:
    wanted = set()
    own = {_name_of(v): v.id for v in read(clips) if isinstance(v, Video)}
    for name in TASKS:
        for setting in SETTINGS:
            if not _shows(name, setting, made):
                continue
            sample, path = made[name, setting].samples[0], folder / _picture(name, setting)
            marks, labels = marked(sample), sheets.labels(sample)
            sheet = sheets.as_shown(sample, _HEIGHT)
            with replacing(path) as file:
                shown = render(_under_own_names(sample, own), clips)
                file.write(sheets.drawn(sheet, shown, labels, marks))
            wanted.add(path)
    for path in folder.glob("*.jpg"):
        if path not in wanted:
            path.unlink()


def _shows(name: str, setting: str, made: dict[tuple[str, str], Made]) -> bool:
    """Whether the sample of a setting shows anything that that of `default` does not."""
    here, first = (made[name, s].samples for s in (setting, "default"))
    if not here or not here[0].media:
        return False
    return setting == "default" or not first or first[0].media != here[0].media


def _picture(name: str, setting: str) -> str:
    return f"{name}.jpg" if setting == "default" else f"{name}-{setting}.jpg"


def gallery_page(made: dict[tuple[str, str], Made]) -> str:
    """A sample of each task in its default setting."""
    parts = [
        _MADE.format("kuleshov/tasks/") + "# Gallery\n\nA sample of each task in its default "
        "setting, from a procedural clip: every frame that the model is given. What the answer is "
        "about is framed in red, where it is about single frames or clips. `kuleshov view` shows "
        "samples of your own videos in the same way.\n"
    ]
    for name in TASKS:
        parts.append(f"## [{name}](tasks/{name}.md)\n\n{_words(TASKS[name]).question}\n")
        parts.append(_sample(name, "default", made, "gallery"))
    return "\n".join(parts)


def task_page(name: str, made: dict[tuple[str, str], Made]) -> str:
    """All that is to be known of a task."""
    words = _words(TASKS[name])
    parts = [
        _MADE.format(f"kuleshov/tasks/{name}.py") + f"# {name}\n\n{words.question}\n",
        f"{words.rest}\n",
        f"## Settings, and what would give the answer away\n\n{_listed(words.settings)}\n",
    ]
    if words.audit:
        parts.append("## What the audit asks\n\n" + "".join(f"- {line}\n" for line in words.audit))
    parts += ["## Floors\n", _floors(name, made), "## Knobs\n", _knobs(TASKS[name])]
    for setting in SETTINGS:
        parts.append(f"## A sample of `{setting}`\n")
        parts.append(_sample(name, setting, made, "../gallery"))
    return "\n".join(parts)


class Words(NamedTuple):
    """What the docstrings of a task say.

    Args:
        question: the first line of the module's.
        rest: what follows it.
        settings: the class's, without the arguments.
        audit: the units, and what is left with the effect switched off.
    """

    question: str
    rest: str
    settings: str
    audit: list[str]


def _words(task: type[Task]) -> Words:
    question, _, rest = (inspect.getdoc(sys.modules[task.__module__]) or "").partition("\n")
    audit = [
        f"{lead} {' '.join(said.split())}"
        for lead, method in [
            ("Each unit by itself:", task.units),
            ("What is left with the effect switched off:", task.switched_off),
        ]
        if (said := method.__doc__)
    ]
    settings = (inspect.getdoc(task) or "").partition("\nArgs:\n")[0]
    return Words(question, rest.strip("\n"), settings.strip(), audit)


def _listed(text: str) -> str:
    """Indented points of a docstring as a Markdown list."""
    text = re.sub(r"^ {4}- (\w+):", r"- `\1`:", text, flags=re.MULTILINE)
    text = re.sub(r"^ {6}(?=\S)", "  ", text, flags=re.MULTILINE)
    return re.sub(r"(?<=[^\n])\n(- .*(?:\n[- ] .*)*)", r"\n\n\1", text)


def _floors(name: str, made: dict[tuple[str, str], Made]) -> str:
    changed = "".join(f", `{knob}` {value}" for knob, value in KNOBS.get(name, {}).items())
    lines = [
        f"What is earned without looking, measured on {PER_VIDEO} samples of each of {CLIPS} "
        f"procedural clips of {SECONDS:g} s (seed {SEED}{changed}). The best constant is searched "
        "on the samples that it is measured on, so of few it says a little too much.\n",
        "| setting | samples | chance | best constant | which is |\n|---|---|---|---|---|",
    ]
    for setting in SETTINGS:
        samples, _ = made[name, setting]
        if samples:
            best = best_constant(samples)
            text = _code(best.write(samples[0])) if best.answer is not None else ""
            figures = f"{len(samples)} | {chance(samples):.3f} | {best.reward:.3f} | {text}"
            lines.append(f"| `{setting}` | {figures} |")
    return "\n".join(lines) + "\n"


def _knobs(task: type[Task]) -> str:
    said = dict(arguments(task))
    name = task.name
    knobs = {setting: build(name, setting).knobs() for setting in SETTINGS}
    own = {field.name for field in fields(task)} - {field.name for field in fields(Task)}
    lines = ["| knob | default | paper | |\n|---|---|---|---|"]
    for knob in sorted(knobs["default"], key=lambda knob: knob not in own):
        default, paper = (_code(json.dumps(knobs[setting][knob])) for setting in SETTINGS)
        lines.append(
            f"| `{knob}` | {default} | {'same' if paper == default else paper} "
            f"| {said.get(knob, '').replace('|', chr(92) + '|')} |"
        )
    return "\n".join(lines) + "\n"


def arguments(task: type[object]) -> Iterator[tuple[str, str]]:
    """(name, text) of each argument that the docstrings of a class and its bases name."""
    for kind in reversed(task.__mro__):
        text = inspect.cleandoc(vars(kind).get("__doc__") or "").partition("\nArgs:\n")[2]
        for match in re.finditer(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, re.MULTILINE):
            yield match[1], " ".join(match[2].split())


def _sample(name: str, setting: str, made: dict[tuple[str, str], Made], folder: str) -> str:
    """Picture, prompt and answer."""
    samples, reason = made[name, setting]
    if not samples:
        return f"Procedural clips give none: {reason}.\n"
    picture = f"![frames of a sample]({folder}/{_picture(name, setting)})\n\n"
    if not _shows(name, setting, made):
        picture = "The frames are those above.\n\n" if samples[0].media else ""
    return f"""{picture}```text
{samples[0].prompt}
```

Answer: {_code(task_of(samples[0]).write(samples[0].answer, samples[0]))}
"""


def _code(text: str) -> str:
    """Text as code that may stand in a table."""
    return f"`{text}`".replace("|", "\\|")


if __name__ == "__main__":
    main()
