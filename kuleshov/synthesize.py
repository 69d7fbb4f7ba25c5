"""Videos x tasks -> samples, one video at a time.

Everything random about a sample comes from (seed, label, video id, index), where the label is that
of its entry in the recipe, which is the task's name unless it says otherwise. So neither the number
of workers nor the other videos in the folder change it. One exception: a task that borrows from
other videos changes when its donor comes or goes; `video_ids` name the donor.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from kuleshov import __version__, dataset
from kuleshov.config import MakeConfig
from kuleshov.content import fingerprint
from kuleshov.donors import Lender, donors, load
from kuleshov.errors import UnreadableVideoError, UsageError
from kuleshov.files import replacing
from kuleshov.journal import Journal, Lines
from kuleshov.labels import Label, by_video, read_labels
from kuleshov.locations import Location
from kuleshov.manifest import entries
from kuleshov.mixture import Priorities, largest, preferences, scaled
from kuleshov.near_duplicates import NO_HASH, groups, hash_of
from kuleshov.owned import apart, remove, writing
from kuleshov.pacing import paced
from kuleshov.progress import Progress
from kuleshov.randomness import digest, fraction, rng_for
from kuleshov.read import read_video, without_duplicates
from kuleshov.runners import Failed, runner, was_failed
from kuleshov.sample import Json, Sample, Skip, Split, Video, dump_json
from kuleshov.sources import Asked, find
from kuleshov.tasks import Task
from kuleshov.tasks.labelled import Labelled
from kuleshov.tasks.task import Donors

__all__ = ["MakeConfig", "make", "split_of", "synthesize", "with_both_sides"]


def make(
    videos: Path | str,
    out: Path,
    config: MakeConfig,
    progress: Progress = lambda *_: None,
    retry_skipped: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Read videos and write a set of samples; returns the summary, and under "retried" how many
    videos were worked on once more by this process.

    Killed at any point and started again, it goes on, and ends with the same bytes. A finished set
    of the same settings and videos is left as it is.

    Args:
        videos: a folder, glob, list, dataset or address, see `kuleshov.sources`.
        out: the folder to write.
        config: the settings.
        progress: told of every video.
        retry_skipped: of a finished set with the same settings keep the samples, and work again on
            the videos that were skipped as their process died or took too much. A mixture
            (`counts`, `weights`) is made anew, as it says nothing of what was left over.
        overwrite: whether another finished set is made anew.

    Raises:
        UsageError: no videos, nothing finished to retry, a recipe that names unknown tasks or
            knobs, or a folder that holds something else.
        WriteError: the disk is full, or `out` cannot be written.
    """
    tasks = config.built()
    config.labelled_task()
    with writing(out, "samples", Path(str(videos).removeprefix("file://"))):
        return _make(videos, out, config, tasks, progress, retry_skipped, overwrite)


