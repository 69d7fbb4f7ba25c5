"""Labelled rows of your own, to be asked beside the pretext tasks of the same set.

    {"video": "a.mp4", "question": "What colour is the car?", "answer": "red"}
    {"video": "a.mp4", "question": "...", "answer": "red", "options": ["red", "green"]}

In JSON lines, CSV (options with | between them) or Parquet. `video` is a path below the root of the
videos, and one of the videos of the set. With options, the answer is one of them or its letter.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any, NamedTuple

from kuleshov.errors import UsageError
from kuleshov.locations import Location, outside, reason, within
from kuleshov.sample import RESERVED, Skip, Video
from kuleshov.tasks.labelled import Labelled, marked, named, plain, unlettered


class Label(NamedTuple):
    """One row.

    Args:
        place: where it stands, for people.
        video: path of the video, as it is written there.
        question: the text.
        answer: the letter of the right option, or the text.
        options: to choose from, if any.
    """

    place: str
    video: str
    question: str
    answer: str
    options: tuple[str, ...] = ()


def read_labels(path: Path) -> list[Label]:
    """All rows of a file.

    Raises:
        UsageError: it cannot be read, or a row is not one; the message says which.
    """
    kinds = {".jsonl": _json_lines, ".csv": _csv, ".parquet": _parquet}
    if path.suffix.lower() not in kinds:
        raise UsageError(f"{path} holds no rows; allowed: {', '.join(kinds)}")
    try:
        rows = kinds[path.suffix.lower()](path)
        return [label(f"{path.name}, row {number}", row) for number, row in enumerate(rows, 1)]
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text in UTF-8; save it as such") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {reason(error)}") from error


def by_video(
    labels: Iterable[Label], videos: Iterable[Video | Skip], root: Location
) -> tuple[dict[str, list[Label]], list[Skip]]:
    """The rows of each video by its id, and those that are asked of none.

    A row that names a second copy of a video is asked of the first.

    Args:
        labels: the rows.
        videos: all that was found, copies included.
        root: the folder that the paths start from; nothing leads out of it.
    """
    ids = {video.path: video.id for video in videos if isinstance(video, Video)}
    found: dict[str, list[Label]] = {}
    asked: dict[tuple[str, str, tuple[str, ...]], str] = {}
    skips = []
    for label in labels:
        path = within(root, label.video)
        if path is None:
            skips.append(Skip(label.video, outside(root), Labelled.name))
        elif path not in ids:
            why = f"is no video of the set ({label.place})"
            skips.append(Skip(label.video, why, Labelled.name))
        elif (key := (ids[path], label.question, label.options)) in asked:
            why = f"{label.place} asks the same as {asked[key]}"
            skips.append(Skip(label.video, why, Labelled.name))
        else:
            asked[key] = label.place
            found.setdefault(ids[path], []).append(label)
    return found, skips


def _json_lines(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise UsageError(
                        f"{path}, line {number} is no JSON ({error}); each line is an object such "
                        'as {"video": "a.mp4", "question": "Who?", "answer": "a cat"}'
                    ) from error


def _csv(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        try:
            reader = csv.DictReader(lines)
            columns = list(reader.fieldnames or ())
            if twice := [name for name in Label._fields if columns.count(name) > 1]:
                raise UsageError(f"{path} has the column {twice[0]!r} twice; leave one out")
            for row in reader:
                if any(map(str.strip, row.pop(None, ()))):
                    raise UsageError(
                        f"{path}, line {reader.line_num} has more cells than the {len(row)} "
                        "columns of the first line; put texts with commas in double quotes"
                    )
                options = row.get("options")
                yield {**row, "options": options.split("|") if options else None}
        except csv.Error as error:
            raise UsageError(f"{path} is no CSV: {error}; mend it") from error


def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as table:
            names = [name for name in Label._fields if name in table.schema_arrow.names]
            for batch in table.iter_batches(columns=names):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise UsageError(f"{path} cannot be read as a table: {error}; write it again") from error


def label(place: str, row: Any) -> Label:
    """A row that was checked.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(row, dict):
        raise UsageError(f"{place} is {row!r}; each row has a video, a question and an answer")
    texts = []
    for key in ("video", "question", "answer"):
        text = row.get(key)
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f"{place}: {key} is {text!r}; allowed: text")
        texts.append(text.strip() if key != "video" else text)
    video, question, answer = texts
    options = row.get("options") or []
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise UsageError(f"{place}: options is {options!r}; allowed: a list of texts")
    for text in (video, question, answer, *options):
        if not whole(text):
            raise UsageError(f"{place}: {text!r} holds half of a character; write it anew")
        if text is not video and (mark := RESERVED.search(text)):
            raise UsageError(
                f"{place}: its text holds {mark[0]}, which stands for a video, a picture or the "
                "end of a turn; remove it"
            )
    try:
        options = unlettered(options)
        Labelled(options=options)
        answer = _letter(answer, options) if options else answer
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from error
    if not plain(answer):
        raise UsageError(f"{place}: answer is {answer!r}; allowed: a text with a letter or digit")
    return Label(place, video, question, answer, options)


def whole(text: str) -> bool:
    """Whether a text is one of whole characters: a half of one (a lone surrogate) is no text that
    any file takes.
    """
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _letter(answer: str, options: Sequence[str]) -> str:
    """The letter of the option that is the answer, which may be named by either."""
    mark = marked(answer)
    for letter, option in zip(ascii_uppercase, options, strict=False):
        if plain(option) == plain(answer):
            return letter
        if mark and mark[0] == letter and plain(option) == plain(mark[1]):
            return letter
    if re.fullmatch("[A-Za-z]", answer) and named(answer.upper(), options) >= 0:
        return answer.upper()
    raise UsageError(f"answer is {answer!r}; allowed: one of {list(options)}, or its letter")


# Cells of any length: what is in columns that are not asked for does not matter.
csv.field_size_limit(2**31 - 1)
