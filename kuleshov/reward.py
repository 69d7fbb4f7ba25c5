"""From a completion to the one answer it gives, in either form.

    tagged   exactly one distinct <answer>...</answer> after any </think>
    direct   the whole completion is the answer, as in VideoSSR

A score never depends on the form: both give the same text to the task's parser. None, or two
different answers, earn 0, so that a completion that lists everything is not paid.
"""

from __future__ import annotations

import re

from kuleshov.sample import Form

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)

INSTRUCTIONS: dict[Form, str] = {
    "tagged": "Put the answer between <answer> and </answer>.",
    "direct": "Reply with the answer only.",
}
"""What the prompt says about the form."""


def extract(completion: str, form: Form) -> str | None:
    """The text of the answer, stripped, or None if there is not exactly one.

    Nothing is repaired: an unclosed tag or a tag of another name is no answer.

    >>> extract("<think>3 or 4?</think> <answer>4</answer>", "tagged")
    '4'
    >>> extract("<answer>3</answer> or <answer>4</answer>", "tagged") is None
    True
    """
    if form == "direct":
        return completion.strip() or None
    answers = {text.strip() for text in _ANSWER.findall(completion.rpartition("</think>")[2])}
    return answers.pop() if len(answers) == 1 else None


def wrap(answer: str, form: Form) -> str:
    """A completion that gives this answer: the inverse of `extract`."""
    return f"<answer>{answer}</answer>" if form == "tagged" else answer
