"""Published rows as a set of samples on disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from kuleshov import __version__, dataset
from kuleshov.content import fingerprint
from kuleshov.errors import KuleshovError, UsageError
from kuleshov.files import replacing
from kuleshov.journal import Journal, Lines
from kuleshov.owned import remove, writing
from kuleshov.progress import Progress
from kuleshov.published.question import question
from kuleshov.published.row import parse, rows_of
from kuleshov.randomness import digest
from kuleshov.runners import Failed, Limits, runner
from kuleshov.sample import Json, Sample, Skip, dump_json
from kuleshov.synthesize import MakeConfig, split_of


@dataclass(frozen=True, kw_only=True)
class PublishedConfig:
    """How published rows are read.

    Args:
        frames: the folder that the paths in the rows start from; nothing leads out of it.
        prefix: start of the paths in the rows that is left out, such as a folder of another
            machine.
        held_out: share of the videos that training never sees; 1 for a benchmark.
        size_multiple: see `kuleshov.tasks.Task`.
        seed: of the split.
        workers: processes, which change no sample; None for one a core.
    """

    frames: str
    prefix: str = ""
    held_out: float = 0.0
    size_multiple: int = 32
    seed: int = 0
    workers: int | None = 0

    def __post_init__(self) -> None:
        self.splitting()

    def splitting(self) -> MakeConfig:
        return MakeConfig(held_out=self.held_out, seed=self.seed, workers=self.workers)


def import_rows(
    rows: Path,
    out: Path,
    config: PublishedConfig,
    progress: Progress = lambda *_: None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Published rows as a set of samples; returns the summary. It goes on after a kill.

    Args:
        rows: a Parquet file, or the folder of some.
        out: the folder to write.
        config: the settings.
        progress: told of every row.
        overwrite: whether another finished set is made anew.

    Raises:
        UsageError: there are no rows, no folder of frames, or `out` holds something else.
        WriteError: the disk is full, or `out` cannot be written.
    """
    files = sorted(rows.rglob("*.parquet")) if rows.is_dir() else [rows]
    root = Path(config.frames)
    if not files or not files[0].is_file():
        raise UsageError(f"{rows} holds no Parquet file; give the folder that holds the rows")
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder; give the one that holds the frames")
    settings = {key: value for key, value in asdict(config).items() if key != "workers"}
    resolved = {"source": str(rows), **settings, "videos": dataset.root_in(out, root)}
    with writing(out, "samples", rows, root):
        return _import_files(files, root, out, config, resolved, progress, overwrite)


def _import_files(
    files: list[Path],
    root: Path,
    out: Path,
    config: PublishedConfig,
    resolved: dict[str, Any],
    progress: Progress,
    overwrite: bool,
) -> dict[str, Any]:
    work, rows = out / ".importing", resolved["source"]
    paths = [str(path) for path in files]
    made = f"{digest(dump_json([__version__, resolved, paths])):032x}"
    if (summary := dataset.finished(out, overwrite, made, files)) is not None:
        remove(work, "*", "*/*")
        return summary
    journal = Journal(work, dump_json([__version__, resolved, fingerprint(Path(), paths)]))
    with replacing(work / "rows") as lines:
        hard = _write_rows(files, lines)
    listed = Lines(work / "rows")
    if not len(listed):
        raise UsageError(f"{rows} holds no row; give the folder that holds the rows")
    importing = partial(_import, root=root, config=config, hard=hard)
    with runner("local", config.workers, Limits()) as run:
        given = dump_json(sorted(hard))
        journal.run("made", importing, listed, _unmade, run, progress, "reading rows", given=given)
    results = (_sample_or_skip(value) for value in journal.results("made"))
    summary = dataset.write(out, results, resolved, made=made)
    journal.remove()
    return summary


def _write_rows(files: list[Path], lines: BinaryIO) -> frozenset[int]:
    """Write down all rows; returns the files of the hard level.

    Ours: a file is of the hard level if a count in it is surely so.
    """
    hard = set()
    for place, file in enumerate(files):
        for number, row in enumerate(rows_of(file), 1):
            line = {"file": file.name, "place": place, "number": number, "row": row}
            lines.write(f"{json.dumps(line, default=str)}\n".encode())
            try:
                if parse(row).is_surely_hard():
                    hard.add(place)
            except UsageError:
                continue  # importing it says what is wrong
    return frozenset(hard)


def _import(line: Json, root: Path, config: PublishedConfig, hard: frozenset[int]) -> Json:
    try:
        is_hard = line["place"] in hard
        row = parse(line["row"])
        sample = question(row, root, config.prefix, config.size_multiple, is_hard)
    except KuleshovError as error:
        return _skip(line, str(error))
    except (OSError, ValueError) as error:
        return _skip(line, f"cannot be read: {error}")
    published = {**sample.provenance["published"], "file": line["file"], "row": line["number"]}
    sample = replace(
        sample,
        split=split_of(sample.video_ids[0], config.splitting()),
        seed=config.seed,
        provenance={**sample.provenance, "published": published},
    )
    return {"sample": sample.to_row()}


def _skip(line: Json, why: str) -> Json:
    return {"skip": asdict(Skip(f"{line['file']}, row {line['number']}", why))}


def _unmade(line: Json, failed: Failed) -> Json:
    return _skip(line, failed.reason)


def _sample_or_skip(value: Json) -> Sample | Skip:
    return Skip(**value["skip"]) if "skip" in value else Sample.from_row(value["sample"])
