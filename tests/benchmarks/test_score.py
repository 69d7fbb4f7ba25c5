from __future__ import annotations

import math

import pytest

from benchmarks.score import FAMILIES, exponent, largest, readers, samples
from kuleshov.sample import Sample
from kuleshov.tasks import GIVEN, TASKS, free_form, score, task_of
from kuleshov.tasks.published_readings import PUBLISHED, PUBLISHED_YES_NO

every_task = pytest.mark.parametrize("sample", list(samples()), ids=lambda sample: sample.task)


def test_every_task_and_every_reader_is_measured_on_twenty_families() -> None:
    names = readers().keys()
    assert {f"score of {task}" for task in (*TASKS, *GIVEN)} <= names
    assert {f"as {name}" for name in PUBLISHED} <= names
    assert {f"as {name}, yes or no" for name in PUBLISHED_YES_NO} <= names
    assert {"letter", "yes_no", "number", "interval", "order"} <= names
    assert len(FAMILIES) >= 20 and len(set(FAMILIES.values())) == len(FAMILIES)


def quadratic(text: str) -> int:
    return sum(text.count("<answer>", at) for at in range(0, len(text), 64))


def test_a_reader_that_is_not_linear_is_found() -> None:
    found = largest({"planted": quadratic}, sizes=(4096, 65_536), repeats=2)
    assert float(str(found["largest_exponent"])) > 1.6 and found["family"] in FAMILIES


def test_a_reader_that_is_linear_passes() -> None:
    assert exponent(lambda text: text.count("<"), "<", (65_536, 1_048_576), 3) < 1.4
    assert exponent(len, "a", (1024, 4096), 1) < math.inf


@every_task
def test_an_answer_behind_a_megabyte_is_still_read(sample: Sample) -> None:
    said = task_of(sample).completion(sample.answer)
    for before in ("<think>" + "is it (A) or 3? " * 62_000 + "</think>", " " * 1_000_000):
        assert score(sample, f"{before}{said}").total == 1.0


def test_an_answer_at_the_end_of_a_megabyte_of_words_is_still_read() -> None:
    words = "It goes on and on. " * 50_000
    assert free_form.letter(f"{words}The answer is B.", ("red", "green")) == "B"
    assert free_form.yes_no(f"{words}Yes.") == "yes"
    assert free_form.number(f"{words}It is 3.5 m.") == 3.5
    assert free_form.interval(f"{words}From 2 s to 4.5 s.") == [2.0, 4.5]
    assert free_form.order(f"{words}2, 1, 3", 3) == [2, 1, 3]
