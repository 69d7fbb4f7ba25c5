"""MVBench (arXiv 2311.17005): 20 sub-tasks of 200 questions; the mean over sub-tasks.

    FOLDER/json/action_sequence.json     [{video, question, candidates, answer, start, end}, ...]
    FOLDER/video/star/Charades_v1_480/   a folder of videos for each sub-task, see SUBTASKS

What gives no answer stays in the denominator; lmms-eval leaves empty ones out. The published prompt
ends in the opened bracket of the answer, "Best option:(", which no backend here can hand over; the
wording is otherwise the published one, without its system message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, final

from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters.adapter import Adapter, Line, Videos, by_entry
from kuleshov.evaluate.adapters.annotations import (
    as_published,
    need,
    one_of,
    question_in,
    rows_of,
    seconds_of,
    text_in,
    texts_in,
)
from kuleshov.evaluate.adapters.item import Item, lettered
from kuleshov.evaluate.figures import FIGURES
from kuleshov.evaluate.options import Options
from kuleshov.sample import Sample
from kuleshov.tasks.labelled import plain


class Subtask(NamedTuple):
    """Where the videos of a sub-task lie, and what its rows say.

    Args:
        folder: below FOLDER/video.
        cut: whether a row asks about `start` to `end` seconds of its video.
        about_order: whether shuffled frames ask another question (ours).
    """

    folder: str
    cut: bool = False
    about_order: bool = False


SUBTASKS: dict[str, Subtask] = {
    "action_antonym": Subtask("ssv2_video", about_order=True),
    "action_count": Subtask("perception/videos"),
    "action_localization": Subtask("sta/sta_video", cut=True, about_order=True),
    "action_prediction": Subtask("star/Charades_v1_480", cut=True),
    "action_sequence": Subtask("star/Charades_v1_480", cut=True, about_order=True),
    "character_order": Subtask("perception/videos", about_order=True),
    "counterfactual_inference": Subtask("clevrer/video_validation"),
    "egocentric_navigation": Subtask("vlnqa"),
    "episodic_reasoning": Subtask("tvqa/frames_fps3_hq", cut=True),
    "fine_grained_action": Subtask("Moments_in_Time_Raw/videos"),
    "fine_grained_pose": Subtask("nturgbd"),
    "moving_attribute": Subtask("clevrer/video_validation"),
    "moving_count": Subtask("clevrer/video_validation"),
    "moving_direction": Subtask("clevrer/video_validation", about_order=True),
    "object_existence": Subtask("clevrer/video_validation"),
    "object_interaction": Subtask("star/Charades_v1_480", cut=True),
    "object_shuffle": Subtask("perception/videos", about_order=True),
    "scene_transition": Subtask("scene_qa/video", about_order=True),
    "state_change": Subtask("perception/videos"),
    "unexpected_action": Subtask("FunQA_test/test"),
}


@final
class MVBench(Adapter):
    title: ClassVar[str] = "MVBench"

    def items(self, folder: Path, videos: Videos) -> Iterator[Item]:
        files = {path.stem: path for path in one_of(folder, "json/*.json", "*.json")}
        if absent := [name for name in SUBTASKS if name not in files]:
            raise UsageError(
                f"{folder} lacks {', '.join(f'{name}.json' for name in absent)}; its figure is the "
                f"mean over all {len(SUBTASKS)} sub-tasks, so fetch them"
            )
        for name, subtask in SUBTASKS.items():
            for number, (place, row) in enumerate(rows_of(files[name])):
                yield _item(f"{name}/{number}", name, subtask, row, place, videos)

    def lines(self, samples: Sequence[Sample]) -> Iterable[Line]:
        entries = {sample.entry for sample in samples}
        of = f"mean of {len(entries)} sub-tasks"
        yield Line("overall", of, samples, FIGURES["tasks"].report)
        yield from by_entry(samples)


def _item(
    key: str, name: str, subtask: Subtask, row: dict[str, Any], place: str, videos: Videos
) -> Item:
    texts = tuple(texts_in(row, "candidates", place))
    right = plain(text_in(row, "answer", place))
    found = [i for i, text in enumerate(texts) if plain(text) == right]
    if not found:
        raise UsageError(f"{place}: answer {row['answer']!r} is none of {list(texts)}")
    video = f"{subtask.folder}/{text_in(row, 'video', place)}"
    clip = None
    if subtask.cut:
        start, end = (seconds_of(need(row, key, place), place) for key in ("start", "end"))
        clip = (start, end)
    with as_published(place):
        options = Options(texts, found[0])
    return Item(
        key=key,
        video=videos.at(f"video/{video}", video),
        entry=name,
        prompt=partial(_prompt, question_in(row, "question", place)),
        options=options,
        about_order=subtask.about_order,
        clip=clip,
    )


def _prompt(question: str, options: Options) -> str:
    shown = lettered(options, "({}) ")
    return f"Question: {question}\nOptions:\n{shown}\nOnly give the best option."
