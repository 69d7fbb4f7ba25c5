"""Videos x tasks -> samples, one video at a time.

Everything random about a sample comes from (seed, label, video id, index), where the label is that
of its entry in the recipe, which is the task's name unless it says otherwise. So neither the number
of workers nor the other videos in the folder change it. One exception: a task that borrows from
other videos changes when its donor comes or goes; `video_ids` name the donor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from kuleshov import __version__, dataset
from kuleshov.content import fingerprint
from kuleshov.donors import donors, load
from kuleshov.errors import UnreadableVideoError, UsageError, unknown_name
from kuleshov.files import replacing
from kuleshov.journal import Journal, Lines
from kuleshov.locations import Location
from kuleshov.mixture import Priorities, largest, preferences, scaled
from kuleshov.near_duplicates import NO_HASH, THRESHOLD, groups, hash_of
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
        tasks: the entries: names of tasks, each with the knobs that differ from the setting. For
            several entries of one task, any labels, with the task's name among the knobs:
            `mirror: {task: anomaly, kinds: [mirror]}`.
        setting: "default" or "paper".
        per_video: samples for each video and entry.
        per_task: the same for single entries, where it differs.
        counts: samples of single entries in the whole set, both sides together; all that the
            videos give where there is none. See mixture.py for which are kept.
        weights: shares of all entries in the set, which is the largest one that has them; with
            these there are no counts.
        share: of the counts that is wanted, rounded up: a smaller set of the same mixture.
        disjoint: whether each video serves one entry only, the first that can use it in an order
            drawn by the counts or weights, or evenly. Videos that are borrowed from are not meant.
        held_out: share of the videos that training never sees.
        near_duplicates: share of the bits of their perceptual hashes up to which videos count as
            near-duplicates, which stay on one side of the split, see near_duplicates.py. Costs
            the decoding of 8 frames of each video; None looks for none, and neither does a set
            of one side only.
        seed: of everything random.
        column: of a list or table, the one that holds the videos or their paths; None for the
            first of "video", "path", "video_path" and "file" that there is.
        root: the folder that holds the videos, or its address; nothing leads out of it. None for
            the folder itself, the fixed part of a glob, or the folder of a list, to which the
            paths in a list are relative.
        runner: "local", or "ray" for a cluster; changes no sample.
        workers: processes, which change no sample; None for one a core (what the command line
            takes), 0 for none but this one, without the limits below. A script that asks for
            more than 0 does its work below `if __name__ == "__main__":`, as the processes import
            it.
        seconds: limit for each video, after which it is a Skip.
        megabytes: limit of memory for each process (Linux); what needs more is a Skip.
    """

    tasks: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: {} for name in TASKS})
    setting: str = "default"
    per_video: int = 1
    per_task: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    share: float = 1.0
    disjoint: bool = False
    held_out: float = 0.2
    near_duplicates: float | None = THRESHOLD
    seed: int = 0
    column: str | None = None
    root: str | None = None
    runner: str = "local"
    workers: int | None = 0
    seconds: float = 600.0
    megabytes: int = 8192

    def __post_init__(self) -> None:
        for key in ("per_task", "counts", "weights"):
            for name in getattr(self, key):
                if name not in self.tasks:
                    raise unknown_name(f"task in make.{key}", name, self.tasks)
        if self.counts and self.weights:
            raise UsageError("make: counts and weights are both given; give one of them")
        for key, needed in [("weights", bool(self.weights)), ("counts", self._is_shared_by_count)]:
            left_out = [label for label in self.tasks if label not in getattr(self, key)]
            if needed and left_out:
                raise UsageError(f"make: {key} lacks {', '.join(left_out)}; give all or none")
        for key, ok, allowed in [
            ("per_video", self.per_video >= 1, "1 or more"),
            ("per_task", all(count >= 1 for count in self.per_task.values()), "1 or more each"),
            ("counts", all(count >= 1 for count in self.counts.values()), "1 or more each"),
            ("weights", all(w > 0 for w in self.weights.values()), "above 0 each"),
            ("share", 0 < self.share <= 1, "above 0, to 1"),
            ("held_out", 0 <= self.held_out <= 1, "0 to 1"),
            (
                "near_duplicates",
                self.near_duplicates is None or 0 <= self.near_duplicates <= THRESHOLD,
                f"0 to {THRESHOLD:.3f}, or null",
            ),
            ("seed", self.seed >= 0, "0 or more"),
            ("workers", self.workers is None or self.workers >= 0, "0 or more"),
            ("runner", self.runner in RUNNERS, " or ".join(RUNNERS)),
        ]:
            if not ok:
                raise UsageError(f"make: {key} is {getattr(self, key)}; allowed: {allowed}")

    def limits(self) -> Limits:
        return Limits(self.seconds, self.megabytes)

    @property
    def _is_shared_by_count(self) -> bool:
        return self.disjoint and bool(self.counts)

    def count(self, label: str) -> int:
        """Samples of an entry for each video."""
        return self.per_task.get(label, self.per_video)

    def video_shares(self) -> dict[str, float]:
        """Shares of the videos that the entries need where each video serves one of them."""
        wanted: Mapping[str, float] = self.weights or self.counts or dict.fromkeys(self.tasks, 1.0)
        return {label: wanted[label] / self.count(label) for label in self.tasks}

    def built(self) -> dict[str, Task]:
        """The task of each entry, by label.

        Raises:
            UsageError: an unknown task or knob, or a label that is the name of another task.
        """
        built = {}
        for label, knobs in self.tasks.items():
            name = str(knobs.get("task", label))
            if label in TASKS and name != label:
                raise UsageError(
                    f"make.tasks: {label!r} is labelled as one task and is {name!r}; give another "
                    "label"
                )
            rest = {key: value for key, value in knobs.items() if key != "task"}
            built[label] = build(name, self.setting, rest)
        return built


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
        "tasks": {
            label: {**({} if label == task.name else {"task": task.name}), **task.knobs()}
            for label, task in tasks.items()
        },
        "per_video": config.per_video,
        "per_task": config.per_task,
        "counts": scaled(config.counts, config.share),
        "weights": config.weights,
        "disjoint": config.disjoint,
        "held_out": config.held_out,
        "near_duplicates": config.near_duplicates,
        "seed": config.seed,
    }
    work = out / ".making"
    journal = Journal(work, dump_json([__version__, resolved, fingerprint(root, files)]))
    with runner(config.runner, config.workers, config.limits()) as run:
        journal.run("read", partial(_read, root), files, _unread, run, progress, "reading")
        _sort_out(map(_video_or_skip, journal.results("read")), work)
        videos_found = Lines(work / "videos")
        if config.near_duplicates is not None and 0 < config.held_out < 1:
            journal.run("hashed", _hash, videos_found, _unhashed, run, progress, "hashing frames")
        _split(videos_found, journal.results("hashed"), work, config)
        making = partial(_synthesize, tasks=tasks, work=work, config=config)
        placed = Lines(work / "placed")
        journal.run("made", making, placed, _unmade, run, progress, "making samples")
    skips = chain(source.skips, (Skip(**skip) for skip in Lines(work / "skips")))
    if config.counts or config.weights:
        priorities = Priorities(_made(journal), config.seed)
        counts = scaled(config.counts, config.share) or largest(config.weights, priorities.made())
        kept = priorities.keep(_made(journal), counts)
        more = {"mixture": priorities.summary(counts)}
    else:
        kept, more = _made(journal), {}
    summary = dataset.write(out, chain(skips, kept), resolved, more)
    journal.remove()
    return summary


