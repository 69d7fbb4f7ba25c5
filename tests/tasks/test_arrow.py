from __future__ import annotations

import numpy as np
import pytest

from kuleshov.errors import UsageError
from kuleshov.floors import best_constant
from kuleshov.sample import Sample
from kuleshov.tasks.arrow import Arrow
from tests.conftest import a_video


def a_sample(task: Arrow, seed: int = 0) -> Sample:
    result = task.synthesize(a_video(num_frames=480), np.random.default_rng(seed), lambda n: [])
    assert isinstance(result, Sample)
    return result


def sources(sample: Sample) -> list[float]:
    return [frame.source_seconds for frame in sample.media[0].frames]


def test_the_answer_is_the_direction_of_the_source_times() -> None:
    seen = set()
    for seed in range(20):
        sample = a_sample(Arrow(), seed)
        backwards = sources(sample)[0] > sources(sample)[1]
        assert Arrow().right(sample) == ("backwards" if backwards else "forwards")
        seen.add((backwards, sample.answer))
    # Each direction behind each letter.
    assert len(seen) == 4


def test_both_directions_show_the_same_frames_on_the_same_clock() -> None:
    made = [a_sample(Arrow(), seed) for seed in range(10)]
    assert len({tuple(sorted(sources(sample))) for sample in made}) == 1
    assert len({tuple(f.shown_seconds for f in s.media[0].frames) for s in made}) == 1
    assert made[0].media[0].frames[0].shown_seconds == 0
    # 5 % of 10 s left out at each end: 16 frames over 9 s, the first one at 0.5 + 9 / 32.
    assert min(sources(made[0])) == pytest.approx(0.78125)


def test_the_published_form_asks_yes_or_no_and_is_skewed() -> None:
    task = Arrow.paper()
    made = [a_sample(task, seed) for seed in range(1000)]
    for sample in made[:20]:
        backwards = sources(sample)[0] > sources(sample)[1]
        assert sample.answer == ("yes" if backwards else "no")
        assert sample.chance == pytest.approx(0.55 if backwards else 0.45)
    assert task.parse("Yes", made[0]) == "yes" and task.parse("yes no", made[0]) is None
    reward, answer, _ = best_constant(made)
    # 0.55 +- 4 standard deviations of sqrt(0.55 * 0.45 / 1000) = 0.0157.
    assert answer == "yes" and abs(reward - 0.55) < 4 * 0.0157


def test_switched_off_is_forwards() -> None:
    made = [a_sample(Arrow(), seed) for seed in range(10)]
    assert len({Arrow().right(sample) for sample in made}) == 2
    media = {Arrow().switched_off(sample).media for sample in made}
    (off,) = media
    times = [frame.source_seconds for frame in off[0].frames]
    assert times == sorted(times)


def test_values_that_are_not_allowed_are_refused() -> None:
    with pytest.raises(UsageError, match=r"reversed is 1\.0"):
        Arrow(reversed=1.0)
    with pytest.raises(UsageError, match="allowed: options, yes_no"):
        Arrow(answers="letters")  # type: ignore[arg-type]
