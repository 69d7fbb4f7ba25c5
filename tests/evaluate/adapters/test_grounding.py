from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters.importing import import_benchmark
from tests.evaluate.adapters.conftest import CONFIG, rows
from tests.evaluate.adapters.miniatures import activitynet, charades_sta, to_json

Sets = Callable[[str], Path]


def values(name: str, sets: Sets, text: str) -> dict[str, float | None]:
    found = rows(name, sets(name), lambda _: text)
    return {metric: row.value for (_, metric), row in found.items() if not row.why}


def test_the_sentence_and_the_form_are_asked_for(sets: Sets) -> None:
    assert load_samples(sets("charades_sta"))[1].prompt == (
        '<video>\nWhen does this happen in the video: "he sits."? Give the start and the end in '
        "seconds as start - end, for example 12.5 - 20.1."
    )


def test_charades_by_hand(sets: Sets) -> None:
    # [0, 6.9] and [2, 4] against [0, 4]: 4 / 6.9 = 0.58 and 2 / 4.
    found = values("charades_sta", sets, "from 0 to 4 seconds")
    assert found["mIoU"] == pytest.approx((4 / 6.9 + 0.5) / 2)
    assert (found["R1@0.3"], found["R1@0.5"], found["R1@0.7"]) == (1.0, 1.0, 0.0)


def test_activitynet_by_hand(sets: Sets) -> None:
    # [0, 5] and [4, 10] against [4, 10]: 1 / 10 and 1, for each of two videos.
    found = values("activitynet", sets, "4 - 10")
    assert found["mIoU"] == pytest.approx(0.55)
    assert (found["R1@0.3"], found["R1@0.5"], found["R1@0.7"]) == (0.5, 0.5, 0.5)


def test_of_several_windows_the_nearest_one_counts(sets: Sets) -> None:
    # [0, 2] and [6, 10] against [7, 10]: 3 / 4.
    found = values("qvhighlights", sets, "[7, 10]")
    assert found["mIoU"] == pytest.approx(0.75) and found["R1@0.7"] == 1.0


@pytest.mark.parametrize("text", ["I do not know", "0 - 4 or 5 - 6", "6 - 2"])
def test_no_interval_or_two_of_them_stay_in_the_denominator(text: str, sets: Sets) -> None:
    found = rows("charades_sta", sets("charades_sta"), lambda _: text)
    assert found["overall", "mIoU"].value == found["overall", "R1@0.3"].value == 0.0
    assert found["overall", "mIoU"].failures == 1.0 and found["overall", "mIoU"].items == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("AO8RW 0.0##no end", "line 2 is 'AO8RW 0.0##no end'; expected: VIDEO START END##SENTENCE"),
        ("AO8RW 5.0 2.0##backwards", "line 2: its intervals are"),
    ],
)
def test_lines_that_are_not_as_expected_are_refused(
    line: str, message: str, tmp_path: Path
) -> None:
    charades_sta(tmp_path)
    (tmp_path / "charades_sta_test.txt").write_text(f"AO8RW 0 1##a.\n{line}\n")
    with pytest.raises(UsageError, match=message):
        import_benchmark("charades_sta", tmp_path, tmp_path / "out", CONFIG)


def test_as_many_sentences_as_intervals(tmp_path: Path) -> None:
    activitynet(tmp_path)
    to_json(tmp_path / "val_2.json", {"v_one": {"timestamps": [[0, 1]], "sentences": []}})
    with pytest.raises(UsageError, match="v_one has 1 intervals, 0 sentences"):
        import_benchmark("activitynet", tmp_path, tmp_path / "out", CONFIG)
