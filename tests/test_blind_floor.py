"""Can a blind answer beat the floors that are reported? It is searched for, with a fixed seed.

Candidates are chosen on one half of the source videos and judged on the other, one-sided, with a
level that is corrected over all searches. They are constants on every clock, true and guessed
answers, options by their length, and pairs of these, one on each side of the median of something
that is visible without pixels. On fewer than `AT_LEAST` sources nothing is judged: the test fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from kuleshov.dataset import load_samples
from kuleshov.donors import Lender
from kuleshov.evaluate import policies
from kuleshov.floors import Constant, best_constant, constants
from kuleshov.learned_floor import Answering, candidates, visible
from kuleshov.randomness import rng_for
from kuleshov.sample import Sample, Video
from kuleshov.synthesize import MakeConfig, make, synthesize
from kuleshov.tasks import SETTINGS, TASKS, masked, task_of
from tests.conftest import a_video
from tests.test_floors import timed

Floats = npt.NDArray[np.float64]

ALONE = ("best_constant",)
ALL = ("best_constant", "learned")
SEARCHES = 2 * len(TASKS) * len(SETTINGS)
Z = NormalDist().inv_cdf(1 - 0.01 / SEARCHES)
AT_LEAST = 8
"""Source videos on which an answer is judged; as many others choose it."""
_TRIED = 300

SHORT: dict[str, dict[str, Any]] = {
    "appearance": {"fps": 12.0},
    "masked": {"fps": 5.0, "max_similarity": 0.999},
    "odd_clip": {"max_stretch": 1.5, "min_seconds": 1.0, "num_frames": 16, "min_frames": 16},
    "speed": {"num_frames": 6},
}
"""Tasks that ask too few of the real clips, most of which are shorter than 6 s, and with which
knobs they ask enough of them."""


class Judged(NamedTuple):
    """By how many standard errors the best blind answer is above the floor, on how many sources."""

    errors: float
    sources: int

    @property
    def beaten(self) -> bool:
        assert self.sources >= AT_LEAST, f"judged on {self.sources} sources, not {AT_LEAST}"
        return self.errors >= Z


def earned(answer: Answering, samples: Sequence[Sample]) -> Floats:
    task = task_of(samples[0])
    given = [(answer(sample), sample.answer) for sample in samples]
    return np.array([0.0 if a is None else task.grade(a, truth)["total"] for a, truth in given])


def floor(samples: Sequence[Sample], names: Sequence[str]) -> Floats:
    """What each sample earns by the floor that is the highest on all of them."""
    rows = [np.array([sample.chance for sample in samples])]
    for name in names:
        by_id = {result.sample: result.score for result in policies.answers(name, samples)}
        rows.append(np.array([by_id[sample.id] for sample in samples]))
    return max(rows, key=lambda row: float(row.mean()))


def tried(on: Sequence[Sample]) -> Iterator[Answering]:
    """Evenly many of the floors' own candidates, which go clock by clock, and what they lack."""
    known = list(candidates(on))
    yield from known[:: -(-len(known) // _TRIED)]
    for sample in on:
        guess = task_of(sample).guess(sample, rng_for("blind", sample.id))
        for answer in (sample.answer, guess):
            yield Constant(0.0, answer).to


def judged(samples: Sequence[Sample], names: Sequence[str]) -> Judged:
    """The best blind answer that is found, against the highest of these floors."""
    sources = sorted({sample.source for sample in samples})
    drawn = rng_for("blind", len(sources)).permutation(len(sources))
    chosen = {sources[i] for i in drawn[: len(sources) // 2]}
    first = np.array([sample.source in chosen for sample in samples])
    on = [sample for sample, here in zip(samples, first, strict=True) if here]
    table = np.array([earned(one, samples) for one in tried(on)])
    seen = np.array([visible(sample) for sample in samples])
    sides = [np.ones(len(samples), bool)] + [column > np.median(column) for column in seen.T]
    found: list[Floats] = []
    for side in sides:
        # On each side the one that earns most on the first half.
        row = np.zeros(len(samples))
        for here in (side, ~side):
            if (here & first).any():
                row[here] = table[table[:, here & first].mean(axis=1).argmax()][here]
        found.append(row)
    best = max(found, key=lambda row: float(row[first].mean()))
    gains: dict[str, list[float]] = {}
    for sample, gain in zip(samples, best - floor(samples, names), strict=True):
        if sample.source not in chosen:
            gains.setdefault(sample.source, []).append(float(gain))
    means = np.array([np.mean(some) for some in gains.values()])
    error = float(means.std(ddof=1)) / np.sqrt(len(means)) if len(means) > 1 else 0.0
    if error == 0:
        return Judged(np.inf if means.mean() > 0 else 0.0, len(means))
    return Judged(float(means.mean() / error), len(means))


def pictures(video: Video, seconds: list[float], name: str) -> npt.NDArray[np.float32]:
    """Unit vectors of frames of a video that exists only as a description.

    It changes at its own pace: how many frames differ, and when, is not the same for all.
    """
    rng = rng_for("pictures", video.id)
    pace = np.exp(rng.uniform(np.log(0.2), np.log(2)))
    turns, phases = pace * rng.normal(size=64), rng.uniform(0, 2 * np.pi, 64)
    vectors = np.cos(np.outer(seconds, turns) + phases).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def of_mixed_lengths(name: str, setting: str) -> list[Sample]:
    """Two questions about each of 80 videos that exist only as descriptions, of 8 to 300 s."""
    rng = np.random.default_rng(7)
    videos = []
    for i in range(80):
        seconds = float(np.exp(rng.uniform(np.log(10), np.log(300))))
        video = a_video(round(25 * seconds), end=seconds)
        videos.append(replace(video, id=f"{rng.integers(2**62):032x}", path=f"{i}.mp4"))
    config = MakeConfig(workers=0, tasks={name: {}}, setting=setting, per_video=2)
    return [s for v in videos for s in _made(v, videos, config)]


def _made(video: Video, videos: list[Video], config: MakeConfig) -> list[Sample]:
    lenders = sorted((Lender(v, v.id) for v in videos), key=lambda one: one.video.id)
    results = synthesize(video, config.built(), lambda _: lenders, config)
    return [result for result in results if isinstance(result, Sample)]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", TASKS)
def test_no_blind_answer_beats_the_floor_on_mixed_lengths(
    name: str, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masked, "features", pictures)  # the one task that looks at frames
    found = judged(of_mixed_lengths(name, setting), ALL)
    assert found.sources >= 4 * AT_LEAST and not found.beaten, found


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_blind_answer_beats_the_floor_on_real_clips(
    real_clips: Path, tmp_path: Path, setting: str
) -> None:
    tasks = {name: SHORT.get(name, {}) for name in TASKS}
    config = MakeConfig(workers=0, tasks=tasks, setting=setting, near_duplicates=None)
    make(real_clips, tmp_path, config)
    samples = load_samples(tmp_path)
    found = {name: judged([s for s in samples if s.task == name], ALL) for name in TASKS}
    assert not [name for name, one in found.items() if one.beaten], found


def in_frames() -> list[Sample]:
    """Segments of frames 10 to 38 of 48, in seconds, of videos of mixed lengths."""
    return [
        replace(s, answer=[round(10 * step, 3), round(38 * step, 3)])
        for s in of_mixed_lengths("anomaly", "default")
        for step in [s.media[0].frames[1].shown_seconds]
    ]


def test_a_planted_answer_in_frames_is_found_by_the_constants_alone() -> None:
    samples = in_frames()
    assert judged(samples, ALONE).errors <= 0
    best = best_constant(samples)
    in_seconds = [one for one in constants(samples) if one.clock == "seconds"]
    assert best.clock != "seconds" and best.reward > 0.98
    most = max(float(earned(one.to, samples).mean()) for one in islice(in_seconds, 0, None, 4))
    assert most < 0.5


def test_a_floor_of_constants_in_seconds_is_beaten(monkeypatch: pytest.MonkeyPatch) -> None:
    """That the search finds what a floor misses: here answers on another clock."""

    def in_seconds(samples: Sequence[Sample]) -> Any:
        some = [one for one in constants(samples) if one.clock == "seconds"][::8]
        return max(some, key=lambda one: float(earned(one.to, samples).mean()))

    monkeypatch.setattr(policies, "best_constant", in_seconds)
    assert judged(in_frames(), ALONE).beaten


def test_floors_of_constants_are_beaten_by_what_the_number_of_frames_tells() -> None:
    """... and here an answer that depends on what is visible, which the learned floor finds too."""
    samples = [
        timed("anomaly", 12.0, [1.0, 3.0] if i % 2 else [8.0, 11.0], i, frames=24 if i % 2 else 48)
        for i in range(40)
    ]
    assert judged(samples, ALONE).beaten and not judged(samples, ALL).beaten


def test_a_task_of_few_sources_is_not_judged() -> None:
    samples = [timed("anomaly", 12.0, [1.0, 3.0], i) for i in range(2 * AT_LEAST - 2)]
    with pytest.raises(AssertionError, match="judged on 7 sources, not 8"):
        _ = judged(samples, ALL).beaten