def synthesize(
    video: Video,
    tasks: Mapping[str, Task],
    lenders: Callable[[Split], Sequence[Video]],
    config: MakeConfig,
    first: str | None = None,
) -> list[Sample | Skip]:
    """All samples of one video, or why there are none.

    Args:
        video: what to ask about.
        tasks: what to ask, by label.
        lenders: gives all videos of a side, sorted by id; called only by tasks that borrow.
        config: the settings.
        first: id of the first one of its near-duplicates, whose side it is on.
    """
    split = split_of(first or video.id, config)
    kept = {"setting": config.setting}
    if first is not None and first != video.id:
        kept["near_duplicate_of"] = first
    labels = list(tasks)
    if config.disjoint:
        labels = preferences(video.id, config.video_shares(), config.seed)
    results: list[Sample | Skip] = []
    for label in labels:
        task = tasks[label]
        named = kept if label == task.name else {**kept, "entry": label}

        def borrow(n: int, label: str = label) -> list[Video]:
            return donors(video, lenders(split), n, config.seed, label)

        for index in range(config.count(label)):
            rng = rng_for(config.seed, label, video.id, index)
            try:
                result = task.synthesize(video, rng, borrow)
            except UnreadableVideoError as error:
                result = Skip(video.path, str(error))
            if isinstance(result, Skip):
                result = replace(result, task=label)
                if result not in results:  # the same reason for each index is one reason
                    results.append(result)
                continue
            key = digest(label, dump_json(task.knobs()), video.id, config.seed, index)
            results.append(
                replace(
                    result,
                    id=f"{key:032x}"[:16],
                    split=split,
                    seed=config.seed,
                    provenance={**result.provenance, **named},
                )
            )
        if config.disjoint and any(isinstance(result, Sample) for result in results):
            break
    return results


