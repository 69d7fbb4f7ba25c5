"""A set of samples on disk.

    OUT/
      samples/train-00000.parquet      one schema for all tasks; `datasets` reads it as it is
      samples/held_out-00000.parquet
      skips.jsonl                      every video, or (video, task), that gave no sample, and why
      config.yaml                      what was asked for, as resolved
      manifest.json                    size and hash of these, and the rows of each shard
      summary.json                     counts, and the hash of manifest.json
      README.md                        the dataset card
      videos/                          where they came out of a table, see `kuleshov.sources`

Files are written under another name and renamed when they are whole, `summary.json` last: where
it exists, the set is complete. Whoever opens a set sees that its files are still those that were
listed then: none is missing, cut, exchanged or added.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from pydantic import NonNegativeInt

from kuleshov.errors import UsageError
from kuleshov.files import replace_text, replacing
from kuleshov.locations import Location, Remote, location, within
from kuleshov.manifest import FILE, entry, fault, read_list, warn_once, write_list
from kuleshov.named import instead, remember, was_named
from kuleshov.owned import read_mark, set_mark
from kuleshov.sample import Sample, Skip, dump_json
from kuleshov.untrusted import json_value, misfit, read_json, read_text, yaml_value

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from kuleshov.faults import Fault

SPLITS = ("train", "held_out")
FROZEN = "bench.json"
"""The file of a set that is frozen (evaluate/bench.py)."""
SKIPS = "skips.jsonl"
_CONFIG = "config.yaml"
_SHARD = re.compile(r"\d{5,}")
_LISTED = re.compile(rf"samples/(?:{'|'.join(SPLITS)})-\d{{5,}}\.parquet|{SKIPS}|{_CONFIG}")
"""What may stand in a list: it is not to lead out of a stranger's set."""
_ROWS_PER_FILE = 20_000
_ROWS_PER_GROUP = 250


def schema() -> pa.Schema:
    """The Parquet schema of a sample."""
    import pyarrow as pa

    frame = pa.struct(
        [
            ("video_id", pa.string()),
            ("source_seconds", pa.float64()),
            ("shown_seconds", pa.float64()),
        ]
    )
    item = pa.struct(
        [
            ("frames", pa.list_(frame)),
            ("height", pa.int32()),
            ("width", pa.int32()),
            ("edits", pa.string()),
        ]
    )
    return pa.schema(
        [
            ("id", pa.string()),
            ("task", pa.string()),
            ("video_ids", pa.list_(pa.string())),
            ("split", pa.string()),
            ("media", pa.list_(item)),
            ("prompt", pa.string()),
            ("answer", pa.string()),
            ("form", pa.string()),
            ("knobs", pa.string()),
            ("seed", pa.int64()),
            ("chance", pa.float64()),
            ("provenance", pa.string()),
        ]
    )


def write(
    out: Path,
    results: Iterable[Sample | Skip],
    config: dict[str, Any],
    more: dict[str, Any] | None = None,
    made: str = "",
) -> dict[str, Any]:
    """Write a whole set and return its summary. Few samples are in memory at a time.

    The same results give the same bytes, with the same version of pyarrow.

    Args:
        out: the folder.
        results: what it is to hold.
        config: the settings, with the folder of videos under "videos" (see `root_in`).
        more: what the summary says besides the counts.
        made: what `finished` knows the set by, written into the mark of the folder.

    Raises:
        WriteError: the disk is full, or the folder cannot be written.
    """
    (out / "summary.json").unlink(missing_ok=True)
    counts = _Counts()
    with ExitStack() as files:
        writers = {split: files.enter_context(_Shards(out, split)) for split in SPLITS}
        skips = files.enter_context(replacing(out / SKIPS))
        for result in results:
            counts.add(result)
            if isinstance(result, Skip):
                skips.write(f"{dump_json(asdict(result))}\n".encode())
            else:
                writers[result.split].add(result)
    summary = {**counts.summary(), **(more or {})}
    replace_text(out / _CONFIG, yaml.safe_dump(config, sort_keys=False))
    # Whoever writes a set was given its root, or has opened one that was named.
    root = location(config["videos"])
    if isinstance(root, Remote) or root.is_absolute():
        remember(root)
    replace_text(out / "README.md", _card(summary))
    listed = {name: entry(out / name) for name in (_CONFIG, SKIPS)}
    for shards in writers.values():
        listed |= {path.relative_to(out).as_posix(): entry(path, n) for path, n in shards.rows}
    summary["manifest"] = write_list(out, listed)
    if made:
        set_mark(out, "samples", made=made)
    replace_text(out / "summary.json", json.dumps(summary, indent=2) + "\n")
    return summary


