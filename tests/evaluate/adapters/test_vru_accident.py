from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kuleshov.dataset import load_samples
from kuleshov.evaluate.adapters.vru_accident import CAPTION
from tests.evaluate.adapters.conftest import rows

Sets = Callable[[str], Path]


def test_questions_say_already_that_a_letter_is_wanted(sets: Sets) -> None:
    assert load_samples(sets("vru_accident"))[0].prompt == (
        "<video>\nChoose the answer from A, B, C, or D without any explanations.\n"
        "A. a car\nB. a bus, or a tram\nC. none\nD. a bike"
    )


def test_overall_is_the_mean_of_the_categories(sets: Sets) -> None:
    say = {"Weather & Light": "B", "Road Type": "C"}
    found = rows("vru_accident", sets("vru_accident"), lambda s: say[s.entry])
    assert {name: row.value for (name, _), row in found.items()} == {
        "overall": 0.5,
        "Road Type": 0.0,
        "Weather & Light": 1.0,
    }
    assert found["overall", "mean of categories"].videos == 4


def test_captions_have_unstemmed_rouge_and_no_figure_for_what_is_not_computed(sets: Sets) -> None:
    assert load_samples(sets("vru_accident_captions"))[0].prompt == f"<video>\n{CAPTION}"
    found = rows("vru_accident_captions", sets("vru_accident_captions"), lambda _: "A car hits.")
    # 3 of 3 and of 10 words: 2 * 3 / 13; 2 of 2 and of 9 pairs: 2 * 2 / 11.
    assert found["overall", "rouge_1_unstemmed"].value == pytest.approx(6 / 13)
    assert found["overall", "rouge_2_unstemmed"].value == pytest.approx(4 / 11)
    assert found["overall", "rouge_l_unstemmed"].value == pytest.approx(6 / 13)
    for metric, needs in (("SPICE", "Java"), ("METEOR", "download"), ("COMET", "download")):
        row = found["overall", metric]
        assert row.value is None and needs in row.why
