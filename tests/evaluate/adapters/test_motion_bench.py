from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kuleshov.dataset import load_samples
from tests.evaluate.adapters.conftest import rows

Sets = Callable[[str], Path]


def test_questions_without_a_published_answer_are_left_out(sets: Sets) -> None:
    samples = load_samples(sets("motion_bench"))
    assert [s.provenance["published"]["key"] for s in samples] == ["u00", "u10"]
    assert samples[0].prompt == (
        "<video>\nWhat?\nA. one\nB. two\nC. three\nD. four\nE. five\n"
        "Answer with only the option letter (A to E)."
    )
    assert samples[0].chance == 0.2


def test_accuracy_over_all_and_by_type(sets: Sets) -> None:
    found = rows("motion_bench", sets("motion_bench"), lambda s: "E" if "Order" in s.entry else "A")
    values = {name: row.value for (name, _), row in found.items() if not row.why}
    assert values == {"overall": 0.5, "Action Order": 1.0, "Camera Motion": 0.0}
