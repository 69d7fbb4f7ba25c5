"""Keywords of a caption or question: what to look for in the frames (VideoPerceiver 3.1).

The paper asks GPT-4 for "fine-grained keywords that describe transient actions or events implied
by" the text. By default YAKE finds them here, which needs no model and no network; it knows
nothing of actions, and ranks rare and central words first (a named departure). Any language model
can be asked instead: `asked` takes a function from a prompt to a reply.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import final

from kuleshov.errors import UsageError

Ask = Callable[[str], str]
"""A prompt to the reply of a language model."""

MOST = 5
"""Keywords of a text at most."""

PROMPT = (
    "Below is a caption of a video, or a question about it. List the short actions and events in "
    "it that could be seen in a few frames only. Give up to {most} keywords or short phrases of "
    "at most {words} words, the most specific first, in the language of the text, and nothing "
    "that the text does not imply. Reply with a JSON array of strings and nothing else, such as "
    '["snaps fingers", "light flashes"]; with [] if there is none.\n\nText: {text}'
)
"""Our wording; the paper's is not published."""

WORDS = 4
"""Words of a keyword at most."""


@final
class BadReply(UsageError):
    """A language model did not reply in the form that was asked for."""


def extracted(text: str, most: int = MOST) -> list[str]:
    """Keywords by YAKE, best first: phrases of one or two words that do not share a word. Ours.

    Raises:
        UsageError: YAKE is not installed (extra `pairs`).
    """
    try:
        from yake import KeywordExtractor
    except ImportError as error:
        raise UsageError(
            "keywords need yake, which is not installed; pip install 'kuleshov[pairs]'"
        ) from error
    found: list[str] = []
    used: set[str] = set()
    for phrase, _ in KeywordExtractor(lan="en", n=2, top=4 * most).extract_keywords(text):
        words = set(phrase.casefold().split())
        if not words & used:
            found.append(phrase)
            used |= words
    return found[:most]


def asked(text: str, ask: Ask, most: int = MOST) -> list[str]:
    """Keywords by a language model.

    Args:
        text: the caption or question.
        ask: sends a prompt and gives the reply.
        most: how many, at most.

    Raises:
        BadReply: the reply is not what was asked for.
    """
    return parsed(ask(prompt_of(text, most)), most)


def prompt_of(text: str, most: int = MOST) -> str:
    """What a language model is asked of a text."""
    return PROMPT.format(most=most, words=WORDS, text=text)


def parsed(reply: str, most: int = MOST) -> list[str]:
    """The keywords of a reply: a JSON array of different strings, and nothing around it.

    >>> parsed('["snaps fingers", "light flashes"]')
    ['snaps fingers', 'light flashes']

    Raises:
        BadReply: it is anything else. Nothing is repaired: what strays from the format once
            strays in what it says as well.
    """
    wanted = f"a JSON array of at most {most} different strings of 1 to {WORDS} words"
    try:
        words = json.loads(reply)
    except (ValueError, RecursionError):
        words = None
    if (
        not isinstance(words, list)
        or len(words) > most
        or not all(isinstance(word, str) and 1 <= len(word.split()) <= WORDS for word in words)
        or len({word.casefold().strip() for word in words}) < len(words)
    ):
        raise BadReply(f"the reply {reply[:80]!r} gives no keywords; allowed: {wanted}")
    return [word.strip() for word in words]
