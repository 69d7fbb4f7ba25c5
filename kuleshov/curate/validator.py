"""The rules by which captions and questions of a language model are kept or left out.

The paper has "a rule-based validator that enforces grammatical correctness, temporal specificity,
and grounding to visible content (e.g., rejecting questions about off-screen events)" and says no
more. These rules are ours, and for English. They are cheap and coarse: they find what is surely
amiss, and cannot see the video.

    grammar    begins with a capital, ends with its mark, one sentence, no doubled word, ...
    temporal   a question asks when, how often, how long or in what order
    visible    nothing heard, thought, off-screen or not to be known; no time beyond the clip;
               a question shares a word with what the clip is annotated to show
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple


class Text(NamedTuple):
    """What is judged.

    Args:
        text: the caption or question.
        answer: of a question; None for a caption.
        seconds: how long the clip is.
        about: what the clip shows, by its annotation and caption.
    """

    text: str
    answer: str | None
    seconds: float
    about: str


_ASKS = re.compile(
    r"(how|when|what|which|who|whose|where|does|do|did|is|are|was|were|has|have|had|can|at|in|on|"
    r"for|after|before|during|while)\b",
    re.IGNORECASE,
)
_TEMPORAL = re.compile(
    r"\b(when|how (many times|often|long|soon|quickly)|times?tamp|what time|(which|what) "
    r"(second|moment|point)|before|after|while|during|until|first|last|then|next|again|twice|"
    r"once|order|sequence|begins?|starts?|ends?|stops?|seconds?|simultaneously|at the same time|"
    r"earlier|later|immediately|suddenly|briefly)\b",
    re.IGNORECASE,
)
_UNSEEN = re.compile(
    r"\b(off[- ]?screen|off[- ]?camera|out of (frame|view|shot)|behind the camera|not (shown|"
    r"visible|seen)|(hears?|heard|sounds?|audio|music|voices?|noises?|loud|says?|said|speech)|"
    r"(thinks?|thought|feels?|wants?|intends?|intention|motive|believes?|hopes?|why))\b",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"\b(unknown|unclear|cannot|can't|not (clear|possible|specified|mentioned)|n/?a|unsure|"
    r"as an ai)\b",
    re.IGNORECASE,
)
# Only from where a number starts, or a long one is read anew from each of its digits.
_SECONDS = re.compile(r"(?<!\d)(\d++(?:\.\d++)?+)\s*+(?:s|secs?|seconds?)\b", re.IGNORECASE)
_DOUBLED = re.compile(r"\b(\w+)\s+\1\b", re.IGNORECASE)
_EMPTY = """a an the of in on at to and or is are was were do does did has have had be been it its
this that there he she they his her their with by for from as into how many times when what which
who where before after while during video clip person someone something happens"""
_STOP = frozenset(_EMPTY.split())


def _words(text: str) -> set[str]:
    """What a text is about: its words, without endings that English puts on them."""
    found = re.findall(r"[a-z]+", text.casefold())
    return {re.sub(r"(ing|ed|es|s|e)$", "", word) for word in found if word not in _STOP}


def _is_question(one: Text) -> bool:
    return one.answer is not None


def _unanswered(one: Text) -> bool:
    answer = (one.answer or "").strip()
    return not answer or bool(_UNKNOWN.search(answer))


def _beyond(one: Text) -> bool:
    told = _SECONDS.findall(f"{one.text} {one.answer or ''}")
    return any(float(seconds) > one.seconds for seconds in told)


RULES: dict[str, Callable[[Text], bool]] = {
    "grammar: no text": lambda one: not one.text.strip(),
    "grammar: does not begin with a capital": lambda one: (
        not one.text[:1].isupper() and not one.text[:1].isdigit()
    ),
    "grammar: does not end with its mark": lambda one: (
        not one.text.endswith("?" if _is_question(one) else (".", "!"))
    ),
    "grammar: a question is one sentence": lambda one: (
        _is_question(one) and bool(re.search(r"[.?!]\s", one.text))
    ),
    "grammar: a question does not begin like one": lambda one: (
        _is_question(one) and not _ASKS.match(one.text)
    ),
    "grammar: a word twice": lambda one: bool(_DOUBLED.search(one.text)),
    "grammar: brackets or quotes that do not close": lambda one: (
        one.text.count('"') % 2 == 1 or one.text.count("(") != one.text.count(")")
    ),
    "grammar: too short or too long": lambda one: not 3 <= len(one.text.split()) <= 120,
    "temporal: does not ask about time": lambda one: (
        _is_question(one) and not _TEMPORAL.search(one.text)
    ),
    "visible: not to be seen": lambda one: bool(_UNSEEN.search(one.text)),
    "visible: the answer is not known": lambda one: _is_question(one) and _unanswered(one),
    "visible: a time beyond the clip": _beyond,
    "visible: not about what is shown": lambda one: (
        not _words(one.text) & _words(one.about) if one.about else False
    ),
}
"""Each rule by what is wrong; the first one that holds is the reason."""


def reason(one: Text) -> str | None:
    """Why a text is left out; None if no rule is against it."""
    return next((why for why, holds in RULES.items() if holds(one)), None)
