"""Whether reading an answer takes time linear in its length, whatever a model writes.

    python -m benchmarks.score [--only NAME]

Every task's score and every reader of free text, on texts of 16 KB, 128 KB and 1 MB that repeat
what such readers stumble over: openings without an end, digits, dashes, brackets, names. Each is
put as the whole answer of its task's form, but for what consists of tags itself.

Prints one JSON line last, and the exponents of each reader on the way:

    largest_exponent   of CPU time (the least of five) over length, from the smallest to the largest
                       size (1: linear); a time limit at a size ends the reader there
    family             the texts that gave it
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from string import ascii_uppercase

import numpy as np

from kuleshov.reward import wrap
from kuleshov.sample import Frame, Json, MediaItem, Sample, Video
from kuleshov.tasks import GIVEN, TASKS, build, free_form, score
from kuleshov.tasks.masked import Masked
from kuleshov.tasks.option_named import option_named
from kuleshov.tasks.published_readings import PUBLISHED, PUBLISHED_YES_NO

Reader = Callable[[str], object]

SIZES = (16_384, 131_072, 1_048_576)
"""Characters of a text; all of them are ASCII but those of one family."""
REPEATS = 5
_LIMIT = 30.0  # CPU seconds of one reading, beyond which no longer text is tried
_LEAST = 0.005  # CPU seconds that are measured together, as the clock ticks

FAMILIES: dict[str, str] = {
    "tags that open": "<answer>",
    "tags that close": "<answer>1</answer> ",
    "thoughts": "<think>1</think> ",
    "boxes that open": "\\boxed{",
    "boxes in boxes": "\\boxed{\\boxed{1}} ",
    "digits": "1",
    "decimals and thousands": "1.1,",
    "clocks": "1:",
    "spans": "1 - 2, ",
    "units": "1 h 1 min 1 s ",
    "angles": "<<1 >> - ",
    "figures and marks": "1 = ",
    "dashes": "\n-",
    "brackets": "(a) ",
    "brackets that open": "((((A ",
    "names of nouns": "the clip ",
    "denials": "C is not ",
    "choices": "A or ",
    "yes and no": "yes, no doubt, it don't ",
    "announcements": "The best answer is The answer ",
    "spaces": "1 \t ",
    "characters without spaces": "是",
}
"""What is repeated, by what it is called."""

_VIDEO = Video("0" * 32, "v.mp4", "root", 0.0, 60.0, 1800, 64, 64, "h264")
_ITEM = MediaItem(tuple(Frame(_VIDEO.id, float(i), float(i)) for i in range(4)), 32, 32)
_OPTIONS = ("the clip", "a red car", "the dog", "I see a cat")
_GIVEN: dict[str, tuple[dict[str, Json], Json]] = {
    "given_choice": ({"options": _OPTIONS}, "B"),
    "given_yes_no": ({}, "no"),
    "given_number": ({}, 10.0),
    "given_interval": ({"duration": 10.0}, [[2.0, 6.0]]),
    "given_order": ({"length": 3}, [3, 1, 2]),
    "given_text": ({}, ["a red car", "red car"]),
    "given_caption": ({}, "a car hits a man"),
    "labelled": ({"options": _OPTIONS}, "B"),
}
"""Knobs and the true answer."""


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", help="readers whose name holds this")
    options = parser.parse_args()
    chosen = {name: r for name, r in readers().items() if (options.only or "") in name}
    print(json.dumps(largest(chosen)))


def largest(
    readers: dict[str, Reader], sizes: Sequence[int] = SIZES, repeats: int = REPEATS
) -> dict[str, object]:
    """The largest exponent, and the family that gave it."""
    worst, whose = 0.0, ""
    for name, reader in readers.items():
        found = {family: exponent(reader, FAMILIES[family], sizes, repeats) for family in FAMILIES}
        most = max(found, key=found.__getitem__)
        print(f"{name}: {found[most]:.3f} ({most})", file=sys.stderr, flush=True)
        if found[most] > worst:
            worst, whose = found[most], most
    return {"largest_exponent": round(worst, 3), "family": whose}


def exponent(
    reader: Reader, unit: str, sizes: Sequence[int] = SIZES, repeats: int = REPEATS
) -> float:
    """Of the CPU time of a reader over the length of a text that repeats something."""
    seconds: list[float] = []
    for size in sizes:
        seconds.append(_seconds(reader, (unit * (size // len(unit) + 1))[:size], repeats))
        if seconds[-1] > _LIMIT:
            break
    span = sizes[len(seconds) - 1] / sizes[0]
    return math.log(seconds[-1] / seconds[0]) / math.log(span) if span > 1 else math.inf


def _seconds(reader: Reader, text: str, repeats: int) -> float:
    """CPU time of one reading, the least of some."""
    least, times = math.inf, 1
    for _ in range(repeats):
        while True:
            began = time.process_time()
            for _ in range(times):
                reader(text)
            took = time.process_time() - began
            if took >= _LEAST:
                break
            times *= 4
        least = min(least, took / times)
        if least > _LIMIT:
            break
    return least


def readers() -> dict[str, Reader]:
    """Every task's score, and every reader of free text, by name."""
    options = dict(zip("1234", _OPTIONS, strict=True))
    return {
        **{f"score of {sample.task}": partial(_scored, sample) for sample in samples()},
        "letter": lambda text: free_form.letter(text, _OPTIONS),
        "yes_no": free_form.yes_no,
        "number": free_form.number,
        "interval": free_form.interval,
        "order": lambda text: free_form.order(text, 3),
        "number of an option": lambda text: option_named(text, options),
        **{f"as {name}": partial(_read_by, reading) for name, reading in PUBLISHED.items()},
        **{f"as {name}, yes or no": reading for name, reading in PUBLISHED_YES_NO.items()},
    }


def _scored(sample: Sample, text: str) -> object:
    tagged = "<answer>" in text or "<think>" in text
    return score(sample, text if tagged else wrap(text, sample.form))


def _read_by(reading: Callable[[str, Sequence[str]], object], text: str) -> object:
    return reading(text, _OPTIONS)


def samples() -> Iterator[Sample]:
    """A sample of each task, of videos that exist only as descriptions."""
    for name in TASKS:
        task = build(name)
        if isinstance(task, Masked):  # it would look at the video
            items = [_ITEM] * (1 + 2 * task.num_targets)
            answer = list(range(1, task.num_targets + 1))
            yield task.sample([_VIDEO], items, "Which ones?", answer, 0.0)
            continue
        made = task.synthesize(_VIDEO, np.random.default_rng(0), lambda count: [_VIDEO] * count)
        if not isinstance(made, Sample):
            raise RuntimeError(f"{name}: {made.reason}")
        yield made
    for name in GIVEN:
        knobs, answer = _GIVEN[name]
        options = [
            f"{letter}. {text}" for letter, text in zip(ascii_uppercase, _OPTIONS, strict=False)
        ]
        prompt = "\n".join(["<video>", "Which one?", *options])
        yield build(name, knobs=knobs).sample([_VIDEO], [_ITEM], prompt, answer, 0.0)


if __name__ == "__main__":
    main()
