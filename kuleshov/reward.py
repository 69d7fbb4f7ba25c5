"""From a completion to the text of the one answer it gives, in either form.

    tagged   exactly one distinct <answer>...</answer> behind the thought
    direct   all that stands behind the thought, as in VideoSSR

The thought ends with the last `</think>`. One that is opened and never closed leaves no answer:
what stands in it was tried, not said. A score never depends on the form: both give the same text
to the task's parser. None, or two different answers, earn 0, so that a completion that lists
everything is not paid. Reading takes time linear in the length of the completion.
"""

from __future__ import annotations

from collections.abc import Iterator

from kuleshov.sample import Form

OPEN_THOUGHT, CLOSE_THOUGHT = "<think>", "</think>"
_OPEN, _CLOSE = "<answer>", "</answer>"

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
    >>> extract("<think>3 or 4?</think> 4", "direct")
    '4'
    >>> extract("<answer>3</answer> or <answer>4</answer>", "tagged") is None
    True
    >>> extract("<think>It may be 4", "direct") is None
    True
    """
    said = completion.rpartition(CLOSE_THOUGHT)[2]
    if OPEN_THOUGHT in said:
        return None
    if form == "direct":
        return said.strip() or None
    answers = {text.strip() for text in _between(said)}
    return answers.pop() if len(answers) == 1 else None


def _between(text: str) -> Iterator[str]:
    """What stands between an opening tag and the next closing one, from left to right."""
    end = 0
    while (start := text.find(_OPEN, end)) >= 0:
        start += len(_OPEN)
        if (stop := text.find(_CLOSE, start)) < 0:
            return  # no later tag is closed either
        yield text[start:stop]
        end = stop + len(_CLOSE)


def wrap(answer: str, form: Form) -> str:
    """A completion that gives this answer: the inverse of `extract`."""
    return f"{_OPEN}{answer}{_CLOSE}" if form == "tagged" else answer
