from __future__ import annotations

import json
from pathlib import Path

import pytest

from kuleshov.errors import UsageError
from kuleshov.sample import Sample
from kuleshov.trained_on import trained_on, trained_with, videos_of, write_trained_on


def shows(*videos: str) -> Sample:
    return Sample("1", "t", videos, "train", (), "", 0, "direct", {}, 0, 0.0)


def test_all_videos_that_a_sample_shows_count_also_borrowed_ones() -> None:
    assert videos_of([shows("a", "b"), shows("b", "c")]) == {"a", "b", "c"}


def test_what_the_model_before_was_trained_on_counts_too(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    write_trained_on(first, [shows("b"), shows("a")], base="Qwen/Qwen3-VL-2B-Instruct")
    write_trained_on(second, [shows("c")], base=str(first))
    assert trained_on(str(first)) == {"a", "b"} and trained_on(str(second)) == {"a", "b", "c"}
    assert json.loads((second / "trained_on.json").read_text()) == {"videos": ["a", "b", "c"]}


def test_the_positions_that_it_was_trained_with_are_known(tmp_path: Path) -> None:
    write_trained_on(tmp_path, [shows("a")], base="")
    assert trained_with(str(tmp_path)) == "installed"
    write_trained_on(tmp_path, [shows("a")], base="", positions="largest_plus_one")
    assert trained_with(str(tmp_path)) == "largest_plus_one"
    assert trained_on(str(tmp_path)) == {"a"}


def test_of_a_model_without_the_file_nothing_is_known(tmp_path: Path) -> None:
    assert trained_on(str(tmp_path)) == trained_on("policy:random") == frozenset()
    assert trained_with(str(tmp_path)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"videos": 3}', '{"videos": [[]]}'])
def test_another_file_of_that_name_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "trained_on.json").write_text(text)
    with pytest.raises(UsageError, match="no list of videos as `kuleshov train` writes it"):
        trained_on(str(tmp_path))
