from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters.importing import import_benchmark
from tests.evaluate.adapters.conftest import CONFIG, rows
from tests.evaluate.adapters.miniatures import temp_compass, to_json

Sets = Callable[[str], Path]


def prompts(sets: Sets) -> set[str]:
    return {sample.prompt for sample in load_samples(sets("temp_compass"))}


def test_each_kind_of_question_is_asked_in_its_wording(sets: Sets) -> None:
    assert prompts(sets) == {
        "<video>\nWhere does it move?\nA. left\nB. right\nC. up\n"
        "Please directly give the best option:",
        "<video>\nHow fast?\nA. slow\nB. fast\nPlease directly give the best option:",
        "<video>\nDoes it fall first?\nPlease answer yes or no:",
        "<video>\nDoes it rise first?\nPlease answer yes or no:",
        "<video>\nWhich caption matches the video better?\nA. A man runs.\nB. A man sits.\n"
        "Please directly give the best option:",
        "<video>\nWhich description is a more suitable match for the video?\nA. Up, then down.\n"
        "B. Down, then up.\nPlease directly give the best option:",
    }


def test_accuracy_of_each_kind_and_of_each_aspect(sets: Sets) -> None:
    found = rows(
        "temp_compass", sets("temp_compass"), lambda s: "yes" if s.entry == "yes_no" else "B"
    )
    values = {name: row.value for (name, _), row in found.items()}
    # B is right of direction and of action; yes of one of two.
    assert values["multi_choice"] == values["caption_matching"] == values["yes_no"] == 0.5
    assert values["multi_choice: direction"] == 1.0 and values["multi_choice: speed"] == 0.0
    assert values["caption_matching: action"] == 1.0 and values["caption_matching: order"] == 0.0
    assert values["overall"] is None  # captioning, which needs a judge


def test_aspects_of_order_are_marked(sets: Sets) -> None:
    for sample in load_samples(sets("temp_compass")):
        aspect = sample.provenance["published"]["groups"]["aspect"]
        assert sample.provenance["about_order"] == (aspect in ("direction", "order"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"101": {"order": [{"question": "?", "answer": "maybe"}]}}, "expected: yes or no"),
        ({"101": {"order": [{"question": "?"}]}}, "yes_no/101/order/0 has no answer"),
        ([], "holds list; expected: objects by video"),
    ],
)
def test_files_that_are_not_as_expected_are_refused(
    value: object, message: str, tmp_path: Path
) -> None:
    temp_compass(tmp_path)
    to_json(tmp_path / "questions" / "yes_no.json", value)
    with pytest.raises(UsageError, match=message):
        import_benchmark("temp_compass", tmp_path, tmp_path / "out", CONFIG)
