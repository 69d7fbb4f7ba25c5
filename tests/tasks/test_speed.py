from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from kuleshov.errors import UsageError
from kuleshov.sample import Sample, Skip
from kuleshov.tasks.speed import Speed
from tests.conftest import a_video

VIDEO = a_video(num_frames=480, start=5.0, end=25.0)  # 24 frames a second


def a_sample(seed: int, task: Speed | None = None) -> Sample:
    result = (task or Speed()).synthesize(VIDEO, np.random.default_rng(seed), lambda n: [])
    assert isinstance(result, Sample)
    return result


def sources(sample: Sample) -> list[float]:
    return [frame.source_seconds for frame in sample.media[0].frames]


def factor(sample: Sample) -> float:
    return float(Speed().right(sample).removesuffix("x"))


def test_speed_is_source_time_over_shown_time() -> None:
    seen = set()
    for seed in range(40):
        sample = a_sample(seed)
        shown = [frame.shown_seconds for frame in sample.media[0].frames]
        # 8 a second at half speed are 16 of 24 source frames: every second one is nearest, as
        # 24 / 16 = 1.5 rounds to 2. So 4 source frames, 1/6 s, at natural speed.
        assert shown == pytest.approx([i / 6 for i in range(16)], abs=1e-6)
        ratios = np.diff(sources(sample)) / np.diff(shown)
        assert ratios == pytest.approx([factor(sample)] * 15, abs=1e-3)
        seen.add(factor(sample))
    assert seen == {0.5, 1, 2, 4}


def test_only_middles_of_source_frames_are_shown_and_the_ends_are_left_out() -> None:
    for seed in range(40):
        places = (np.array(sources(a_sample(seed))) - 5.0) * 24 - 0.5
        assert places == pytest.approx(places.round(), abs=1e-3)
        # 5 % of 480 frames.
        assert places.min() > 23.5 and places.max() < 455.5


def test_where_a_window_lies_does_not_depend_on_the_speed() -> None:
    middles: dict[float, list[float]] = {}
    for seed in range(2000):
        sample = a_sample(seed)
        middles.setdefault(factor(sample), []).append(sources(sample)[8])
    # At 4x, 15 * 16 + 1 frames of 432 between the ends: the middle one has 192 places, 8 s.
    deviation = 8 / np.sqrt(12)
    everywhere = np.mean(list(chain(*middles.values())))
    for times in middles.values():
        assert abs(np.mean(times) - everywhere) < 4 * deviation / np.sqrt(len(times))
        assert max(times) - min(times) > 7


def test_switched_off_is_natural_speed_around_the_same_frame() -> None:
    for seed in range(20):
        sample = a_sample(seed)
        off = Speed().switched_off(sample)
        shown = [frame.shown_seconds for frame in off.media[0].frames]
        assert np.diff(sources(off)) == pytest.approx(np.diff(shown), abs=1e-5)
        assert sources(off)[8] == sources(sample)[8]


def test_a_video_too_short_for_the_fastest_is_a_skip_whatever_is_drawn() -> None:
    # 15 * 16 + 1 = 241 frames are needed; 5 % of 250 are 12.5, so 13 at each end.
    short = a_video(num_frames=250, end=250 / 24)
    for seed in range(10):
        result = Speed().synthesize(short, np.random.default_rng(seed), lambda n: [])
        assert isinstance(result, Skip)
        assert result.reason.startswith("224 frames between the ends, needs 241")


@pytest.mark.parametrize("factors", [(), (1.0,), (0.5, 2.0), (1.0, 1.5), (0.0, 1.0), (1.0, 1.0)])
def test_factors_that_cannot_be_told_apart_are_refused(factors: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="speed: factors are"):
        Speed(factors=factors)
