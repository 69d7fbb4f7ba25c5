from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kuleshov.errors import UsageError
from kuleshov.floors import best_constant
from kuleshov.sample import Frame, Json, MediaItem, Sample, Skip
from kuleshov.tasks import GIVEN, SETTINGS, TASKS, build, score, task_of
from kuleshov.tasks.given import Given
from tests.conftest import a_video

KINDS = {name: kind for name, kind in GIVEN.items() if issubclass(kind, Given)}
ITEM = MediaItem(tuple(Frame("0" * 32, float(i), float(i)) for i in range(4)), 32, 32)
TRUTHS: dict[str, tuple[dict[str, Json], Json]] = {
    "given_choice": ({"options": ["red", "green", "blue"]}, "B"),
    "given_yes_no": ({}, "no"),
    "given_number": ({}, 10.0),
    "given_interval": ({"duration": 10.0}, [[2.0, 6.0]]),
    "given_order": ({"length": 3}, [3, 1, 2]),
    "given_text": ({}, ["a red car", "red car"]),
    "given_caption": ({}, "a car hits a man"),
}
every_kind = pytest.mark.parametrize("name", KINDS)


def asked(name: str, **changes: Any) -> Sample:
    knobs, answer = TRUTHS[name]
    task = build(name, knobs={**knobs, **changes.pop("knobs", {})})
    sample = task.sample([a_video()], [ITEM], "<video>\nWell?", answer, 0.0)
    return replace(sample, **changes)


def earned(sample: Sample, text: str) -> float:
    return score(sample, text).total


def test_kinds_are_given_and_make_nothing_up() -> None:
    assert set(TRUTHS) == set(KINDS) and not KINDS & TASKS.keys()
    for kind in KINDS.values():
        result = kind().synthesize(a_video(), np.random.default_rng(0), lambda n: [])
        assert isinstance(result, Skip) and "come from a benchmark" in result.reason


@every_kind
def test_the_true_answer_earns_one_and_survives_json(name: str) -> None:
    sample = asked(name)
    task = task_of(sample)
    reward = score(sample, task.completion(sample.answer))
    assert reward.total == 1.0
    assert Sample.from_json(sample.to_json()) == sample
    assert all(build(name, setting).knobs() for setting in SETTINGS)
    assert task.units(sample) == [] and task.switched_off(sample) is None


@every_kind
def test_no_answer_earns_nothing(name: str) -> None:
    for text in ("", " ", "...", "<think>B, no, 10, 2 - 6, 3 1 2</think>"):
        assert (score(asked(name), text).total, score(asked(name), text).answer) == (0.0, None)


@every_kind
def test_a_guess_earns_the_stated_chance(name: str) -> None:
    sample = asked(name)
    task = task_of(sample)
    assert isinstance(task, Given)
    rng = np.random.default_rng(0)
    guesses = [task.guess(sample, rng) for _ in range(2000)]
    rewards = [0.0 if g is None else earned(sample, task.completion(g)) for g in guesses]
    stated = task.chance(sample, np.random.default_rng(1))
    # What is stated for an interval is the mean of 200 draws.
    assert abs(np.mean(rewards) - stated) <= 4 * np.std(rewards) / np.sqrt(200)


def test_chances_by_hand() -> None:
    rng = np.random.default_rng(0)
    for name, chance in (("given_choice", 1 / 3), ("given_yes_no", 1 / 2), ("given_order", 1 / 6)):
        task = task_of(asked(name))
        assert isinstance(task, Given)
        assert task.chance(asked(name), rng) == pytest.approx(chance)


def test_intervals_count_by_the_nearest_true_one() -> None:
    sample = asked("given_interval", answer=[[0.0, 2.0], [6.0, 10.0]])
    # [6, 8] covers 2 of 4; [0, 1] covers 1 of 2; [3, 5] nothing.
    for text, iou, recalls in (
        ("6 - 8", 0.5, (1.0, 1.0, 0.0)),
        ("0 to 1", 0.5, (1.0, 1.0, 0.0)),
        ("3 - 5", 0.0, (0.0, 0.0, 0.0)),
        ("6 - 10", 1.0, (1.0, 1.0, 1.0)),
    ):
        reward = score(sample, text)
        assert reward.total == reward.parts["iou"] == iou
        assert tuple(reward.parts[f"r1_{least}"] for least in (0.3, 0.5, 0.7)) == recalls


def test_numbers_by_relative_accuracy_or_exactly() -> None:
    # 10 % off: within all thresholds but 0.95.
    assert earned(asked("given_number"), "about 11") == pytest.approx(0.9)
    exact = asked("given_number", knobs={"scored": "exact"})
    assert (earned(exact, "11"), earned(exact, "ten of them")) == (0.0, 1.0)


def test_an_order_is_right_as_a_whole_and_says_how_many_are_in_place() -> None:
    reward = score(asked("given_order"), "3, 2, 1")
    assert (reward.total, reward.parts) == (0.0, {"places": 1 / 3})


def test_any_of_several_texts_is_right() -> None:
    sample = asked("given_text")
    assert [earned(sample, t) for t in ("Red car.", "A red  car", "blue")] == [1.0, 1.0, 0.0]


def test_a_text_for_a_judge_is_not_scored_without_one() -> None:
    sample = asked("given_text", knobs={"judged": True})
    assert earned(sample, "") == 0.0
    with pytest.raises(UsageError, match="for a judge to grade, and there is none"):
        score(sample, "a red car")
    assert best_constant([sample])[:2] == (0.0, None)


def test_captions_by_hand() -> None:
    # "a man hits a car" has the words of "a car hits a man". Of its 4 pairs "a man", "hits a" and
    # "a car" are the same, and in order 3 of the 5 words: "a", "hits", "a".
    reward = score(asked("given_caption"), "A man hits a car.")
    assert reward.parts["rouge_1_unstemmed"] == 1.0
    assert reward.parts["rouge_2_unstemmed"] == pytest.approx(2 * 3 / 8)
    assert reward.total == reward.parts["rouge_l_unstemmed"] == pytest.approx(3 / 5)


def test_constants_are_tried_over_all_answers() -> None:
    samples = [asked("given_choice"), asked("given_choice", answer="A"), asked("given_choice")]
    assert best_constant(samples)[:2] == (2 / 3, "B")
    spans = [asked("given_interval"), asked("given_interval", answer=[[0.0, 10.0]])]
    # The whole video earns 4 / 10 and 1; [2, 6] earns 1 and 4 / 10.
    value, answer, _ = best_constant(spans)
    assert value == pytest.approx(0.7) and answer in ([[0.0, 10.0]], [[2.0, 6.0]])


@pytest.mark.parametrize(
    ("name", "knobs", "message"),
    [
        ("given_choice", {"options": ["red"]}, "1 options; allowed: 2 to 26"),
        ("given_choice", {"options": ["x"] * 27}, "27 options; allowed: 2 to 26"),
        ("given_number", {"scored": "exakt"}, "unknown score of given_number 'exakt'; did you"),
    ],
)
def test_knobs_that_make_no_sense_are_refused(
    name: str, knobs: dict[str, Json], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        build(name, knobs=knobs)
