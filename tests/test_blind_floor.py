"""Can a blind answer beat the floors that are reported? It is searched for, with a fixed seed.

Candidates are chosen on one half of the source videos and judged on the other, one-sided, with a
level that is corrected over all searches. They are constants on every clock, and pairs of them, one
on each side of the median of something that is visible without pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest

from kuleshov.dataset import load_samples
from kuleshov.donors import Lender
from kuleshov.evaluate import policies
from kuleshov.floors import Constant, best_constant, constants
from kuleshov.learned_floor import visible
from kuleshov.randomness import rng_for
from kuleshov.sample import Sample, Video
from kuleshov.synthesize import MakeConfig, make, synthesize
from kuleshov.tasks import SETTINGS, TASKS, task_of
from tests.conftest import a_video

Floats = npt.NDArray[np.float64]

ALONE = ("best_constant",)
ALL = ("best_constant", "learned")
SEARCHES = len(TASKS) * len(SETTINGS)
Z = NormalDist().inv_cdf(1 - 0.01 / SEARCHES)
_TRIED, _KEPT = 600, 12


def earned(answer: Constant, samples: Sequence[Sample]) -> Floats:
    task = task_of(samples[0])
    return np.array([task.grade(answer.to(s), s.answer)["total"] for s in samples])


def floor(samples: Sequence[Sample], names: Sequence[str]) -> Floats:
    """What each sample earns by the floor that is the highest on all of them."""
    rows = [np.array([sample.chance for sample in samples])]
    for name in names:
        by_id = {result.sample: result.score for result in policies.answers(name, samples)}
        rows.append(np.array([by_id[sample.id] for sample in samples]))
    return max(rows, key=lambda row: float(row.mean()))


def beaten_by(samples: Sequence[Sample], names: Sequence[str]) -> float:
    """By how many standard errors over sources the best blind answer found is above the floor."""
    sources = sorted({sample.source for sample in samples})
    drawn = rng_for("blind", len(sources)).permutation(len(sources))
    chosen = {sources[i] for i in drawn[: len(sources) // 2]}
    first = np.array([sample.source in chosen for sample in samples])
    on = [sample for sample, here in zip(samples, first, strict=True) if here]
    tried = list(islice(constants(on), _TRIED))
    tried.sort(key=lambda one: -float(earned(one, on).mean()))
    table = np.array([earned(one, samples) for one in tried[:_KEPT]])
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
    error = float(means.std(ddof=1)) / np.sqrt(len(means))
    if error == 0:
        return np.inf if means.mean() > 0 else 0.0
    return float(means.mean() / error)


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
@pytest.mark.parametrize("name", [name for name in TASKS if name != "masked"])  # which decodes
def test_no_blind_answer_beats_the_floor_on_mixed_lengths(name: str, setting: str) -> None:
    samples = of_mixed_lengths(name, setting)
    assert len(samples) >= 40
    assert beaten_by(samples, ALL) < Z


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_blind_answer_beats_the_floor_on_real_clips(
    real_clips: Path, tmp_path: Path, setting: str
) -> None:
    config = MakeConfig(
        workers=0, tasks={name: {} for name in TASKS}, setting=setting, near_duplicates=None
    )
    make(real_clips, tmp_path, config)
    by_task: dict[str, list[Sample]] = {}
    for sample in load_samples(tmp_path):
        by_task.setdefault(sample.task, []).append(sample)
    found = {name: beaten_by(some, ALL) for name, some in by_task.items() if len(some) >= 10}
    assert found and max(found.values()) < Z, found


def test_a_planted_answer_in_frames_is_found_by_the_constants_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Segments of frames 10 to 38 of 48 beat a floor in seconds, and not that of all clocks."""
    samples = [
        replace(s, answer=[round(10 * step, 3), round(38 * step, 3)])
        for s in of_mixed_lengths("anomaly", "default")
        for step in [s.media[0].frames[1].shown_seconds]
    ]
    assert beaten_by(samples, ALONE) <= 0
    best = best_constant(samples)
    in_seconds = [one for one in islice(constants(samples), 1200) if one.clock == "seconds"]
    assert best.clock != "seconds" and best.reward > 0.98
    assert max(float(earned(one, samples).mean()) for one in in_seconds) < 0.5
