"""Videos x tasks -> samples, one video at a time.

Everything random about a sample comes from (seed, task, video id, index), so neither the number
of workers nor the other videos in the folder change it. One exception: a task that borrows from
other videos changes when its donor comes or goes; `video_ids` name the donor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from kuleshov import dataset
from kuleshov.errors import UnreadableVideoError, UsageError, unknown_name
from kuleshov.parallel import counted, ordered_map
from kuleshov.progress import Progress
from kuleshov.randomness import digest, fraction, rng_for
from kuleshov.read import find, read_video, without_duplicates
from kuleshov.sample import Sample, Skip, Split, Video, dump_json
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
        workers: processes; changes no sample.
    """

    tasks: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in TASKS})
    setting: str = "default"
    per_video: int = 1
    per_task: dict[str, int] = field(default_factory=dict)
    held_out: float = 0.2
    seed: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        for name in self.per_task:
            if name not in self.tasks:
                raise unknown_name("task in make.per_task", name, self.tasks)
        for key, ok, allowed in [
            ("per_video", self.per_video >= 1, "1 or more"),
            ("per_task", all(count >= 1 for count in self.per_task.values()), "1 or more each"),
            ("held_out", 0 <= self.held_out <= 1, "0 to 1"),
            ("seed", self.seed >= 0, "0 or more"),
            ("workers", self.workers >= 1, "1 or more"),
        ]:
            if not ok:
                raise UsageError(f"make: {key} is {getattr(self, key)}; allowed: {allowed}")

    def count(self, task: str) -> int:
        """Samples of a task for each video."""
        return self.per_task.get(task, self.per_video)

    def built(self) -> list[Task]:
        return [build(name, self.setting, knobs) for name, knobs in self.tasks.items()]


def make(
    videos: Path, out: Path, config: MakeConfig, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Read a folder of videos and write a set of samples; returns the summary.

    Raises:
        UsageError: no videos, or a recipe that names unknown tasks or knobs.
    """
    tasks = config.built()
    samples: list[Sample] = []
    skips: list[Skip] = []
    paths = find(videos)
    with ordered_map(config.workers) as pmap:
        found: list[Video] = []
        read = pmap(partial(read_video, videos), paths)
        for item in without_duplicates(counted(read, "reading", len(paths), progress)):
            if isinstance(item, Skip):
                skips.append(item)
            else:
                found.append(item)
        work = partial(synthesize, tasks=tasks, videos=found, config=config)
        for results in counted(pmap(work, found), "making samples", len(found), progress):
            for result in results:
                if isinstance(result, Skip):
                    skips.append(result)
                else:
                    samples.append(result)
    resolved = {
        "videos": str(videos.resolve()),
        "setting": config.setting,
        "tasks": {task.name: task.knobs() for task in tasks},
        "per_video": config.per_video,
        "per_task": config.per_task,
        "held_out": config.held_out,
        "seed": config.seed,
    }
    return dataset.write(out, samples, skips, resolved)


def synthesize(
    video: Video, tasks: Sequence[Task], videos: Sequence[Video], config: MakeConfig
) -> list[Sample | Skip]:
    """All samples of one video, or why there are none."""
    split = split_of(video, config)
    results: list[Sample | Skip] = []
    for task in tasks:

        def donors(n: int, task: Task = task) -> list[Video]:
            return rendezvous(
                video,
                [v for v in videos if split_of(v, config) == split],
                n,
                config.seed,
                task.name,
            )

        for index in range(config.count(task.name)):
            rng = rng_for(config.seed, task.name, video.id, index)
            try:
                result = task.synthesize(video, rng, donors)
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


def rendezvous(video: Video, others: Iterable[Video], n: int, seed: int, task: str) -> list[Video]:
    """The n other videos with the highest hash of (seed, task, this video, that video).

    Rendezvous hashing: when a video comes or goes, only those change that borrow from it.
    """
    rest = [other for other in others if other.id != video.id]
    return sorted(rest, key=lambda other: digest(seed, task, video.id, other.id), reverse=True)[:n]
