"""What a completion earns for its looks: the base reward of VideoPerceiver (arXiv 2511.18823, 3.3).

The paper names length, formatting and fluency and gives no formula. **These are ours**, each in
[0, 1] and without a look at the true answer:

    length    1 up to `max_words` words, then falling to 0 at twice as many; 0 without words
    format    1 if there is exactly one answer in the sample's form, else 0
    fluency   different three-word sequences / three-word sequences: repetition costs; 1 for fewer
              than three words, 0 without words
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import fsum

from kuleshov.reward import extract
from kuleshov.sample import Form

MAX_WORDS = 128


def length(text: str, form: Form, max_words: int = MAX_WORDS) -> float:
    words = len(text.split())
    return min(1.0, max(0.0, 2 - words / max_words)) if words else 0.0


def format(text: str, form: Form, max_words: int = MAX_WORDS) -> float:
    return float(extract(text, form) is not None)


def fluency(text: str, form: Form, max_words: int = MAX_WORDS) -> float:
    words = text.lower().split()
    threes = list(zip(words, words[1:], words[2:], strict=False))
    return len(set(threes)) / len(threes) if threes else float(bool(words))


PARTS: dict[str, Callable[[str, Form, int], float]] = {
    "length": length,
    "format": format,
    "fluency": fluency,
}


def surface_reward(text: str, form: Form, parts: Sequence[str], max_words: int) -> float:
    """Mean of some of `PARTS`, in [0, 1].

    Args:
        text: the completion.
        form: how the answer is to be given.
        parts: names in `PARTS`, at least one.
        max_words: how many words cost nothing.
    """
    return fsum(PARTS[part](text, form, max_words) for part in parts) / len(parts)
