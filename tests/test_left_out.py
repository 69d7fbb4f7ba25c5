from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kuleshov.errors import UsageError
from kuleshov.left_out import FILE, LeftOut, left_out
from kuleshov.report.results import left_out_warnings


def test_one_is_left_out_of_any_number_and_above_a_share_it_stops(tmp_path: Path) -> None:
    few = LeftOut(tmp_path / "few", 3, 0.05, "the share")
    (tmp_path / "few").mkdir()
    few.add("gone", sample="a")
    with pytest.raises(
        UsageError, match=r"2 of 3 samples cannot be used, more than the share: 0.05"
    ):
        few.add("gone too", sample="b")
    (tmp_path / "many").mkdir()
    many = LeftOut(tmp_path / "many", 40, 0.05, "the share")
    many.add("gone", sample="a")
    many.add("gone", sample="b")
    with pytest.raises(UsageError, match=r"of the last one: cut"):
        many.add("cut", sample="c")
    assert [one["sample"] for one in left_out(tmp_path / "many")] == ["a", "b", "c"]


def test_what_is_left_out_again_is_named_once_with_its_last_reason(tmp_path: Path) -> None:
    assert left_out(tmp_path) == []
    for reason in ("gone", "cut"):
        LeftOut(tmp_path, 9, 1.0, "the share").add(reason, sample="a", condition="full")
    with (tmp_path / FILE).open("a") as file:
        file.write('{"sample": "b", "rea')  # a kill
    assert left_out(tmp_path) == [{"sample": "a", "condition": "full", "reason": "cut"}]
    silent = LeftOut(tmp_path / "other", 9, 1.0, "the share", writes=False)
    silent.add("gone", sample="a")
    assert left_out(tmp_path / "other") == [] and silent.count == 1


def test_a_report_says_what_a_run_left_out(tmp_path: Path) -> None:
    LeftOut(tmp_path, 9, 1.0, "the share").add("no frame at 1 s", sample="a", condition="full")
    one: Any = SimpleNamespace(name="bench", runs=(tmp_path,))
    (said,) = left_out_warnings([one])
    assert said == f"{tmp_path.name} left 1 samples of bench out, such as a: no frame at 1 s"


def test_a_sample_that_is_asked_several_times_is_one(tmp_path: Path) -> None:
    out = LeftOut(tmp_path, 4, 0.05, "the share")
    for condition in ("full", "blind", "shuffled"):
        out.add("gone", sample="a", condition=condition)
    assert out.count == 1 and len(left_out(tmp_path)) == 3
    with pytest.raises(UsageError, match=r"2 of 4 samples cannot be used"):
        out.add("gone", sample="b")
