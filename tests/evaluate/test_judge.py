from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kuleshov.errors import EndpointError, UsageError
from kuleshov.evaluate.config import CallConfig, EvalConfig, JudgeConfig
from kuleshov.evaluate.judge import grading, judged
from kuleshov.recipe import load
from kuleshov.sample import Reward
from kuleshov.tasks import score
from tests.evaluate.backends.conftest import stub
from tests.evaluate.backends.stub import Stub, answers, completion
from tests.tasks.test_given import asked

__all__ = ["stub"]
SAMPLE = asked("given_text", knobs={"judged": True})
CALLS = CallConfig(retries=1, first_wait_seconds=0.01, timeout_seconds=10, key_variable="STUB_KEY")


def at(stub: Stub) -> JudgeConfig:
    return JudgeConfig(endpoint=stub.url, model_name="judge", calls=CALLS)


def test_any_function_can_be_the_judge() -> None:
    seen: list[Any] = []

    def judge(question: str, truths: Sequence[str], said: str) -> bool:
        seen.append((question, list(truths), said))
        return "red" in said

    grade = judged(judge)
    assert grade(SAMPLE, "<think>blue</think>a red one") == Reward(1.0, {}, "a red one")
    assert grade(SAMPLE, "a blue one") == Reward(0.0, {}, "a blue one")
    question, truths, said = seen[0]
    assert question.startswith("Well?") and said == "a red one"
    assert truths == ["a red car", "red car"]


def test_it_is_asked_only_where_there_is_something_to_judge() -> None:
    def never(question: str, truths: Sequence[str], said: str) -> bool:
        raise AssertionError("asked")

    grade = judged(never)
    assert grade(SAMPLE, " ... ") == grade(SAMPLE, "") == Reward(0.0)
    for other, text in ((asked("given_choice"), "B"), (asked("given_text"), "red car")):
        assert grade(other, text) == score(other, text) and score(other, text).total == 1.0


def test_an_endpoint_says_yes_or_no(stub: Stub) -> None:
    stub.script.extend(answers(body=completion(text)) for text in ("Yes.", "no"))
    with grading(at(stub), score) as grade:
        assert [grade(SAMPLE, text).total for text in ("crimson car", "bus")] == [1.0, 0.0]
    body = stub.calls[0].body
    assert (body["model"], body["temperature"]) == ("judge", 0)
    for part in ("Well?", "a red car | red car", "Answer: crimson car"):
        assert part in body["messages"][0]["content"]


def test_a_judge_that_cannot_be_reached_is_an_error_and_no_score(stub: Stub) -> None:
    stub.otherwise = answers(503)
    with (
        grading(at(stub), score) as grade,
        pytest.raises(EndpointError, match=r"503.*nothing is scored in its place"),
    ):
        grade(SAMPLE, "crimson car")
    assert len(stub.calls) == 2
    gone = replace(at(stub), endpoint="http://127.0.0.1:9/v1")
    with grading(gone, score) as grade, pytest.raises(EndpointError, match="gives no answer"):
        grade(SAMPLE, "crimson car")


@pytest.mark.parametrize("verdict", ["", "perhaps", "it is yes or no"])
def test_a_verdict_that_is_none_is_an_error_too(stub: Stub, verdict: str) -> None:
    stub.otherwise = answers(body=completion(verdict))
    with (
        grading(at(stub), score) as grade,
        pytest.raises(EndpointError, match="says neither yes nor no"),
    ):
        grade(SAMPLE, "crimson car")


def test_without_a_judge_nothing_changes() -> None:
    with grading(None, score) as grade:
        assert grade is score


def test_a_recipe_names_it(tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("eval: {judge: {endpoint: 'http://127.0.0.1:8000/v1', model_name: j}}")
    settings = load(recipe, "eval", EvalConfig, {})
    assert settings.judge == JudgeConfig(endpoint="http://127.0.0.1:8000/v1", model_name="j")
    recipe.write_text("eval: {judge: {endpoint: 'nowhere', model_name: j}}")
    with pytest.raises(UsageError, match="endpoint is 'nowhere'"):
        load(recipe, "eval", EvalConfig, {})
