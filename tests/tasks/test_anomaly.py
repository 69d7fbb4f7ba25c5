from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.errors import UsageError
from kuleshov.floors import best_constant
from kuleshov.media import render
from kuleshov.read import read
from kuleshov.sample import Sample, Skip, Video
from kuleshov.sampling import uniform_in
from kuleshov.tasks import SETTINGS, build, task_of
from kuleshov.tasks.anomaly import Anomaly, iou
from kuleshov.tasks.perturbations import DESCRIPTIONS
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
        ("1.-.5e1", None),
        ("1.-2.", [1, 2]),
        (".5-2", [0.5, 2]),
        ("1.2.3-4", None),
        ("...-4", None),
        pytest.param("1-" + "9" * 400, None, id="not finite"),
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


@pytest.mark.parametrize(
    ("kind", "strength", "limits"),
    [
        ("zoom_in", "scale", (1.3, 1.5)),
        ("zoom_out", "scale", (1.2, 1.4)),
        ("noise", "sigma", (35, 70)),
    ],
)
def test_strength_is_steady_by_default_and_flickers_in_the_published_form(
    kind: str, strength: str, limits: tuple[float, float]
) -> None:
    low, high = limits
    for seed in range(20):
        steady = a_sample(Anomaly(kinds=(kind,)), seed).media[0].edits[0][strength]
        edit = a_sample(Anomaly(kinds=(kind,), jitter=True), seed).media[0].edits[0]
        assert isinstance(steady, float) and low <= steady <= high
        assert len(edit[strength]) == edit["stop"] - edit["start"]
        assert len(set(edit[strength])) > 4
        assert all(low <= value <= high for value in edit[strength])


def test_kinds_of_each_setting() -> None:
    # The paper's table 8 has 14; rotate90, rotate270 and swap are in the code only.
    assert len(set(Anomaly.paper().kinds)) == 14 and len(DESCRIPTIONS) == 17
    assert set(DESCRIPTIONS) - set(Anomaly.paper().kinds) == {"rotate90", "rotate270", "swap"}
    assert set(DESCRIPTIONS) - set(Anomaly().kinds) == {"slow", "fast", "swap"}


@pytest.mark.parametrize("kind", ["slow", "fast"])
def test_the_model_is_told_not_to_trust_the_clock_where_it_does_not_show_it(kind: str) -> None:
    assert "do not trust them" in a_sample(Anomaly(kinds=(kind,))).prompt
    assert "trust" not in a_sample(Anomaly(kinds=("mirror",))).prompt


@pytest.mark.parametrize(("kind", "rate"), [("slow", 1 / 3), ("fast", 3)])
def test_slow_and_fast_space_the_segment_and_nothing_else(kind: str, rate: float) -> None:
    # 48 frames over the middle 9 of 10 s.
    step, plain = 9 / 48, [0.5 + (i + 0.5) * 9 / 48 for i in range(48)]
    for seed in range(30):
        sample = a_sample(Anomaly(kinds=(kind,), speed=3), seed)
        (item,) = sample.media
        (edit,) = item.edits
        start, stop = edit["start"], edit["stop"]
        source = [frame.source_seconds for frame in item.frames]
        assert [f.shown_seconds for f in item.frames] == pytest.approx(np.arange(48) * step)
        assert source[:start] + source[stop:] == pytest.approx(plain[:start] + plain[stop:])
        assert np.diff(source[start:stop]) == pytest.approx(rate * step, abs=1e-5)
        assert max(source) <= plain[-1] + 1e-5
        # It starts at its own place, or as late as the video allows.
        latest = plain[-1] - (stop - start - 1) * rate * step
        assert source[start] == pytest.approx(min(plain[start], latest), abs=1e-5)


def swap(lender: Video | None) -> Sample | Skip:
    return Anomaly(kinds=("swap",)).synthesize(
        a_video(num_frames=480), np.random.default_rng(0), lambda n: [lender][:n] if lender else []
    )


def test_swap_borrows_the_same_places_of_one_other_video() -> None:
    # The donor's frames lie over the middle 18 of 20 s, under this video's clock.
    lender = replace(a_video(num_frames=500, end=20.0, size=(32, 96)), id="1" * 32, path="w.mp4")
    sample = swap(lender)
    assert isinstance(sample, Sample)
    (item,) = sample.media
    (edit,) = item.edits
    for i, frame in enumerate(item.frames):
        lent = edit["start"] <= i < edit["stop"]
        assert frame.video_id == ("1" if lent else "0") * 32
        assert frame.shown_seconds == pytest.approx(i * 9 / 48)
        expected = 1 + (i + 0.5) * 18 / 48 if lent else 0.5 + (i + 0.5) * 9 / 48
        assert frame.source_seconds == pytest.approx(expected)
    assert sample.video_ids == ("0" * 32, "1" * 32)
    assert [video["path"] for video in sample.provenance["videos"]] == ["v.mp4", "w.mp4"]
    assert item.height == item.width


def test_without_a_fitting_donor_there_is_nothing_to_swap_in() -> None:
    none, short = swap(None), swap(a_video(num_frames=47))
    assert isinstance(none, Skip) and isinstance(short, Skip)
    assert none.reason == "no other video to swap in (kind swap)"
    assert short.reason == (
        "the video to swap in, v.mp4: 47 decodable frames, needs 48 (knob min_frames)"
    )


def test_a_shuffled_segment_is_never_in_order() -> None:
    task = Anomaly(kinds=("shuffle",), min_segment=2, max_segment=2)
    orders = {tuple(a_sample(task, seed).media[0].edits[0]["order"]) for seed in range(20)}
    assert orders == {(1, 0)}


