"""Answers alone: are they as likely as the task declares, what do they earn without looking?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from math import fsum

import numpy as np

from kuleshov.audit.auc import Floats
from kuleshov.audit.findings import Finding, Floor, Probed
from kuleshov.audit.leaks import Looked, Rows, follows_answer, probed, unit_rows
from kuleshov.audit.probes import NUMBER
from kuleshov.floors import best_constant, chance
from kuleshov.learned_floor import learned
from kuleshov.randomness import rng_for
from kuleshov.sample import Sample
from kuleshov.tasks import task_of

HIGH = 0.1
"""By how much more than chance a constant answer may earn before it is a warning (ours)."""

SKEWED = 0.1
"""By how much the commonest answer's share may exceed that of guessed answers (ours)."""

PRIOR_PROBES = {
    "answers": "the answer alone: is it a true one, or drawn from the declared prior?",
    "prompt names it": "the same by where the answer's text stands in the prompt",
    "positions": "the place and text of the things asked about",
}
"""The probes of answers: what they look at."""

_GUESSES = 4
_SETS = 20
_NUMBERS = 9
_TEXTS = 16


def floor(samples: Sequence[Sample]) -> Floor:
    best = best_constant(samples)
    figures = chance(samples), best.reward, best.write(samples[0]), learned(samples)
    return Floor(samples[0].entry, len(samples), *figures)


def warnings(samples: Sequence[Sample], floor: Floor) -> list[Finding]:
    """Answers that are unevenly spread, and floors that are high, with the figures."""
    task, found = task_of(samples[0]), []
    if floor.best_constant > floor.chance + HIGH:
        text = f"always {floor.constant} earns {floor.best_constant:.3f}, chance {floor.chance:.3f}"
        found.append(Finding("floor", floor.task, text))
    if floor.learned > max(floor.chance + HIGH, floor.best_constant):
        text = (
            f"what is visible without pixels earns {floor.learned:.3f}, chance {floor.chance:.3f}"
        )
        found.append(Finding("floor", floor.task, text))
    answer, share = _commonest([task.write(s.answer, s) for s in samples])
    rng = rng_for("audit", "skew", floor.task)
    drawn = [
        _commonest([task.write(task.guess(s, rng), s) for s in samples])[1] for _ in range(_SETS)
    ]
    if share > np.mean(drawn) + SKEWED:
        text = f"{share:.0%} of the answers are {answer}; of guessed ones {np.mean(drawn):.0%}"
        found.append(Finding("skew", floor.task, text))
    return found


def _commonest(texts: Sequence[str]) -> tuple[str, float]:
    text, count = Counter(texts).most_common(1)[0]
    return text, count / len(texts)


def probes(task: str, looked: Sequence[Looked], in_prompt: bool = False) -> list[Probed]:
    """What the answers and the prompt tell without a look at the media; all of it is a leak.

    "positions" takes the units of guessed answers as chance, so it is left out where labels are
    the same for every answer.

    Args:
        task: whose answers.
        looked: its samples.
        in_prompt: the answer is to be found in the prompt: there it is no leak.
    """
    rows = {
        "answers": _answer_rows(looked, _of_answer(looked)),
        "prompt names it": _answer_rows(looked, _in_prompt),
    }
    if follows_answer(looked):
        by_place = unit_rows(looked, [np.eye(len(one.units)) for one in looked], guessed=True)
        if by_place is not None:
            rows["positions"] = by_place
    cue = "prompt names it" if in_prompt else None
    return [probed(task, name, "set", table, leak=name != cue) for name, table in rows.items()]


def _answer_rows(looked: Sequence[Looked], features: Callable[[Sample, str], list[float]]) -> Rows:
    """For each sample its answer (true) and guesses (false), which may hit it."""
    rng = rng_for("audit", "answers")
    blocks = []
    for one in looked:
        task = task_of(one.sample)
        answers = [one.sample.answer, *(task.guess(one.sample, rng) for _ in range(_GUESSES))]
        blocks.append([features(one.sample, task.write(answer, one.sample)) for answer in answers])
    videos = np.unique([one.sample.video_ids[0] for one in looked], return_inverse=True)[1]
    size = 1 + _GUESSES
    labels = np.tile(np.arange(size) == 0, len(looked))
    which = rng.integers(size, size=(_SETS, len(looked)))
    null = (np.arange(size) == which[..., None]).reshape(_SETS, -1)
    table: Floats = np.array(blocks, dtype=np.float64).reshape(len(looked) * size, -1)
    return Rows(table, labels, np.repeat(videos, size), null)


def _of_answer(looked: Sequence[Looked]) -> Callable[[Sample, str], list[float]]:
    """The numbers in a written answer, its length, and which of the commonest answers it is."""
    texts = Counter(task_of(one.sample).write(one.sample.answer, one.sample) for one in looked)
    common = [text for text, _ in texts.most_common(_TEXTS)] if len(texts) <= _TEXTS else []

    def features(sample: Sample, text: str) -> list[float]:
        # A run of digits, such as a permutation, is read digit by digit.
        pattern = r"\d" if text.isdigit() else NUMBER
        numbers = [float(number) for number in re.findall(pattern, text)][:_NUMBERS]
        padded = numbers + [-1.0] * (_NUMBERS - len(numbers))
        return [*padded, fsum(numbers), float(len(text)), *(float(text == c) for c in common)]

    return features


def _in_prompt(sample: Sample, text: str) -> list[float]:
    numbers = NUMBER.findall(text)
    shown = NUMBER.findall(sample.prompt)
    return [
        float(sample.prompt.count(text)),
        float(sample.prompt.rfind(text)),
        float(np.mean([number in shown for number in numbers])) if numbers else 0.0,
        float(sum(shown.count(number) for number in numbers)),
    ]
