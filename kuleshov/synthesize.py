"""Videos x tasks -> samples, one video at a time.

Everything random about a sample comes from (seed, task, video id, index), so neither the number
of workers nor the other videos in the folder change it. One exception: a task that borrows from
other videos changes when its donor comes or goes; `video_ids` name the donor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from kuleshov import __version__, dataset
from kuleshov.content import fingerprint
from kuleshov.donors import donors, load
from kuleshov.errors import UnreadableVideoError, UsageError, unknown_name
from kuleshov.files import replace_text
from kuleshov.journal import Journal
from kuleshov.locations import Location
from kuleshov.progress import Progress
from kuleshov.randomness import digest, fraction, rng_for
from kuleshov.read import read_video, without_duplicates
from kuleshov.runners import RUNNERS, Failed, Limits, runner
from kuleshov.sample import Json, Sample, Skip, Split, Video, dump_json
from kuleshov.sources import Asked, find
from kuleshov.tasks import TASKS, Task, build


@dataclass(frozen=True, kw_only=True)
class MakeConfig:
    """The `make` section of a recipe.

    Args:
        tasks: names of the tasks, each with the knobs that differ from the setting.
        setting: "default" or "paper".
        per_video: samples for each video and task.
        per_task: the same for single tasks, where it differs: the weights of a mixture.
        held_out: share of the videos that training never sees.
        seed: of everything random.
        column: of a list or table, the one that holds the videos or their paths; None for the
            first of "video", "path", "video_path" and "file" that there is.
        root: the folder that holds the videos, or its address; nothing leads out of it. None for
            the folder itself, the fixed part of a glob, or the folder of a list, to which the
            paths in a list are relative.
        runner: "local"; changes no sample.
        workers: processes, which change no sample; None for one a core, 0 for none but this one,
            without the limits below.
        seconds: limit for each video, after which it is a Skip.
        megabytes: limit of memory for each process (Linux); what needs more is a Skip.
    """

    tasks: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in TASKS})
    setting: str = "default"
    per_video: int = 1
    per_task: dict[str, int] = field(default_factory=dict)
    held_out: float = 0.2
    seed: int = 0
    column: str | None = None
    root: str | None = None
    runner: str = "local"
    workers: int | None = None
    seconds: float = 600.0
    megabytes: int = 8192

    def __post_init__(self) -> None:
        for name in self.per_task:
            if name not in self.tasks:
                raise unknown_name("task in make.per_task", name, self.tasks)
        for key, ok, allowed in [
            ("per_video", self.per_video >= 1, "1 or more"),
            ("per_task", all(count >= 1 for count in self.per_task.values()), "1 or more each"),
            ("held_out", 0 <= self.held_out <= 1, "0 to 1"),
            ("seed", self.seed >= 0, "0 or more"),
            ("workers", self.workers is None or self.workers >= 0, "0 or more"),
            ("runner", self.runner in RUNNERS, " or ".join(RUNNERS)),
        ]:
            if not ok:
                raise UsageError(f"make: {key} is {getattr(self, key)}; allowed: {allowed}")

    def limits(self) -> Limits:
        return Limits(self.seconds, self.megabytes)

    def count(self, task: str) -> int:
        """Samples of a task for each video."""
        return self.per_task.get(task, self.per_video)

    def built(self) -> list[Task]:
        return [build(name, self.setting, knobs) for name, knobs in self.tasks.items()]


def make(
    videos: Path | str, out: Path, config: MakeConfig, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Read videos and write a set of samples; returns the summary.

    Killed at any point and started again, it goes on, and ends with the same bytes.

    Args:
        videos: a folder, glob, list, dataset or address, see `kuleshov.sources`.
        out: the folder to write.
        config: the settings.
        progress: told of every video.

    Raises:
        UsageError: no videos, or a recipe that names unknown tasks or knobs.
        WriteError: the disk is full, or `out` cannot be written.
    """
    tasks = config.built()
    source = find(Asked(str(videos), out / "videos", config.column, config.root, progress))
    root, files = source.root, source.paths
    resolved = {
        "source": str(videos),
        "videos": dataset.root_in(out, root),
        "setting": config.setting,
        "tasks": {task.name: task.knobs() for task in tasks},
        "per_video": config.per_video,
        "per_task": config.per_task,
        "held_out": config.held_out,
        "seed": config.seed,
    }
    work = out / ".making"
    journal = Journal(work, dump_json([__version__, resolved, fingerprint(root, files)]))
    run = runner(config.runner, config.workers, config.limits())
    journal.run("read", partial(_read, root), files, _unread, run, progress, "reading")
    found: list[Video] = []
    skips = list(source.skips)
    for item in without_duplicates(map(_video_or_skip, journal.results("read"))):
        if isinstance(item, Skip):
            skips.append(item)
        else:
            found.append(item)
    for split in dataset.SPLITS:
        side = (video for video in found if split_of(video, config) == split)
        replace_text(work / split, "".join(f"{dump_json(asdict(video))}\n" for video in side))
    making = partial(_synthesize, tasks=tasks, work=work, config=config)
    journal.run("made", making, found, _unmade, run, progress, "making samples")
    made = (_sample_or_skip(value) for values in journal.results("made") for value in values)
    summary = dataset.write(out, chain(skips, made), resolved)
    journal.remove()
    return summary


