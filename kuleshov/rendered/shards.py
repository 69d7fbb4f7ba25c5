"""A whole set in pixels, shard by shard, and back.

A shard holds a fixed number of samples of one split and nothing that another shard needs. What
is known of finished shards lies in `.rendering/` until the set is finished, so a run that was
killed goes on at the first shard that is missing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from hashlib import blake2b
from itertools import count, groupby, islice, tee
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from kuleshov import __version__
from kuleshov.dataset import SPLITS, iterate_samples, load_summary, videos_root
from kuleshov.errors import UnreadableVideoError, UsageError
from kuleshov.files import replace_text
from kuleshov.journal import Journal
from kuleshov.locations import Location
from kuleshov.media import render_all
from kuleshov.owned import check, read_mark, set_mark, writing
from kuleshov.progress import Progress
from kuleshov.read import fingerprint
from kuleshov.rendered.config import RenderConfig
from kuleshov.rendered.format import Format, Row, Shown, shown_seconds
from kuleshov.rendered.formats import FORMATS
from kuleshov.rendered.jpeg import Files, JpegFormat
from kuleshov.runners import Failed, runner
from kuleshov.sample import Json, Pixels, Sample, dump_json

SHARD = 128
"""Samples in a shard: at most so many are rendered again after a kill."""

_NAME = re.compile(rf"({'|'.join(SPLITS)})-\d{{5,}}")


def render_set(
    data: Path,
    out: Path,
    config: RenderConfig,
    progress: Progress = lambda *_: None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Render a set of samples into files and return the summary.

    Killed at any point and started again, it goes on, and ends with the same bytes. A set that
    was finished without skips is left as it is.

    Args:
        data: the folder that `kuleshov make` wrote. Its videos must be where they were.
        out: the folder to write.
        config: the settings.
        progress: told of every sample.
        overwrite: whether a finished set of other samples or settings is replaced.

    Raises:
        UsageError: there is no finished set in `data`, or `out` holds something else.
        WriteError: the disk is full, or `out` cannot be written.
    """
    load_summary(data)
    with writing(out, "rendered", data):
        return _render(data, out, config, progress, overwrite)


