"""Options of multiple choice in another order: what a model likes about a letter is no skill.

    circular    asked once for each rotation, right if it is right in all of them (CircularEval of
                MMBench, arXiv 2307.06281); the mean over rotations is the soft score
    shuffled    asked once, in an order drawn from a seed

    A cat   A dog   A eel        A rotation changes the letter of every option, and each option
    B dog   B eel   B cat        has each letter once.
    C eel   C cat   C dog

The rotations of a question are a set of items for `statistics.all_right`, whose share of sets
without an error is the strict score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from string import ascii_uppercase

from kuleshov.errors import UsageError
from kuleshov.randomness import rng_for


@dataclass(frozen=True)
class Options:
    """The options of a question, as they are shown.

    Args:
        texts: 2 to 26, from A on.
        right: place of the right one.
        order: for each the place it had where the question comes from; theirs by default.

    Raises:
        UsageError: too few or too many options, or a right one that is none of them.
    """

    texts: tuple[str, ...]
    right: int
    order: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 2 <= len(self.texts) <= 26 or not 0 <= self.right < len(self.texts):
            raise UsageError(
                f"{len(self.texts)} options with the right one at {self.right}; allowed: 2 to 26, "
                "and the place of one of them, from 0"
            )
        if not self.order:
            object.__setattr__(self, "order", tuple(range(len(self.texts))))

    @property
    def letter(self) -> str:
        """Of the right option."""
        return ascii_uppercase[self.right]

    @property
    def letters(self) -> str:
        return ascii_uppercase[: len(self.texts)]

    def source(self, letter: str) -> int:
        """The place that an option had where the question comes from.

        Raises:
            UsageError: no option has this letter.
        """
        if letter not in self.letters or len(letter) != 1:
            raise UsageError(f"{letter!r} is no option; allowed: {', '.join(self.letters)}")
        return self.order[self.letters.index(letter)]

    def arranged(self, order: Iterable[int]) -> Options:
        """The option at `order[i]` is shown at place i.

        Raises:
            UsageError: the order does not name each option once.
        """
        places = tuple(order)
        if sorted(places) != list(range(len(self.texts))):
            raise UsageError(f"{places} is no order of {len(self.texts)} options")
        return Options(
            tuple(self.texts[i] for i in places),
            places.index(self.right),
            tuple(self.order[i] for i in places),
        )


def circular(options: Options) -> list[Options]:
    """All rotations, the given order first."""
    n = len(options.texts)
    return [options.arranged((i + by) % n for i in range(n)) for by in range(n)]


def shuffled(options: Options, seed: int, item: str) -> Options:
    """In an order that belongs to a seed and an item; every order is as likely."""
    order = rng_for("options", seed, item).permutation(len(options.texts))
    return options.arranged(order.tolist())


def letter_shares(letters: Iterable[str | None]) -> dict[str, float]:
    """How often each letter was given or is right; "" is no answer.

    Args:
        letters: of the answers of a model, None for none, or of the right options.

    >>> letter_shares(["A", "B", "A", None])
    {'': 0.25, 'A': 0.5, 'B': 0.25}
    """
    counts = Counter(letter or "" for letter in letters)
    return {letter: counts[letter] / counts.total() for letter in sorted(counts)}
