from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.errors import UsageError
from kuleshov.floors import best_constant
from kuleshov.sample import Sample, Skip, Video
from kuleshov.tasks import build
from kuleshov.tasks.appearance import Appearance, closeness
from tests.conftest import a_video


def a_sample(task: Appearance, seed: int = 0) -> Sample:
    result = task.synthesize(a_video(num_frames=480), np.random.default_rng(seed), lambda n: [])
    assert isinstance(result, Sample)
    return result


@pytest.mark.parametrize(
    ("given_", "true", "tolerance", "expected"),
    [
        (2, 2, 1, 1),
        (2.25, 2, 1, 0.75),
        (1.5, 2, 1, 0.5),
        (3, 2, 1, 0),
        (9, 2, 1, 0),
        (3, 2, 4, 0.75),
    ],
)
def test_closeness(given_: float, true: float, tolerance: float, expected: float) -> None:
    assert closeness(given_, true, tolerance) == pytest.approx(expected)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.01, 100))
def test_the_reward_is_in_range_and_one_only_for_the_truth(a: float, b: float, c: float) -> None:
    earned = closeness(a, b, c)
    assert 0 <= earned <= 1 and closeness(a, a, c) == 1
    assert earned == pytest.approx(1) or a != b


def test_the_answer_is_when_the_shape_comes_or_goes() -> None:
    events = set()
    for seed in range(40):
        sample = a_sample(Appearance(), seed)
        there = [edit["start"] for edit in sample.media[0].edits]
        assert there == list(range(there[0], there[-1] + 1))
        appears = "suddenly appears" in sample.prompt
        assert appears != ("suddenly disappears" in sample.prompt)
        change = there[0] if appears else there[-1] + 1
        assert (there[-1] == 31) if appears else (there[0] == 0)
        assert 4 <= change <= 28
        # 4 frames a second; a decimal is within half a frame.
        assert abs(sample.answer - change / 4) <= 0.05 + 1e-9
        assert f"A {sample.media[0].edits[0]['shape']} that" in sample.prompt
        events.add(appears)
    assert events == {True, False}


def test_the_shape_glides_on_a_line_that_does_not_depend_on_when_it_is_there() -> None:
    edits = a_sample(Appearance()).media[0].edits
    for axis in ("x", "y"):
        places = [edit[axis] for edit in edits]
        assert np.diff(places) == pytest.approx(np.diff(places)[0], abs=2e-4)
        assert all(0.2 <= place <= 0.8 for place in places)


def test_frames_are_at_the_fixed_rate_between_the_ends() -> None:
    for seed in range(10):
        frames = a_sample(Appearance(), seed).media[0].frames
        assert [f.shown_seconds for f in frames] == [i / 4 for i in range(32)]
        times = [f.source_seconds for f in frames]
        assert np.diff(times) == pytest.approx([0.25] * 31, abs=1e-5)
        assert times[0] >= 0.5 and times[-1] <= 9.5


def test_chance_and_best_constant_by_hand() -> None:
    # One frame a second, 6 frames, margin 2: the change is at 2, 3 or 4 s; a second off earns
    # 1/2, two seconds nothing.
    task = Appearance(num_frames=6, fps=1.0, margin=2, tolerance=2.0)
    by_truth = {}
    for seed in range(60):
        sample = a_sample(task, seed)
        by_truth[sample.answer] = sample
    chances = {truth: sample.chance for truth, sample in by_truth.items()}
    assert chances == pytest.approx({2.0: 1.5 / 3, 3.0: 2 / 3, 4.0: 1.5 / 3})
    # Over one sample of each, 3 s earn (1/2 + 1 + 1/2) / 3.
    reward, answer, _ = best_constant(list(by_truth.values()))
    assert reward == pytest.approx(2 / 3) and answer == 3.0


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("2.5", 2.5),
        ("3", 3),
        ("-1", None),
        ("2.5 s", None),
        ("1-2", None),
        ("1, 2", None),
        ("1e3", None),
        ("nan", None),
        (".5", None),
        ("", None),
    ],
)
def test_parse_takes_one_number(text: str, answer: object) -> None:
    assert Appearance().parse(text, a_sample(Appearance())) == answer


@pytest.mark.parametrize(
    ("video", "reason"),
    [
        (a_video(num_frames=200, end=8.5), "8.50 s long, needs 8.89 s"),
        (a_video(num_frames=30, end=10.0), "3.00 frames a second, needs 4"),
    ],
)
def test_a_video_without_such_a_window_is_a_skip(video: Video, reason: str) -> None:
    result = Appearance().synthesize(video, np.random.default_rng(0), lambda n: [])
    assert isinstance(result, Skip) and result.reason.startswith(reason)


def test_knobs_out_of_range_are_refused() -> None:
    for knobs in [{"margin": 0}, {"margin": 17}, {"tolerance": 0}]:
        with pytest.raises(UsageError, match="need 1 <= margin <= num_frames / 2"):
            build("appearance", knobs=knobs)
