from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.errors import UsageError
from kuleshov.reward import wrap
from kuleshov.sample import Sample, Skip
from kuleshov.tasks import SETTINGS, build, score, task_of
from kuleshov.tasks.labelled import Labelled, plain
from tests.conftest import a_video

COLOURS = ("red", "green", "dark blue")


def asked(answer: str, options: tuple[str, ...] = COLOURS, setting: str = "default") -> Sample:
    task = build("labelled", setting, {"options": options})
    assert isinstance(task, Labelled)
    sample = task.ask(a_video(), "Which colour?", answer)
    assert isinstance(sample, Sample)
    return sample


def earned(sample: Sample, text: str) -> float:
    return score(sample, wrap(text, sample.form)).total


def test_the_prompt_names_the_options_with_letters() -> None:
    text = asked("B").prompt
    assert text.startswith("<video>\nWhich colour?\n(A) red\n(B) green\n(C) dark blue\nAnswer with")
    assert "(A)" not in asked("red", ()).prompt


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    ("text", "total"),
    [
        *[(right, 1.0) for right in ("B", "b", "(B)", "B.", "(b).")],
        *[(wrong, 0.0) for wrong in ("A", "C", "D", "A B", "A or B", "B, C", "red", "", "?")],
    ],
)
def test_one_letter_is_the_answer_to_a_choice(setting: str, text: str, total: float) -> None:
    assert earned(asked("B", setting=setting), text) == total


def test_the_text_of_an_option_is_read_too_but_not_as_published() -> None:
    assert earned(asked("B"), "It is green.") == 1.0
    assert earned(asked("B", setting="paper"), "It is green.") == 0.0


@pytest.mark.parametrize(
    ("text", "total"),
    [
        *[(right, 1.0) for right in ("a Red car", "A red car.", '"a  red car"', " A RED CAR!")],
        *[(wrong, 0.0) for wrong in ("red car", "a red car or a bus", "a redcar", "", "...")],
    ],
)
def test_texts_are_compared_without_case_marks_and_spaces(text: str, total: float) -> None:
    assert earned(asked("a red car", ()), text) == total


@pytest.mark.parametrize("sample", [asked("C"), asked("a red car", ())])
def test_the_true_answer_earns_one_and_survives_json(sample: Sample) -> None:
    task = task_of(sample)
    assert score(sample, task.completion(sample.answer)).answer == sample.answer
    assert score(sample, task.completion(sample.answer)).total == 1.0
    assert Sample.from_json(sample.to_json()) == sample
    rng = np.random.default_rng(0)
    assert all(earned(sample, task.guess(sample, rng)) in (0.0, 1.0) for _ in range(20))


def test_chance_is_one_in_so_many_options() -> None:
    sample, rng = asked("C"), np.random.default_rng(0)
    assert sample.chance == pytest.approx(1 / 3) and asked("red", ()).chance == 0.0
    hits = [earned(sample, task_of(sample).guess(sample, rng)) for _ in range(900)]
    # Binomial: standard deviation sqrt(1/3 * 2/3 / 900) = 0.016.
    assert abs(np.mean(hits) - 1 / 3) < 4 * 0.016


def test_the_constants_are_the_answers_of_the_set() -> None:
    samples = [asked("C"), asked("A"), asked("C")]
    assert list(task_of(samples[0]).candidates(samples)) == ["A", "C"]


def test_each_option_is_a_unit() -> None:
    units = task_of(asked("B")).units(asked("B"))
    assert [(unit.text, unit.label) for unit in units] == [
        ("red", False),
        ("green", True),
        ("dark blue", False),
    ]
    assert task_of(asked("red", ())).units(asked("red", ())) == []
    assert task_of(asked("B")).switched_off(asked("B")) is None


@given(text=st.text(max_size=30))
def test_any_completion_earns_nothing_or_all(text: str) -> None:
    for sample in (asked("B"), asked("red", ())):
        assert earned(sample, text) in (0.0, 1.0)
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize(
    ("fps", "want"),
    [
        (None, 48),  # num_frames
        (1.0, 10),  # 10 s
        (0.5, 4),  # 5 frames, 2.5 pairs: to the even number of pairs
        (0.01, 2),
        (1.5, 16),  # 15 frames, 7.5 pairs
        (8.0, 48),
    ],
)
def test_frames_for_each_second_up_to_a_number(fps: float | None, want: int) -> None:
    sample = Labelled(fps=fps).ask(a_video(), "?", "x")
    assert isinstance(sample, Sample)
    assert a_video().duration == 10.0 and len(sample.media[0].frames) == want


def test_it_makes_no_questions_up() -> None:
    result = Labelled().synthesize(a_video(), np.random.default_rng(0), lambda n: [])
    assert isinstance(result, Skip) and "come from rows" in result.reason
    assert isinstance(Labelled(min_frames=101).ask(a_video(), "?", "x"), Skip)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"options": ["red"]}, "allowed: 2 to 26 different ones"),
        ({"options": ["red", "Red."]}, "allowed: 2 to 26 different ones"),
        ({"options": [str(i) for i in range(27)]}, "allowed: 2 to 26 different ones"),
        ({"num_frames": 5}, "num_frames is 5; allowed: even numbers"),
        ({"fps": 0.0}, "fps is 0.0; allowed: above 0, or null"),
    ],
)
def test_knobs_that_make_no_sense_are_refused(knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build("labelled", knobs=knobs)


def test_frames_are_even_and_over_the_whole_video() -> None:
    (item,) = asked("B").media
    seconds = [frame.source_seconds for frame in item.frames]
    # 48 slots of 10 s; the first middle is at 10 / 96 s.
    assert len(seconds) == 48 and seconds[0] == pytest.approx(10 / 96, abs=1e-6)
    assert replace(asked("A"), answer="B") == asked("B")
