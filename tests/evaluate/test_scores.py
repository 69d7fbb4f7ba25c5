from __future__ import annotations

import pytest

from kuleshov.errors import UsageError
from kuleshov.evaluate.results import Result
from kuleshov.evaluate.scores import (
    by_condition,
    covers,
    failure_share,
    mean_scores,
    pooled,
    repeats,
)


def said(sample: str, score: float, repeat: int = 0, condition: str = "full") -> Result:
    answer = 1 if score else None
    return Result(sample, "t", "v", condition, repeat, "x", answer, score, 1, 1)


def test_results_become_rows_of_items_whatever_their_order() -> None:
    answers = by_condition([said("b", 1, 1), said("a", 0.5), said("b", 0), said("a", 1, 1)])
    assert repeats(answers, "full", ["a", "b"]).tolist() == [[0.5, 1], [0, 1]]
    assert mean_scores(answers, "full", ["b", "a"]).tolist() == [0.5, 0.75]
    assert failure_share(answers, "full", ["a", "b"]) == 0.25


def test_a_condition_covers_only_what_was_asked() -> None:
    answers = by_condition([said("a", 1), said("b", 1), said("a", 1, condition="blind")])
    assert covers(answers, "full", ["a", "b"]) and not covers(answers, "blind", ["a", "b"])
    assert not covers(answers, "single", ["a"])


def test_runs_are_pooled_where_all_have_answers() -> None:
    first = by_condition([said("a", 1), said("b", 1), said("a", 0, condition="blind")])
    second = by_condition([said("a", 0), said("c", 1)])
    both = pooled([first, second])
    assert list(both) == ["full"] and list(both["full"]) == ["a"]
    assert repeats(both, "full", ["a"]).tolist() == [[1, 0]]


def test_uneven_repeats_are_refused() -> None:
    answers = by_condition([said("a", 1), said("a", 1, 1), said("b", 1)])
    with pytest.raises(UsageError, match="more repeats than others under the condition full"):
        repeats(answers, "full", ["a", "b"])
