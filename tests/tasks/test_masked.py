from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.clips import write_clips
from kuleshov.errors import UsageError
from kuleshov.features import features
from kuleshov.media import render
from kuleshov.orders import ORDERS
from kuleshov.randomness import rng_for
from kuleshov.read import read
from kuleshov.sample import Sample, Skip, Video
from kuleshov.tasks import masked, task_of
from kuleshov.tasks.masked import Masked
from tests.conftest import a_video

# Procedural clips change less from second to second than real ones.
FINE: dict[str, Any] = {"max_similarity": 0.999, "fps": 2.0}


def samples(folder: Path, task: Masked) -> list[Sample]:
    videos = [item for item in read(folder) if isinstance(item, Video)]
    made = [task.synthesize(v, rng_for("test", v.id), lambda n: []) for v in videos]
    return [result for result in made if isinstance(result, Sample)]


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
    answer: list[int], truth: list[int], order: Literal["position", "prefix", "lcs", "pairs"]
) -> None:
    parts = Masked(order=order).grade(answer, truth)
    assert all(0 <= value <= 1 for value in parts.values())
    assert (parts["total"] == 1) == (answer == truth)
    assert ORDERS[order](truth, truth) == 1


def test_chance_by_hand(clips: Path) -> None:
    # K = 3 of 6: E[selection] = 1/2, E[position] = 1/6, P(exact) = 1/120. An exact answer would
    # earn 0.5 from the mix and earns 1: 0.5 * (0.5 * 1/2 + 0.5 * 1/6) + 0.5 / 120 = 0.1708333.
    for sample in samples(clips, Masked(**FINE)):
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
    task = Masked(**FINE)
    assert task.parse(text, samples(clips, task)[0]) == answer


def test_the_hidden_run_is_what_the_answer_names(clips: Path) -> None:
    task = Masked(**FINE)
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
    for sample in samples(clips, Masked(**FINE)):
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


@pytest.mark.parametrize("source", ["runs", "between"])
def test_no_candidate_is_like_another_or_like_a_target(clips: Path, source: Any) -> None:
    videos = {v.id: v for v in read(clips) if isinstance(v, Video)}
    for sample in samples(clips, Masked(**FINE, source=source)):
        seconds = [item.frames[0].source_seconds for item in sample.media[1:]]
        vectors = features(videos[sample.video_ids[0]], seconds, "thumbnail")
        assert (vectors @ vectors.T - np.eye(len(seconds)) <= 0.999).all()


def test_no_candidate_is_like_a_shown_frame(clips: Path) -> None:
    videos = {v.id: v for v in read(clips) if isinstance(v, Video)}
    for sample in samples(clips, Masked(**FINE)):
        context, *candidates = sample.media
        (edit,) = context.edits
        shown = [*context.frames[: edit["start"]], *context.frames[edit["stop"] :]]
        seconds = [f.source_seconds for f in [*shown, *(item.frames[0] for item in candidates)]]
        vectors = features(videos[sample.video_ids[0]], seconds, "thumbnail")
        assert (vectors[len(shown) :] @ vectors[: len(shown)].T <= 0.999).all()


@pytest.mark.parametrize("level", Masked.LEVELS)
def test_distractors_are_frames_of_other_hidden_runs(tmp_path: Path, level: str) -> None:
    write_clips(tmp_path, 3, seed=4, seconds=24)
    made = samples(tmp_path, replace(Masked.level(level), max_similarity=0.999))
    assert made
    for sample in made:
        context, *candidates = sample.media
        task = task_of(sample)
        assert isinstance(task, Masked)
        assert len(candidates) == task.num_targets + task.num_distractors
        # Between a distractor of one run and the next, or a target, at least one frame is shown
        # or they are neighbours of a run.
        hidden = sorted(item.frames[0].source_seconds for item in candidates)
        shown = {frame.source_seconds for frame in context.frames[: context.edits[0]["start"]]}
        shown |= {frame.source_seconds for frame in context.frames[context.edits[0]["stop"] :]}
        runs = [[hidden[0]]]
        for before, after in pairwise(hidden):
            if any(before < second < after for second in shown):
                runs.append([])
            runs[-1].append(after)
        assert max(map(len, runs)) == task.num_targets
        assert len(runs) == 1 + task.num_distractors // task.num_targets