def _make(
    videos: Path | str,
    out: Path,
    config: MakeConfig,
    tasks: Mapping[str, Task],
    progress: Progress,
    retry_skipped: bool,
    overwrite: bool,
) -> dict[str, Any]:
    rows = read_labels(Path(config.labelled["path"])) if config.labelled else []
    source = find(Asked(str(videos), out / "videos", config.column, config.root, progress))
    root, files = source.root, source.paths
    local = [root / path for path in files] if isinstance(root, Path) else []
    if root != out / "videos" and isinstance(root, Path):
        apart(out, root)
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
        "labelled": config.labelled,
        "held_out": config.held_out,
        "near_duplicates": config.near_duplicates,
        # Sets without it stay as they are, byte for byte.
        **({} if config.max_fps is None else {"max_fps": config.max_fps}),
        "seed": config.seed,
    }
    kept_before = _before(out, resolved) if retry_skipped else {}
    work = out / ".making"
    labels = [list(row) for row in rows]
    made = f"{digest(dump_json([__version__, resolved, labels, files])):032x}"
    if (summary := dataset.finished(out, overwrite or retry_skipped, made, local)) is not None:
        remove(work, "*", "*/*")
        return {**summary, "retried": 0}
    state = [fingerprint(root, files), labels]
    journal = Journal(work, dump_json([__version__, resolved, *state]))
    with runner(config.runner, config.workers, config.limits()) as run:
        journal.run("read", partial(_read, root), files, _unread, run, progress, "reading")
        _sort_out(map(_video_or_skip, journal.results("read")), work)
        found = map(_video_or_skip, journal.results("read"))
        labels_of, not_asked = by_video(rows, found, root) if rows else ({}, [])
        videos_found = Lines(work / "videos")
        if config.near_duplicates is not None and 0 < config.held_out < 1:
            journal.run("hashed", _hash, videos_found, _unhashed, run, progress, "hashing frames")
        _split(videos_found, journal.results("hashed"), labels_of, work, config)
        making = partial(_synthesize, tasks=tasks, work=work, config=config)
        placed = Lines(work / "placed")

        def known(one: Json) -> Json:
            """What the set has of a video, if the video is on the same side as then."""
            values = kept_before.get(one["video"]["path"]) or []
            sides = {value["sample"]["split"] for value in values if "sample" in value}
            return values if values and sides <= {one["split"]} else None

        lent = _lenders(work)
        journal.run("made", making, placed, _unmade, run, progress, "making samples", known, lent)
        again: list[int] = []
        if 0 < config.held_out < 1:
            moved = without_held_out(_places(placed, journal), config)
            again = _move(placed, journal, moved, work)
        if again:
            making = partial(_synthesize, tasks=tasks, work=work / "moved", config=config)
            placed_again = Lines(work / "moved" / "placed")
            told, lent = (progress, "holding out"), _lenders(work / "moved")
            journal.run("again", making, placed_again, _unmade, run, *told, given=lent)
    read_skips = (Skip(**skip) for skip in Lines(work / "skips"))
    skips = chain(source.skips, read_skips, not_asked)
    if config.counts or config.weights:
        priorities = Priorities(_made(journal, again), config.seed)
        counts = scaled(config.counts, config.share) or largest(config.weights, priorities.made())
        kept = priorities.keep(_made(journal, again), counts)
        more = {"mixture": priorities.summary(counts)}
    else:
        kept, more = _made(journal, again), {}
    summary = dataset.write(out, chain(skips, kept), resolved, more, made)
    journal.remove()
    return {**summary, "retried": run.retried}


def _before(out: Path, resolved: Mapping[str, Json]) -> dict[str, Json]:
    """What a finished set has of each video on which the work did not fail, by path, as the journal
    keeps it.

    Raises:
        UsageError: there is none with these settings.
    """
    dataset.load_summary(out)
    if dataset.settings(out) != json.loads(dump_json(dict(resolved))):
        raise UsageError(
            f"{out} was made with other settings than these (config.yaml); retry with the same ones"
        )
    if resolved["counts"] or resolved["weights"]:
        return {}
    results: dict[str, list[Json]] = {}
    for sample in dataset.iterate_samples(out):
        path = sample.path
        results.setdefault(path, []).append(_to_json(sample))
    skips = dataset.load_skips(out)
    for skip in skips:
        results.setdefault(skip.path, []).append(_to_json(skip))
    failed = {skip.path for skip in skips if was_failed(skip.reason)}
    return {path: found for path, found in results.items() if path not in failed}


def synthesize(
    video: Video,
    tasks: Mapping[str, Task],
    lenders: Callable[[Split], Sequence[Lender]],
    config: MakeConfig,
    first: str | None = None,
    rows: Sequence[Label] = (),
    split: Split | None = None,
) -> list[Sample | Skip]:
    """All samples of one video, or why there are none.

    Args:
        video: what to ask about.
        tasks: what to ask, by label.
        lenders: gives all videos of a side, sorted by id; called only by tasks that borrow.
        config: the settings.
        first: id of the first one of its near-duplicates, whose side it is on.
        rows: labelled rows about it, which are asked too.
        split: its side; None for `split_of` it.
    """
    split = split or split_of(first or video.id, config)
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
            return donors(video, first or video.id, lenders(split), n, config.seed, label)

        for index in range(config.count(label)):
            drawn = (config.seed, label, video.id, index)
            one = partial(_one, video=video, drawn=drawn, borrow=borrow)
            try:
                used, result = paced(task, config.max_fps, one)
            except UnreadableVideoError as error:
                used, result = task, Skip(video.path, str(error))
            if isinstance(result, Skip):
                result = replace(result, task=label)
                if result not in results:  # the same reason for each index is one reason
                    results.append(result)
                continue
            key = digest(label, dump_json(used.asked()), video.id, config.seed, index)
            results.append(_finished(result, key, split, config, named))
        if config.disjoint and any(isinstance(result, Sample) for result in results):
            break
    for row in rows:
        asked = replace(config.labelled_task(), options=row.options)
        ask = partial(Labelled.ask, video=video, question=row.question, answer=row.answer)
        asking, result = paced(asked, config.max_fps, ask)
        if isinstance(result, Sample):
            key = digest(
                asking.name, dump_json(asking.asked()), video.id, config.seed, row.question
            )
            result = _finished(result, key, split, config, kept)
        if result not in results:
            results.append(result)
    return results


