from __future__ import annotations

import pytest

from kuleshov.curate.clip import Event
from kuleshov.curate.transient import Transient
from kuleshov.errors import UsageError


def lasting(seconds: float) -> Event:
    return Event("flash", 2.0, 2.0 + seconds)


def test_at_most_a_second_is_transient() -> None:
    rule = Transient()
    assert rule.reason(lasting(1.0)) is None and rule.reason(lasting(0.1)) is None
    assert rule.reason(lasting(1.01)) == "event is not transient"


def test_by_frames_it_is_five_of_25_a_second() -> None:
    rule = Transient(rule="frames")
    assert rule.limit == 0.2
    assert rule.reason(lasting(0.2)) is None
    assert rule.reason(lasting(0.24)) == "event is not transient"  # 6 frames
    assert Transient(rule="frames", max_frames=6).reason(lasting(0.24)) is None


def test_an_event_of_unknown_length_is_kept_or_not() -> None:
    assert Transient().reason(Event("wave")) is None
    why = Transient(unknown=False).reason(Event("wave", 1.0))
    assert why == "length of the event is not known"


def test_an_event_that_ends_before_it_begins_is_left_out() -> None:
    assert Transient().reason(lasting(-0.5)) == "event ends before it begins"


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="allowed: seconds, frames"):
        Transient(rule="both")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="above 0"):
        Transient(fps=0)
