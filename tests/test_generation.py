from __future__ import annotations

import pytest

from kuleshov.errors import UsageError
from kuleshov.generation import Sampling
from kuleshov.recipe import build
from kuleshov.train.config import TrainConfig

SOME = Sampling(top_p=0.9, top_k=20, min_p=0.1, repetition_penalty=1.05)


def test_each_way_to_run_a_model_is_told_all_settings() -> None:
    names = {"temperature", "top_p", "top_k", "min_p", "repetition_penalty"}
    told = {"temperature": 0.5, "top_p": 0.9, "top_k": 20, "min_p": 0.1, "repetition_penalty": 1.05}
    assert SOME.named(0.5) == SOME.vllm(0.5) == told
    assert SOME.transformers(0.5) == {"do_sample": True, **told}
    assert {"temperature": 0.5, **SOME.openai()} == {"temperature": 0.5, **SOME.trl()} == told
    assert Sampling().named(1.0).keys() == names


def test_the_defaults_leave_the_distribution_as_it_is() -> None:
    off = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
    assert Sampling().vllm(1.0) == {"temperature": 1.0, **off}
    assert Sampling().trl() == {**off, "min_p": None}  # no function of transformers at all
    assert Sampling().openai() == {**off, "top_k": -1}


def test_a_penalty_acts_on_greedy_answers_and_cuts_do_not() -> None:
    assert SOME.transformers(0.0) == {"do_sample": False, "repetition_penalty": 1.05}


def test_what_a_request_leaves_out_is_not_known() -> None:
    body = {"temperature": 0.5, **Sampling().openai()}
    assert Sampling().sent(body) == Sampling().named(0.5)
    body = {"temperature": 0.5, "top_p": 1.0, "top_k": 50}
    assert Sampling().sent(body) == {
        "temperature": 0.5,
        "top_p": 1.0,
        "top_k": 50,
        "min_p": None,
        "repetition_penalty": None,
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"top_p": 0}, r"sampling: top_p is 0\.0; allowed: above 0, to 1"),
        ({"top_k": -1}, "sampling: top_k is -1; allowed: 0 or more"),
        ({"min_p": 1.5}, r"sampling: min_p is 1\.5; allowed: 0 to 1"),
        ({"repetition_penalty": 0}, r"repetition_penalty is 0\.0; allowed: above 0"),
        ({"topk": 3}, "unknown key in train.grpo.sampling 'topk'; did you mean 'top_k'"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(TrainConfig, {"grpo": {"sampling": values}}, "train")