def _one(
    task: Task, video: Video, drawn: tuple[int, str, str, int], borrow: Donors
) -> Sample | Skip:
    """A sample, with the same draws for the same key."""
    return task.synthesize(video, rng_for(*drawn), borrow)


def _finished(
    sample: Sample, key: int, split: Split, config: MakeConfig, provenance: Mapping[str, Json]
) -> Sample:
    """A task's sample with what the run knows of it."""
    return replace(
        sample,
        id=f"{key:032x}"[:16],
        split=split,
        seed=config.seed,
        provenance={**sample.provenance, **provenance},
    )


def _sort_out(items: Iterable[Video | Skip], work: Path) -> None:
    """Write down which videos there are, and which files gave none."""
    with replacing(work / "videos") as videos, replacing(work / "skips") as skips:
        for item in without_duplicates(items):
            file = skips if isinstance(item, Skip) else videos
            file.write(f"{dump_json(asdict(item))}\n".encode())


def _split(
    videos: Lines,
    hashes: Iterable[Json],
    labels_of: Mapping[str, Sequence[Label]],
    work: Path,
    config: MakeConfig,
) -> None:
    """Write down on which side each video is: that of the first one of its near-duplicates."""
    ids = [video["id"] for video in videos]
    first = dict(zip(ids, ids, strict=True))
    # By id: who is first does not depend on what the files are called.
    by_id = sorted(zip(ids, hashes, strict=False))
    if by_id and config.near_duplicates is not None:
        leaders = groups([hashed for _, hashed in by_id], config.near_duplicates)
        first |= {by_id[i][0]: by_id[leader][0] for i, leader in enumerate(leaders)}
    if 0 < config.held_out < 1:
        config = with_both_sides(config, first.values())
    with ExitStack() as stack:
        names = ("placed", *dataset.SPLITS)
        files = {name: stack.enter_context(replacing(work / name)) for name in names}
        for video in videos:
            leader = first[video["id"]]
            rows = [row._asdict() for row in labels_of.get(video["id"], ())]
            side = split_of(leader, config)
            line = {"video": video, "first": leader, "split": side, "labels": rows}
            files["placed"].write(f"{dump_json(line)}\n".encode())
            lender = {"video": video, "first": leader}
            files[side].write(f"{dump_json(lender)}\n".encode())


def _lenders(work: Path) -> str:
    """Which videos may lend, as far as `_split` and `_move` wrote down."""
    return dump_json(entries(work, [work / split for split in dataset.SPLITS]))


class Placed(NamedTuple):
    """A video on its side.

    Args:
        first: id of the first one of its near-duplicates.
        split: its side.
        made: for each of its samples the entry of the recipe, and the videos that it shows.
    """

    first: str
    split: Split
    made: Sequence[tuple[str, Sequence[str]]]


def _places(placed: Lines, journal: Journal) -> Iterator[Placed]:
    for place, values in zip(placed, journal.results("made"), strict=True):
        rows = [value["sample"] for value in values if "sample" in value]
        named = [json.loads(row["provenance"]).get("entry", row["task"]) for row in rows]
        made = [(entry, row["video_ids"]) for entry, row in zip(named, rows, strict=True)]
        yield Placed(place["first"], place["split"], made)


