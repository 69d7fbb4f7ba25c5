from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.errors import UsageError
from kuleshov.sample import Sample, Video
from kuleshov.tasks import build, task_of
from kuleshov.tasks.choice import Choice
from kuleshov.tasks.task import Donors, Unit
from tests.conftest import a_video

DRINKS = ["tea", "milk", "water", "coffee"]


@dataclass(frozen=True, kw_only=True)
class Drink(Choice):
    """The right answer is always tea."""

    name: ClassVar[str] = "drink"

    @classmethod
    def paper(cls) -> Self:
        return cls()

    def synthesize(self, video: Video, rng: np.random.Generator, donors: Donors) -> Sample:
        return self.ask([video], [], "I drink one. Which?", DRINKS, rng)

    def switched_off(self, sample: Sample) -> None:
        return None


def a_sample(seed: int = 0) -> Sample:
    return Drink().synthesize(a_video(), np.random.default_rng(seed), lambda n: [])


def test_options_stand_behind_their_letters_and_the_answer_is_the_right_ones() -> None:
    for seed in range(20):
        sample = a_sample(seed)
        lines = sample.prompt.splitlines()
        assert lines[0] == "I drink one. Which?"
        assert [line[:3] for line in lines[1:5]] == ["A. ", "B. ", "C. ", "D. "]
        assert sorted(line[3:] for line in lines[1:5]) == sorted(DRINKS)
        assert f"{sample.answer}. tea" in lines
        assert Drink().right(sample) == "tea"
        assert sample.chance == 0.25


def test_no_letter_is_likelier_than_another() -> None:
    counts = Counter(a_sample(seed).answer for seed in range(800))
    # 200 each; the standard deviation is sqrt(800 * 1/4 * 3/4) = 12.2.
    assert set(counts) == set("ABCD")
    assert all(abs(count - 200) < 4 * 12.2 for count in counts.values())


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("A", "A"),
        ("d", "D"),
        ("E", None),  # there are four options
        ("AB", None),
        ("A, B", None),
        ("A.", None),
        ("tea", None),
        ("A. tea", None),
        ("", None),
    ],
)
def test_read_exactly_an_answer_is_one_letter_of_an_option(text: str, answer: object) -> None:
    assert Drink(reading="exact").parse(text, a_sample()) == answer


@pytest.mark.parametrize(
    ("text", "right"),
    [
        *[(text, True) for text in ("{}", "({})", "{}.", "**{}**", "Option {}", "{}. tea", "tea")],
        *[(text, False) for text in ("", "E", "{} or {other}", "not {}", "{}. milk", "coffee tea")],
    ],
)
def test_an_answer_is_read_in_the_words_that_a_model_finds(text: str, right: bool) -> None:
    sample = a_sample()
    other = "A" if sample.answer != "A" else "B"
    said = text.format(sample.answer, other=other)
    assert Drink().score(sample, f"<answer>{said}</answer>").total == float(right)


def test_how_an_answer_is_read_is_no_part_of_what_is_asked() -> None:
    assert Drink().asked() == Drink(reading="exact").asked()
    assert Drink().knobs() != Drink(reading="exact").knobs()


@pytest.mark.parametrize("name", ["arrow", "odd_clip", "speed", "turned", "labelled"])
def test_samples_of_before_are_read_as_they_were(name: str) -> None:
    knobs = build(name).knobs()
    del knobs["reading"]
    old = replace(a_sample(), task=name, knobs=knobs)
    assert task_of(old).knobs()["reading"] == "exact"
    assert build(name, "paper").knobs()["reading"] == "exact"
    assert build(name).knobs()["reading"] == "ours"


def test_a_reading_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown reading of given_choice 'mine'"):
        build("given_choice", knobs={"reading": "mine"})
    # No paper publishes how its answers are read.
    with pytest.raises(UsageError, match=r"unknown reading of turned 'published'.*exact, ours"):
        build("turned", knobs={"reading": "published"})


@given(st.sampled_from("ABCD"), st.sampled_from("ABCD"))
def test_only_the_truth_earns(answer: str, truth: str) -> None:
    assert Drink().grade(answer, truth)["total"] == (answer == truth)


@given(st.text())
def test_what_is_parsed_is_an_option_and_is_written_as_it_was_read(text: str) -> None:
    answer = Drink(reading="exact").parse(text, a_sample())
    assert answer is None or (answer in "ABCD" and Drink().write(answer) == text.upper())
    answer = Drink().parse(text, a_sample())
    assert answer is None or Drink().parse(Drink().write(answer), a_sample()) == answer


def test_units_say_of_each_option_whether_it_is_right() -> None:
    units = Drink().units(a_sample())
    assert [unit.label for unit in units].count(True) == 1
    assert Unit((), True, "tea") in units
    assert sorted(unit.text for unit in units) == sorted(DRINKS)
