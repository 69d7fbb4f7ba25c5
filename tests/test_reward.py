from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.reward import extract, wrap
from kuleshov.sample import Form


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("<answer>4</answer>", "4"),
        ("It is <answer> 4 </answer>.", "4"),
        ("<answer>4</answer> so <answer>4</answer>", "4"),
        ("<answer>3</answer> or <answer>4</answer>", None),
        ("<think><answer>3</answer></think><answer>4</answer>", "4"),
        ("<think>a</think>b</think><answer>4</answer>", "4"),
        ("<answer>4</answer></think>", None),
        ("4", None),
        ("<answer>4", None),
        ("4</answer>", None),
        ("<Answer>4</Answer>", None),
        ("<answer>2\n</answer>", "2"),
        ("", None),
    ],
)
def test_tagged_form_needs_exactly_one_distinct_answer(completion: str, answer: str | None) -> None:
    assert extract(completion, "tagged") == answer


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        *[("4", "4"), (" 4\n", "4"), ("", None), ("  ", None)],
        *[("<think>3?</think> 4", "4"), ("3?</think>\n\n4", "4"), ("<think></think>", None)],
    ],
)
def test_direct_form_is_all_behind_the_thought(completion: str, answer: str | None) -> None:
    assert extract(completion, "direct") == answer


@pytest.mark.parametrize("form", ["tagged", "direct"])
def test_a_thought_that_is_not_closed_leaves_no_answer(form: Form) -> None:
    assert extract(f"<think>It may be {wrap('4', form)}", form) is None
    assert extract(f"<think>a</think><think>{wrap('4', form)}", form) is None


@given(st.from_regex(r"[0-9.,\-]{1,20}", fullmatch=True), st.sampled_from(["tagged", "direct"]))
def test_extract_undoes_wrap(answer: str, form: Form) -> None:
    assert extract(wrap(answer, form), form) == answer


@given(st.text())
def test_extract_never_fails(completion: str) -> None:
    extract(completion, "tagged")
    extract(completion, "direct")
