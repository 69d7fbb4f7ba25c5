from __future__ import annotations

from dataclasses import replace

import pytest

from kuleshov.evaluate import policies
from kuleshov.floors import best_constant, chance
from kuleshov.sample import Frame, MediaItem, Sample
from kuleshov.tasks import GIVEN, TASKS, build, score, task_of


def jigsaws(*answers: str) -> list[Sample]:
    knobs = {"num_clips": 3, "num_frames": 48}
    return [
        Sample(
            id=str(i),
            task="jigsaw",
            video_ids=(str(i),),
            split="held_out",
            media=(),
            prompt="",
            answer=[int(digit) for digit in answer],
            form="tagged",
            knobs=build("jigsaw", knobs=knobs).knobs(),
            seed=0,
            chance=i / 40,
            provenance={"videos": [{"id": str(i), "path": f"{i}.mp4"}]},
        )
        for i, answer in enumerate(answers)
    ]


def test_best_constant_by_hand() -> None:
    # n = 3: E_max = 4. To 123, 132 and 132: 132 displaces 2 in the first and nothing in the
    # others, so it earns (1/2 + 1 + 1) / 3; 123 earns (1 + 1/2 + 1/2) / 3.
    best = best_constant(jigsaws("123", "132", "132"))
    assert (best.answer, best.clock) == ([1, 3, 2], "seconds")
    assert best.reward == pytest.approx(2.5 / 3)


def test_chance_is_the_mean_of_the_samples() -> None:
    assert chance(jigsaws("123", "132", "132")) == pytest.approx((0 + 1 / 40 + 2 / 40) / 3)


def timed(task: str, length: float, answer: object, number: int, frames: int = 48) -> Sample:
    """A question about a clip of so many seconds, without a video."""
    step = length / frames
    shown = tuple(Frame("v", i * step, round(i * step, 6)) for i in range(frames))
    (sample,) = jigsaws("123")
    return replace(
        sample,
        id=f"{number:016x}",
        task=task,
        video_ids=(str(number),),
        media=(MediaItem(shown, 64, 64),),
        answer=answer,
        form=build(task).form,
        knobs=build(task).knobs(),
    )


LENGTHS = [2.4, 4.8, 12.0, 48.0, 96.0, 240.0]


def test_an_answer_that_is_constant_in_frames_is_found_on_clips_of_mixed_length() -> None:
    """In seconds no answer fits them all; "frames 10 to 38 of 48" does."""
    samples = [
        timed("anomaly", length, [round(10 * length / 48, 2), round(38 * length / 48, 2)], i)
        for i, length in enumerate(LENGTHS)
    ]
    best = best_constant(samples)
    assert best.reward == pytest.approx(1, abs=0.02)
    assert best.clock != "seconds"
    assert [t / samples[2].answer[i] for i, t in enumerate(best.to(samples[2]))] == pytest.approx(
        [1, 1], abs=0.02
    )
    task = task_of(samples[0])
    in_seconds = [
        sum(task.grade(answer, s.answer)["total"] for s in samples) / len(samples)
        for answer in task.candidates(samples)
    ]
    assert max(in_seconds) < 0.5
    # What is reported of it is what the policy earns, as a model would.
    earned = policies.answers("best_constant", samples)
    assert sum(r.score for r in earned) / len(earned) == pytest.approx(best.reward, abs=0.02)
    assert all(r.parsed for r in earned)


def test_frames_count_where_clips_have_different_numbers_of_them() -> None:
    samples = [
        timed("anomaly", length, [round(i * length / n, 3) for i in (10, 20)], n, frames=n)
        for n, length in ((24, 12.0), (48, 12.0), (96, 30.0))
    ]
    best = best_constant(samples)
    assert (best.clock, best.answer) == ("frames", pytest.approx([10, 20], abs=0.01))
    assert "frames" in best.write(samples[0])


def test_a_single_time_and_intervals_of_benchmarks_have_all_clocks_too() -> None:
    for name in ("appearance", "given_interval"):
        answers = [[[0.25 * n, 0.75 * n]] if "interval" in name else 0.5 * n for n in LENGTHS]
        samples = [
            timed(name, n, answer, i)
            for i, (n, answer) in enumerate(zip(LENGTHS, answers, strict=True))
        ]
        best = best_constant(samples)
        assert best.clock == "of the shown length"
        assert best.reward == pytest.approx(1, abs=0.01)
        for sample in samples:
            task = task_of(sample)
            assert score(sample, task.completion(best.to(sample), sample)).total > 0.98


def test_clocks_that_a_sample_lacks_are_left_out() -> None:
    samples = [timed("anomaly", 12.0, [1.0, 3.0], i) for i in range(3)]
    samples[1] = replace(samples[1], media=())
    assert best_constant(samples) == (1.0, [1.0, 3.0], "seconds")


def test_every_task_whose_model_is_told_times_is_searched_on_all_clocks() -> None:
    kinds = {**TASKS, **GIVEN}
    assert all(kind.answers_in_seconds for kind in kinds.values() if kind.timed)
    searched = {name for name, kind in kinds.items() if kind.answers_in_seconds}
    assert searched == {"anomaly", "appearance", "given_interval"}