def without_held_out(places: Iterable[Placed], config: MakeConfig) -> set[str]:
    """Videos to hold out, so that no entry of the recipe is left without a held-out one.

    Those that come first by `held_out`'s own order, of entries with enough videos for both sides;
    two for one whose samples borrow from another video. Labelled rows move none, as they change no
    other sample.

    Args:
        places: all videos.
        config: the settings.

    Returns:
        First ones of near-duplicates.
    """
    training: dict[str, set[str]] = {}
    needed: dict[str, int] = {}
    held: set[str] = set()
    for first, split, made in places:
        for entry, shown in made:
            needed[entry] = max(needed.get(entry, 0), len(shown))
            if split == "held_out":
                held.add(entry)
            else:
                training.setdefault(entry, set()).add(first)
    moved: set[str] = set()
    asked = training.keys() - held - {Labelled.name}
    lacking = sorted(asked, key=lambda entry: (len(training[entry]), entry))
    for entry in lacking:
        want = needed[entry] - len(moved & training[entry])
        if len(training[entry]) >= 2 * needed[entry] and want > 0:
            left = sorted(training[entry] - moved, key=lambda first: _place(first, config))
            moved.update(left[:want])
    return moved


def _move(placed: Lines, journal: Journal, moved: set[str], work: Path) -> list[int]:
    """Write down that some videos are held out.

    Returns:
        Places of the videos whose samples are to be made again: theirs, and those that borrowed
        from them.
    """
    if not moved:
        return []
    gone = {place["video"]["id"] for place in placed if place["first"] in moved}
    again = []
    with ExitStack() as stack:
        (work / "moved").mkdir(exist_ok=True)
        names = ("placed", *dataset.SPLITS)
        files = {name: stack.enter_context(replacing(work / "moved" / name)) for name in names}
        results = zip(placed, _places(placed, journal), strict=True)
        for number, (place, (first, split, made)) in enumerate(results):
            side = "held_out" if first in moved else split
            lender = {"video": place["video"], "first": first}
            files[side].write(f"{dump_json(lender)}\n".encode())
            if first in moved or any(gone & set(shown) for _, shown in made):
                files["placed"].write(f"{dump_json({**place, 'split': side})}\n".encode())
                again.append(number)
    return again


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
    rows = [Label(**{**row, "options": tuple(row["options"])}) for row in placed["labels"]]
    results = synthesize(
        video, tasks, lambda split: load(work / split), config, first, rows, placed["split"]
    )
    return [_to_json(result) for result in results]


def _unmade(placed: Json, failed: Failed) -> Json:
    return [_to_json(Skip(placed["video"]["path"], failed.reason))]


def _made(journal: Journal, again: Sequence[int]) -> Iterator[Sample | Skip]:
    """What came out, of the videos at some places what came out the second time."""
    places, second = set(again), journal.results("again") if again else iter(())
    for number, first in enumerate(journal.results("made")):
        for value in next(second) if number in places else first:
            yield _sample_or_skip(value)


def _sample_or_skip(value: Json) -> Sample | Skip:
    return Skip(**value["skip"]) if "skip" in value else Sample.from_row(value["sample"])


def _to_json(value: Video | Skip | Sample) -> Json:
    if isinstance(value, Sample):
        return {"sample": value.to_row()}
    return {type(value).__name__.lower(): asdict(value)}


def split_of(video_id: str, config: MakeConfig) -> Split:
    """By content: a video's side does not depend on what it is called.

    `make` moves the share to between two videos (`with_both_sides`), so that it is met as nearly
    as can be.
    """
    return "held_out" if _place(video_id, config) < config.held_out else "train"


def with_both_sides(config: MakeConfig, ids: Iterable[str]) -> MakeConfig:
    """The same settings with a held-out share that holds out as many of these videos as it says.

    At least one is on either side: of a handful, all may fall on one. Fewer than two stay as they
    are.
    """
    places = sorted({_place(video_id, config) for video_id in ids})
    if len(places) < 2:
        return config
    count = min(max(1, round(config.held_out * len(places))), len(places) - 1)
    return replace(config, held_out=(places[count - 1] + places[count]) / 2)


def _place(video_id: str, config: MakeConfig) -> float:
    return fraction("split", config.seed, video_id)