def finished(
    out: Path, overwrite: bool, made: str = "", read: Iterable[Path] = ()
) -> dict[str, Any] | None:
    """See that a set may be written where there may be one.

    Args:
        out: the folder.
        overwrite: whether a finished set may be made anew.
        made: what decides the set, without the content of files.
        read: local files that it was made from, which are not to have changed since.

    Returns:
        The summary of the finished set that is there already, if it is the same one; else None.

    Raises:
        UsageError: there is a finished set, or a frozen one, which is never made anew.
    """
    summary, frozen = out / "summary.json", (out / FROZEN).exists()
    if not summary.exists() and not frozen:
        return None
    if made and summary.exists() and read_mark(out).get("made") == made:
        at = summary.stat().st_mtime_ns
        if not overwrite and all(path.stat().st_mtime_ns <= at for path in read):
            if not (harmed := _harmed_files(out)):
                return load_summary(out)
            if not frozen:
                log = logging.getLogger(__name__)
                log.warning("%s; the set is made again", "; ".join(harmed))
                return None
            raise UsageError(
                f"{'; '.join(harmed)}; {out} is a frozen benchmark ({FROZEN}), which is not made "
                "again. Put back what was there, or give another folder"
            )
    if frozen:
        raise UsageError(
            f"{out} is a frozen benchmark ({FROZEN}), which stays what it is; give another folder"
        )
    if not overwrite:
        raise UsageError(
            f"{out} holds a finished set of samples, made with other settings or videos, or by a "
            "version that wrote down less; give another folder, or make it anew with --overwrite"
        )
    return None


class _Shards:
    """The Parquet files of a split: each is whole or not there.

    Attributes:
        rows: in each file that is whole.
    """

    def __init__(self, out: Path, split: str) -> None:
        self.folder, self.split = out / "samples", split
        self._files = ExitStack()
        self._rows: list[str] = []
        self._written = self._shards = 0
        self.rows: list[tuple[Path, int]] = []
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> _Shards:
        return self

    def add(self, sample: Sample) -> None:
        self._rows.append(sample.to_json())
        if len(self._rows) == _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow.parquet as pq

        if self._writer is None:
            file = self._files.enter_context(replacing(self._path()))
            self._writer = self._files.enter_context(
                pq.ParquetWriter(file, schema(), compression="zstd")
            )
            self._written = 0
        self._writer.write_table(_table(self._rows))
        self._written, self._rows = self._written + len(self._rows), []
        if self._written >= _ROWS_PER_FILE:
            self._finish()

    def _finish(self) -> None:
        self._files.close()
        if self._writer is not None:
            self.rows.append((self._path(), self._written))
            self._shards += 1
        self._writer = None

    def _path(self) -> Path:
        return self.folder / f"{self.split}-{self._shards:05}.parquet"

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        if kind is not None:
            self._files.__exit__(kind, *error)
            return
        if self._rows:
            self._flush()
        self._finish()
        # Of a larger set that was here before.
        for stale in self.folder.glob(f"{self.split}-*.parquet"):
            number = stale.stem.removeprefix(f"{self.split}-")
            if _SHARD.fullmatch(number) and int(number) >= self._shards:
                stale.unlink()


