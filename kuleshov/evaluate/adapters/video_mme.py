"""Video-MME (arXiv 2405.21075): accuracy, and by duration; without subtitles.

    FOLDER/videomme/test-*.parquet   a row a question: videoID, question_id, question, options,
                                     answer, duration, domain, sub_category, task_type
    FOLDER/data/<videoID>.mp4

A question stays with its 2 others about a video in every draw of the interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, final

from kuleshov.evaluate.adapters.adapter import Adapter, Line, Videos, by, group_of
from kuleshov.evaluate.adapters.annotations import one_of, question_in, rows_of, text_in, texts_in
from kuleshov.evaluate.adapters.item import Item, chosen, lettered
from kuleshov.evaluate.options import Options
from kuleshov.sample import Sample

GROUPS = ("duration", "domain", "sub_category", "task_type")
ABOUT_ORDER = ("Temporal Perception", "Temporal Reasoning")
"""Task types whose answers are orders or times (ours)."""


@final
class VideoMME(Adapter):
    title: ClassVar[str] = "Video-MME"
    not_computed: ClassVar[Mapping[str, str]] = {
        "accuracy with subtitles": "subtitles are not shown"
    }

    def items(self, folder: Path, videos: Videos) -> Iterator[Item]:
        for file in one_of(folder, "videomme/*.parquet", "*.parquet", "*.jsonl", "*.json"):
            for place, row in rows_of(file):
                name = text_in(row, "videoID", place)
                video = videos.at(f"data/{name}.mp4", f"{name}.mp4", stem=name)
                groups = {key: text_in(row, key, place) for key in GROUPS}
                yield Item(
                    key=text_in(row, "question_id", place),
                    video=video,
                    entry=f"videomme_{groups['duration']}",
                    prompt=partial(_prompt, question_in(row, "question", place)),
                    options=chosen(
                        texts_in(row, "options", place), text_in(row, "answer", place), place
                    ),
                    groups=groups,
                    about_order=groups["task_type"] in ABOUT_ORDER,
                )

    def lines(self, samples: Sequence[Sample]) -> Iterable[Line]:
        yield Line("overall", "accuracy", samples)
        for group in GROUPS:
            for name, here in by(samples, partial(group_of, name=group)).items():
                yield Line(f"{group}: {name}", "accuracy", here)


def _prompt(question: str, options: Options) -> str:
    return (
        "Select the best answer to the following multiple-choice question based on the video. "
        "Respond with only the letter (A, B, C, or D) of the correct option.\n"
        f"{question}\n{lettered(options)}\n"
        "Answer with the option's letter from the given choices directly."
    )