def synthesize(
    video: Video,
    tasks: Sequence[Task],
    lenders: Callable[[Split], Sequence[Video]],
    config: MakeConfig,
) -> list[Sample | Skip]:
    """All samples of one video, or why there are none.

    Args:
        video: what to ask about.
        tasks: what to ask.
        lenders: gives all videos of a side, sorted by id; called only by tasks that borrow.
        config: the settings.
    """
    split = split_of(video, config)
    results: list[Sample | Skip] = []
    for task in tasks:

        def borrow(n: int, task: Task = task) -> list[Video]:
            return donors(video, lenders(split), n, config.seed, task.name)

        for index in range(config.count(task.name)):
            rng = rng_for(config.seed, task.name, video.id, index)
            try:
                result = task.synthesize(video, rng, borrow)
            except UnreadableVideoError as error:
                result = Skip(video.path, str(error), task.name)
            if isinstance(result, Skip):
                if result not in results:  # the same reason for each index is one reason
                    results.append(result)
                continue
            key = digest(task.name, dump_json(task.knobs()), video.id, config.seed, index)
            results.append(
                replace(
                    result,
                    id=f"{key:032x}"[:16],
                    split=split,
                    seed=config.seed,
                    provenance={**result.provenance, "setting": config.setting},
                )
            )
    return results


# What the journal keeps: a Video, a Skip or a Sample, each with its kind.


def _read(root: Location, path: str) -> Json:
    return _to_json(read_video(root, path))


def _unread(path: str, failed: Failed) -> Json:
    return _to_json(Skip(path, failed.reason))


def _video_or_skip(value: Json) -> Video | Skip:
    return Skip(**value["skip"]) if "skip" in value else Video(**value["video"])


def _synthesize(video: Video, tasks: Sequence[Task], work: Path, config: MakeConfig) -> Json:
    results = synthesize(video, tasks, lambda split: load(work / split), config)
    return [_to_json(result) for result in results]


def _unmade(video: Video, failed: Failed) -> Json:
    return [_to_json(Skip(video.path, failed.reason))]


def _sample_or_skip(value: Json) -> Sample | Skip:
    return Skip(**value["skip"]) if "skip" in value else Sample.from_row(value["sample"])


def _to_json(value: Video | Skip | Sample) -> Json:
    if isinstance(value, Sample):
        return {"sample": value.to_row()}
    return {type(value).__name__.lower(): asdict(value)}


def split_of(video: Video, config: MakeConfig) -> Split:
    """By content: a video stays on its side whatever it is called and whoever is beside it."""
    return "held_out" if _place(video.id, config) < config.held_out else "train"


def with_both_sides(config: MakeConfig, ids: Iterable[str]) -> MakeConfig:
    """The same settings with a held-out share that leaves at least one video on either side.

    For a handful of videos, which may all fall on one side; fewer than two stay as they are.
    """
    places = sorted({_place(video_id, config) for video_id in ids})
    if len(places) < 2:
        return config
    count = min(max(1, round(config.held_out * len(places))), len(places) - 1)
    return replace(config, held_out=(places[count - 1] + places[count]) / 2)


def _place(video_id: str, config: MakeConfig) -> float:
    return fraction("split", config.seed, video_id)
