"""MotionBench (arXiv 2501.02955): accuracy over all questions, and of 6 types.

    FOLDER/video_info.meta.jsonl   {key, video_path, video_type, question_type, qa: [{uid, question,
                                   answer}]}; the options are lines of the question
    FOLDER/<...>/<video_path>

Questions whose answer is "NA" are of the test part, whose answers are not published: left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, final

from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters.adapter import Adapter, Line, Videos, by_entry
from kuleshov.evaluate.adapters.annotations import need, one_of, question_in, rows_of, text_in
from kuleshov.evaluate.adapters.item import Item, chosen, lettered, split_lines
from kuleshov.evaluate.options import Options
from kuleshov.sample import Sample

ABOUT_ORDER = ("Action Order",)


@final
class MotionBench(Adapter):
    title: ClassVar[str] = "MotionBench"
    not_computed: ClassVar[Mapping[str, str]] = {
        "accuracy on the test part": "its answers are not published"
    }

    def items(self, folder: Path, videos: Videos) -> Iterator[Item]:
        files = one_of(folder, "video_info.meta.jsonl", "**/video_info.meta.jsonl", "*.jsonl")
        for place, row in (found for file in files for found in rows_of(file)):
            path = text_in(row, "video_path", place)
            video = videos.at(path, f"public-dataset/{path}", stem=PurePosixPath(path).stem)
            questions = need(row, "qa", place)
            if not isinstance(questions, list):
                raise UsageError(f"{place}: qa is {questions!r}; expected: a list of questions")
            for number, asked in enumerate(questions, 1):
                here = f"{place}, question {number}"
                if not isinstance(asked, dict):
                    raise UsageError(f"{here} is {asked!r}; expected: an object")
                if str(asked.get("answer")) != "NA":
                    yield _item(row, asked, here, video)

    def lines(self, samples: Sequence[Sample]) -> Iterable[Line]:
        yield Line("overall", "accuracy", samples)
        yield from by_entry(samples)


def _item(row: dict[str, Any], asked: dict[str, Any], place: str, video: str) -> Item:
    question, options = split_lines(question_in(asked, "question", place))
    kind = text_in(row, "question_type", place)
    return Item(
        key=text_in(asked, "uid", place),
        video=video,
        entry=kind,
        prompt=partial(_prompt, question),
        options=chosen(options, text_in(asked, "answer", place), place),
        about_order=kind in ABOUT_ORDER,
    )


def _prompt(question: str, options: Options) -> str:
    letters = f"A to {options.letters[-1]}"
    return f"{question}\n{lettered(options)}\nAnswer with only the option letter ({letters})."
