from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kuleshov.errors import UsageError
from kuleshov.published.row import parse, rows_of
from tests.published.conftest import counting, grounding, jigsaw, write


def test_rows_come_out_of_a_table_as_they_were_written(tmp_path: Path) -> None:
    rows = [grounding(), counting(), jigsaw()]
    read = [parse(row) for row in rows_of(write(tmp_path / "x.parquet", rows))]
    assert read == [parse(row) for row in rows]
    assert [row.answer() for row in read] == ["2.1-4.6", "3,1,4", "431562"]


def test_the_answer_may_stand_in_extra_info(tmp_path: Path) -> None:
    row = {**counting(), "reward_model": None}
    assert parse(row).answer() == "3,1,4"
    with pytest.raises(UsageError, match="has no ground_truth in reward_model and no answer in"):
        parse({**row, "extra_info": {"video_id": "two"}}).answer()


@pytest.mark.parametrize(
    ("row", "entry"),
    [
        (grounding(), "mirror"),
        (counting(), "counting"),
        (jigsaw(), "jigsaw_6"),
        ({**jigsaw(), "data_source": "jigsaw"}, "jigsaw_6"),
    ],
)
def test_entries_are_named_by_what_the_row_tells(row: dict[str, Any], entry: str) -> None:
    assert parse(row).entry(hard=False) == entry


def test_a_shuffled_segment_is_told_by_the_order_of_its_pictures() -> None:
    row = parse(grounding())
    names = [f"two/{i}.jpg" for i in range(48)]
    row.videos[0].video[:] = names
    assert row.entry(hard=False) == "anomaly"
    row.videos[0].video[:] = [*names[:20], *names[19:9:-1], *names[30:]]
    assert row.entry(hard=False) == "anomaly"  # pictures come twice: no shuffle
    row.videos[0].video[:] = [*names[:20], *names[29:19:-1], *names[30:]]
    assert row.entry(hard=False) == "shuffle"


@pytest.mark.parametrize(
    ("answer", "hard"), [("9,9,9", False), ("3,10,4", True), (" 03, 1,4", False), ("x", False)]
)
def test_a_count_above_nine_is_of_the_hard_level(answer: str, hard: bool) -> None:
    assert parse(counting(answer)).is_surely_hard() is hard


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"videos": None}, "videos: Input should be a valid list"),
        ({"videos": [{"video": "a.mp4"}]}, r"videos.0.video: Input should be a valid list"),
        ({"prompt": [{"role": "user"}]}, r"prompt.0.content: Field required"),
        ({"data_source": 3}, "data_source: Input should be a valid string"),
    ],
)
def test_rows_of_another_kind_are_answered_with_what_is_wrong(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        parse({**counting(), **change})


def test_a_file_that_is_no_table_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("no table")
    with pytest.raises(UsageError, match=r"x\.parquet cannot be read as a table"):
        list(rows_of(tmp_path / "x.parquet"))
