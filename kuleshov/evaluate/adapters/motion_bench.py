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

from kuleshov.evaluate.adapters.adapter import Adapter, Line, Videos, by_entry
from kuleshov.evaluate.adapters.annotations import need, one_of, rows_of
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
            path = str(need(row, "video_path", place))
            video = videos.at(path, f"public-dataset/{path}", stem=PurePosixPath(path).stem)
            for number, asked in enumerate(need(row, "qa", place)):
                if str(asked.get("answer")) != "NA":
                    yield _item(row, asked, f"{place}, question {number + 1}", video)

    def lines(self, samples: Sequence[Sample]) -> Iterable[Line]:
        yield Line("overall", "accuracy", samples)
        yield from by_entry(samples)


def _item(row: dict[str, Any], asked: dict[str, Any], place: str, video: str) -> Item:
    question, options = split_lines(str(need(asked, "question", place)))
    kind = str(need(row, "question_type", place))
    return Item(
        key=str(need(asked, "uid", place)),
        video=video,
        entry=kind,
        prompt=partial(_prompt, question),
        options=chosen(options, str(need(asked, "answer", place)), place),
        about_order=kind in ABOUT_ORDER,
    )


def _prompt(question: str, options: Options) -> str:
    letters = f"A to {options.letters[-1]}"
    return f"{question}\n{lettered(options)}\nAnswer with only the option letter ({letters})."