def _table(rows: list[str]) -> pa.Table:
    """Rows in JSON as a table: a third of the cost of `Table.from_pylist`, which loads pandas."""
    import pyarrow as pa
    from pyarrow import json as reader

    data = "\n".join(rows).encode()
    table = reader.read_json(
        pa.BufferReader(data),
        read_options=reader.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=reader.ParseOptions(
            explicit_schema=schema(), unexpected_field_behavior="error"
        ),
    )
    return table.combine_chunks()


class _Counts:
    """Counts by entry and split, and of the skips."""

    def __init__(self) -> None:
        self.videos: dict[str, set[str]] = {split: set() for split in SPLITS}
        self.tasks: Counter[tuple[str, str]] = Counter()
        self.skips: Counter[str] = Counter()

    def add(self, result: Sample | Skip) -> None:
        if isinstance(result, Skip):
            self.skips[result.task or "(video)"] += 1
        else:
            self.videos[result.split].add(result.video_ids[0])
            self.tasks[result.entry, result.split] += 1

    def summary(self) -> dict[str, Any]:
        names = sorted({task for task, _ in self.tasks})
        return {
            "samples": self.tasks.total(),
            "videos": {split: len(ids) for split, ids in self.videos.items()},
            "tasks": {name: {split: self.tasks[name, split] for split in SPLITS} for name in names},
            "skips": self.skips.total(),
            "skips_by_task": dict(sorted(self.skips.items())),
        }


def load_samples(out: Path | str, split: str | None = None) -> list[Sample]:
    """The samples of a set, in the order in which they were written.

    Args:
        out: the folder that `kuleshov make` wrote.
        split: "train" or "held_out"; both if None.

    Raises:
        UsageError: there is no finished set in the folder, or a row of it is no sample; the
            message names the file, the row and the field.
    """
    return list(iterate_samples(out, split))


def iterate_samples(out: Path | str, split: str | None = None) -> Iterator[Sample]:
    """`load_samples`, with few of them in memory at a time."""
    out = Path(out)
    for row in iterate_rows(out, split):
        if isinstance(row, BadRow):
            raise row.refused(out)
        yield row


class BadRow(NamedTuple):
    """A row that cannot be asked.

    Args:
        file: that it stands in, below the set.
        number: of the row in it, from 1; 0 where it is the file that cannot be read.
        faults: at least one.
        sample: what it says, where that can be shown all the same.
    """

    file: str
    number: int
    faults: tuple[Fault, ...]
    sample: Sample | None = None

    @property
    def where(self) -> str:
        return f"{self.file}, row {self.number}" if self.number else self.file

    @property
    def why(self) -> str:
        return "; ".join(map(str, self.faults))

    def refused(self, out: Path) -> UsageError:
        if not self.number:
            return _other_file(out, f"{self.file}: {self.why}")
        return UsageError(
            f"{out / self.where}: {self.why}. `kuleshov check {out}` lists the faults of all rows, "
            "and with `--drop CLEAN` it writes the set without these rows"
        )


def iterate_rows(out: Path | str, split: str | None = None) -> Iterator[Sample | BadRow]:
    """All rows of a set, those that are no samples too.

    Raises:
        UsageError: there is no finished set in the folder.
    """
    ids = Ids()
    for batch in iterate_batches(out, split):
        if isinstance(batch, BadRow):
            yield batch
            continue
        for number, sample, faults in batch.checked():
            if sample is not None:
                faults = (*ids.again(sample.id, batch.file, number), *faults)
            if sample is None or faults:
                yield BadRow(batch.file, number, faults, sample)
            else:
                yield sample


def samples_at(out: Path | str, places: Iterable[int]) -> Iterator[Sample]:
    """Some samples of a set, few of them in memory at a time.

    Args:
        out: the set.
        places: of rows that are samples, among all rows of the set from 0, in the order of
            `iterate_rows`; the samples come in this order too.

    Raises:
        UsageError: there is no finished set in the folder.
    """
    wanted, start = frozenset(places), 0
    for batch in iterate_batches(out):
        if isinstance(batch, BadRow):
            continue
        here = [i for i in range(len(batch.numbers)) if start + i in wanted]
        start += len(batch.numbers)
        if here:
            yield from (sample for _, sample, _ in batch.of(here).checked() if sample is not None)


