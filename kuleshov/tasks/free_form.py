"""The one answer in what a model wrote in its own words, or None.

    letter     "The best option is (B)."       B        number    "about 3.5 m"          3.5
    yes_no     "Yes, it does."                 yes      interval  "from 2 s to 4.5 s"    [2, 4.5]
    order      "Correct order: 2, 1, 3"        [2, 1, 3]

Published harnesses take the first thing that fits, or draw an option at random where nothing does.
Here a text that gives two different answers gives none, and nothing is ever drawn: what is no
answer is wrong and counted (ours). What stands before `</think>` is not looked at, and of a text
with one `<answer>...</answer>` only what is within.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from string import ascii_uppercase
from typing import TypeVar

from kuleshov.reward import extract
from kuleshov.tasks.labelled import plain

T = TypeVar("T")

_NUMBER = r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?!\d|\.\d)"
_TIME = r"\d+(?::\d{1,2}){1,2}(?:\.\d+)?|\d+(?:\.\d+)?"
_OPEN, _SHUT = "<?", ">?"
_UNIT = r"(?:\s*(?:s|sec|secs|seconds?)\b\.?)?"
_INTERVALS = (
    re.compile(
        rf"(?<![\w.:-]){_OPEN}({_TIME}){_UNIT}{_SHUT}\s*(?:-|–|—|to|and|until)\s*"
        rf"{_OPEN}({_TIME})(?![\d:]|\.\d|{_UNIT}\s*[-–—]\s*\d)",
        re.I,
    ),
    re.compile(rf"[\[(]\s*({_TIME}){_UNIT}\s*,\s*({_TIME}){_UNIT}\s*[\])]", re.I),
)
_WORDS = {
    **{"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7},
    **{"eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12},
}
_MOST_DIGITS = 15
_ANNOUNCED = (
    r"(?i:\b(?:answer|option|choice)\s*(?:is|:|=)+\s*(?:option\s+)?)[*\"'(\[]*"
    r"(?:<X>(?![\w'’])|<x>(?![\w'’]|\s+\w))"
)
_NAMED = (
    r"\(<x>\)",
    r"^\W*<X>(?:[.):]|\*\*)(?!\w\.)",
    r"(?<![\w'’])<X>(?![\w'’])(?!\s+(?!(?:or|and|is)\b)[a-z])",
    r"(?<![\w'’])<NO WORD>(?![\w'’])",
)
"""Where a letter is an option: <X> is a capital one, <x> any, <NO WORD> a capital but A and I."""


def final(text: str) -> str:
    """What is looked at.

    >>> final("<think>A? B!</think> <answer>B</answer>")
    'B'
    """
    tagged = extract(text, "tagged")
    return (text.rpartition("</think>")[2] if tagged is None else tagged).strip()


def letter(text: str, options: Sequence[str]) -> str | None:
    """The option that is chosen, by its letter or its text.

    In this order; a step that finds two options ends the search without an answer:

        a letter alone, an option's text, or both    "B", "(b).", "a red car", "B. a red car"
        what is announced                            "the answer is B because ..."
        all letters that are named                   "... so (B)", "I think B", "option A"

    A capital A or I by itself is taken for a word where another word follows, as in "A man".

    Args:
        text: what the model wrote.
        options: 2 to 26, from A on.
    """
    letters = ascii_uppercase[: len(options)]
    said = final(text)
    if alone := re.fullmatch(rf"[\s*\"'(\[]*([{letters}])[\s*\"')\].:,]*", said, re.I):
        return alone[1].upper()
    marked = re.match(rf"\W*([{letters}])\W+(.+)", said, re.I | re.DOTALL)
    for x, option in zip(letters, options, strict=True):
        if marked and marked[1].upper() == x and plain(marked[2]) == plain(option):
            return x
    same = {x for x, text in zip(letters, options, strict=True) if plain(text) == plain(said)}
    announced = _letters(_ANNOUNCED, letters, said)
    named = {x for pattern in _NAMED for x in _letters(pattern, letters, said)}
    return _only(same or announced or named)


def _letters(pattern: str, letters: str, text: str) -> set[str]:
    """The letters that a pattern finds."""
    small = letters.lower()
    filled = pattern.replace("<X>", f"([{letters}])").replace("<x>", f"([{letters}{small}])")
    filled = filled.replace("<NO WORD>", f"([{letters.replace('A', '').replace('I', '')}])")
    return {
        "".join(found).upper() if isinstance(found, tuple) else found.upper()
        for found in re.findall(filled, text, re.MULTILINE)
    }


def yes_no(text: str) -> str | None:
    """Yes or no: the first word if it is one of them, else the only one of both."""
    words = re.findall(r"[a-z]+", final(text).lower())
    if words and words[0] in ("yes", "no"):
        return str(words[0])
    return _only({word for word in words if word in ("yes", "no")})


def number(text: str) -> float | None:
    """The only number, in digits or as a word up to twelve.

    >>> number("There are three chairs."), number("2 or 3"), number("1,200.5 cm")
    (3.0, None, 1200.5)
    """
    said = final(text)
    figures = [figure.replace(",", "") for figure in re.findall(_NUMBER, said)]
    if any(len(figure) > _MOST_DIGITS for figure in figures):
        return None
    if figures:
        return _only(map(float, figures))
    return _only(
        float(_WORDS[word]) for word in re.findall(r"[a-z]+", said.lower()) if word in _WORDS
    )


def interval(text: str) -> list[float] | None:
    """The only [start, end] in seconds; times may be written as m:ss or h:mm:ss.

    >>> interval("It happens from 0:58 to 1:02.5."), interval("9 - 3"), interval("1-2, 5-6")
    ([58.0, 62.5], None, None)
    """
    found = {(_seconds(a), _seconds(b)) for p in _INTERVALS for a, b in p.findall(final(text))}
    only = _only(found)
    return None if only is None or not only[0] <= only[1] < float("inf") else list(only)


def order(text: str, length: int) -> list[int] | None:
    """The numbers 1 to `length`, each once, if the text holds these and no others.

    >>> order("Correct order: 2, 1, 3", 3), order("2, 1", 3), order("213", 3)
    ([2, 1, 3], None, None)
    """
    figures = re.findall(r"\d+", final(text))
    if len(figures) != length or any(len(figure) > 3 for figure in figures):
        return None
    given = [int(figure) for figure in figures]
    return given if sorted(given) == list(range(1, length + 1)) else None


def _seconds(time: str) -> float:
    total = 0.0
    for part in time.split(":"):
        total = total * 60 + float(part)
    return total


def _only(found: Iterable[T]) -> T | None:
    different = set(found)
    return different.pop() if len(different) == 1 else None
