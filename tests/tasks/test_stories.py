from __future__ import annotations

import numpy as np

from kuleshov.tasks.stories import NUM_EVENTS, Event, events, events_of_different_things


def test_an_event_in_words() -> None:
    event = Event("red", "box", "opened")
    assert event.phrase == "the red box"
    assert event.clause == "the red box was opened"
    assert event.sentence == "The red box was opened."


def test_no_event_comes_twice() -> None:
    # 8 colours, 12 things, 8 actions.
    assert NUM_EVENTS == 768
    assert len(set(events(768, np.random.default_rng(0)))) == 768


def test_no_thing_comes_twice() -> None:
    drawn = events_of_different_things(12, np.random.default_rng(0))
    assert len({event.thing for event in drawn}) == 12
