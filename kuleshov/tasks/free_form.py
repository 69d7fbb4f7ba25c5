r"""The one answer in what a model wrote in its own words, or None.

    letter     "The best option is (B)."       B        number    "about 3.5 m"          3.5
    yes_no     "Yes, it does."                 yes      interval  "from 2 s to 4.5 s"    [2, 4.5]
    order      "Correct order: 2, 1, 3"        [2, 1, 3]

Published harnesses take the first thing that fits, or draw an option at random where nothing does.
Here a text that gives two different answers gives none, nothing is ever drawn, and what is denied
("not 3") or a bound ("more than 3") is no answer: what is no answer is wrong and counted (ours).
What stands before `</think>` is not looked at, and of a text with one `<answer>...</answer>` or one
`\boxed{...}` only what is within. All of it takes time linear in the length of the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from string import ascii_uppercase
from typing import NamedTuple, TypeVar

from kuleshov.reward import CLOSE_THOUGHT, extract
from kuleshov.tasks.option_named import option_named, yes_or_no
from kuleshov.tasks.tokens import MINUS, Token, tokens, words

T = TypeVar("T")

_BOXED = "\\boxed{"
_MOST_DIGITS = 15
_ONES = {
    **{"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7},
    **{"eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13},
    **{"fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18},
    **{"nineteen": 19},
}
_TENS = {
    **{"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70},
    **{"eighty": 80, "ninety": 90},
}
_WORDS = _ONES | _TENS
_UNREAD = words(
    """hundred hundreds thousand thousands million billion dozen dozens half halves quarter
    quarters"""
)
"""Beside one of these a number is another one."""
_UNITS = words("""m cm mm km ft in s sec secs h min mins ms px kg g lb mph kmh fps hz deg x""")
"""What may be joined to a figure: "3.5m" is 3.5, but "3D", "3k" and "2nd" are no numbers."""
_NOT = words("not never isn't wasn't aren't cannot can't except without outside")
_BOUNDS = words("over under above below beyond exceeds than")
_POINTING = words("the this that no any some every each which another other last first")
_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
}
"""Unit of a time -> seconds."""
_OTHER_CLOCKS = frozenset(("frame", "frames", "percent", "%", "m", "steps", "step"))
_TO = words("- − – — ~ to and until till through")


def final(text: str) -> str:
    r"""What is looked at.

    >>> final("<think>A? B!</think> <answer>B</answer>"), final(r"So it is \boxed{B}.")
    ('B', 'B')
    """
    tagged = extract(text, "tagged")
    said = text.rpartition(CLOSE_THOUGHT)[2] if tagged is None else tagged
    boxed = set(_boxed(said))
    return (boxed.pop() if len(boxed) == 1 else said).strip()


def _boxed(text: str) -> Iterator[str]:
    r"""What stands within each `\boxed{...}`, up to the first that is not closed."""
    stop = 0
    while (start := text.find(_BOXED, stop)) >= 0:
        start = stop = start + len(_BOXED)
        depth = 1
        while depth:
            if stop == len(text):
                return
            depth += (text[stop] == "{") - (text[stop] == "}")
            stop += 1
        yield text[start : stop - 1].strip()


def letter(text: str, options: Sequence[str]) -> str | None:
    """The option that is chosen, by its letter or its text: see option_named.py.

    Args:
        text: what the model wrote.
        options: 2 to 26, from A on.
    """
    return option_named(final(text), dict(zip(ascii_uppercase, options, strict=False)))


def yes_no(text: str) -> str | None:
    """Yes or no: see option_named.py."""
    return yes_or_no(final(text))


def number(text: str) -> float | None:
    """The only number, in figures, or in words below a hundred where there are no figures.

    >>> number("There are three chairs."), number("2 or 3"), number("1,200.5 cm"), number("1e3")
    (3.0, None, 1200.5, 1000.0)
    >>> number("twenty-one"), number("minus 3"), number("more than 3"), number("3 thousand")
    (21.0, -3.0, None, None)
    """
    said = tokens(final(text))
    kind = "figure" if any(token.kind == "figure" for token in said) else "word"
    found: list[float] = []
    i = 0
    while i < len(said):
        start, i = i, i + 1
        if said[start].kind != kind:
            continue
        if kind == "figure":
            if start and said[start - 1].kind == "word" and not said[start].spaced:
                if start > 1 and said[start - 2].kind == "figure" and not said[start - 1].spaced:
                    return None  # "0x10", "1m30"
                continue  # the 2 of "v2"
            value = _value(said[start].text)
        else:
            if said[start].low not in _WORDS or _points(said, start):
                continue
            value, i = _in_words(said, start)
        if value is None or not _is_plain(said, start, i):
            return None
        found.append(-value if _low(said, start - 1) in ("minus", "negative") else value)
    return _only(found)


def _value(figure: str) -> float | None:
    """A figure as a number, with commas between thousands only; None if it is none.

    >>> _value("-1,200.5"), _value("1,2"), _value("1.2.3"), _value("1.000,5"), _value("9e999")
    (-1200.5, None, None, None, None)
    """
    mantissa, _, exponent = figure.lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    first, *groups = whole.lstrip("-").split(",")
    if "," in decimals:
        return None
    if sum(map(str.isdigit, mantissa)) > _MOST_DIGITS or len(exponent) > 4:
        return None
    if groups and (len(first) > 3 or any(len(group) != 3 for group in groups)):
        return None
    try:
        value = float(figure.replace(",", ""))
    except ValueError:
        return None
    return value if isfinite(value) else None


def _in_words(said: Sequence[Token], i: int) -> tuple[float, int]:
    """The number in words that starts at a token, and where it ends."""
    value = _WORDS[said[i].low]
    after = i + 2 if _at(said, i + 1) == "-" and not said[i + 1].spaced else i + 1
    if said[i].low in _TENS and 0 < _ONES.get(_low(said, after), 0) < 10:
        return float(value + _ONES[_low(said, after)]), after + 1
    return float(value), i + 1


def _points(said: Sequence[Token], i: int) -> bool:
    """Whether "one" stands for a thing, as in "the one on the left"."""
    after = _low(said, i + 1)
    return said[i].low == "one" and (_low(said, i - 1) in _POINTING or after in ("of", "who"))


def _is_plain(said: Sequence[Token], start: int, stop: int) -> bool:
    """Whether a number is none of several, no bound, not denied, and no part of another one."""
    before, after = _low(said, start - 1), _low(said, stop)
    joined = stop < len(said) and not said[stop].spaced
    if joined and said[stop].kind == "word" and after not in _UNITS:
        return False
    if after in ("or", "/", "+", "^") or (after == "-" and joined):
        return False
    if before in _BOUNDS | _NOT | _UNREAD | {"or", "/"} or after in _UNREAD:
        return False
    # "two and a half", "half of 3", "not about 3"
    near = {_low(said, i) for i in (start - 2, stop + 1, stop + 2)}
    return not near & _UNREAD and _low(said, start - 2) not in _NOT


def interval(text: str) -> list[float] | None:
    """The only [start, end] in seconds; times may be written as m:ss or h:mm:ss, or with a unit.

    Frames and shares of the video are on another clock and are no answer.

    >>> interval("It happens from 0:58 to 1:02.5."), interval("9 - 3"), interval("1-2, 5-6")
    ([58.0, 62.5], None, None)
    >>> interval("1 min 5 s to 2 minutes"), interval("2 to 3 minutes"), interval("frames 1 to 38")
    ([65.0, 120.0], [120.0, 180.0], None)
    """
    said = tokens(final(text))
    spans: set[tuple[float, float]] = set()
    i = 0
    while i < len(said):
        first = _time(said, i)
        if first is None:
            i += 1
            continue
        second = _time(said, joint) if (joint := _joint(said, i, first.stop)) else None
        if first.other_clock or (second is not None and second.other_clock):
            return None
        if second is None:
            i = first.stop
            continue
        if _at(said, second.stop) in MINUS and _time(said, second.stop + 1):
            return None  # "1-2-3"
        if _low(said, i - 1) in _NOT or _low(said, i - 2) in _NOT:
            return None
        start = first.amount * (first.unit or second.unit or 1.0)
        spans.add((start, second.amount * (second.unit or 1.0)))
        i = second.stop
    only = _only(spans)
    return None if only is None or not 0 <= only[0] <= only[1] < float("inf") else list(only)


class _Time(NamedTuple):
    """A time in a text.

    Args:
        amount: in its unit.
        unit: in seconds; None if none is named.
        stop: the first token behind it.
        other_clock: whether it counts something else, such as frames.
    """

    amount: float
    unit: float | None
    stop: int
    other_clock: bool


def _time(said: Sequence[Token], i: int) -> _Time | None:
    """The time that starts at a token: a figure, m:ss, or figures with ever smaller units."""
    if i >= len(said) or said[i].kind != "figure":
        return None
    if i and not said[i].spaced and (said[i - 1].kind == "word" or said[i - 1].text in ".:"):
        return None
    other_clock = _low(said, i - 1) in _OTHER_CLOCKS
    total, last = 0.0, float("inf")
    while (value := _clock(said[i].text)) is not None:
        while _at(said, i + 1) == ">":  # <3.0>
            i += 1
        unit = _SECONDS.get(_low(said, i + 1))
        if unit is None:
            other_clock = other_clock or _low(said, i + 1) in _OTHER_CLOCKS
            return _Time(value, None, i + 1, other_clock) if last == float("inf") else None
        if unit >= last:
            return None
        total, last = total + value * unit, unit
        i += 2 + (_at(said, i + 2) == "." and not said[i + 2].spaced)
        if i >= len(said) or said[i].kind != "figure":
            return _Time(total / unit, unit, i, other_clock)
    return None


def _clock(figure: str) -> float | None:
    """A figure, or hours, minutes and seconds; None if it is neither.

    >>> _clock("1:02.5"), _clock("62.5"), _clock("1,5"), _clock("-3")
    (62.5, 62.5, None, None)
    """
    parts = figure.split(":")
    if not all(part[:1].isdigit() for part in parts) or "e" in figure.lower():
        return None
    if len(parts) > 3 or any(len(part.partition(".")[0]) > 2 for part in parts[1:]):
        return None
    total = 0.0
    for part in parts:
        try:
            total = total * 60 + float(part)
        except ValueError:
            return None
    return total


def _joint(said: Sequence[Token], start: int, stop: int) -> int | None:
    """Where the second time of a span starts, if a span is what follows a first one."""
    bracketed = _at(said, start - 1) in ("[", "(")
    if _low(said, stop) in _TO or (bracketed and _at(said, stop) == ","):
        after = stop + 1
        while _at(said, after) == "<":
            after += 1
        return after
    return None


def order(text: str, length: int) -> list[int] | None:
    """The numbers 1 to `length`, each once, if the text holds these and no others.

    >>> order("Correct order: 2, 1, 3", 3), order("2, 1", 3), order("not 2, 1, 3", 3)
    ([2, 1, 3], None, None)
    """
    said = final(text)
    if any(token.low in _NOT for token in tokens(said)):
        return None
    figures = _digits(said)
    if len(figures) != length or any(len(figure) > 3 for figure in figures):
        return None
    given = [int(figure) for figure in figures]
    return given if sorted(given) == list(range(1, length + 1)) else None


def _digits(text: str) -> list[str]:
    """All runs of digits."""
    return "".join(c if c.isdecimal() else " " for c in text).split()


def _at(said: Sequence[Token], i: int) -> str:
    return said[i].text if 0 <= i < len(said) else ""


def _low(said: Sequence[Token], i: int) -> str:
    return said[i].low if 0 <= i < len(said) else ""


def _only(found: Iterable[T]) -> T | None:
    different = set(found)
    return different.pop() if len(different) == 1 else None