@pytest.mark.parametrize("kind", ["shuffle", "stutter"])
def test_the_order_of_a_segment_is_never_the_true_one(kind: str) -> None:
    for length in (2, 3, 4, 5, 8, 16):
        task = Anomaly(kinds=(kind,), min_segment=length, max_segment=length)
        for seed in range(10):
            order = a_sample(task, seed).media[0].edits[0]["order"]
            assert len(order) == length and order != list(range(length))


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("kind", DESCRIPTIONS)
def test_every_kind_changes_its_segment_and_nothing_else(
    kind: str, setting: str, clips: Path
) -> None:
    videos = [video for video in read(clips) if isinstance(video, Video)]
    task = build("anomaly", setting, {"kinds": [kind]})
    sample = task.synthesize(videos[0], np.random.default_rng(3), lambda n: videos[1 : 1 + n])
    assert isinstance(sample, Sample)
    assert task.score(sample, task.completion(sample.answer)).total == 1
    assert Sample.from_json(sample.to_json()) == sample and task_of(sample) == task

    (edit,) = sample.media[0].edits
    off = task.switched_off(sample)
    assert off is not None
    (shown,), (plain,) = render(sample, clips), render(off, clips)
    changed = (shown != plain).reshape(len(shown), -1).any(axis=1)
    inside = np.zeros(len(shown), bool)
    inside[edit["start"] : edit["stop"]] = True
    assert changed.any() and not changed[~inside].any()
    assert [unit.label for unit in task.units(sample)] == inside.tolist()
    # Off is the plain video: even times of it and of no other, through to the end.
    own = uniform_in(videos[0], 48, 0.05).frames(videos[0])
    assert [f.video_id for f in off.media[0].frames] == [f.video_id for f in own]
    assert [f.source_seconds for f in off.media[0].frames] == pytest.approx(
        [f.source_seconds for f in own], abs=5e-6
    )
    # The clock is even, whatever happens.
    clock = [f.shown_seconds for f in sample.media[0].frames]
    assert clock == [f.shown_seconds for f in off.media[0].frames]
    assert clock == [f.shown_seconds for f in own]


def test_strict_pays_from_the_threshold_on() -> None:
    strict, stricter = Anomaly(reward="strict"), Anomaly(reward="strict", threshold=0.6)
    # Overlap 2 of 4, IoU exactly 1/2; overlap 3 of 5.
    assert strict.grade([0, 2], [0, 4]) == {"iou": 0.5, "total": 1}
    assert stricter.grade([0, 2], [0, 4])["total"] == 0
    assert stricter.grade([0, 3], [0, 5])["total"] == 1
    assert strict.grade([0, 1.9], [0, 4])["total"] == 0
    assert strict.grade([1, 1], [1, 1])["total"] == 1


@pytest.mark.parametrize(
    "knobs", [{}, {"reward": "strict"}, {"reward": "strict", "threshold": 0.8}]
)
def test_a_guess_earns_the_stated_chance(knobs: dict[str, Any]) -> None:
    task = Anomaly(**knobs)
    sample = a_sample(task, 5)
    rng = np.random.default_rng(0)
    earned = [task.grade(task.guess(sample, rng), sample.answer)["total"] for _ in range(4000)]
    assert 0 < sample.chance < 1
    assert abs(np.mean(earned) - sample.chance) <= 3 * np.std(earned) / np.sqrt(4000)


@pytest.mark.parametrize("reward", ["smooth", "strict"])
def test_the_best_constant_is_at_least_as_good_as_any_guess(reward: Any) -> None:
    task = Anomaly(reward=reward)
    samples = [a_sample(task, seed) for seed in range(12)]
    best, answer, _ = best_constant(samples)
    assert answer in list(task.candidates(samples))
    rng = np.random.default_rng(0)
    for other in [sample.answer for sample in samples] + [
        task.guess(samples[0], rng) for _ in range(300)
    ]:
        assert sum(task.grade(other, s.answer)["total"] for s in samples) / 12 <= best + 1e-9


def test_the_best_constant_of_two_segments_by_hand() -> None:
    # [0, 2] and [1, 3]: each alone earns 1 and 1/3; [0, 3] and [1, 2] earn 2/3 and 1/2 of both.
    # All but one of these are paid by the strict reward, twice.
    samples = [replace(a_sample(Anomaly()), answer=answer) for answer in ([0, 2], [1, 3])]
    assert best_constant(samples)[0] == pytest.approx(2 / 3)
    strict = [replace(s, knobs=Anomaly(reward="strict").knobs()) for s in samples]
    assert best_constant(strict)[0] == 1


def test_knobs_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="speed is 4; allowed: above 1, and for fast so that max"):
        Anomaly(kinds=("fast",), speed=4)  # 15 steps of 4 are 60 frames
    with pytest.raises(UsageError, match="speed is 1; allowed: above 1"):
        Anomaly(speed=1)
    with pytest.raises(UsageError, match="threshold is 0; allowed: above 0, up to 1"):
        Anomaly(threshold=0)
    with pytest.raises(UsageError, match="unknown reward of anomaly 'strickt'; did you mean 'str"):
        build("anomaly", knobs={"reward": "strickt"})
    with pytest.raises(UsageError, match="segments of 9 to 48 frames do not fit 48 frames"):
        Anomaly(min_segment=9, max_segment=48)
    with pytest.raises(UsageError, match=r"unknown anomaly kind 'invrt'; did you mean 'invert'\?"):
        Anomaly(kinds=("invrt",))
