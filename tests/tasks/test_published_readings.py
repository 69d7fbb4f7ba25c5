from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.tasks import score
from kuleshov.tasks.published_readings import PUBLISHED, PUBLISHED_YES_NO
from tests.tasks.test_given import asked

OPTIONS = ("Blue bus", "A red car", "The dog", "I see a cat")


@pytest.mark.parametrize(
    ("benchmark", "text", "letter"),
    [
        # Each line is worked out by hand from the code that is named in published_readings.py.
        *[
            ("video_mme", text, "C")
            for text in ("C", "(C)", "The best answer is C", "it is C or D")
        ],
        *[("video_mme", text, "A") for text in ("Answer: A red car", "ANSWER", "A man")],
        *[("video_mme", text, None) for text in ("", "c", "the dog", "E")],
        *[("mvbench", text, "C") for text in ("c", "C.", "(C) The dog", "C The dog", "(c)")],
        *[("mvbench", text, None) for text in ("", "The dog", "(", "Option C", "abc")],
        *[
            ("temp_compass", text, "C")
            for text in ("C", "C. The", "C) no", "The dog", "x) The dog")
        ],
        *[("temp_compass", text, None) for text in ("(C)", "c", "", "the dog", "It is C")],
        *[("motion_bench", text, "C") for text in ("c", "(C)", "Answer: C", "xC) no", "AC:")],
        *[("motion_bench", text, "A") for text in ("A red car", "I saw a car", "BEST ANSWER: A")],
        *[("motion_bench", text, None) for text in ("", "I", "no tip")],
        *[("vru_accident", text, "C") for text in ("C", "(C)", "it is C, not D")],
        *[("vru_accident", text, None) for text in ("", "c", "ABC", "E")],
        *[("vsi_bench", text, "C") for text in ("C", "c.", "C. The dog", "C The dog")],
        *[("vsi_bench", text, None) for text in ("", "(C)", "Answer: C", "E", "AB")],
    ],
)
def test_answers_are_read_as_the_benchmark_reads_them(
    benchmark: str, text: str, letter: str | None
) -> None:
    assert PUBLISHED[benchmark](text, OPTIONS) == letter


def test_a_sample_is_scored_by_the_reading_that_it_carries() -> None:
    provenance = {"published": {"benchmark": "video_mme"}}
    totals = {}
    for reading in ("ours", "published", "exact"):
        sample = asked(
            "given_choice",
            knobs={"reading": reading, "options": ["red", "A blue car", "tree"]},
            provenance=provenance,
        )
        said = ("B", "(B)", "A blue car", "Not B", "B or C")
        totals[reading] = [score(sample, text).total for text in said]
    assert totals == {
        "ours": [1, 1, 1, 0, 0],
        "published": [1, 1, 0, 1, 1],
        "exact": [1, 0, 0, 0, 0],
    }


def test_yes_and_no_are_read_as_published_too() -> None:
    read = PUBLISHED_YES_NO["temp_compass"]
    assert [read(text) for text in ("Yes.", "no idea", "It is yes")] == ["yes", "no", None]
    sample = asked(
        "given_yes_no",
        knobs={"reading": "published"},
        provenance={"published": {"benchmark": "temp_compass"}},
    )
    assert score(sample, "no idea").total == 1.0


@given(st.sampled_from([*PUBLISHED]), st.text(max_size=80))
def test_any_text_is_read_without_an_error(benchmark: str, text: str) -> None:
    assert PUBLISHED[benchmark](text, OPTIONS) in (*"ABCDEF", None)