def test_a_candidate_is_an_image_if_asked(clips: Path) -> None:
    made = samples(clips, Masked(**FINE, stills="image"))
    assert made
    for sample, video in zip(made, samples(clips, Masked(**FINE)), strict=True):
        assert sample.placeholders == ["<video>", *["<image>"] * 6]
        assert "Candidate 2: <image>" in sample.prompt
        assert [len(item.frames) for item in sample.media[1:]] == [1] * 6
        # The same question, whatever its candidates are shown as.
        assert sample.answer == video.answer and sample.media[0] == video.media[0]
        for still, twice in zip(render(sample, clips)[1:], render(video, clips)[1:], strict=True):
            assert (still[0] == twice).all()


def test_a_question_is_about_any_part_of_a_long_video(tmp_path: Path) -> None:
    write_clips(tmp_path, 1, seed=4, seconds=60)
    (video,) = [item for item in read(tmp_path) if isinstance(item, Video)]
    task = Masked(max_similarity=0.9999)
    made = [task.synthesize(video, rng_for("test", i), lambda n: []) for i in range(8)]
    starts = [s.media[0].frames[0].source_seconds for s in made if isinstance(s, Sample)]
    # 16 frames may follow one another from 0 to 45 s.
    assert min(starts) < 15 and max(starts) > 30


def test_candidates_are_stills_that_tell_no_time(clips: Path) -> None:
    for sample in samples(clips, Masked(**FINE)):
        for item in sample.media[1:]:
            assert len(item.frames) == 2 and item.frames[0] == item.frames[1]
            assert item.frames[0].shown_seconds == 0


@pytest.mark.parametrize(
    ("end", "reason"),
    [(5.0, "5.00 s long, needs 8 s (knobs min_frames and fps)")],
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
    assert result.reason.startswith("different frames at 1 fps: 1, needs 9")


@pytest.mark.parametrize("setting", [Masked(), Masked.paper()])
def test_a_video_that_claims_to_last_for_weeks_is_not_looked_at_to_its_end(
    setting: Masked, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[float] = []

    def same(video: Video, seconds: list[float], embedder: str) -> Any:
        looked.extend(seconds)
        return np.ones((len(seconds), 1))

    monkeypatch.setattr(masked, "features", same)
    result = setting.synthesize(a_video(end=1e12), rng_for("test"), lambda n: [])
    assert isinstance(result, Skip) and "different frames at 1 fps: 1," in result.reason
    # 64 x 16 seconds, at two frames each as published.
    assert looked[-1] - looked[0] == pytest.approx(1024, abs=1)
    assert len(looked) == 1024 * (2 if setting.source == "between" else 1)


@pytest.mark.parametrize("order", ORDERS)
def test_chance_is_the_mean_over_all_sequences(clips: Path, order: Any) -> None:
    task = Masked(**FINE, num_targets=2, min_frames=10, order=order)
    sample = samples(clips, task)[0]
    sequences = permutations(range(1, 6), 2)
    mean = sum(task.grade(list(s), sample.answer)["total"] for s in sequences) / 20
    assert sample.chance == pytest.approx(mean)


@pytest.mark.parametrize(
    ("level", "chance"),
    [
        # K = 2 of 4: selection 1/2, position 1/4, exact 1/12: (3/8 + 1/12) / 2.
        ("easy", 11 / 48),
        # K = 3 of 6: selection 1/2, position 1/6, exact 1/120: (1/3 + 1/120) / 2.
        ("medium", 41 / 240),
        # K = 4 of 12: selection 1/3, position 1/12, exact 1/11880: (5/24 + 1/11880) / 2.
        ("hard", (5 / 24 + 1 / 11880) / 2),
    ],
)
def test_the_chance_of_each_level_by_hand(level: str, chance: float) -> None:
    assert Masked.level(level)._chance() == pytest.approx(chance)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        # Two runs of 5 frames and 3 frames around them; then one more, as 8 are shown.
        ({"num_targets": 5, "num_distractors": 5}, "13 <= min_frames"),
        # 7 hidden and one on both sides, of which there is an even number.
        ({"num_targets": 7, "source": "between"}, "10 <= min_frames"),
        ({"num_targets": 0}, "num_targets 0, .* need num_targets >= 1"),
        ({"num_distractors": -1}, "num_distractors >= 0"),
        ({"min_frames": 20}, "min_frames 20, num_frames 16"),
        # Runs 3 + 1 + 3 + 1 + 3: 5 frames between the first and the last.
        ({"num_distractors": 6, "min_frames": 14, "neighborhood": 4}, "need 5 or more"),
        ({"source": "betwen"}, "unknown source of masked 'betwen'; did you mean 'between'"),
        ({"distractors": "close"}, "did you mean 'closest'"),
        ({"stills": "images"}, "did you mean 'image'"),
        ({"order": "pair"}, "did you mean 'pairs'"),
    ],
)
def test_knobs_out_of_range_are_refused(knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Masked(**knobs)
