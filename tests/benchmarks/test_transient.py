"""What the clips show, where it is, and that nothing but the event answers the questions."""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from benchmarks import transient
from benchmarks.transient import (
    COLORS,
    EVENT,
    FPS,
    KINDS,
    NUM_FRAMES,
    PERIOD,
    SIZE,
    clip,
    scene,
    write_set,
)
from kuleshov.dataset import load_samples, load_skips, videos_root
from kuleshov.media import render
from kuleshov.pairs import differing, evidence
from kuleshov.sample import Sample
from kuleshov.tasks import score, task_of
from kuleshov.train.preference import degraded


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("transient")
    summary = write_set(out, train=PERIOD, held_out=12, seed=3)
    assert (summary["samples"], summary["skips"]) == (3 * (PERIOD + 12), 0)
    return out


def test_all_combinations_are_there_equally_often() -> None:
    # From any index on: the held-out clips begin where those of training end.
    shown = Counter(scene(0, index)[:2] + scene(0, index)[3:] for index in range(7, 7 + PERIOD))
    every = {
        (kind, detail, color)
        for kind in KINDS
        for detail in KINDS[kind].details
        for color in COLORS
    }
    assert PERIOD == 48 and set(shown) == every and set(shown.values()) == {1}


def test_answers_are_balanced_on_both_sides(data: Path) -> None:
    for split, clips in (("train", PERIOD), ("held_out", 12)):
        counts = Counter((s.entry, s.answer) for s in load_samples(data, split))
        assert counts == {
            **{("what", letter): clips // 3 for letter in "ABC"},
            **dict.fromkeys(product(("detail", "quiet"), "ABCD"), clips // 4),
        }


def test_the_two_sides_have_no_video_in_common(data: Path) -> None:
    sides = [{s.video_ids[0] for s in load_samples(data, side)} for side in ("train", "held_out")]
    assert [len(side) for side in sides] == [PERIOD, 12]
    assert not sides[0] & sides[1]
    assert not load_skips(data)


@pytest.mark.parametrize("index", range(12))
def test_the_event_is_in_its_second_and_nowhere_else(index: int) -> None:
    frames, second = clip(1, index).astype(float), scene(1, index).second
    assert frames.shape == (NUM_FRAMES * FPS, SIZE, SIZE, 3) and second >= 1
    steps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    event = {second * FPS, second * FPS + 3}  # the step into the event, and that out of it
    quiet = [step for i, step in enumerate(steps) if i not in event]
    assert min(steps[i] for i in event) > 2 * max(quiet)


def test_the_degraded_sample_has_lost_the_event_and_nothing_else(data: Path) -> None:
    for sample in load_samples(data, "held_out"):
        ((item, key),) = evidence(sample)
        other = degraded(sample, "key_frames")
        assert other is not None and differing(sample, other) == [(item, key)]
        (full,), (less,) = (render(s, videos_root(data)) for s in (sample, other))
        assert (less[key] == full[key - 1]).all()
        assert (np.delete(less, key, axis=0) == np.delete(full, key, axis=0)).all()
        # What is left is the quiet scene: the frames differ by the swaying of the square alone.
        spread = np.abs(less.astype(float) - less.mean(axis=0)).mean()
        assert np.abs(full[key].astype(float) - full[key - 1]).mean() > 2 * spread


def test_no_quiet_frame_tells_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, one = scene(5, 0), clip(5, 0)
    other = shown._replace(kind="visit", detail="top left")
    assert other != shown
    monkeypatch.setattr(transient, "scene", lambda seed, index: other)
    differs = (clip(5, 0) != one).any(axis=(1, 2, 3)).nonzero()[0]
    assert differs.tolist() == [shown.second * FPS + part for part in (1, 2, 3)]


def test_the_true_answer_is_right_and_the_chance_is_that_of_the_options(data: Path) -> None:
    def right(sample: Sample, letter: str) -> float:
        return score(sample, task_of(sample).completion(letter)).total

    for sample in load_samples(data, "held_out"):
        letters = "ABC" if sample.entry == "what" else "ABCD"
        assert sample.entry in (*EVENT, "quiet")
        assert sample.chance == 1 / len(letters)
        assert [right(sample, x) for x in letters] == [float(x == sample.answer) for x in letters]
        assert sample.media[0].frames[1].shown_seconds == 1.0


def test_the_same_seed_writes_the_same_set(data: Path, tmp_path: Path) -> None:
    write_set(tmp_path, train=PERIOD, held_out=12, seed=3)
    names = [p.relative_to(data) for p in sorted(data.rglob("*")) if p.is_file()]
    assert [(tmp_path / n).read_bytes() == (data / n).read_bytes() for n in names] == [True] * len(
        names
    )
    assert (clip(1, 2) != clip(2, 2)).any()
