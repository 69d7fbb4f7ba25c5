"""In which order the samples are trained on: single tasks first, then the mixture of all.

A task that a model cannot do at all is learned sooner alone than beside others, whose easier gains
drown it: in our runs on procedural clips the jigsaw was begun after 2,400 jigsaws alone, and in a
mixture sometimes not after 4,000 (docs/LOG.md).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice


def order(
    tasks: Sequence[str], steps: int, per_step: int, curriculum: Mapping[str, int], seed: int
) -> list[int]:
    """Indices of the samples in the order in which they are trained on.

    Args:
        tasks: the task of each sample.
        steps: optimizer steps in all.
        per_step: samples for each of them.
        curriculum: task -> steps on its samples alone, one task after the other. What is left of
            the steps goes to all samples. A task without samples leaves its steps to them too.
        seed: of the shuffling.

    Returns:
        `steps * per_step` indices. No sample of a phase comes again before the others of that
        phase have come.
    """
    rng = random.Random(seed)
    indices: list[int] = []
    for task, count in curriculum.items():
        alone = [index for index, name in enumerate(tasks) if name == task]
        if alone:
            indices += islice(_shuffled(alone, rng), count * per_step)
    indices += islice(_shuffled(range(len(tasks)), rng), steps * per_step - len(indices))
    return indices


def _shuffled(indices: Sequence[int], rng: random.Random) -> Iterator[int]:
    """All of them in a new order, again and again."""
    while True:
        yield from rng.sample(indices, len(indices))
