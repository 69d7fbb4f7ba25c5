"""A whole set in pixels, shard by shard, and back.

A shard holds a fixed number of samples of one split and nothing that another shard needs. What
is known of finished shards lies in `.rendering/` until the set is finished, and in `manifest.json`
then, so a run that was killed goes on at the first shard that is missing. A shard whose files are
no longer what they were is rendered again by the same command, and refused by readers.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from hashlib import blake2b
from itertools import count, groupby, islice, tee
from pathlib import Path
from tarfile import TarError
from typing import Any, NamedTuple, TypeVar

import yaml

from kuleshov import __version__
from kuleshov.dataset import SPLITS, iterate_samples, load_summary, videos_root
from kuleshov.errors import UnreadableVideoError, UsageError
from kuleshov.files import replace_text
from kuleshov.journal import Journal
from kuleshov.locations import Location
from kuleshov.manifest import FILE, entries, faults, read_list, sealed, unsealed, write_list
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

T = TypeVar("T")

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
    was finished without skips is left as it is, but for shards that were harmed since.

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
    other = bool(before) and before.get("key") != digest and not again
    if not before and (out / "summary.json").exists():
        _say([f"{out / 'summary.json'} is not as it was written"])
        other = read_mark(out).get("made") != made  # all that is known
    if other and not overwrite:
        raise UsageError(
            f"{out} holds a finished set, rendered of other samples or videos, with other settings "
            "or by another version; give another folder, or replace it with --overwrite"
        )
    journal = Journal(out / ".rendering", key)
    shards = [f"{split}-{i:05}" for split in SPLITS for i in range(-(-counts[split] // SHARD))]
    records = _Records(journal.folder, out, chosen)
    if before.get("key") == digest and not before["skips"]:
        if not (harmed := records.take(before)):
            journal.remove()
            if read_mark(out).get("made") != made:
                set_mark(out, "rendered", made=made)
            return before
        _say(harmed)
    (out / "summary.json").unlink(missing_ok=True)
    finished = records.find(shards)
    done, total = sum(map(records.count, finished)), counts.total()
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
    summary = {**settings, **records.summary(), "key": digest}
    _remove_others(out, chosen, {shard for shard in shards if records.of[shard]["samples"]})
    replace_text(out / "skips.jsonl", _skip_lines(records.of[shard] for shard in shards))
    summary["manifest"] = write_list(out, records.of)
    replace_text(out / "README.md", _card(out, summary, chosen))
    set_mark(out, "rendered", made=made)
    replace_text(out / "summary.json", json.dumps(summary, indent=2) + "\n")
    journal.remove()
    return summary


def load(out: Path | str) -> Iterator[Shown]:
    """The samples of a rendered set with their frames and times, in the order of the set.

    Raises:
        UsageError: there is no finished rendered set in the folder, or a shard of it was harmed.
    """
    out = Path(out)
    summary = _finished(out)
    return _read(out, summary, FORMATS[summary["format"]].read)


def encoded(out: Path | str) -> Iterator[Files]:
    """`load` without decoding: the JPEG files of the frames, as an engine reads them.

    Raises:
        UsageError: as `load`, or the format of the set is not JPEG.
    """
    out = Path(out)
    summary = _finished(out)
    chosen = FORMATS[summary["format"]]
    if not isinstance(chosen, JpegFormat):
        allowed = ", ".join(n for n, f in FORMATS.items() if isinstance(f, JpegFormat))
        raise UsageError(
            f"{out} holds {summary['format']}; frames are files of their own in {allowed}"
        )
    return _read(out, summary, chosen.read_files)


def _read(
    out: Path, summary: dict[str, Any], read: Callable[[Path, str], Iterator[T]]
) -> Iterator[T]:
    """What is read of each shard, which is looked at before it is read."""
    try:
        records = _listed(out, summary)
    except ValueError as error:
        raise _harmed_set(out, f"{FILE} {error}") from error
    shards = _shards(out, FORMATS[summary["format"]]) if records is None else sorted(records)
    files = {shard: {} if records is None else records[shard]["files"] for shard in shards}
    for listed in files.values():  # what is missing is told before the first is read
        if harmed := faults(out, listed, content=False):
            raise _harmed_set(out, harmed[0])
    done = 0
    for shard in (shard for split in SPLITS for shard in shards if shard.startswith(f"{split}-")):
        if harmed := faults(out, files[shard]):
            raise _harmed_set(out, harmed[0])
        if records is not None and not files[shard]:
            continue  # nothing but skips
        try:
            for one in read(out, shard):
                done += 1
                yield one
        except (OSError, ValueError, LookupError, TypeError, EOFError, TarError) as error:
            raise _harmed_set(out, f"shard {shard} cannot be read: {error}") from error
    if done != summary["samples"]:
        why = f"it holds {done:,} of the {summary['samples']:,} samples that summary.json counts"
        raise _harmed_set(out, why)


def _shards(out: Path, chosen: Format) -> list[str]:
    found = (sorted(out.glob(f"{split}-*{chosen.suffix}")) for split in SPLITS)
    return [path.stem for paths in found for path in paths]


def _listed(out: Path, summary: dict[str, Any]) -> dict[str, Any] | None:
    """The records of a finished set; None for one of before they were kept.

    Raises:
        ValueError: they are not what was written; the message is the end of "FILE …".
    """
    listed = read_list(out, summary.get("manifest"))
    if listed is not None and not all(map(_is_record, listed, listed.values())):
        raise ValueError("is no list of shards")
    return listed


def _is_record(shard: str, record: Any) -> bool:
    if not (_NAME.fullmatch(shard) and isinstance(record, dict)):
        return False
    counts, files = [record.get(key) for key in _COUNTED], record.get("files")
    return (
        all(isinstance(count, int) for count in counts)
        and isinstance(record.get("skips"), list)
        and isinstance(files, dict)
        # Also of a stranger's set, they are those of the shard.
        and all(f.removeprefix("frames/").startswith(shard) and ".." not in f for f in files)
    )


def _harmed_set(out: Path, what: str) -> UsageError:
    return UsageError(
        f"{out}: {what}. Put back what was there, or start the `kuleshov render` again that wrote "
        "the set, which renders what was harmed anew"
    )


def _say(harmed: Sequence[str]) -> None:
    more = f" and {len(harmed) - 1} more" if len(harmed) > 1 else ""
    logging.getLogger(__name__).warning("%s%s; this is rendered again", harmed[0], more)


def _finished(out: Path) -> dict[str, Any]:
    if summary := _summary(out):
        return summary
    if (out / "summary.json").exists():
        raise _harmed_set(out, "summary.json is no longer what was written")
    raise UsageError(
        f"{out} holds no rendered set: there is no summary.json; make one with `kuleshov render "
        f"OUT -o {out}`"
    )


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


_COUNTED = ("samples", "frames", "stored", "bytes")


class _Records:
    """What is known of each finished shard: counts, skips, and what its files were.

    Args:
        folder: where that is kept until the set is finished.
        out: where the shards lie.
        chosen: their format.

    Attributes:
        of: the record of each shard that is finished, and as it was written.
    """

    def __init__(self, folder: Path, out: Path, chosen: Format) -> None:
        self.folder, self.out, self.chosen = folder, out, chosen
        self.of: dict[str, dict[str, Any]] = {}

    def take(self, summary: dict[str, Any]) -> list[str]:
        """Go on in a finished set: keep the shards that are as they were, if some are not.

        Returns:
            What is not as it was, as sentences.
        """
        try:
            listed = _listed(self.out, summary)
        except ValueError as error:
            return [f"{self.out / FILE} {error}"]
        if listed is None:
            return []
        found = {shard: faults(self.out, record["files"]) for shard, record in listed.items()}
        harmed = [f"{self.out / why}" for shard in sorted(found) for why in found[shard]]
        if added := sorted(_found(self.out) - listed.keys()):
            harmed.append(f"{self.out}: {added[0]} is no shard of this set")
        skips = self.out / "skips.jsonl"
        if not skips.is_file() or skips.read_bytes() != _skip_lines(listed.values()).encode():
            harmed.append(f"{skips} is not as it was written")
        if harmed:
            for shard, record in listed.items():
                if not found[shard]:
                    self._keep(shard, record)
        return harmed

    def find(self, shards: Sequence[str]) -> set[str]:
        """Which of these shards need not be rendered, as far as is written down and still so."""
        harmed, before = [], 0
        for shard in shards:
            try:
                text, was_sealed = unsealed(self.folder / shard, shard=shard)
                record = json.loads(text)
            except FileNotFoundError:
                continue
            except (OSError, ValueError, RecursionError) as error:
                harmed.append(f"{self.folder / shard} {error}")
                continue
            if not was_sealed:
                record, before = self._listed_now(shard, record), before + 1
            if not _is_record(shard, record):
                harmed.append(f"{self.folder / shard} is not what was written")
            elif wrong := faults(self.out, record["files"]):
                harmed += [f"{self.out / why}" for why in wrong]
            else:
                self.of[shard] = record
        if harmed:
            _say(harmed)
        if before:
            logging.getLogger(__name__).warning(
                "%d shards in %s are of a version that did not list their files; those that have "
                "as many bytes as then are taken as they are",
                *(before, self.out),
            )
        return {*self.of}

    def _listed_now(self, shard: str, record: Any) -> Any:
        """A record of before files were listed, with a list; None if the sizes say otherwise."""
        if not (isinstance(record, dict) and record.get("samples")):
            return {**record, "files": {}} if isinstance(record, dict) else None
        files = self.chosen.files(self.out, shard)
        if not all(path.is_file() for path in files) or _size(files) != record.get("bytes"):
            return None
        return {**record, "files": entries(self.out, files)}

    def count(self, shard: str) -> int:
        """Samples that were worked on."""
        record = self.of[shard]
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
            "bytes": _size(files),
            "files": entries(self.out, files),
        }
        self._keep(shard, record)

    def _keep(self, shard: str, record: dict[str, Any]) -> None:
        replace_text(self.folder / shard, sealed(dump_json(record), shard=shard))
        self.of[shard] = record

    def summary(self) -> dict[str, int]:
        sums = {key: sum(record[key] for record in self.of.values()) for key in _COUNTED}
        return {**sums, "skips": sum(len(record["skips"]) for record in self.of.values())}


def _size(files: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def _skip_lines(records: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"{dump_json(skip)}\n" for record in records for skip in record["skips"])


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
    """The summary of the rendered set in a folder; empty if none is finished, or it was harmed.

    Raises:
        UsageError: the folder holds something else.
    """
    check(out, "rendered")
    path = out / "summary.json"
    try:
        summary = json.loads(path.read_text("utf-8"))
        if summary["format"] in FORMATS and isinstance(summary["skips"], int):
            return {**summary, "samples": int(summary["samples"])}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        pass
    return {}


def _remove_others(out: Path, chosen: Format, shards: set[str]) -> None:
    """Remove shards of another set, or in another format, that were here before."""
    for shard in sorted(_found(out)):
        for other in FORMATS.values():
            if other is not chosen or shard not in shards:
                other.remove(out, shard)


def _found(out: Path) -> set[str]:
    """What is called like a shard, in any format."""
    names = {path.name.partition(".")[0] for path in [*out.iterdir(), *out.glob("frames/*")]}
    return {name for name in names if _NAME.fullmatch(name)}


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
