"""Completions that are written again under another prompt, before they earn anything.

    prompt               completion 0 | fails -> again under prompt + instruction, until it passes
                         completion 1 | passes          or the tries are used up

The refeed of VideoPerceiver (arXiv 2511.18823, section 3.3). What is trained on is the last
completion of each place *with the prompt it was really written under*, so that its
log-probabilities are those of the draw. What passes or fails is up to the objective.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from kuleshov.sample import Sample
from kuleshov.train.encode import Encoded
from kuleshov.train.objective import Objective


class Written(NamedTuple):
    """Completions, group by group.

    Args:
        prompts: what each of them was written under; copies are the same object.
        ids: their tokens.
        again: how many were written again, all tries together.
    """

    prompts: list[Encoded]
    ids: list[list[int]]
    again: int = 0


def refeed(
    objective: Objective,
    first: Written,
    twins: Sequence[Sequence[str]],
    encode: Callable[[Sample], Encoded],
    write: Callable[[Sequence[Encoded]], list[list[int]]],
    read: Callable[[list[list[int]]], list[str]],
    anyone: Callable[[bool], bool],
) -> Written:
    """What the completions are after at most `objective.tries()` more tries.

    Args:
        objective: says which are written again, and under which prompt.
        first: whole groups.
        twins: what the twin of each group wrote.
        encode: a prompt as the model takes it.
        write: a completion for each prompt, as token ids.
        read: completions as texts.
        anyone: whether it is so in any process. All write equally often.
    """
    prompts, ids, again = list(first.prompts), list(first.ids), 0
    size = len(ids) // len(twins)
    samples = [prompt.sample for prompt in first.prompts[::size]]
    other: dict[int, Encoded] = {}
    for _ in range(objective.tries()):
        texts = read(ids)
        failed = [
            group * size + place
            for group, sample in enumerate(samples)
            for place, fails in enumerate(
                objective.again(sample, texts[group * size :][:size], twins[group])
            )
            if fails
        ]
        if not anyone(bool(failed)):
            break
        rows = failed or [0]  # written in vain, where others have something to write
        for group in {row // size for row in rows} - set(other):
            other[group] = encode(objective.asked_again(samples[group]))
        drawn = write([other[row // size] for row in rows])
        for row, completion in zip(failed, drawn, strict=False):
            prompts[row], ids[row] = other[row // size], completion
        again += len(failed)
    return Written(prompts, ids, again)
