"""TempCompass (arXiv 2403.00476): accuracy of each kind of question, and by aspect of time.

    FOLDER/questions/multi-choice.json       {video: {aspect: [{question, answer}, ...]}}
    FOLDER/questions/yes_no.json             likewise
    FOLDER/questions/caption_matching.json   likewise
    FOLDER/videos/<video>.mp4

Options stand in the question, a line each, behind "A.", or "Caption A:", "Option 1:" and the like.
The latter are shown behind A. and B. here (ours), so that one extractor serves all. Captioning
needs a judge in the published code, as does every answer there that its rules do not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, final

from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters.adapter import Adapter, Line, Videos, by, group_of
from kuleshov.evaluate.adapters.annotations import json_of, one_of, question_in, text_in
from kuleshov.evaluate.adapters.item import Item, chosen, lettered, split_lines
from kuleshov.evaluate.options import Options
from kuleshov.sample import Sample
from kuleshov.tasks.given_choices import GivenYesNo

KINDS = {
    "multi_choice": ("multi-choice", "multi_choice"),
    "yes_no": ("yes_no", "yes-no"),
    "caption_matching": ("caption_matching", "caption-matching"),
}
"""Kind of question -> what its file may be called."""
ABOUT_ORDER = ("direction", "order")
_NAMED = re.compile(r"\s*((?:Caption|Sentence|Option|Description) (?:[A-Z]|\d)):\s*(.*)", re.I)


@final
class TempCompass(Adapter):
    title: ClassVar[str] = "TempCompass"
    not_computed: ClassVar[Mapping[str, str]] = {"captioning accuracy": "needs a judge model"}

    def items(self, folder: Path, videos: Videos) -> Iterator[Item]:
        for kind, names in KINDS.items():
            places = [f"{at}{name}.json" for at in ("questions/", "") for name in names]
            file = one_of(folder, *places)[0]
            for video, aspects in _object(json_of(file), file).items():
                path = videos.at(f"videos/{video}.mp4", f"{video}.mp4", stem=video)
                for aspect, asked in _object(aspects, file).items():
                    if not isinstance(asked, list):
                        raise UsageError(
                            f"{file.name}, {video}, {aspect} is {asked!r}; expected: a list"
                        )
                    for number, row in enumerate(asked):
                        key = f"{kind}/{video}/{aspect}/{number}"
                        if not isinstance(row, dict):
                            raise UsageError(f"{key} is {row!r}; expected: an object")
                        yield _item(kind, key, path, aspect, row)

    def lines(self, samples: Sequence[Sample]) -> Iterable[Line]:
        kinds = by(samples, lambda s: s.entry)
        for kind, here in kinds.items():
            yield Line(kind, "accuracy", here)
        for kind, here in kinds.items():
            for aspect, ours in by(here, partial(group_of, name="aspect")).items():
                yield Line(f"{kind}: {aspect}", "accuracy", ours)


def _item(kind: str, key: str, video: str, aspect: str, row: dict[str, Any]) -> Item:
    question, answer = question_in(row, "question", key), text_in(row, "answer", key).strip()
    item = Item(
        key=key,
        video=video,
        entry=kind,
        prompt=f"{question}\nPlease answer yes or no:",
        kind=GivenYesNo(),
        groups={"aspect": aspect},
        about_order=aspect in ABOUT_ORDER,
    )
    if kind == "yes_no":
        said = answer.lower().rstrip(".")
        if said not in ("yes", "no"):
            raise UsageError(f"{key}: answer is {answer!r}; expected: yes or no")
        return replace(item, answer=said)
    asked, options = _options(question)
    right = match[2] if (match := _NAMED.fullmatch(answer)) else answer
    return replace(item, prompt=partial(_prompt, asked), options=chosen(options, right, key))


def _options(question: str) -> tuple[str, list[str]]:
    if any(_NAMED.fullmatch(line) for line in question.split("\n")):
        return split_lines(question, r"(?i:(?:Caption|Sentence|Option|Description) (?:[A-Z]|\d):)")
    return split_lines(question)


def _prompt(question: str, options: Options) -> str:
    return f"{question}\n{lettered(options)}\nPlease directly give the best option:"


def _object(value: Any, file: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{file} holds {type(value).__name__}; expected: objects by video, aspect")
    return value
