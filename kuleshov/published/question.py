"""A published row and its pictures as a sample.

The prompt is kept to the letter, with the system message in front of it. The clock is the
published one, index / sample_fps, although it is off by a tenth: the published answers are too.
Each picture is a video of one frame, so the decoder reads it like any other.
"""

from __future__ import annotations

from dataclasses import replace
from math import fsum
from pathlib import Path, PurePosixPath

from kuleshov.content import content_id
from kuleshov.errors import UsageError
from kuleshov.frames import scan
from kuleshov.locations import facts, reason, within
from kuleshov.published.row import COUNTING, GROUNDING, Clip, Row
from kuleshov.randomness import digest, rng_for
from kuleshov.sample import Frame, Json, MediaItem, Sample, dump_json
from kuleshov.sampling import fit_size
from kuleshov.tasks import Task, build

TASK_OF = {GROUNDING: "anomaly", COUNTING: "counting", "shuffled": "jigsaw", "jigsaw": "jigsaw"}
PICTURES = (".jpg", ".jpeg", ".png")
_MOST_PIXELS = 4096 * 4096
_GUESSES = 1000


def question(row: Row, root: Path, prefix: str, size_multiple: int, hard: bool) -> Sample:
    """The sample of a row; its split, seed and where the row stands are filled in elsewhere.

    Args:
        row: the published row.
        root: the folder that its paths start from; nothing leads out of it.
        prefix: start of its paths that is left out.
        size_multiple: see `kuleshov.tasks.Task`.
        hard: whether counts are of the hard level.

    Raises:
        UsageError: the row does not hold together, or names pictures that are not there.
        OSError: a picture cannot be read.
    """
    if row.data_source not in TASK_OF:
        raise UsageError(f"data_source is {row.data_source!r}; known: {', '.join(TASK_OF)}")
    paths = [[_inside(root, path, prefix) for path in clip.video] for clip in row.videos]
    if not paths or any(len(clip) < 2 for clip in paths):
        raise UsageError("a video has fewer than two frames")
    prompt = "\n".join(message.content for message in row.prompt)
    if "<image>" in prompt:
        raise UsageError("an <image> in the prompt, which shows videos only")
    if prompt.count("<video>") != len(paths):
        raise UsageError(f"{prompt.count('<video>')} <video> in the prompt, {len(paths)} videos")
    ids = {path: content_id(root / path) for clip in paths for path in clip}
    media = [
        _item(clip, [ids[path] for path in here], root / here[0], size_multiple)
        for clip, here in zip(row.videos, paths, strict=True)
    ]
    task = _task(row, sum(map(len, paths)), size_multiple, hard)
    # Which video it is of; the folder of its first frame, where the row does not say.
    name = str((row.extra_info or {}).get("video_id") or PurePosixPath(paths[0][0]).parent)
    key = dump_json([row.data_source, name, prompt, row.answer(), paths])
    blank = Sample(
        id=f"{digest('published', key):032x}"[:16],
        task=task.name,
        video_ids=(f"{digest('published', name):032x}",),
        split="train",
        media=tuple(media),
        prompt=prompt,
        answer=None,
        form=task.form,
        knobs=task.knobs(),
        seed=0,
        chance=0.0,
        provenance={
            "videos": [{"id": ids[path], "path": path} for path in sorted(ids)],
            "setting": "paper",
            "entry": row.entry(hard),
            "published": {"video_id": name},
        },
    )
    answer = task.parse(row.answer(), blank)
    if answer is None:
        raise UsageError(f"{row.answer()!r} is no answer of {task.name}")
    whole = replace(blank, answer=answer)
    return replace(whole, chance=_chance(whole, task))


def _inside(root: Path, path: str, prefix: str) -> str:
    """A path of a picture, relative to the root."""
    inner = within(root, path.removeprefix(prefix).lstrip("/") if prefix else path)
    if inner is None:
        raise UsageError(f"{path} lies outside of {root}")
    # A decoder takes % for a number in a sequence of pictures.
    if PurePosixPath(inner).suffix.lower() not in PICTURES or "%" in inner:
        raise UsageError(f"{path} is no picture; allowed: {', '.join(PICTURES)}, without %")
    try:
        found = facts(root / inner).is_file
    except OSError as error:
        raise UsageError(f"{inner}: {reason(error)}") from error
    if not found:
        raise UsageError(f"{inner} is not a file")
    return inner


def _item(clip: Clip, ids: list[str], first: Path, multiple: int) -> MediaItem:
    """The pictures of one video, each at its only time."""
    fps = clip.sample_fps or 2.0  # what qwen-vl-utils takes where there is none
    low, high = clip.min_pixels or 128 * 128, clip.max_pixels or 256 * 256
    if not (1e-3 <= fps <= 1e3 and 0 < low <= high <= _MOST_PIXELS):
        raise UsageError(f"sample_fps {fps}, min_pixels {low}, max_pixels {high} make no video")
    picture = scan(first)
    height, width = fit_size(
        picture.width, picture.height, min_pixels=low, max_pixels=high, multiple=multiple
    )
    frames = tuple(Frame(video, 0.0, round(i / fps, 6)) for i, video in enumerate(ids))
    return MediaItem(frames, height, width)


def _task(row: Row, num_frames: int, size_multiple: int, hard: bool) -> Task:
    """The task in its published setting, with what the row tells of its knobs."""
    name = TASK_OF[row.data_source]
    knobs: dict[str, Json] = {"num_frames": num_frames, "size_multiple": size_multiple}
    for limit in ("min_pixels", "max_pixels"):
        if value := getattr(row.videos[0], limit):
            knobs[limit] = value
    if name == "jigsaw":
        knobs["num_clips"] = len(row.videos)
    elif len(row.videos) != 1:
        raise UsageError(f"{len(row.videos)} videos; {row.data_source} has 1")
    if name == "counting" and hard:
        knobs |= {"max_frames": 4, "max_instances": 4}
    return build(name, "paper", knobs)


def _chance(sample: Sample, task: Task) -> float:
    """The mean of what many guesses earn."""
    rng = rng_for("chance", sample.id)
    earned = [task.grade(task.guess(sample, rng), sample.answer)["total"] for _ in range(_GUESSES)]
    return fsum(earned) / len(earned)