def _render(
    data: Path, out: Path, config: RenderConfig, progress: Progress, overwrite: bool
) -> dict[str, Any]:
    chosen, quality = FORMATS[config.format], config.resolved_quality()
    before = _summary(out)
    content = _content(data)
    counts, root = content.counts, videos_root(data)
    settings = {"format": config.format, "quality": quality}
    videos = fingerprint(root, sorted(content.videos))
    key = dump_json([__version__, settings, content.digest, videos])
    digest = blake2b(key.encode(), digest_size=16).hexdigest()
    made = blake2b(dump_json([settings, content.digest]).encode(), digest_size=16).hexdigest()
    # What was skipped is tried again, if that is all.
    again = bool(before and before["skips"]) and read_mark(out).get("made") == made
    if before and before.get("key") != digest and not again and not overwrite:
        raise UsageError(
            f"{out} holds a finished set, rendered of other samples or videos, with other settings "
            "or by another version; give another folder, or replace it with --overwrite"
        )
    journal = Journal(out / ".rendering", key)
    if before.get("key") == digest and not before["skips"]:
        journal.remove()
        return before
    (out / "summary.json").unlink(missing_ok=True)
    shards = [f"{split}-{i:05}" for split in SPLITS for i in range(-(-counts[split] // SHARD))]
    records = _Records(journal.folder, out, chosen)
    finished = {shard for shard in shards if records.has(shard)}
    done, total = sum(records.count(shard) for shard in finished), counts.total()
    progress("rendering", done, total)
    ahead, behind = tee(_groups(data, finished))
    encode = partial(_encode, root=root, chosen=chosen, quality=quality)
    with (
        runner("local", config.workers, config.limits()) as run,
        closing(run.map(encode, ahead)) as results,
    ):
        pairs = zip(behind, results, strict=True)
        for shard, here in groupby(pairs, key=lambda pair: pair[0].shard):
            rows: list[Row] = []
            skips: list[Json] = []
            pieces: dict[str, bytes] = {}
            for group, result in here:
                if isinstance(result, Failed):
                    result = _Encoded([result] * len(group.samples), {})
                for sample, keys in zip(group.samples, result.keys, strict=True):
                    if isinstance(keys, Failed):
                        skips.append(_skip(sample, keys))
                    else:
                        rows.append(Row(sample, keys))
                pieces.update(result.pieces)
                done += len(group.samples)
                progress("rendering", done, total)
            records.write(shard, rows, skips, pieces)
    summary = {**settings, **records.summary(shards), "key": digest}
    _remove_others(out, chosen, {shard for shard in shards if records.read(shard)["samples"]})
    lines = (dump_json(skip) for shard in shards for skip in records.read(shard)["skips"])
    replace_text(out / "skips.jsonl", "".join(f"{line}\n" for line in lines))
    replace_text(out / "README.md", _card(out, summary, chosen))
    set_mark(out, "rendered", made=made)
    replace_text(out / "summary.json", json.dumps(summary, indent=2) + "\n")
    journal.remove()
    return summary


def load(out: Path | str) -> Iterator[Shown]:
    """The samples of a rendered set with their frames and times, in the order of the set.

    Raises:
        UsageError: there is no finished rendered set in the folder.
    """
    out = Path(out)
    chosen = FORMATS[_finished(out)["format"]]
    for shard in _shards(out, chosen):
        yield from chosen.read(out, shard)


def encoded(out: Path | str) -> Iterator[Files]:
    """`load` without decoding: the JPEG files of the frames, as an engine reads them.

    Raises:
        UsageError: there is no finished rendered set in the folder, or its format is not JPEG.
    """
    out = Path(out)
    name = _finished(out)["format"]
    chosen = FORMATS[name]
    if not isinstance(chosen, JpegFormat):
        allowed = ", ".join(n for n, f in FORMATS.items() if isinstance(f, JpegFormat))
        raise UsageError(f"{out} holds {name}; frames are files of their own in {allowed}")
    for shard in _shards(out, chosen):
        yield from chosen.read_files(out, shard)


def _shards(out: Path, chosen: Format) -> list[str]:
    found = (sorted(out.glob(f"{split}-*{chosen.suffix}")) for split in SPLITS)
    return [path.stem for paths in found for path in paths]


def _finished(out: Path) -> dict[str, Any]:
    if summary := _summary(out):
        return summary
    raise UsageError(f"{out} holds no rendered set; make one with `kuleshov render OUT -o {out}`")


class _Group(NamedTuple):
    """Samples of one video that lie in one shard: the unit of work."""

    shard: str
    samples: tuple[Sample, ...]


class _Encoded(NamedTuple):
    """A group's work: for each sample the keys of its pieces, or why there are none."""

    keys: Sequence[list[list[str]] | Failed]
    pieces: dict[str, bytes]


def _groups(data: Path, finished: set[str]) -> Iterator[_Group]:
    """What is to be done; a set is in the order of its videos."""
    for split in SPLITS:
        samples = iterate_samples(data, split)
        for number in count():
            part = list(islice(samples, SHARD))
            if not part:
                break
            shard = f"{split}-{number:05}"
            if shard not in finished:
                for _, same in groupby(part, key=lambda sample: sample.video_ids[0]):
                    yield _Group(shard, tuple(same))


def _encode(group: _Group, root: Location, chosen: Format, quality: int) -> _Encoded:
    keys: list[list[list[str]] | Failed] = []
    pieces: dict[str, bytes] = {}
    for sample, pixels in zip(group.samples, _pixels(group.samples, root), strict=True):
        if isinstance(pixels, Failed):
            keys.append(pixels)
            continue
        media = zip(pixels, shown_seconds(sample), strict=True)
        try:
            keys.append([chosen.encode(*item, quality, pieces) for item in media])
        except UsageError as error:
            keys.append(Failed(str(error)))
    return _Encoded(keys, pieces)


def _pixels(samples: Sequence[Sample], root: Location) -> Sequence[list[Pixels] | Failed]:
    """The pixels of samples of one video; where not all can be rendered, of those that can."""
    try:
        for sample in samples:
            if not re.fullmatch(r"\w+", sample.id):  # it becomes the name of a file
                raise UsageError(f"the sample's id is {sample.id!r}; allowed: letters and digits")
        return render_all(samples, root)
    except (UnreadableVideoError, UsageError) as error:
        if len(samples) == 1:
            return [Failed(str(error))]
        return [pixels for sample in samples for pixels in _pixels([sample], root)]


class _Records:
    """What is known of each finished shard.

    Args:
        folder: where that is kept.
        out: where the shards lie.
        chosen: their format.
    """

    def __init__(self, folder: Path, out: Path, chosen: Format) -> None:
        self.folder, self.out, self.chosen = folder, out, chosen

    def has(self, shard: str) -> bool:
        """Whether a shard is finished and still there."""
        if not (self.folder / shard).is_file():
            return False
        rows = self.out / f"{shard}{self.chosen.suffix}"
        return rows.is_file() or not self.read(shard)["samples"]

    def read(self, shard: str) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.folder / shard).read_text(encoding="utf-8"))
        return record

    def count(self, shard: str) -> int:
        """Samples that were worked on."""
        record = self.read(shard)
        return int(record["samples"]) + len(record["skips"])

    def write(
        self, shard: str, rows: list[Row], skips: list[Json], pieces: dict[str, bytes]
    ) -> None:
        """Write a shard, and then that it is there."""
        # A sample that failed after some of its media may have left pieces that nothing shows.
        used = {key for row in rows for keys in row.keys for key in keys}
        pieces = {key: piece for key, piece in pieces.items() if key in used}
        files = self.chosen.write(self.out, shard, rows, pieces) if rows else []
        record = {
            "samples": len(rows),
            "skips": skips,
            "frames": sum(len(item.frames) for row in rows for item in row.sample.media),
            "stored": len(pieces),
            "bytes": sum(path.stat().st_size for path in files),
        }
        replace_text(self.folder / shard, dump_json(record))

    def summary(self, shards: Sequence[str]) -> dict[str, int]:
        records = [self.read(shard) for shard in shards]
        sums = {
            key: sum(record[key] for record in records)
            for key in ("samples", "frames", "stored", "bytes")
        }
        return {**sums, "skips": sum(len(record["skips"]) for record in records)}


class _Content(NamedTuple):
    """Of a set: samples in each split, paths of the videos that they show, a hash of it all."""

    counts: Counter[str]
    videos: set[str]
    digest: str


def _content(data: Path) -> _Content:
    counts: Counter[str] = Counter()
    videos: set[str] = set()
    state = blake2b(digest_size=16)
    for sample in iterate_samples(data):
        counts[sample.split] += 1
        videos.update(video["path"] for video in sample.videos)
        state.update(f"{sample.to_json()}\n".encode())
    return _Content(counts, videos, state.hexdigest())


def _skip(sample: Sample, failed: Failed) -> Json:
    path = sample.path
    return {"id": sample.id, "path": path, "reason": failed.reason, "task": sample.task}


def _summary(out: Path) -> dict[str, Any]:
    """The summary of the rendered set in a folder; empty if none is finished.

    Raises:
        UsageError: the folder holds something else.
    """
    check(out, "rendered")
    path = out / "summary.json"
    summary: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return summary


def _remove_others(out: Path, chosen: Format, shards: set[str]) -> None:
    """Remove shards of another set, or in another format, that were here before."""
    found = {path.stem for path in [*out.iterdir(), *out.glob("frames/*")]}
    for shard in sorted(name for name in found if _NAME.fullmatch(name)):
        for other in FORMATS.values():
            if other is not chosen or shard not in shards:
                other.remove(out, shard)


def _card(out: Path, summary: dict[str, Any], chosen: Format) -> str:
    paths = {split: f"{split}-*{chosen.rows or chosen.suffix}" for split in SPLITS}
    files = [{"split": split, "path": path} for split, path in paths.items() if any(out.glob(path))]
    header = yaml.safe_dump(
        {
            "configs": [{"config_name": "default", "data_files": files}],
            "task_categories": ["video-text-to-text"],
            "tags": ["kuleshov", "self-supervised", "video"],
        },
        sort_keys=False,
    )
    return f"""---
{header}---

# Pretext-task samples with their frames

{summary["samples"]} questions about raw videos whose answers are known from how they were made,
by `kuleshov make` and `kuleshov render`; {summary["skips"]} skips (`skips.jsonl` says why).
All frames are kept at the same quality, {summary["quality"]}, edited or not.

{chosen.layout}

In Python, `kuleshov.rendered.load("path/to/this/folder")` gives samples, frames and seconds of
any format. `answer`, `knobs`, `provenance` and each media item's `edits` are JSON strings.
"""
