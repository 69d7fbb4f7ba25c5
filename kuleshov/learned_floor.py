"""The best answer from what is visible without pixels; a score below what it earns is not seeing.

Visible are the number, times and sizes of frames, length and numbers of the prompt, and lengths of
options. A question is given the answer that earned most on the questions most like it in these, all
of other source videos (4 folds). Answers are the constants of floors.py, and "the longest option",
"the second longest", ...
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import fsum

import numpy as np
import numpy.typing as npt

from kuleshov.floors import best_constant, constants, searched
from kuleshov.sample import Json, Sample
from kuleshov.tasks import task_of

Answering = Callable[[Sample], Json]

_FOLDS = 4
_KEPT = 64
"""Candidates that are compared for each question: those that earn most on all of a fold."""
_TRIED_ON = 60
"""Questions, evenly many of a fold, on which all candidates are tried; the best of them on all."""
_LEARNED_ON = 250
"""Questions, evenly many of a fold; more cost more than they bring."""
_SCORED = 2000
"""Samples of which `learned` is the mean, at most; its standard error is then about 0.01."""
_NEIGHBOURS = 16
_PRIOR = 16
"""How many neighbours what a candidate earns on all questions counts as: few alike ones say
little (ours)."""

_OPTION = re.compile(r"^\(?([A-Z])[.)] (.+)$", re.MULTILINE)
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?")


def learned(samples: Sequence[Sample]) -> float:
    """The mean of what the learned answers to the samples of an entry earn, in [0, 1].

    Of more than 2,000 samples, of that many at most, evenly many of the set.
    """
    some = searched(samples, _SCORED)
    return fsum(_earned(learned_answers(some), some)) / len(some)


def learned_answers(samples: Sequence[Sample]) -> list[Json]:
    """An answer to each sample of an entry of a recipe, learned on other source videos.

    Of one source only there is nothing to learn on, and the answer is the best constant.
    """
    sources = [sample.source for sample in samples]
    if len(set(sources)) < 2:
        best = best_constant(samples) if samples else None
        return [best.to(s) if best and best.answer is not None else None for s in samples]
    seen = np.array([visible(sample) for sample in samples], dtype=np.float64)
    spread = seen.std(axis=0)
    seen = (seen - seen.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    fold_of = {name: i % _FOLDS for i, name in enumerate(sorted(set(sources)))}
    folds = np.array([fold_of[name] for name in sources])
    answers: list[Json] = [None] * len(samples)
    for fold in range(min(_FOLDS, len(fold_of))):
        others = [i for i in range(len(samples)) if folds[i] != fold]
        kept = searched([samples[i] for i in others], _LEARNED_ON)
        at = {id(samples[i]): i for i in others}
        places = [at[id(sample)] for sample in kept]
        candidates, earned = _compared(kept)
        if not candidates:
            continue
        overall = earned.mean(axis=1)
        for i in np.flatnonzero(folds == fold).tolist():
            distance = ((seen[places] - seen[i]) ** 2).sum(axis=1)
            near = np.argsort(distance, kind="stable")[:_NEIGHBOURS]
            value = earned[:, near].sum(axis=1) + _PRIOR * overall
            answers[i] = candidates[int(value.argmax())](samples[i])
    return answers


def visible(sample: Sample) -> list[float]:
    """What is known of a question without its pixels: 16 numbers, for any task."""
    items = sample.media
    times = [frame.shown_seconds for item in items for frame in item.frames] or [0.0]
    counts = [len(item.frames) for item in items] or [0]
    sizes = (items[0].height, items[0].width) if items else (0, 0)
    numbers = [float(text) for text in _NUMBER.findall(sample.prompt)]
    lengths = [len(text) for _, text in _OPTION.findall(sample.prompt)][:4]
    some = [*numbers[:3], *[0.0] * (3 - len(numbers[:3]))]
    return [
        *(len(items), sum(counts), max(counts), max(times), min(times), *sizes),
        *(len(sample.prompt), len(numbers), *some),
        *lengths,
        *[0.0] * (4 - len(lengths)),
    ]


def _compared(samples: Sequence[Sample]) -> tuple[list[Answering], npt.NDArray[np.float64]]:
    """The candidates that earn most, and what each earns on each sample: (candidates, samples)."""
    few = searched(samples, _TRIED_ON)
    tried = sorted(candidates(samples), key=lambda one: -fsum(_earned(map(one, few), few)))
    tried = tried[: 4 * _KEPT]
    if not tried:
        return [], np.zeros((0, len(samples)))
    table = np.array([_earned(map(one, samples), samples) for one in tried], dtype=np.float64)
    best = np.argsort(-table.sum(axis=1), kind="stable")[:_KEPT]
    return [tried[i] for i in best], table[best]


def _earned(answers: Iterable[Json], samples: Sequence[Sample]) -> list[float]:
    task = task_of(samples[0])
    return [
        0.0 if answer is None else task.grade(answer, sample.answer)["total"]
        for answer, sample in zip(answers, samples, strict=True)
    ]


def candidates(samples: Sequence[Sample]) -> Iterator[Answering]:
    """Constant answers on all clocks, and options by their length."""
    for constant in constants(samples):
        yield constant.to
    options = [len(_OPTION.findall(sample.prompt)) for sample in samples]
    if min(options) > 1 and all(isinstance(sample.answer, str) for sample in samples):
        for rank in range(min(options)):
            yield _by_length(rank)


def _by_length(rank: int) -> Answering:
    """The letter of the longest option, the second longest, ..."""

    def answer(sample: Sample) -> Json:
        ranked = sorted(_OPTION.findall(sample.prompt), key=lambda one: -len(one[1]))
        return ranked[rank][0] if rank < len(ranked) else None

    return answer
