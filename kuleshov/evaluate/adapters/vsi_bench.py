"""VSI-Bench (arXiv 2412.14171): the mean over 8 tasks, accuracy of choices and MRA of numbers.

FOLDER/test.jsonl or test-*.parquet      id, dataset, scene_name, question_type, question,
options, ground_truth
FOLDER/<dataset>/<scene_name>.mp4

relative direction   mean of easy, medium and hard, and one task of the 8
overall              mean of the 8
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, final

import numpy as np
import numpy.typing as npt

from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters.adapter import Adapter, Line, Videos, by_entry
from kuleshov.evaluate.adapters.annotations import one_of, question_in, rows_of, text_in, texts_in
from kuleshov.evaluate.adapters.item import Item, chosen, lettered
from kuleshov.evaluate.figures import FIGURES
from kuleshov.evaluate.options import Options
from kuleshov.evaluate.statistics import Reported, macro
from kuleshov.sample import Sample
from kuleshov.tasks.given_values import GivenNumber

NUMBERS = (
    "object_abs_distance",
    "object_counting",
    "object_size_estimation",
    "room_size_estimation",
)
DIRECTION = "object_rel_direction"
ABOUT_ORDER = ("obj_appearance_order",)
_BEFORE = "These are frames of a video.\n"


@final
class VSIBench(Adapter):
    title: ClassVar[str] = "VSI-Bench"

    def items(self, folder: Path, videos: Videos) -> Iterator[Item]:
        for file in one_of(folder, "test.jsonl", "test*.parquet", "*.parquet"):
            for place, row in rows_of(file):
                kind = text_in(row, "question_type", place)
                scene = f"{text_in(row, 'dataset', place)}/{text_in(row, 'scene_name', place)}"
                question = question_in(row, "question", place)
                truth = text_in(row, "ground_truth", place)
                number = kind in NUMBERS
                yield Item(
                    key=text_in(row, "id", place),
                    video=videos.at(f"{scene}.mp4", stem=str(row["scene_name"])),
                    entry=kind,
                    prompt=_number(question) if number else partial(_choice, question),
                    answer=_float(truth, place) if number else None,
                    kind=GivenNumber(),
                    options=None
                    if number
                    else chosen(texts_in(row, "options", place), truth, place),
                    about_order=kind in ABOUT_ORDER,
                )

    def lines(self, samples: Sequence[Sample]) -> Iterable[Line]:
        directions = [s for s in samples if s.entry.startswith(DIRECTION)]
        yield Line("overall", "mean of tasks", samples, overall)
        if directions:
            yield Line(DIRECTION, "mean of its levels", directions, FIGURES["tasks"].report)
        for line in by_entry(samples):
            metric = "mean relative accuracy" if line.name in NUMBERS else "accuracy"
            yield line._replace(metric=metric)


def overall(scores: npt.ArrayLike, samples: Sequence[Sample]) -> Reported:
    """The mean over tasks, in which levels of direction share the weight of one.

    A mean over groups gives each group one weight, so every other task is there as many times as
    there are levels.

    Args:
        scores: (samples,), or (samples, columns).
        samples: of all tasks.
    """
    levels = len({s.entry for s in samples if s.entry.startswith(DIRECTION)}) or 1
    rows, groups = [], []
    for i, sample in enumerate(samples):
        for copy in range(1 if sample.entry.startswith(DIRECTION) else levels):
            rows.append(i)
            groups.append((sample.entry, copy))
    table = np.asarray(scores, dtype=np.float64)[rows]
    return macro(table, [samples[i].source for i in rows], groups)


def _number(question: str) -> str:
    return f"{_BEFORE}{question}\nPlease answer the question using a single word or phrase."


def _choice(question: str, options: Options) -> str:
    return (
        f"{_BEFORE}{question}\nOptions:\n{lettered(options)}\n"
        "Answer with the option's letter from the given choices directly."
    )


def _float(truth: str, place: str) -> float:
    try:
        number = float(truth)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{place}: ground_truth is {truth!r}; expected: a number")
    return number
