"""A published benchmark as a set of samples, which `kuleshov eval` takes like any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from kuleshov import __version__, dataset
from kuleshov.errors import UsageError, unknown_name
from kuleshov.evaluate.adapters import ADAPTERS
from kuleshov.evaluate.adapters.adapter import Videos
from kuleshov.evaluate.adapters.config import BenchmarkConfig
from kuleshov.evaluate.adapters.item import Item
from kuleshov.evaluate.adapters.opened import Media, end_of, read_all, shown_of
from kuleshov.evaluate.options import Options, circular, shuffled
from kuleshov.files import replace_text
from kuleshov.owned import writing
from kuleshov.progress import Progress
from kuleshov.randomness import digest, rng_for
from kuleshov.sample import RESERVED, Json, MediaItem, Sample, Skip, Video, dump_json
from kuleshov.tasks.given_choices import GivenChoice, GivenYesNo
from kuleshov.tasks.given_texts import GivenText
from kuleshov.tasks.given_values import GivenInterval
from kuleshov.tasks.published_readings import PUBLISHED, PUBLISHED_YES_NO

_NAMED = 20


def import_benchmark(
    name: str,
    folder: Path,
    out: Path,
    config: BenchmarkConfig,
    progress: Progress = lambda *_: None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """A benchmark as a set of samples, all of them held out; returns the summary.

    Args:
        name: in `ADAPTERS`.
        folder: the benchmark, in its published layout.
        out: the folder to write; `missing.txt` in it names all videos that are not there.
        config: the settings.
        progress: told of every video.
        overwrite: whether a finished set is made anew.

    Raises:
        UsageError: an unknown name, files that are not as expected, missing videos, or an `out`
            that holds something else.
        WriteError: the disk is full, or `out` cannot be written.
    """
    if name not in ADAPTERS:
        raise unknown_name("benchmark", name, ADAPTERS)
    root = Path(config.videos) if config.videos else folder
    for needed in (folder, root):
        if not needed.is_dir():
            raise UsageError(f"{needed} is not a folder; give the one of the benchmark")
    with writing(out, "samples", folder, root):
        return _import(name, folder, root, out, config, progress, overwrite)


def _import(
    name: str,
    folder: Path,
    root: Path,
    out: Path,
    config: BenchmarkConfig,
    progress: Progress,
    overwrite: bool,
) -> dict[str, Any]:
    items = list(ADAPTERS[name].items(folder, Videos(root)))
    if not items:
        raise UsageError(f"{folder} holds no question of {name}")
    if config.reading == "published":
        if name not in PUBLISHED and any(item.options is not None for item in items):
            raise unknown_name("published reading of choices of benchmark", name, PUBLISHED)
        if name not in PUBLISHED_YES_NO and any(isinstance(i.kind, GivenYesNo) for i in items):
            raise unknown_name("published reading of yes and no of", name, PUBLISHED_YES_NO)
    dataset.finished(out, overwrite)
    found = read_all(root, sorted({item.video for item in items}), config, progress)
    missing = {path: value for path, value in found.items() if isinstance(value, Skip)}
    _report_missing(out, missing, len(found), config.go_on)
    settings = {key: value for key, value in asdict(config).items() if key != "workers"}
    resolved = {"source": str(folder), "benchmark": name, **settings}
    resolved["videos"] = dataset.root_in(out, root)
    results = _results(name, items, found, config)
    return dataset.write(out, results, resolved, {"missing": sorted(missing)})


def _report_missing(out: Path, missing: dict[str, Skip], of: int, go_on: bool) -> None:
    """Write down all that is missing, and stop unless asked to go on."""
    (out / "missing.txt").unlink(missing_ok=True)
    if not missing:
        return
    lines = [f"{path}: {skip.reason}" for path, skip in sorted(missing.items())]
    replace_text(out / "missing.txt", "".join(f"{line}\n" for line in lines))
    if go_on and len(missing) < of:
        return
    more = f"; and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    raise UsageError(
        f"{len(missing)} of {of} videos are missing: {'; '.join(lines[:_NAMED])}{more}. "
        f"{out / 'missing.txt'} names all. Fetch them, or leave out their questions with --go-on, "
        "which makes another benchmark of it"
    )


def _results(
    name: str, items: Sequence[Item], found: dict[str, Media], config: BenchmarkConfig
) -> Iterator[Sample | Skip]:
    keys: set[str] = set()
    for item in items:
        if item.key in keys:
            raise UsageError(f"{name} has two questions {item.key}; its files hold one twice")
        keys.add(item.key)
        media = found[item.video]
        if isinstance(media, Skip):
            yield Skip(item.video, media.reason, item.entry)
        elif isinstance(shown := shown_of(item, media, config), str):
            yield Skip(item.video, shown, item.entry)
        else:
            for turn, options in enumerate(_orders(item, config)):
                yield _sample(name, item, media, shown, options, turn, config)


def _orders(item: Item, config: BenchmarkConfig) -> list[Options | None]:
    if item.options is None:
        return [None]
    if config.options == "circular":
        return [*circular(item.options)]
    if config.options == "shuffled":
        return [shuffled(item.options, config.seed, item.key)]
    return [item.options]


def _sample(
    name: str,
    item: Item,
    media: Video | list[Video],
    shown: MediaItem,
    options: Options | None,
    turn: int,
    config: BenchmarkConfig,
) -> Sample:
    limits = {key: getattr(config, key) for key in ("min_pixels", "max_pixels", "size_multiple")}
    task = replace(item.kind, **limits)
    answer: Json = item.answer
    if options is not None:
        task = GivenChoice(options=options.texts, reading=config.reading, **limits)
        answer = options.letter
    if isinstance(task, GivenYesNo):
        task = replace(task, reading=config.reading)
    if isinstance(task, GivenText):
        task = replace(task, judged=config.judged)
    if isinstance(task, GivenInterval):
        task = replace(task, duration=end_of(shown))
    text = item.prompt if isinstance(item.prompt, str) else item.prompt(_given(item, options))
    # A benchmark's own text may hold what stands for a video or a picture here.
    prompt = f"<video>\n{RESERVED.sub('', text)}"
    videos = media if isinstance(media, list) else [media]
    origins = {(video.id, video.path): video.origin for video in videos}
    # What its frames are of; that of a folder of pictures is the folder.
    video_id = f"{digest('pictures', item.video):032x}" if isinstance(media, list) else media.id
    more: dict[str, Json] = {"source": item.source} if item.source is not None else {}
    published: dict[str, Json] = {"benchmark": name, "key": item.key, "groups": dict(item.groups)}
    if item.set is not None:
        more["set"] = item.set
    if options is not None:
        published |= {"order": list(options.order)}
        if config.options == "circular":
            published |= {"rotated": True}
            more["set"] = item.key
    key = dump_json([__name__, name, item.key, turn, prompt, answer, task.asked(), config.seed])
    blank = Sample(
        id=f"{digest(key, video_id, repr(shown)):032x}"[:16],
        task=task.name,
        video_ids=(video_id,),
        split="held_out",
        media=(shown,),
        prompt=prompt,
        answer=answer,
        form="direct",
        knobs=task.knobs(),
        seed=config.seed,
        chance=0.0,
        provenance={
            "videos": [origins[named] for named in sorted(origins)],
            "entry": item.entry,
            "about_order": item.about_order,
            "published": published,
            "versions": {"kuleshov": __version__},
            **more,
        },
    )
    return replace(blank, chance=task.chance(blank, rng_for("chance", blank.id)))


def _given(item: Item, options: Options | None) -> Options:
    if options is None:
        raise UsageError(f"{item.key}: its prompt needs options, and it has none")
    return options
