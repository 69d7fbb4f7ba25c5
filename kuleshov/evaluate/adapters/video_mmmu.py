"""VideoMMMU (arXiv 2501.13826): accuracy of 3 tracks, and the mean over all questions.

    FOLDER/<Track>/test-*.parquet    Perception, Comprehension, Adaptation: id, question, options,
                                     answer, question_type
    <id>.mp4 in any folder below it

Of the track Adaptation the video ends with the picture that is asked about, so the last frame shown
is the last one. Answers to open questions are compared as texts.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, final

from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters.adapter import Adapter, Line, Videos, by_entry
from kuleshov.evaluate.adapters.annotations import (
    need,
    one_of,
    question_in,
    rows_of,
    text_in,
    texts_in,
)
from kuleshov.evaluate.adapters.item import Item, chosen, lettered
from kuleshov.evaluate.options import Options
from kuleshov.sample import Sample
from kuleshov.tasks.given_texts import GivenText

QUIZ = "\nPlease ignore the Quiz question in last frame of the video."
LEARN = (
    "You should watch and learn the video content. Then apply what you learned to answer the "
    "following question. The image for this question is at the end of the video.\n"
)
TRACKS = ("Perception", "Comprehension", "Adaptation")


@final
class VideoMMMU(Adapter):
    title: ClassVar[str] = "VideoMMMU"
    not_computed: ClassVar[Mapping[str, str]] = {
        "delta knowledge": "(after - before) / (100 - before) needs the track Adaptation asked "
        "with its picture alone"
    }

    def items(self, folder: Path, videos: Videos) -> Iterator[Item]:
        for track in TRACKS:
            low = track.lower()
            names = [f"{name}{sep}*.parquet" for name in (track, low) for sep in ("/", "-", "_")]
            for file in one_of(folder, *names, f"{low}.jsonl"):
                for place, row in rows_of(file):
                    yield _item(track, row, f"{track}, {place}", videos)

    def lines(self, samples: Sequence[Sample]) -> Iterable[Line]:
        yield Line("overall", "accuracy", samples)
        yield from by_entry(samples)


def _item(track: str, row: dict[str, Any], place: str, videos: Videos) -> Item:
    name, question = text_in(row, "id", place), question_in(row, "question", place)
    several = isinstance(need(row, "answer", place), list)
    truths = texts_in(row, "answer", place) if several else [text_in(row, "answer", place)]
    options = _options(row.get("options"), place)
    before, after = (LEARN, "") if track == "Adaptation" else ("", QUIZ)
    end = after + (
        "\nAnswer with the option's letter from the given choices directly."
        if options
        else "\nAnswer the question using a single word or phrase."
    )
    return Item(
        key=f"{track}/{name}",
        video=videos.at(stem=name),
        entry=track,
        prompt=partial(_prompt, before + question, end) if options else before + question + end,
        answer=truths,
        kind=GivenText(),
        options=chosen(options, truths[0] if truths else "", place) if options else None,
        ends_on_last=track == "Adaptation",
    )


def _options(value: Any, place: str) -> list[str]:
    """A list, or one that was written down as text; empty for an open question."""
    if isinstance(value, str):
        try:
            value = literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
            raise UsageError(f"{place}: options are {value!r}; expected: a list") from error
    return texts_in({"options": value}, "options", place) if value is not None else []


def _prompt(question: str, end: str, options: Options) -> str:
    return f"{question}\n{lettered(options)}{end}"
