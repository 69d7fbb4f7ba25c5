from __future__ import annotations

from dataclasses import replace

import numpy as np

from kuleshov.audit import priors
from kuleshov.audit.leaks import Looked
from kuleshov.floors import searched
from kuleshov.learned_floor import learned
from kuleshov.sample import Json, Sample
from kuleshov.tasks import task_of
from kuleshov.tasks.counting import Counting
from kuleshov.tasks.jigsaw import Jigsaw
from kuleshov.tasks.task import Task
from tests.audit.samples import a_sample, looked
from tests.test_floors import timed


def many(task: Task, answers: list[Json] | None = None, prompt: str = "") -> list[Looked]:
    ones = []
    for video in range(60):
        sample = a_sample(task, video)
        if answers is not None:
            sample = replace(sample, answer=answers[video % len(answers)])
        text = prompt.format(task.write(sample.answer))
        sample = replace(sample, prompt=sample.prompt + text)
        ones.append(looked(sample, video, task_of(sample).units(sample)))
    return ones


def verdicts(ones: list[Looked]) -> dict[str, str]:
    return {row.probe: row.verdict for row in priors.probes("x", ones)}


def test_answers_as_declared_are_nothing() -> None:
    assert set(verdicts(many(Counting())).values()) == {"nothing"}
    assert set(verdicts(many(Jigsaw())).values()) == {"nothing"}
    assert "positions" in verdicts(many(Jigsaw()))


def test_counts_that_are_always_small_are_a_leak() -> None:
    assert verdicts(many(Counting(), [[1, 1, 2], [2, 1, 1]]))["answers"] == "leak"


def test_orders_that_start_with_the_same_clip_are_a_leak() -> None:
    rng = np.random.default_rng(0)
    orders = [[1, *(rng.permutation(5) + 2).tolist()] for _ in range(60)]
    found = verdicts(many(Jigsaw(), orders))
    assert found["answers"] == "leak"


def test_a_prompt_that_names_the_answer_is_a_leak() -> None:
    assert verdicts(many(Counting(), prompt=" ({})"))["prompt names it"] == "leak"


def test_where_the_prompt_is_all_there_is_it_may_name_the_answer() -> None:
    found = priors.probes("x", many(Counting(), prompt=" ({})"), in_prompt=True)
    assert {row.probe: row.verdict for row in found}["prompt names it"] == "triviality"


def samples(answers: list[Json]) -> list[Sample]:
    return [replace(a_sample(Jigsaw(num_clips=3), i), answer=a) for i, a in enumerate(answers)]


def test_a_skewed_distribution_and_a_high_floor_are_warned_of_with_figures() -> None:
    # 30 of 40 are 1,2,3; of guesses the commonest of 6 orders has about a quarter. Rewards of
    # 123: 30 times 1 and 10 times 0, so 0.75; chance is 1 - (8 / 3) / 4 = 1 / 3.
    skewed = samples([[1, 2, 3]] * 30 + [[3, 2, 1]] * 10)
    texts = [f.text for f in priors.warnings(skewed, priors.floor(skewed))]
    assert texts[0] == "always 123 earns 0.750, chance 0.333"
    assert texts[1].startswith("75% of the answers are 123; of guessed ones 2")


def test_what_is_visible_without_pixels_is_a_floor_of_its_own() -> None:
    """Clips of 24 frames change early, those of 48 late: no constant is right for both."""
    told = [
        timed("anomaly", 12.0, [1.0, 3.0] if i % 2 else [8.0, 11.0], i, frames=24 if i % 2 else 48)
        for i in range(40)
    ]
    floor = priors.floor(told)
    assert floor.learned == 1.0 and floor.best_constant < 0.7
    texts = [finding.text for finding in priors.warnings(told, floor) if finding.kind == "floor"]
    assert any(text.startswith("what is visible without pixels earns 1.000") for text in texts)


def test_of_many_samples_evenly_many_are_asked_for_the_learned_floor() -> None:
    many = [timed("arrow", 12.0, "AB"[i % 2], i) for i in range(5000)]
    asked = searched(many, 2000)
    assert len(asked) < 2000 and priors.floor(many).learned == learned(asked)


def test_even_answers_are_not_warned_of() -> None:
    orders: list[Json] = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]]
    even = samples(orders * 7)
    assert priors.warnings(even, priors.floor(even)) == []
