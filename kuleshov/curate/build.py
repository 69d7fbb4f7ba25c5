"""Clips to rows: the builder of a set like VideoPerceiver-80K.

The rows are those of labels.py, so `kuleshov make` takes them as they are:

    {"video": "a.mp4", "question": "What happens in the video?", "answer": "The light ..."}
    {"video": "a.mp4", "question": "How many times does the light flash?", "answer": "2"}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from kuleshov.curate.asking import Described, See, described
from kuleshov.curate.clip import Clip
from kuleshov.curate.transient import Transient
from kuleshov.curate.validator import Text, reason
from kuleshov.errors import KuleshovError, UsageError
from kuleshov.files import make_folder, replace_text
from kuleshov.labels import Label
from kuleshov.locations import within
from kuleshov.progress import Progress
from kuleshov.read import read_video
from kuleshov.sample import Skip, Video, dump_json
from kuleshov.sampling import fit_size, uniform_in
from kuleshov.tasks.labelled import plain

CAPTION = "What happens in the video?"
"""What a caption is the answer to. Ours."""


class Rejected(NamedTuple):
    """What was left out.

    Args:
        video: of which clip.
        text: the event, caption or question; "" for the whole clip.
        reason: why, the same words for the same reason.
    """

    video: str
    text: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Curation:
    """The settings.

    Args:
        transient: which events are kept.
        num_frames: of a clip that the model is shown.
        max_pixels: largest area of a frame that it is shown.
        questions: that it is asked for.
    """

    transient: Transient = field(default_factory=Transient)
    num_frames: int = 16
    max_pixels: int = 256 * 256
    questions: int = 3

    def __post_init__(self) -> None:
        if self.num_frames < 1 or self.questions < 1:
            raise UsageError("curation: num_frames and questions are 1 or more")


class Curated(NamedTuple):
    """What came of it.

    Args:
        rows: captions and questions that no rule is against, in the order of the clips.
        rejected: the others, and clips without any.
    """

    rows: list[Label]
    rejected: list[Rejected]

    @property
    def reasons(self) -> dict[str, int]:
        """How much was left out for each reason, the most frequent first."""
        return dict(Counter(one.reason for one in self.rejected).most_common())


Each = Callable[[Callable[[Clip], Curated], Iterable[Clip]], Iterator[Curated]]
"""`map`, or what does the same otherwise."""


def curate(
    clips: Sequence[Clip],
    root: Path,
    see: See,
    config: Curation,
    progress: Progress = lambda *_: None,
    each: Each = map,
) -> Curated:
    """Rows from clips.

    Args:
        clips: of a collection, see sources.py.
        root: the folder that their paths start from; nothing leads out of it.
        see: shows frames to a model. What it raises stops the work, but for a reply that is not
            of the form that was asked for, which is counted.
        config: the settings.
        progress: told of every clip.
        each: what goes through the clips, in their order; `Endpoint.each` does several at a time.
    """
    rows: list[Label] = []
    rejected: list[Rejected] = []
    progress("describing clips", 0, len(clips))
    of_clip = partial(_of_clip, root=root, see=see, config=config)
    for done, found in enumerate(each(of_clip, clips), 1):
        rows += found.rows
        rejected += found.rejected
        progress("describing clips", done, len(clips))
    return Curated(rows, rejected)


def _of_clip(clip: Clip, root: Path, see: See, config: Curation) -> Curated:
    """What comes of one clip."""
    rejected: list[Rejected] = []
    kept: list[str] = []
    for event in clip.events:
        if why := config.transient.reason(event):
            rejected.append(Rejected(clip.path, event.text, why))
        else:
            kept.append(event.text)

    def none(reason: str) -> Curated:
        return Curated([], [*rejected, Rejected(clip.path, "", reason)])

    if not kept:
        return none("no transient event")
    video = _video(root, clip.path)
    if isinstance(video, Skip):
        return none(f"video: {video.reason}")
    size = fit_size(
        video.width, video.height, min_pixels=1, max_pixels=config.max_pixels, multiple=2
    )
    times = uniform_in(video, config.num_frames, trim=0.0).seconds()
    try:
        frames = video.frames(times, size)
    except KuleshovError as error:
        return none(f"video: {error}")
    try:
        found = described(see, frames, video.duration, kept, config.questions)
    except UsageError:
        return none("reply: not of the form that was asked for")
    rows: list[Label] = []
    for label, why in _judged(clip.path, found, video.duration, "; ".join(kept)):
        if why is None:
            rows.append(label)
        else:
            rejected.append(Rejected(clip.path, label.question, why))
    return Curated(rows, rejected)


def _video(root: Path, path: str) -> Video | Skip:
    inner = within(root, path)
    return read_video(root, inner) if inner else Skip(path, "lies outside of the folder")


def _judged(
    path: str, found: Described, seconds: float, events: str
) -> Iterable[tuple[Label, str | None]]:
    """The caption and the questions as rows, with what is wrong with each.

    A question is about what the annotation and the caption show; a caption that is left out shows
    nothing.
    """
    caption = Label(path, path, CAPTION, found.caption)
    wrong = reason(Text(found.caption, None, seconds, ""))
    yield caption, wrong
    about = events if wrong else f"{events} {found.caption}"
    asked: set[str] = set()
    for question, answer in found.questions:
        why = reason(Text(question, answer, seconds, about))
        if why is None and not plain(answer):
            why = "visible: the answer is not known"
        if why is None and question.casefold() in asked:
            why = "grammar: asked twice"
        asked.add(question.casefold())
        yield Label(path, path, question, answer), why


def write(curated: Curated, folder: Path) -> dict[str, object]:
    """Write `rows.jsonl`, `rejected.jsonl` and `summary.json`, and return the summary."""
    rows = [_written(row) for row in curated.rows]
    summary = {
        "rows": len(rows),
        "videos": len({row.video for row in curated.rows}),
        "rejected": curated.reasons,
    }
    make_folder(folder)
    replace_text(folder / "rows.jsonl", "".join(f"{dump_json(row)}\n" for row in rows))
    rejected = "".join(f"{dump_json(one._asdict())}\n" for one in curated.rejected)
    replace_text(folder / "rejected.jsonl", rejected)
    replace_text(folder / "summary.json", f"{dump_json(summary)}\n")
    return summary


def _written(row: Label) -> dict[str, object]:
    options = {"options": list(row.options)} if row.options else {}
    return {"video": row.video, "question": row.question, "answer": row.answer, **options}
