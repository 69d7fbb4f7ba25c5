from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from kuleshov.evaluate.statistics import MIN_VIDEOS, Reported, all_right, estimate, macro, micro
from kuleshov.evaluate.statistics.bootstrap import bootstrap
from kuleshov.item_scores import relative_accuracy
from kuleshov.tasks.anomaly import iou

DRAWS = 4000


def table(kind: str) -> tuple[list[float], list[str], list[str], list[str]]:
    """Scores, videos, groups and sets of 30 videos with 2 or 4 items each."""
    rng = np.random.default_rng(5)
    scores, videos, groups, sets = [], [], [], []
    for video in range(30):
        skill = rng.uniform(0.2, 0.9)
        for item in range(2 + 2 * int(rng.integers(2))):
            score = float(rng.random() < skill)
            if kind == "mra":
                score = relative_accuracy(float(rng.integers(1, 12)), 6)
            if kind == "miou":
                start, end = sorted(rng.uniform(0, 10, size=2))
                score = iou((start, end), (2.0, 7.0))
            scores.append(score)
            videos.append(f"v{video}")
            groups.append("xyz"[int(rng.integers(3))])
            sets.append(f"v{video}s{item // 2}")
    return scores, videos, groups, sets


def slowly(kind: str, drawn: npt.NDArray[np.intp]) -> float:
    """The reported figure of drawn videos, in plain words."""
    rows = [row for video in drawn for row in rows_of(kind)[int(video)]]
    if kind == "macro":
        groups = {group for _, group in rows}
        return mean([mean([s for s, group in rows if group == here]) for here in groups])
    if kind == "all right":
        # A set is two neighbours, in each copy of its video.
        return mean([min(a[0], b[0]) for a, b in zip(rows[::2], rows[1::2], strict=True)])
    return mean([score for score, _ in rows])


@cache
def rows_of(kind: str) -> list[list[tuple[float, str]]]:
    """(score, group) of the items of each video."""
    by_video: list[list[tuple[float, str]]] = [[] for _ in range(30)]
    for score, video, group, _ in zip(*table(kind), strict=True):
        by_video[int(video[1:])].append((score, group))
    return by_video


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def quickly(kind: str) -> Reported:
    scores, videos, groups, sets = table(kind)
    if kind == "macro":
        return macro(scores, videos, groups)
    return all_right(scores, videos, sets) if kind == "all right" else micro(scores, videos)


@pytest.mark.parametrize("kind", ["micro", "macro", "mra", "miou", "all right"])
def test_intervals_of_reported_figures_are_those_of_scipy(kind: str) -> None:
    assert quickly(kind).value()[0] == pytest.approx(slowly(kind, np.arange(30)))
    theirs: Any = stats.bootstrap(
        (np.arange(30),),
        lambda drawn: slowly(kind, drawn),
        n_resamples=1000,
        method="percentile",
        vectorized=False,
        rng=np.random.default_rng(1),
    )
    mine = estimate(quickly(kind), DRAWS)
    assert mine.interval is not None
    # An end of a percentile interval of 1000 draws is sure to about 0.1 standard errors.
    near = 0.35 * theirs.standard_error
    assert mine.interval == pytest.approx(tuple(theirs.confidence_interval), abs=near)
    spread = bootstrap(quickly(kind), DRAWS)[:, 0].std(ddof=1)
    assert spread == pytest.approx(theirs.standard_error, rel=0.1)


def test_every_draw_by_hand_of_two_videos() -> None:
    # Video a has one item at 1, b has two at 0. Drawn aa: 1, ab or ba: 1/3, bb: 0.
    drawn = bootstrap(micro([1, 0, 0], ["a", "b", "b"]), 20_000)[:, 0]
    shares = {figure: float(np.isclose(drawn, figure).mean()) for figure in (1, 1 / 3, 0)}
    assert shares == pytest.approx({1: 0.25, 1 / 3: 0.5, 0: 0.25}, abs=0.02)


def test_draws_do_not_depend_on_how_many_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reported = micro([0.1, 0.4, 0.8], ["a", "b", "c"])
    whole = bootstrap(reported, 100, seed=3)
    monkeypatch.setattr("kuleshov.evaluate.statistics.bootstrap._AT_ONCE", 21)
    assert (bootstrap(reported, 100, seed=3) == whole).all()
    assert (bootstrap(reported, 100, seed=4) != whole).any()


def test_few_videos_have_no_interval_however_many_items() -> None:
    scores = [float(i % 2) for i in range(100)]
    few = estimate(micro(scores, [i % (MIN_VIDEOS - 1) for i in range(100)]))
    assert few.interval is None and few.videos == MIN_VIDEOS - 1
    assert estimate(micro(scores, [i % MIN_VIDEOS for i in range(100)])).interval is not None


@pytest.mark.parametrize(("score", "ends"), [(0.0, (0.0, 0.161125)), (1.0, (0.838875, 1.0))])
def test_none_and_all_right_have_the_interval_of_wilson(
    score: float, ends: tuple[float, float]
) -> None:
    # 20 videos of two items each: z^2 / (20 + z^2) = 3.841459 / 23.841459.
    found = estimate(micro([score] * 40, [i // 2 for i in range(40)]), DRAWS)
    assert found.value == score and found.interval == pytest.approx(ends, abs=1e-6)


def test_one_right_of_many_is_left_to_the_bootstrap() -> None:
    found = estimate(micro([1.0] + [0.0] * 19, list(range(20))), DRAWS)
    # None of 20 draws hits it with 0.95^20 = 36 %; more than 3 with 1.6 %, more than 2 with 7.5 %.
    assert found.interval == pytest.approx((0, 0.15))