def _sort_out(items: Iterable[Video | Skip], work: Path) -> None:
    """Write down which videos there are, and which files gave none."""
    with replacing(work / "videos") as videos, replacing(work / "skips") as skips:
        for item in without_duplicates(items):
            file = skips if isinstance(item, Skip) else videos
            file.write(f"{dump_json(asdict(item))}\n".encode())


def _split(videos: Lines, hashes: Iterable[Json], work: Path, config: MakeConfig) -> None:
    """Write down on which side each video is: that of the first one of its near-duplicates."""
    ids = [video["id"] for video in videos]
    first = dict(zip(ids, ids, strict=True))
    # By id: who is first does not depend on what the files are called.
    by_id = sorted(zip(ids, hashes, strict=False))
    if by_id and config.near_duplicates is not None:
        leaders = groups([hashed for _, hashed in by_id], config.near_duplicates)
        first |= {by_id[i][0]: by_id[leader][0] for i, leader in enumerate(leaders)}
    with ExitStack() as stack:
        names = ("placed", *dataset.SPLITS)
        files = {name: stack.enter_context(replacing(work / name)) for name in names}
        for video in videos:
            leader = first[video["id"]]
            files["placed"].write(f"{dump_json({'video': video, 'first': leader})}\n".encode())
            files[split_of(leader, config)].write(f"{dump_json(video)}\n".encode())


# What the journal keeps: a Video, a Skip or a Sample, each with its kind.


def _read(root: Location, path: str) -> Json:
    return _to_json(read_video(root, path))


def _unread(path: str, failed: Failed) -> Json:
    return _to_json(Skip(path, failed.reason))


def _video_or_skip(value: Json) -> Video | Skip:
    return Skip(**value["skip"]) if "skip" in value else Video(**value["video"])


def _hash(video: Json) -> Json:
    try:
        return hash_of(Video(**video))
    except UnreadableVideoError:
        return NO_HASH  # the tasks will say what is wrong with it


def _unhashed(video: Json, failed: Failed) -> Json:
    return NO_HASH


def _synthesize(placed: Json, tasks: Mapping[str, Task], work: Path, config: MakeConfig) -> Json:
    video, first = Video(**placed["video"]), placed["first"]
    results = synthesize(video, tasks, lambda split: load(work / split), config, first)
    return [_to_json(result) for result in results]


def _unmade(placed: Json, failed: Failed) -> Json:
    return [_to_json(Skip(placed["video"]["path"], failed.reason))]


def _made(journal: Journal) -> Iterator[Sample | Skip]:
    return (_sample_or_skip(value) for values in journal.results("made") for value in values)


def _sample_or_skip(value: Json) -> Sample | Skip:
    return Skip(**value["skip"]) if "skip" in value else Sample.from_row(value["sample"])


def _to_json(value: Video | Skip | Sample) -> Json:
    if isinstance(value, Sample):
        return {"sample": value.to_row()}
    return {type(value).__name__.lower(): asdict(value)}


def split_of(video_id: str, config: MakeConfig) -> Split:
    """By content: a video stays on its side whatever it is called and whoever is beside it."""
    return "held_out" if _place(video_id, config) < config.held_out else "train"


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
