from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.sample import Sample, Video
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
def test_parse_takes_one_letter_of_an_option(text: str, answer: object) -> None:
    assert Drink().parse(text, a_sample()) == answer


@given(st.sampled_from("ABCD"), st.sampled_from("ABCD"))
def test_only_the_truth_earns(answer: str, truth: str) -> None:
    assert Drink().grade(answer, truth)["total"] == (answer == truth)


@given(st.text())
def test_what_is_parsed_is_an_option_and_is_written_as_it_was_read(text: str) -> None:
    answer = Drink().parse(text, a_sample())
    assert answer is None or (answer in "ABCD" and Drink().write(answer) == text.upper())


def test_units_say_of_each_option_whether_it_is_right() -> None:
    units = Drink().units(a_sample())
    assert [unit.label for unit in units].count(True) == 1
    assert Unit((), True, "tea") in units
    assert sorted(unit.text for unit in units) == sorted(DRINKS)
