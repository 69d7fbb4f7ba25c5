from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.errors import UsageError
from kuleshov.sample import Sample
from kuleshov.tasks.anomaly import Anomaly, iou
from tests.conftest import a_video


def a_sample(task: Anomaly, seed: int = 0) -> Sample:
    result = task.synthesize(a_video(num_frames=480), np.random.default_rng(seed), lambda n: [])
    assert isinstance(result, Sample)
    return result


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 2), (1, 4), 1 / 4),  # overlap 1, union 4
        ((1, 3), (1, 3), 1),
        ((0, 1), (1, 2), 0),  # they only touch
        ((0, 1), (5, 6), 0),
        ((0, 10), (4, 6), 2 / 10),  # one inside of the other
        ((2, 2), (2, 2), 1),
        ((2, 2), (1, 3), 0),
    ],
)
def test_iou(a: tuple[float, float], b: tuple[float, float], expected: float) -> None:
    assert iou(a, b) == iou(b, a) == pytest.approx(expected)


@given(*[st.floats(0, 100, allow_nan=False)] * 4)
def test_iou_is_in_range_and_symmetric(a: float, b: float, c: float, d: float) -> None:
    first, second = sorted([a, b]), sorted([c, d])
    assert 0 <= iou(first, second) <= 1
    assert iou(first, second) == pytest.approx(iou(second, first))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("1.5-2.5", [1.5, 2.5]),
        ("1 - 2", [1, 2]),
        ("2-2", [2, 2]),
        ("3-2", None),  # ends before it starts
        ("1.5", None),
        ("1.5-2.5s", None),
        ("1-2-3", None),
        ("1-2, 3-4", None),
        ("-1-2", None),
        ("1.-2.", None),
        ("", None),
    ],
)
def test_parse_takes_one_interval_as_the_published_rule_does(text: str, answer: object) -> None:
    task = Anomaly()
    assert task.parse(text, a_sample(task)) == answer


def test_the_answer_is_the_edited_range_on_the_shown_clock() -> None:
    for seed in range(20):
        sample = a_sample(Anomaly(), seed)
        edit = sample.media[0].edits[0]
        # 5 % of 10 s are left out at each end: 48 frames over 9 s.
        step = 9 / 48
        assert sample.answer == [round(edit["start"] * step, 1), round(edit["stop"] * step, 1)]
        assert 8 <= edit["stop"] - edit["start"] <= 16
        assert [f.shown_seconds for f in sample.media[0].frames] == pytest.approx(
            [i * step for i in range(48)], abs=1e-6
        )


def test_published_floors() -> None:
    # core figures of 48 frames, segments of 8 to 16: a random segment earns 0.216 in the mean,
    # the best constant one (frames 10 to 38) 0.306. Worked out anew here, in frames.
    task = Anomaly.paper()
    prior = list(task._prior())
    assert sum(p for *_, p in prior) == pytest.approx(1)
    random = sum(p * q * iou((a, b), (c, d)) for a, b, p in prior for c, d, q in prior)
    constant = sum(p * iou((a, b), (10, 38)) for a, b, p in prior)
    assert random == pytest.approx(0.216, abs=5e-4)
    assert constant == pytest.approx(0.306, abs=5e-4)


def test_decimals_follow_the_frame_step() -> None:
    # 48 frames over 2.4 s, untrimmed: step 0.05, so two decimals.
    task = Anomaly()
    result = task.synthesize(
        a_video(num_frames=48, end=2.4), np.random.default_rng(0), lambda n: []
    )
    assert isinstance(result, Sample)
    assert "with 2 decimals as start-end, for example 14.50-26.20" in result.prompt
    assert Anomaly.paper().decimals == 1
    assert "with 1 decimal as start-end, for example 14.5-26.2" in a_sample(Anomaly.paper()).prompt


def test_zoom_is_steady_by_default_and_flickers_in_the_published_form() -> None:
    steady = a_sample(Anomaly(kinds=("zoom_out",))).media[0].edits[0]["scale"]
    flicker = a_sample(Anomaly(kinds=("zoom_out",), zoom_per_frame=True)).media[0].edits[0]["scale"]
    assert isinstance(steady, float) and 1.2 <= steady <= 1.4
    assert len(set(flicker)) > 1 and all(1.2 <= scale <= 1.4 for scale in flicker)


def test_a_shuffled_segment_is_never_in_order() -> None:
    task = Anomaly(kinds=("shuffle",), min_segment=2, max_segment=2)
    orders = {tuple(a_sample(task, seed).media[0].edits[0]["order"]) for seed in range(20)}
    assert orders == {(1, 0)}


def test_knobs_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="segments of 9 to 48 frames do not fit 48 frames"):
        Anomaly(min_segment=9, max_segment=48)
    with pytest.raises(UsageError, match=r"unknown anomaly kind 'invrt'; did you mean 'invert'\?"):
        Anomaly(kinds=("invrt",))
