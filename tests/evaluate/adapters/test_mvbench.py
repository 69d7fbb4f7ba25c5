from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters.importing import import_benchmark
from kuleshov.evaluate.adapters.mvbench import SUBTASKS
from tests.evaluate.adapters.conftest import CONFIG, rows
from tests.evaluate.adapters.miniatures import mvbench, to_json

Sets = Callable[[str], Path]


def test_the_prompt_is_the_published_one(sets: Sets) -> None:
    assert load_samples(sets("mvbench"))[0].prompt == (
        "<video>\nQuestion: What comes first?\nOptions:\n(A) He ran.\n(B) He sat.\n(C) He fell.\n"
        "Only give the best option."
    )


def test_overall_is_the_mean_of_the_subtasks_whatever_their_sizes(tmp_path: Path) -> None:
    mvbench(tmp_path / "in")
    # One sub-task has three questions more, all of them A.
    file = tmp_path / "in" / "json" / "state_change.json"
    questions = json.loads(file.read_text())
    to_json(file, [*questions, *[questions[0]] * 3])
    import_benchmark("mvbench", tmp_path / "in", tmp_path / "out", CONFIG)
    found = rows("mvbench", tmp_path / "out", lambda _: "A")
    # Half of each of 19 sub-tasks, and 4 of 5 of the last one: (19 / 2 + 4 / 5) / 20.
    assert found["state_change", "accuracy"].value == pytest.approx(0.8)
    assert found["overall", "mean of 20 sub-tasks"].value == pytest.approx(0.515)
    assert found["overall", "mean of 20 sub-tasks"].items == 43


def test_empty_answers_stay_in_the_denominator(sets: Sets) -> None:
    # Right on the second question of each sub-task, and silent on the first.
    found = rows("mvbench", sets("mvbench"), lambda s: "C" if s.answer == "C" else "")
    overall = found["overall", "mean of 20 sub-tasks"]
    assert (overall.value, overall.failures) == (0.5, 0.5)


def test_cut_subtasks_show_their_part_of_the_video(sets: Sets) -> None:
    for sample in load_samples(sets("mvbench")):
        (item,) = sample.media
        seconds = [frame.source_seconds for frame in item.frames]
        if sample.entry == "episodic_reasoning":
            # 12 pictures at 3 a second; shown is 1 s to 3 s, so pictures 3 to 8.
            assert len({f.video_id for f in item.frames}) == 4 and set(seconds) == {0.0}
        elif SUBTASKS[sample.entry].cut:
            assert seconds == [1.25, 1.75, 2.25, 2.75]
        else:
            assert seconds == [0.5, 1.5, 2.5, 3.5]
        assert item.frames[0].shown_seconds in (0.25, 0.5)


def test_pictures_are_taken_by_their_time(sets: Sets) -> None:
    samples = load_samples(sets("mvbench"))
    sample = next(s for s in samples if s.entry == "episodic_reasoning")
    paths = {video["id"]: video["path"] for video in sample.provenance["videos"]}
    names = [Path(paths[frame.video_id]).stem for frame in sample.media[0].frames]
    # At 1.25, 1.75, 2.25 and 2.75 s of 3 pictures a second: 3.75, 5.25, 6.75, 8.25.
    assert names == ["00003", "00005", "00006", "00008"]


def test_a_missing_subtask_is_named(tmp_path: Path) -> None:
    mvbench(tmp_path)
    (tmp_path / "json" / "moving_count.json").unlink()
    with pytest.raises(UsageError, match=r"lacks moving_count\.json; .* all 20 sub-tasks"):
        import_benchmark("mvbench", tmp_path, tmp_path / "out", CONFIG)


def test_an_answer_that_is_no_candidate_is_refused(tmp_path: Path) -> None:
    mvbench(tmp_path)
    row = {"video": "x.mp4", "question": "?", "candidates": ["a", "b"], "answer": "c"}
    to_json(tmp_path / "json" / "moving_count.json", [row])
    with pytest.raises(UsageError, match=r"moving_count\.json, row 1: answer 'c' is none of"):
        import_benchmark("mvbench", tmp_path, tmp_path / "out", CONFIG)
    to_json(tmp_path / "json" / "moving_count.json", [{"video": "x.mp4"}])
    with pytest.raises(UsageError, match="row 1 has no candidates; it has video"):
        import_benchmark("mvbench", tmp_path, tmp_path / "out", CONFIG)