class Batch(NamedTuple):
    """Some rows of a file, not looked at yet. It can be given to another process.

    Args:
        file: that they stand in, below the set.
        split: of the file.
        numbers: of the rows in it, from 1.
        rows: as they are stored.
    """

    file: str
    split: str
    numbers: Sequence[int]
    rows: pa.RecordBatch

    def of(self, which: Sequence[int]) -> Batch:
        """Some of the rows, counted from 0."""
        return self._replace(numbers=[self.numbers[i] for i in which], rows=self.rows.take(which))

    def checked(self) -> Iterator[tuple[int, Sample | None, tuple[Fault, ...]]]:
        """Number, sample and faults of each row, see `faults.checked`."""
        from kuleshov.faults import Fault, checked

        for number, row in zip(self.numbers, self._values(), strict=True):
            if isinstance(row, str):
                yield number, None, (Fault("the row", row),)
            else:
                yield number, *checked(row, self.split)

    def _values(self) -> list[dict[str, Any] | str]:
        """The rows by column, or why one cannot be read, as the end of "the row …"."""
        try:
            return list(self.rows.to_pylist())
        except ValueError as error:  # such as text that is no UTF-8
            if len(self.rows) == 1:
                return [f"cannot be read: {' '.join(str(error).split())}"]
        return [value for i in range(len(self.rows)) for value in self.of([i])._values()]


class Ids:
    """The ids of a set so far, each of which may be there once."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, int]] = {}

    def again(self, id: str, file: str, number: int) -> tuple[Fault, ...]:
        """What is wrong with an id in a row: nothing, or that it was there before."""
        from kuleshov.faults import Fault

        first, row = self._first.setdefault(id, (file, number))
        if (first, row) == (file, number):
            return ()
        before = f"row {row} of {first}"
        text = f"is {id!r}, as in {before}; allowed: another one in each row"
        return (Fault("id", text),)


def iterate_batches(out: Path | str, split: str | None = None) -> Iterator[Batch | BadRow]:
    """All rows of a set, a few hundred at a time, and what cannot be read of it.

    Raises:
        UsageError: there is no finished set in the folder.
    """
    from kuleshov.faults import Fault

    out = Path(out)
    load_summary(out)
    if split is not None and split not in SPLITS:
        raise UsageError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    splits = [split] if split else SPLITS
    harmed = harmed_files(out, splits)
    for file, why in harmed.items():
        if file not in (SKIPS, _CONFIG):
            yield BadRow(file, 0, (Fault("the file", why),))
    for name in splits:
        for path in sorted((out / "samples").glob(f"{name}-*.parquet")):
            file = path.relative_to(out).as_posix()
            if file in harmed:
                continue
            number = 0
            try:
                for rows in _batches(path):
                    numbers = range(number + 1, number + 1 + len(rows))
                    yield Batch(file, name, numbers, rows)
                    number += len(rows)
            except _Unreadable as error:
                yield BadRow(file, 0, (Fault("the file", str(error)),))


class _Unreadable(Exception):
    """Why a file cannot be read to its end, as the end of "FILE …"."""


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    if not path.is_file():  # a pipe would be waited for
        raise _Unreadable("is no file")
    try:
        with pq.ParquetFile(path) as file:
            for rows in file.iter_batches(_ROWS_PER_GROUP):
                yield rows
                number += len(rows)
    except (OSError, ValueError, pa.ArrowException) as error:
        said = " ".join(str(error).split())
        raise _Unreadable(f"cannot be read as Parquet behind row {number}: {said}") from error


def harmed_files(out: Path, splits: Iterable[str] = SPLITS) -> dict[str, str]:
    """What is not as it was when a set was finished.

    Args:
        out: the set.
        splits: whose samples are looked at.

    Returns:
        By the file below `out`, what is wrong with it, as the end of "FILE …".

    Raises:
        UsageError: there is no finished set in the folder.
    """
    summary = load_summary(out)
    there = {split: sorted((out / "samples").glob(f"{split}-*.parquet")) for split in splits}
    try:
        listed = read_list(out, summary.get("manifest"))
    except ValueError as error:
        return {FILE: str(error)}
    if listed is None:
        return _lacking(summary, there)
    left_out = tuple(f"samples/{split}-" for split in {*SPLITS} - there.keys())
    names = (name for name in sorted(listed) if _LISTED.fullmatch(name))
    wanted = [name for name in names if not name.startswith(left_out)]
    found = {name: why for name in wanted if (why := fault(out / name, listed[name]))}
    paths = (path.relative_to(out).as_posix() for of in there.values() for path in of)
    added = "is no file of this set: it was not there when the set was finished"
    return {**found, **{name: added for name in paths if name not in listed}}


def _lacking(summary: dict[str, Any], there: Mapping[str, Sequence[Path]]) -> dict[str, str]:
    """What can be said of a set of before there were lists: that it has fewer rows than counted."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: dict[str, str] = {}
    for split, paths in there.items():
        if not all(path.is_file() for path in paths):
            continue
        try:
            counted = sum(task[split] for task in summary["tasks"].values())
            rows = sum(pq.read_metadata(path).num_rows for path in paths)
        except (OSError, ValueError, LookupError, AttributeError, TypeError, pa.ArrowException):
            continue  # whoever reads the rows says what is wrong
        if rows < counted:
            text = f"has {rows:,} of the {counted:,} samples that summary.json counts"
            found[f"samples/{split}-*.parquet"] = text
    return found


