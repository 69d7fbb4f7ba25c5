from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import pytest
import torch

from kuleshov.errors import UsageError
from kuleshov.sample import Sample
from kuleshov.train.comparative import QUALITIES
from kuleshov.train.encode import Encoded
from kuleshov.train.objective import Objective
from kuleshov.train.objective_table import objective_of
from kuleshov.train.refeed import Written, refeed
from tests.train.conftest import Setup
from tests.train.test_comparative import SAMPLE
from tests.train.test_objectives_train import Recorder, by_text, one, recorder

__all__ = ["one"]


@final
@dataclass(frozen=True, kw_only=True)
class Longer(Objective):
    """Completions that are no longer than their twin are written again."""

    most: int = 2

    def arguments(self) -> dict[str, Any]:
        return {}

    def tries(self) -> int:
        return self.most

    def again(self, sample: Sample, completions: Sequence[str], twins: Sequence[str]) -> list[bool]:
        return [len(a) <= len(b) for a, b in zip(completions, twins, strict=True)]

    def asked_again(self, sample: Sample) -> Sample:
        return replace(sample, prompt=sample.prompt + " Longer.")


def encoded(sample: Sample) -> Encoded:
    return Encoded(torch.tensor([len(sample.prompt)]), None, {}, sample)


def run(
    ids: list[list[int]], twins: list[list[str]], answers: list[list[int]], **changes: Any
) -> tuple[Written, list[Encoded], int]:
    """Two groups of two; `answers` are what is written again, in turn."""
    prompts = [encoded(replace(SAMPLE, prompt=text)) for text in ("a", "b") for _ in range(2)]
    todo, rounds = list(answers), 0
    asked: list[Encoded] = []

    def write(some: Sequence[Encoded]) -> list[list[int]]:
        nonlocal rounds
        rounds += 1
        asked.extend(some)
        return [todo.pop(0) for _ in some]

    found = refeed(
        Longer(),
        Written(prompts, ids),
        twins,
        encoded,
        write,
        lambda texts: ["x" * len(text) for text in texts],
        changes.get("anyone", lambda here: here),
    )
    for row, prompt in enumerate(found.prompts):
        assert prompt.sample.prompt in (prompts[row].sample.prompt, f"{'aabb'[row]} Longer.")
    return found, asked, rounds


def test_what_passes_is_kept_with_the_prompt_it_was_written_under() -> None:
    found, asked, _ = run([[1], [1, 1], [1], []], [["", "x"], ["", "x"]], [[7, 7]])
    assert found.ids == [[1], [1, 1], [1], [7, 7]] and found.again == 1
    assert [p.sample.prompt for p in found.prompts] == ["a", "a", "b", "b Longer."]
    assert [p.sample.prompt for p in asked] == ["b Longer."]


def test_tries_end_where_it_passes_and_at_the_limit() -> None:
    # Row 0 never passes, row 1 at the second try, row 2 at the first.
    found, asked, rounds = run(
        [[], [], [], [1]], [["xx", "x"], ["x", ""]], [[1], [], [2, 2], [3], [4, 4]]
    )
    assert found.ids == [[3], [4, 4], [2, 2], [1]]
    assert rounds == 2 and found.again == 5
    # The instruction stands once, and a group shares its prompt.
    assert {p.sample.prompt for p in asked} == {"a Longer.", "b Longer."}
    assert found.prompts[0] is found.prompts[1]


def test_all_processes_write_equally_often() -> None:
    ids = [[1]] * 4
    found, _, rounds = run(ids, [["", ""]] * 2, [[9], [9]], anyone=lambda here: True)
    assert rounds == 2 and found.ids == ids and found.again == 0
    assert [p.sample.prompt for p in found.prompts] == ["a", "a", "b", "b"]
    assert run(ids, [["", ""]] * 2, [])[2] == 0


def train(one: Setup, out: Path, **options: Any) -> Recorder:
    objective = objective_of("comparative", {"base": "none", **options}, {})
    trained = recorder(one, out, objective, optim="sgd", learning_rate=1.0)
    trained.train()
    return trained


def instructed(prompt: Encoded) -> bool:
    return prompt.sample.prompt.endswith("fine-grained visual details.")


def test_log_probabilities_are_those_under_the_prompt_really_used(
    one: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(QUALITIES, "task", lambda sample, text: by_text(text))
    trained = train(one, tmp_path, retries=2)
    seen = trained.seen
    again = [instructed(prompt) for prompt in seen["encoded"]]
    assert any(again) and not all(again)
    for row, prompt in enumerate(seen["encoded"]):
        ids = seen["prompt_ids"][row][seen["prompt_mask"][row].bool()]
        assert torch.equal(ids.cpu(), prompt.input_ids)
        assert Sample.from_json(seen["sample"][row]) == prompt.sample
    log = trained.state.log_history[0]
    assert log["refeed/completions"] >= sum(again)
    # Completions that passed at once were written under the plain prompt, and gain; what failed to
    # the end is shut out.
    shut_out = (seen["advantages"] == 0).float().mean().item()
    assert log["comparative/shut_out"] == pytest.approx(shut_out)


def test_prompts_that_never_succeed_give_no_gradient_and_are_counted(
    one: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(QUALITIES, "task", lambda sample, text: 0.0)
    trained = train(one, tmp_path, retries=1)
    log = trained.state.log_history[0]
    assert all(instructed(prompt) for prompt in trained.seen["encoded"])
    assert log["refeed/completions"] == 8 and log["comparative/never"] == 1.0
    assert log["grad_norm"] == 0.0 and log["comparative/insensitive"] == 0.0


def test_refeed_by_vllm_is_refused() -> None:
    with pytest.raises(UsageError, match="by transformers only; set retries: 0"):
        objective_of("comparative", {"retries": 1}, {"use_vllm": True})
