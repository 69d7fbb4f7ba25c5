"""Small events in words, for tasks whose content is text."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np

COLOURS = ("red", "blue", "green", "yellow", "white", "black", "brown", "purple")
THINGS = (
    *("box", "cup", "door", "chair", "bag", "book"),
    *("lamp", "plate", "coat", "bottle", "clock", "drum"),
)
ACTIONS = ("opened", "lifted", "dropped", "painted", "washed", "hidden", "sold", "moved")


class Event(NamedTuple):
    """Something that happens to a thing."""

    colour: str
    thing: str
    action: str

    @property
    def phrase(self) -> str:
        """What it happens to."""
        return f"the {self.colour} {self.thing}"

    @property
    def clause(self) -> str:
        """What happens, in five words."""
        return f"{self.phrase} was {self.action}"

    @property
    def sentence(self) -> str:
        return f"{self.clause.capitalize()}."


def events(n: int, rng: np.random.Generator) -> list[Event]:
    """N different events in random order; there are `NUM_EVENTS`."""
    return [_ALL[i] for i in rng.permutation(NUM_EVENTS)[:n]]


def events_of_different_things(n: int, rng: np.random.Generator) -> list[Event]:
    """N events in which no thing comes twice; there are 12 things."""
    return [
        Event(COLOURS[rng.integers(len(COLOURS))], thing, ACTIONS[rng.integers(len(ACTIONS))])
        for thing in rng.permutation(THINGS).tolist()[:n]
    ]


_ALL = [Event(*words) for words in product(COLOURS, THINGS, ACTIONS)]
NUM_EVENTS = len(_ALL)