def _harmed_files(out: Path) -> list[str]:
    """`harmed_files` as sentences, of a folder that may have lost more."""
    try:
        return [f"{out / file} {why}" for file, why in harmed_files(out).items()]
    except UsageError as error:
        return [str(error)]


def _other_file(out: Path, what: str) -> UsageError:
    return UsageError(
        f"{out / what}. Put back what was there, or start the command again that made the set, "
        'which makes it anew; if it is meant to be so, take "manifest" out of '
        f"{out / 'summary.json'}, and it is taken as it is"
    )


def load_summary(out: Path | str) -> dict[str, Any]:
    """The counts of a set.

    Raises:
        UsageError: there is no finished set in the folder, or its summary was harmed.
    """
    out = Path(out)
    make = f"make one with `kuleshov make VIDEOS -o {out}`"
    path = out / "summary.json"
    # Others have a summary.json too.
    ours = read_mark(out).get("kind") == "samples" or (out / _CONFIG).exists()
    if not path.exists() or not ours:
        lacking = "" if path.exists() else f": there is no {path.name}"
        raise UsageError(f"{out} holds no finished set of samples{lacking}; {make}")
    loaded = read_json(path, _AGAIN)
    more = {key: kind for key, kind in _MORE.items() if key in loaded}
    if why := misfit(loaded, {**_SUMMARY, **more}):
        raise UsageError(f"{path} {why}; {out} holds no finished set of samples; {make}")
    return loaded


_AGAIN = "put back the one that was there, or make the set again"
_SUMMARY = {
    "samples": NonNegativeInt,
    "videos": dict[str, NonNegativeInt],
    "tasks": dict[str, dict[str, NonNegativeInt]],
    "skips": NonNegativeInt,
    "skips_by_task": dict[str, NonNegativeInt],
}
"""What a summary says at least."""
_MORE = {"mixture": dict[str, dict[str, int]], "missing": list[str], "manifest": str}
"""What it may say."""


