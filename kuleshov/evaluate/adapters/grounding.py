"""When does it happen? Charades-STA, ActivityNet Captions and QVHighlights: mIoU and R@1.

    charades_sta    FOLDER/charades_sta_test.txt         AO8RW 0.0 6.9##a person opens a door.
    activitynet     FOLDER/val_2.json                    {v_...: {timestamps, sentences}}
    qvhighlights    FOLDER/highlight_val_release.jsonl   {qid, query, vid, relevant_windows}
    videos of any folder below it, by their names

R@1 at an IoU of 0.3, 0.5 and 0.7: the share of intervals that overlap the true one by as much; of
several true windows (QVHighlights) the nearest one counts. A text with no interval or with two of
them counts as 0 and stays in the denominator; published code takes the first one, and some leaves
failures out. The wording is ours.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters.adapter import Adapter, Line, Videos
from kuleshov.evaluate.adapters.annotations import (
    as_published,
    json_of,
    need,
    one_of,
    question_in,
    rows_of,
    seconds_of,
    text_in,
    text_of,
)
from kuleshov.evaluate.adapters.item import Item
from kuleshov.sample import Sample
from kuleshov.tasks.given_values import IOUS, GivenInterval

_LINE = re.compile(r"(\S+)\s+([\d.]+)\s+([\d.]+)\s*##\s*(.+)")


class Grounding(Adapter):
    """One interval for a sentence about a video."""

    @abstractmethod
    def items(self, folder: Path, videos: Videos) -> Iterator[Item]: ...

    def lines(self, samples: Sequence[Sample]) -> Iterable[Line]:
        yield Line("overall", "mIoU", samples, score="iou")
        for least in IOUS:
            yield Line("overall", f"R1@{least}", samples, score=f"r1_{least}")


@final
class CharadesSTA(Grounding):
    title: ClassVar[str] = "Charades-STA"

    def items(self, folder: Path, videos: Videos) -> Iterator[Item]:
        file = one_of(folder, "charades_sta_test.txt", "**/charades_sta_test.txt")[0]
        for number, line in enumerate(text_of(file).splitlines(), 1):
            if not line.strip():
                continue
            match = _LINE.fullmatch(line.strip())
            place = f"{file.name}, line {number}"
            if match is None:
                raise UsageError(f"{place} is {line!r}; expected: VIDEO START END##SENTENCE")
            name, start, end, sentence = match.groups()
            spans = [[start, end]]
            yield _item("charades_sta", place, place, videos.at(stem=name), sentence, spans)


@final
class ActivityNetCaptions(Grounding):
    title: ClassVar[str] = "ActivityNet Captions"

    def items(self, folder: Path, videos: Videos) -> Iterator[Item]:
        file = one_of(folder, "val_2.json", "**/val_2.json")[0]
        found = json_of(file)
        if not isinstance(found, dict):
            raise UsageError(f"{file} holds no object; expected: videos by name")
        for name, row in found.items():
            if not isinstance(row, dict):
                raise UsageError(f"{name} is {row!r}; expected: an object")
            spans, sentences = need(row, "timestamps", name), need(row, "sentences", name)
            if not isinstance(sentences, list):
                raise UsageError(f"{name}: sentences is {sentences!r}; expected: a list of texts")
            if not isinstance(spans, list):
                raise UsageError(f"{name}: timestamps is {spans!r}; expected: a list of intervals")
            if len(spans) != len(sentences):
                raise UsageError(f"{name} has {len(spans)} intervals, {len(sentences)} sentences")
            for number, (span, sentence) in enumerate(zip(spans, sentences, strict=True), 1):
                place = f"{name}, sentence {number}"
                with as_published(place):
                    spans_of_one = [sorted(span)]
                video = videos.at(stem=name)
                asked = question_in({"sentence": sentence}, "sentence", place)
                yield _item("activitynet", place, place, video, asked, spans_of_one)


@final
class QVHighlights(Grounding):
    title: ClassVar[str] = "QVHighlights"
    not_computed: ClassVar[Mapping[str, str]] = {
        "mAP": "needs several intervals with confidences; one interval is asked for",
        "HIT@1": "needs a saliency for each clip",
    }

    def items(self, folder: Path, videos: Videos) -> Iterator[Item]:
        name = "highlight_val_release.jsonl"
        for place, row in rows_of(one_of(folder, name, f"**/{name}")[0]):
            video = videos.at(stem=text_in(row, "vid", place))
            windows = need(row, "relevant_windows", place)
            yield _item(
                "qvhighlights",
                place,
                text_in(row, "qid", place),
                video,
                question_in(row, "query", place),
                windows,
            )


def _item(
    entry: str, place: str, key: str, video: str, sentence: str, spans: list[list[Any]]
) -> Item:
    with as_published(place):
        windows = [[seconds_of(start, place), seconds_of(end, place)] for start, end in spans]
    if not windows or not all(start <= end for start, end in windows):
        raise UsageError(f"{place}: its intervals are {spans}; expected: one or more, start to end")
    return Item(
        key=key,
        video=video,
        entry=entry,
        prompt=(
            f'When does this happen in the video: "{sentence.strip()}"? Give the start and the end '
            "in seconds as start - end, for example 12.5 - 20.1."
        ),
        answer=windows,
        kind=GivenInterval(),
    )
