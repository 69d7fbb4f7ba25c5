"""How published benchmarks read an answer to a question with options.

For figures that are to be compared with published ones: `reading: published` of a benchmark's set.
They take what they find first, and wrong answers for right ones ("Answer: A red car" is A to most
of them), which `reading: ours` does not. Each is written anew after the code that is named beside
it. Two things differ from all of them: where such code asks a language model or draws an option at
random, the answer is none; and a thought is cut off before it is read, as the harnesses do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from string import ascii_uppercase

Reading = Callable[[str, Sequence[str]], str | None]
"""(text, texts of the options from A on) -> a letter, or None."""

_ANNOUNCED = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    # Two strings without a comma between them there, so they are one.
    "The best option isThe correct option is",
    "Best answer:Best option:",
)
_ANNOUNCED_CAPITALS = (
    "THE BEST ANSWER IS",
    "THE CORRECT ANSWER IS",
    "THE ANSWER IS",
    "BEST ANSWER:",
    "ANSWER:",
)
_MANY_WORDS = 10


def video_mme(text: str, options: Sequence[str]) -> str | None:
    """The first capital A to D behind what announces an answer.

    eval_your_results.py of Video-MME, as in lmms-eval lmms_eval/tasks/videomme/utils.py.
    """
    said = _without(text.strip(), _ANNOUNCED)
    return next((letter for letter in said if letter in "ABCD"), None)


def mvbench(text: str, options: Sequence[str]) -> str | None:
    """The letter that is part of the first word, or whose "(a)" has the first word as a part.

    check_ans of mvbench.ipynb (OpenGVLab/Ask-Anything), which compares with the true answer only;
    here a first word that would fit several letters, such as "(" or an empty one, is none.
    """
    word = text.lower().split(" ")[0]
    known = [f"({letter.lower()})" for letter in ascii_uppercase[: len(options)]]
    fitting = [mark[1].upper() for mark in known if word.replace(".", "") in mark or mark in word]
    return fitting[0] if len(fitting) == 1 else None


def temp_compass(text: str, options: Sequence[str]) -> str | None:
    """A letter alone, before a "." or a ")", or an option's text; else ChatGPT is asked there.

    eval_multi-choice.py and eval_caption_matching.py of TempCompass, as in lmms-eval
    lmms_eval/tasks/tempcompass/utils.py.
    """
    letters = ascii_uppercase[: len(options)]
    behind = text.split(") ")[1] if ") " in text else text
    for letter, option in zip(letters, options, strict=True):
        if text in (letter, option, f"{letter}. {option}") or behind == option:
            return letter
        if text.startswith((f"{letter}.", f"{letter})")):
            return letter
    return None


def motion_bench(text: str, options: Sequence[str]) -> str | None:
    """In capitals: the first A to F by itself, else before one of ".):", else anywhere.

    lmms-eval lmms_eval/tasks/motionbench/utils.py.
    """
    said = _without(text.strip().upper(), _ANNOUNCED_CAPITALS)
    padded = f" {said} "
    places = [i for i, letter in enumerate(padded) if letter in "ABCDEF"]
    alone = (i for i in places if not (_is_word(padded[i - 1]) or _is_word(padded[i + 1])))
    marked = (i for i in places if padded[i + 1] in ".):")
    for found in (alone, marked, iter(places)):
        if (place := next(found, None)) is not None:
            return padded[place]
    return None


def vru_accident(text: str, options: Sequence[str]) -> str | None:
    """The first capital A to D by itself.

    extract_single_choice of utils/utils.py (Kimyounggun99/VRU-Accident); what is cut off before
    it differs from model to model there, and is not.
    """
    padded = f" {text} "
    for i, letter in enumerate(padded):
        if letter in "ABCD" and not (_is_word(padded[i - 1]) or _is_word(padded[i + 1])):
            return letter
    return None


def vsi_bench(text: str, options: Sequence[str]) -> str | None:
    """The first word, without full stops at its end.

    fuzzy_matching of lmms_eval/tasks/vsibench/utils.py (vision-x-nyu/thinking-in-space).
    """
    word = text.split(" ")[0].rstrip(".").strip().upper()
    return word if word and word in ascii_uppercase[: len(options)] and len(word) == 1 else None


def temp_compass_yes_no(text: str) -> str | None:
    """What the text starts with; else ChatGPT is asked there.

    extract_pred of eval_yes_no.py of TempCompass, as in lmms-eval.
    """
    said = text.lower()
    return "yes" if said.startswith("yes") else "no" if said.startswith("no") else None


def _without(text: str, announced: Sequence[str]) -> str:
    """A text without what announces an answer, one after the other.

    By `re`, as `str.replace` searches long texts in another way, which takes three times as long.
    """
    for words in announced:
        text = re.sub(re.escape(words), "", text)
    return text


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


PUBLISHED: dict[str, Reading] = {
    "motion_bench": motion_bench,
    "mvbench": mvbench,
    "temp_compass": temp_compass,
    "video_mme": video_mme,
    "vru_accident": vru_accident,
    "vsi_bench": vsi_bench,
}
"""Benchmark -> how its own code reads a choice. Where none is known, a set cannot ask for it."""
PUBLISHED_YES_NO: dict[str, Callable[[str], str | None]] = {"temp_compass": temp_compass_yes_no}
"""Likewise, of yes and no."""