def load_skips(out: Path | str) -> list[Skip]:
    """What gave no sample, and why.

    Raises:
        UsageError: there is no finished set in the folder, or its file of skips was harmed.
    """
    out = Path(out)
    if why := harmed_files(out, ()).get(SKIPS):
        raise _other_file(out, f"{SKIPS} {why}")
    skips: list[Skip] = []
    try:
        for line in read_text(out / SKIPS).splitlines():
            skip = Skip(**json_value(line))
            if why := misfit(asdict(skip), {"path": str, "reason": str, "task": str | None}):
                raise ValueError(why)
            skips.append(skip)
    except (ValueError, TypeError) as error:
        raise _other_file(out, f"{SKIPS}, line {len(skips) + 1}: is no skip ({error})") from error
    counted = load_summary(out).get("skips")
    if isinstance(counted, int) and len(skips) < counted:
        raise _other_file(
            out, f"{SKIPS} has {len(skips):,} of the {counted:,} skips that summary.json counts"
        )
    return skips


def settings(out: Path | str) -> dict[str, Any]:
    """What a set was made with: its `config.yaml`.

    One that was changed since is taken with a warning, as the videos may have been moved.

    Raises:
        UsageError: there is no finished set in the folder, or the file is no longer one of ours.
    """
    out = Path(out)
    if why := harmed_files(out, ()).get(_CONFIG):
        warn_once(f"{out / _CONFIG} {why}; what it says now is taken")
    try:
        config = yaml_value(read_text(out / _CONFIG))
        if isinstance(config, dict) and isinstance(config.get("videos"), str):
            return config
        why = "names no folder of videos"
    except ValueError as error:
        why = f"does not say what the set was made with ({error})"
    raise _other_file(out, f"{_CONFIG} {why}")


def videos_root(out: Path | str) -> Location:
    """The folder of videos that a set was made from: what `--videos` says, else its `config.yaml`.

    A name that is relative is one in the set itself, which may have been moved. Another is only
    taken where the command line named it (named.py), as sets may come from anyone.

    Raises:
        UsageError: see `settings`; or it lies outside of the set and was not named.
    """
    if (root := instead()) is not None:
        return root
    out = Path(out)
    text = settings(out)["videos"]
    root = location(text)
    inside = isinstance(root, Path) and within(out, text) is not None
    root = root if isinstance(root, Remote) else out / root
    if inside or was_named(root):
        return root
    what = "the address" if isinstance(root, Remote) else "the folder"
    raise UsageError(
        f"{out} wants to read its videos from {what} {text}, outside of itself, which no command "
        f"on this machine has named; if you trust the set, name it once with --videos {text}, or "
        "the folder where they are"
    )


def root_in(out: Path, root: Location) -> str:
    """The inverse of `videos_root`: how `config.yaml` of the set in `out` names a folder."""
    if isinstance(root, Remote):
        return str(root)
    here, there = out.resolve(), root.resolve()
    return str(there.relative_to(here) if there.is_relative_to(here) else there)


def _card(summary: dict[str, Any]) -> str:
    present = [split for split in SPLITS if any(t[split] for t in summary["tasks"].values())]
    files = [{"split": split, "path": f"samples/{split}-*.parquet"} for split in present]
    header = yaml.safe_dump(
        {
            "configs": [{"config_name": "default", "data_files": files}],
            "task_categories": ["video-text-to-text"],
            "tags": ["kuleshov", "self-supervised", "video"],
        },
        sort_keys=False,
    )
    rows = "\n".join(
        f"| {task} | {count['train']} | {count['held_out']} |"
        for task, count in summary["tasks"].items()
    )
    return f"""---
{header}---

# Pretext-task samples

Questions about raw videos whose answers are known from how they were made, by `kuleshov make`.
A row is a recipe and holds no pixels: `kuleshov.render(sample, videos)` gives the frames.
`answer`, `knobs`, `provenance` and each media item's `edits` are JSON strings.

| task | train | held out |
|---|---|---|
{rows}

{summary["videos"]["train"]} videos for training, {summary["videos"]["held_out"]} held out,
{summary["skips"]} skips (`skips.jsonl` says why).

```python
from datasets import load_dataset

rows = load_dataset("path/to/this/folder")
```
"""
