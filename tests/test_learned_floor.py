from __future__ import annotations

from dataclasses import replace

import numpy as np

from kuleshov.evaluate import policies
from kuleshov.floors import best_constant
from kuleshov.learned_floor import learned_answers, visible
from kuleshov.sample import Sample
from tests.test_floors import timed


def mean(name: str, samples: list[Sample]) -> float:
    earned = [result.score for result in policies.answers(name, samples)]
    return sum(earned) / len(earned)


def test_what_the_number_of_frames_tells_is_learned_on_other_videos() -> None:
    """Clips with few frames change early, others late: no constant is right for both."""
    samples = [
        timed("anomaly", 12.0, [1.0, 3.0] if i % 2 else [8.0, 11.0], i, frames=24 if i % 2 else 48)
        for i in range(40)
    ]
    assert best_constant(samples).reward < 0.7
    assert mean("learned", samples) == 1.0


def test_the_longest_option_is_found() -> None:
    rng = np.random.default_rng(0)
    samples = []
    for i in range(40):
        right = int(rng.integers(4))
        texts = ["a long and careful answer" if k == right else "no" for k in range(4)]
        lines = [f"{letter}. {text}" for letter, text in zip("ABCD", texts, strict=True)]
        sample = timed("turned", 12.0, "ABCD"[right], i)
        samples.append(replace(sample, prompt="\n".join(["How?", *lines])))
    assert best_constant(samples).reward < 0.6
    assert mean("learned", samples) == 1.0


def test_nothing_is_learned_from_the_video_itself() -> None:
    """Answers that only their own video tells earn no more than by chance."""
    rng = np.random.default_rng(1)
    samples = []
    for i in range(60):
        start = float(rng.integers(0, 40))
        samples += [
            replace(
                timed("anomaly", 48.0 + i / 100, [start, start + 8.0], 10 * i + k),
                video_ids=(str(i),),
            )
            for k in range(3)
        ]
    assert mean("learned", samples) < best_constant(samples).reward + 0.02


def test_one_source_gives_the_best_constant() -> None:
    samples = [timed("anomaly", 12.0, [1.0, 3.0], i) for i in range(3)]
    samples = [replace(sample, video_ids=("one",)) for sample in samples]
    assert learned_answers(samples) == [[1.0, 3.0]] * 3
    assert learned_answers([]) == []
    assert len({len(visible(sample)) for sample in samples}) == 1
