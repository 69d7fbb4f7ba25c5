"""A caption of a clip and temporal questions about it, by a model that sees its frames.

The paper asks GPT-4o and GPT-4; whatever takes a prompt with frames and gives text will do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kuleshov.errors import UsageError
from kuleshov.sample import Pixels

See = Callable[[str, Pixels], str]
"""A prompt and frames, uint8 of shape (frames, height, width, 3), to the reply of a model."""

PROMPT = (
    "These are {count} frames of a video of {seconds:.2f} seconds, evenly spaced, in order. It is "
    "annotated with: {events}.\nWrite one caption that says in detail what changes and moves, and "
    "{questions} questions about short actions and events in it, each with its answer: when they "
    "happen, how many times, or in which order. Ask about nothing that is not to be seen. Reply "
    'with JSON and nothing else: {{"caption": "...", "questions": [{{"question": "...", '
    '"answer": "..."}}]}}'
)
"""Our wording; the paper's is not published."""


class Described(NamedTuple):
    """A reply.

    Args:
        caption: of the clip.
        questions: (question, answer) pairs.
    """

    caption: str
    questions: tuple[tuple[str, str], ...]


def described(
    see: See, frames: Pixels, seconds: float, events: Sequence[str], questions: int = 3
) -> Described:
    """What a model says of a clip.

    Raises:
        UsageError: the reply is not what was asked for.
    """
    told = "; ".join(events) if events else "nothing"
    prompt = PROMPT.format(count=len(frames), seconds=seconds, events=told, questions=questions)
    return parsed(see(prompt, frames))


def parsed(reply: str) -> Described:
    """A reply, read strictly: the JSON object with these keys and texts, and nothing around it.

    >>> parsed('{"caption": "It falls.", "questions": [{"question": "When?", "answer": "At 1 s"}]}')
    Described(caption='It falls.', questions=(('When?', 'At 1 s'),))

    Raises:
        UsageError: it is anything else.
    """
    try:
        read = json.loads(reply)
    except (ValueError, RecursionError):
        read = None
    fits = (
        isinstance(read, dict)
        and set(read) == {"caption", "questions"}
        and isinstance(read["caption"], str)
        and isinstance(read["questions"], list)
        and all(
            isinstance(one, dict)
            and set(one) == {"question", "answer"}
            and all(isinstance(text, str) for text in one.values())
            for one in read["questions"]
        )
    )
    if not fits:
        raise UsageError(
            f"the reply {reply[:80]!r} describes no clip; allowed: a JSON object with a caption "
            "and questions, each with its answer, and nothing around it"
        )
    pairs = tuple((one["question"].strip(), one["answer"].strip()) for one in read["questions"])
    return Described(read["caption"].strip(), pairs)
