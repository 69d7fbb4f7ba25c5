"""VRU-Accident: 6 categories of multiple choice about traffic accidents, and dense captions.

    FOLDER/**/*VQA*.json       {video: {category: {question, options: "A. .., B. ..", GT}}}
    FOLDER/**/*aption*.json    {video: {gt}}
    videos of any folder below it, by their names

Two benchmarks: `vru_accident` (the mean over categories of their accuracies) and
`vru_accident_captions`. Of the published metrics of captions none is computed as published: ROUGE
here does not stem words, and the others need Java or a download.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, final

from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters.adapter import Adapter, Line, Videos, by_entry
from kuleshov.evaluate.adapters.annotations import (
    json_of,
    need,
    one_of,
    question_in,
    text_in,
    texts_in,
)
from kuleshov.evaluate.adapters.item import Item, chosen, lettered
from kuleshov.evaluate.figures import FIGURES
from kuleshov.evaluate.options import Options
from kuleshov.sample import Sample
from kuleshov.tasks.given_texts import GivenCaption

CAPTION = (
    "Describe this video of a traffic accident in detail: the scene, the road users, what happens "
    "and why."
)
"""Ours: the published wording was not at hand."""
_MARK = re.compile(r"(?:^|[,;\n]\s*|\s)(?=\(?[A-Z][.):]\s+)")


@final
class VRUAccident(Adapter):
    title: ClassVar[str] = "VRU-Accident VQA"

    def items(self, folder: Path, videos: Videos) -> Iterator[Item]:
        for file in one_of(folder, "**/*VQA*.json", "**/*vqa*.json"):
            for name, categories in _object(json_of(file), file.name).items():
                for category, row in _object(categories, f"{file.name}, {name}").items():
                    place = f"{file.stem}/{name}/{category}"
                    options = _split(need(_object(row, place), "options", place), place)
                    yield Item(
                        key=place,
                        video=videos.at(name, stem=Path(name).stem, near=_source(file)),
                        entry=category,
                        prompt=partial(_prompt, question_in(row, "question", place)),
                        options=chosen(options, text_in(row, "GT", place), place),
                        groups={"source": file.stem},
                    )

    def lines(self, samples: Sequence[Sample]) -> Iterable[Line]:
        yield Line("overall", "mean of categories", samples, FIGURES["tasks"].report)
        yield from by_entry(samples)


@final
class VRUAccidentCaptions(Adapter):
    title: ClassVar[str] = "VRU-Accident dense captions"
    not_computed: ClassVar[Mapping[str, str]] = {
        "SPICE": "needs Java (pycocoevalcap)",
        "METEOR": "needs a download (WordNet, of nltk)",
        "COMET": "needs a download (Unbabel/wmt22-comet-da, 2 GB)",
        "ROUGE-1/2/L with stems": "needs rouge_score; unstemmed ones are above",
    }

    def items(self, folder: Path, videos: Videos) -> Iterator[Item]:
        for file in one_of(folder, "**/*[Cc]aption*.json"):
            for name, row in _object(json_of(file), file.name).items():
                place = f"{file.stem}/{name}"
                yield Item(
                    key=place,
                    video=videos.at(name, stem=Path(name).stem, near=_source(file)),
                    entry="dense_caption",
                    prompt=CAPTION,
                    answer=text_in(_object(row, place), "gt", place),
                    kind=GivenCaption(),
                )

    def lines(self, samples: Sequence[Sample]) -> Iterable[Line]:
        for name in ("rouge_1_unstemmed", "rouge_2_unstemmed", "rouge_l_unstemmed"):
            yield Line("overall", name, samples, score=name)


def _source(file: Path) -> str:
    """The data set that a file is of, which may call its videos as another one does.

    >>> _source(Path("CAP_DATA_VQA_annotation.json")), _source(Path("DoTA/captions.json"))
    ('CAP_DATA', 'DoTA')
    """
    named = re.split(r"_?(?:VQA|vqa|Dense|dense|[Cc]aption)", file.stem)[0]
    return named or file.parent.name


def _prompt(question: str, options: Options) -> str:
    """The question says already that a letter is wanted."""
    return f"{question}\n{lettered(options)}"


def _split(options: Any, place: str = "") -> list[str]:
    """Options of a list, an object by letter, or one text.

    >>> _split("A. a car, B. a bus, or tram, C. none")
    ['A. a car', 'B. a bus, or tram', 'C. none']
    """
    if isinstance(options, dict):
        return [text_in(options, key, place) for key in sorted(options)]
    if isinstance(options, list):
        return texts_in({"options": options}, "options", place)
    text = text_in({"options": options}, "options", place)
    return [part.strip() for part in _MARK.split(text) if part.strip()]


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{place} holds {type(value).__name__}; expected: an object")
    return value
