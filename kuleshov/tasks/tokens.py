"""A model's text as tokens, in time linear in its length.

What a model writes is read with this and never with a pattern that can backtrack: such a pattern
takes minutes on the repeated text that models fall into.

    "The answer is **(C)**, not -1.5."   ->   The answer is ( C ) , not -1.5 .

Marks of Markdown and LaTeX are not tokens. A figure keeps its sign, its decimals and its exponent.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Scripts without spaces between words, where a letter stands right beside other text.
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
# Letters, digits and marks as wide as those scripts are.
_NARROW = {code + 0xFEE0: code for code in range(0x21, 0x7F)}
# Possessive: what has matched is never given back, so there is no backtracking.
_TOKEN = re.compile(
    rf"(?P<word>[{_CJK}]|[^\W\d_{_CJK}]++(?:['’][^\W\d_{_CJK}]++)*+)"
    r"|(?P<figure>(?:(?<![^\s(\[{<=:,;−-])\.)?\d++(?:[.,:]\d++)*+(?:[eE][+-]?\d++)?+)"
    r"|(?P<line>\n)|(?P<mark>[^\s])"
)
_TAG = re.compile(r"</?(?:answer|think|em|strong|br|code|span)>", re.I)
# "<b>" alone may name an option.
_PAIR = re.compile(r"<([biup])>([^<>]*+)</\1>", re.I)
_FORMAT = frozenset("*_`#$\"“”„«»「」『』‘’'\\")
_COMMANDS = frozenset(("boxed", "text", "textbf", "mathbf", "mathrm", "left", "right"))
MINUS = frozenset("-−")
_BEFORE_SIGN = frozenset("([{<=:,;")


class Token(NamedTuple):
    """A word, a figure, a mark or the end of a line.

    Args:
        text: as it stands; a figure with its sign, which is "-".
        low: as it is compared: in small letters, with a straight apostrophe.
        kind: "word", "figure", "mark" or "line".
        spaced: whether white space or formatting stands before it.
    """

    text: str
    low: str
    kind: str
    spaced: bool


def tokens(text: str) -> list[Token]:
    """All tokens of a text.

    >>> [token.text for token in tokens("**Answer:** (C), not -1.5 or 1e3")]
    ['Answer', ':', '(', 'C', ')', ',', 'not', '-1.5', 'or', '1e3']
    """
    found: list[Token] = []
    known: dict[tuple[str, str, bool], Token] = {}  # a long text mostly repeats itself
    end, formatted = 0, True
    plain = _PAIR.sub(r" \2 ", _TAG.sub(" ", text.translate(_NARROW)))
    for match in _TOKEN.finditer(plain):
        kind, piece = str(match.lastgroup), match.group()
        spaced = formatted or match.start() > end
        end = match.end()
        command = kind == "word" and piece in _COMMANDS and _before(match) == "\\"
        formatted = piece in _FORMAT or command
        if formatted:
            continue
        if kind == "figure" and found and _is_sign(found, spaced):
            spaced = found.pop().spaced
            piece = f"-{piece}"
        token = known.get((piece, kind, spaced))
        if token is None:
            token = Token(piece, piece.casefold().replace("’", "'"), kind, spaced)
            known[piece, kind, spaced] = token
        found.append(token)
    return found


def _before(match: re.Match[str]) -> str:
    """The character before a match, "" at the start."""
    return match.string[match.start() - 1 : match.start()]


def _is_sign(before: list[Token], spaced: bool) -> bool:
    """Whether the last token is the sign of a figure that follows it, and no dash."""
    if spaced or before[-1].text not in MINUS:
        return False
    return len(before) == 1 or (before[-1].spaced or before[-2].text in _BEFORE_SIGN)


def words(text: str) -> frozenset[str]:
    """The words of a list that is written as one text, in tables of words."""
    return frozenset(text.split())
