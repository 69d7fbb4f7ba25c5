from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.errors import UsageError
from kuleshov.randomness import rng_for
from kuleshov.read import read
from kuleshov.sample import Sample, Skip, Video
from kuleshov.tasks.masked import ORDERS, Masked, Order
from tests.conftest import a_video


def samples(folder: Path, task: Masked) -> list[Sample]:
    videos = [item for item in read(folder) if isinstance(item, Video)]
    made = [task.synthesize(v, rng_for("test", v.id), lambda n: []) for v in videos]
    return [result for result in made if isinstance(result, Sample)]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        # Truth 5 2 7, given 2 7 5.
        ("position", 0),  # nothing at its place
        ("prefix", 0),  # the first is wrong
        ("lcs", 2 / 3),  # 2 7
        ("pairs", 1 / 3),  # of (5,2), (5,7), (2,7) only the last is in order
    ],
)
def test_order_rewards_of_a_rotation(order: str, expected: float) -> None:
    assert ORDERS[order]([2, 7, 5], [5, 2, 7]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        # Truth 5 2 7, given 5 9 7: 9 is a distractor.
        ("position", 2 / 3),
        ("prefix", 1 / 3),
        ("lcs", 2 / 3),
        ("pairs", 1 / 3),  # only (5,7) is there
    ],
)
def test_order_rewards_with_a_distractor(order: str, expected: float) -> None:
    assert ORDERS[order]([5, 9, 7], [5, 2, 7]) == pytest.approx(expected)


def test_the_truth_earns_one_and_the_rest_is_discounted() -> None:
    task = Masked()
    assert task.grade([5, 2, 7], [5, 2, 7])["total"] == 1
    # Selection 2/3, position 2/3: 0.5 * (0.5 * 2/3 + 0.5 * 2/3) = 1/3.
    assert task.grade([5, 9, 7], [5, 2, 7])["total"] == pytest.approx(1 / 3)
    # All selected, none at its place: 0.5 * (0.5 * 1 + 0.5 * 0) = 1/4.
    assert task.grade([2, 7, 5], [5, 2, 7])["total"] == pytest.approx(1 / 4)
    # Only selection counts, without discount.
    lenient = Masked(discount=1.0, selection_weight=1.0)
    assert lenient.grade([2, 7, 5], [5, 2, 7])["total"] == 1


@given(
    st.permutations(range(1, 7)).map(lambda p: p[:3]),
    st.permutations(range(1, 7)).map(lambda p: p[:3]),
    st.sampled_from(sorted(ORDERS)),
)
def test_rewards_are_in_range_and_one_for_the_truth(
    answer: list[int], truth: list[int], order: Order
) -> None:
    parts = Masked(order=order).grade(answer, truth)
    assert all(0 <= value <= 1 for value in parts.values())
    assert (parts["total"] == 1) == (answer == truth)
    assert ORDERS[order](truth, truth) == 1


def test_chance_by_hand(clips: Path) -> None:
    # K = 3 of 6: E[selection] = 1/2, E[position] = 1/6, P(exact) = 1/120. An exact answer would
    # earn 0.5 from the mix and earns 1: 0.5 * (0.5 * 1/2 + 0.5 * 1/6) + 0.5 / 120 = 0.1708333.
    for sample in samples(clips, Masked(max_similarity=0.999)):
        assert sample.chance == pytest.approx(0.1708333, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("4,1,6", [4, 1, 6]),
        ("4, 1 ,6", [4, 1, 6]),
        ("4,1", None),
        ("4,1,6,2", None),
        ("4,4,6", None),
        ("0,1,6", None),
        ("4,1,7", None),
        ("4 1 6", None),
        ("416", None),
        ("4,1,6 4,1,6", None),
        ("", None),
    ],
)
def test_parse_takes_k_different_candidates(clips: Path, text: str, answer: object) -> None:
    task = Masked(max_similarity=0.999)
    assert task.parse(text, samples(clips, task)[0]) == answer


def test_the_hidden_run_is_what_the_answer_names(clips: Path) -> None:
    task = Masked(max_similarity=0.999)
    made = samples(clips, task)
    assert len(made) >= 4
    for sample in made:
        context, *candidates = sample.media
        edit = context.edits[0]
        assert edit["edit"] == "grey" and edit["stop"] - edit["start"] == 3
        hidden = context.frames[edit["start"] : edit["stop"]]
        named = [candidates[number - 1].frames for number in sample.answer]
        assert [frames[0].source_seconds for frames in named] == [f.source_seconds for f in hidden]
        # A frame stays on both sides of the gap.
        assert edit["start"] > 0 and edit["stop"] < len(context.frames)


def test_distractors_lie_outside_of_the_gap_and_are_not_shown(clips: Path) -> None:
    for sample in samples(clips, Masked(max_similarity=0.999)):
        context, *candidates = sample.media
        edit = context.edits[0]
        before = context.frames[edit["start"] - 1].source_seconds
        after = context.frames[edit["stop"]].source_seconds
        shown = {frame.source_seconds for frame in context.frames}
        for number, item in enumerate(candidates, 1):
            if number not in sample.answer:
                second = item.frames[0].source_seconds
                assert not before < second < after
                assert second not in shown


def test_candidates_are_stills_that_tell_no_time(clips: Path) -> None:
    for sample in samples(clips, Masked(max_similarity=0.999)):
        for item in sample.media[1:]:
            assert len(item.frames) == 2 and item.frames[0] == item.frames[1]
            assert item.frames[0].shown_seconds == 0


def test_key_frames_differ_from_the_last_one_kept() -> None:
    # Similarities of five whole steps (every second index) to each other, threshold 0.9:
    # step 1 is like step 0 and goes; step 2 differs from step 0 and stays; step 3 is like
    # step 2 and goes; step 4 is like step 0, but differs from step 2, the last one kept.
    like = np.eye(9)
    for a, b in [(0, 2), (4, 6), (0, 8)]:
        like[a, b] = like[b, a] = 0.95
    assert Masked(max_similarity=0.9)._key_frames(like) == [0, 4, 8]


@pytest.mark.parametrize(
    ("end", "reason"),
    [(5.0, "5.00 s long, needs 7 s (knobs min_frames and fps)")],
)
def test_a_short_video_is_a_skip_that_names_its_knobs(end: float, reason: str) -> None:
    result = Masked().synthesize(a_video(end=end), np.random.default_rng(0), lambda n: [])
    assert result == Skip("v.mp4", reason, "masked")


def test_a_still_video_has_too_few_different_frames(tmp_path: Path) -> None:
    from kuleshov.frames import write_video

    write_video(tmp_path / "still.mp4", np.full((120, 64, 64, 3), 90, np.uint8), 12)
    video = next(iter(read(tmp_path)))
    assert isinstance(video, Video)
    result = Masked().synthesize(video, np.random.default_rng(0), lambda n: [])
    assert isinstance(result, Skip)
    assert result.reason.startswith("different frames at 1 fps: 1, needs 8")


def test_chance_is_the_mean_over_all_sequences_for_every_order() -> None:
    from kuleshov.tasks.masked import _chance

    for order in ORDERS:
        task = Masked(num_targets=2, order=order)  # type: ignore[arg-type]
        truth = [3, 1]
        pool = permutations(range(1, 6), 2)
        mean = sum(task.grade(list(s), truth)["total"] for s in pool) / 20
        assert _chance(task, 5) == pytest.approx(mean)


def test_knobs_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="num_targets 7, min_frames 8"):
        Masked(num_targets=7)
    with pytest.raises(UsageError, match="even numbers"):
        Masked(num_frames=15)
