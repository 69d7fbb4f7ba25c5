"""A question of a benchmark, before its video was opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase

from kuleshov.errors import UsageError
from kuleshov.evaluate.options import Options
from kuleshov.sample import Json
from kuleshov.tasks.given import Given
from kuleshov.tasks.given_choices import GivenChoice
from kuleshov.tasks.labelled import marked, named, plain, unlettered


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question.

    Args:
        key: what it is called, once in its benchmark and the same on every import.
        video: path below the folder of videos, or a folder of pictures.
        entry: the sub-task that it counts for.
        prompt: all text after the video; of a choice, a function of its options.
        answer: the true one, as its kind has it; None for a choice, whose options tell it.
        kind: how it is answered and graded.
        options: of a choice.
        groups: what else scores are given by, such as {"duration": "short"}.
        source: what the video was cut from, if it is not the video itself.
        about_order: whether the answer is an order or a direction.
        set: of the pair or so that it is part of; a choice whose options are rotated is a set
            of its own.
        clip: (start, end) in seconds of what is shown; None for the whole video.
        ends_on_last: the last frame shown is the last one of the video.
        fps: of a folder of pictures.
    """

    key: str
    video: str
    entry: str
    prompt: str | Callable[[Options], str]
    answer: Json = None
    kind: Given = field(default_factory=GivenChoice)
    options: Options | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    about_order: bool = False
    set: str | None = None
    clip: tuple[float, float] | None = None
    ends_on_last: bool = False
    fps: float = 3.0


def lettered(options: Options, mark: str = "{}. ") -> str:
    """The options in a line each, behind their letters."""
    lines = zip(options.letters, options.texts, strict=True)
    return "\n".join(f"{mark.format(letter)}{text}" for letter, text in lines)


def chosen(options: Sequence[str], answer: str, place: str) -> Options:
    """Options whose right one is named by its letter, its text, or both.

    Args:
        options: with or without letters, from A on.
        answer: "B", "B. a red car" or "a red car"; of a letter and a text that do not agree, the
            text counts, if it is one of them.
        place: where they stand, for people.

    Raises:
        UsageError: it is none of them.
    """
    alone = re.fullmatch(r"\(?([A-Z])\)?[.:]?", answer.strip())
    mark = marked(answer)
    said = {plain(answer), plain(mark[1]) if mark else plain(answer)}
    try:
        texts = tuple(text.strip() for text in unlettered(options))
        same = [i for i, text in enumerate(texts) if plain(text) in said]
        letter = alone[1] if alone else mark[0] if mark else None
        at = -1
        if letter and (alone or not same):
            at = named(letter, texts)
        elif letter and ascii_uppercase.index(letter) in same:
            at = ascii_uppercase.index(letter)
        return Options(texts, same[0] if at < 0 and same else at)
    except UsageError as error:
        raise UsageError(f"{place}: answer {answer!r} to {list(options)}: {error}") from error


def split_lines(text: str, mark: str = "") -> tuple[str, list[str]]:
    r"""A question and the options in the lines below it.

    Args:
        text: lines, of which those that start with a mark or a letter are options.
        mark: pattern of what stands before an option, and is taken away; "" for the letters that
            `chosen` takes away.

    >>> split_lines("What is it?\nA. a cat\nB. a dog")
    ('What is it?', ['A. a cat', 'B. a dog'])
    """
    mark = mark or r"(?=\(?[A-Z][.):]\s*\S)"
    lines = text.strip().split("\n")
    options = [m[1].strip() for line in lines if (m := re.fullmatch(rf"\s*{mark}\s*(.+)", line))]
    asked = [line for line in lines if not re.match(rf"\s*{mark}\s*\S", line)]
    return "\n".join(asked).strip(), options
