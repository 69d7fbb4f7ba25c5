from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kuleshov.audit import audit
from kuleshov.cli import app
from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError, WriteError
from kuleshov.mixture import Priorities, largest, preferences, scaled
from kuleshov.sample import Sample, Skip
from kuleshov.synthesize import MakeConfig, make
from tests.test_sample import a_sample
from tests.test_synthesize import all_bytes

IDS = [f"{i:032x}" for i in range(2000)]
TASKS: dict[str, dict[str, Any]] = {
    "mirror": {"task": "anomaly", "kinds": ["mirror"]},
    "invert": {"task": "anomaly", "kinds": ["invert"]},
    "jigsaw": {},
}


def config(**changes: Any) -> MakeConfig:
    return MakeConfig(**{"tasks": TASKS, "near_duplicates": None, **changes})


def made(out: Path) -> Counter[str]:
    return Counter(sample.entry for sample in load_samples(out))


def some(entry: str, video: str, index: int) -> Sample:
    return replace(
        a_sample(), id=f"{video}-{index}", video_ids=(video,), provenance={"entry": entry}
    )


def kept(results: list[Sample | Skip], counts: dict[str, int]) -> list[str]:
    left = Priorities(results, seed=0).keep(results, counts)
    return [sample.id for sample in left if isinstance(sample, Sample)]


def test_videos_are_shared_out_in_proportion() -> None:
    firsts = Counter(preferences(video, {"a": 1, "b": 3}, seed=0)[0] for video in IDS)
    # Binomial: 1500 with standard deviation sqrt(2000 * 1/4 * 3/4) = 19.4.
    assert abs(firsts["b"] - 1500) < 4 * 19.4


def test_what_a_video_tries_second_is_in_proportion_too() -> None:
    orders = [preferences(video, {"a": 2, "b": 1, "c": 1}, seed=1) for video in IDS]
    seconds = Counter(order[1] for order in orders if order[0] == "b")
    # Of a quarter of the videos, 2 / (2 + 1) try a next: 333 of 500, standard deviation 10.5,
    # and 500 itself has 19.4.
    assert abs(seconds["a"] / seconds.total() - 2 / 3) < 4 * 10.5 / 500


@pytest.mark.parametrize("shares", [{"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 5}])
def test_an_entry_that_is_added_takes_videos_and_moves_no_others(shares: dict[str, float]) -> None:
    before = {video: preferences(video, {"a": 1, "b": 1}, seed=0)[0] for video in IDS}
    after = {video: preferences(video, shares, seed=0)[0] for video in IDS}
    assert {after[video] for video in IDS if after[video] != before[video]} == {"c"}


def test_of_each_video_the_first_sample_goes_before_a_second_of_any() -> None:
    results: list[Sample | Skip] = [some("a", video, i) for video in IDS[:50] for i in range(3)]
    assert kept(results, {"a": 50}) == [f"{video}-0" for video in IDS[:50]]
    both = kept(results, {"a": 70})
    assert len(both) == 70 and {name for name in both if name.endswith("-2")} == set()


def test_which_samples_are_kept_does_not_depend_on_the_order_of_the_videos() -> None:
    orders = [
        kept([some("a", video, i) for video in videos for i in range(2)], {"a": 70})
        for videos in (IDS[:50], IDS[49::-1])
    ]
    assert sorted(orders[0]) == sorted(orders[1]) and orders[0] != orders[1]


def test_the_samples_that_are_left_out_are_not_the_same_videos_for_each_entry() -> None:
    results: list[Sample | Skip] = [some(e, video, 0) for video in IDS[:50] for e in ("a", "b")]
    left = Priorities(results, seed=0).keep(results, {"a": 20, "b": 20})
    videos: dict[str, set[str]] = {"a": set(), "b": set()}
    for sample in left:
        assert isinstance(sample, Sample)
        videos[sample.entry].add(sample.video_ids[0])
    assert len(videos["a"]) == len(videos["b"]) == 20 and videos["a"] != videos["b"]


def test_skips_and_entries_without_a_count_are_kept() -> None:
    results: list[Sample | Skip] = [
        some("a", IDS[0], 0),
        Skip("x.mp4", "too short", "a"),
        some("b", IDS[0], 0),
    ]
    priorities = Priorities(results, seed=0)
    assert list(priorities.keep(results, {"c": 3})) == results
    assert priorities.summary({"a": 1, "c": 3}) == {
        "a": {"wanted": 1, "kept": 1, "surplus": 0, "missing": 0},
        "b": {"wanted": 1, "kept": 1, "surplus": 0, "missing": 0},
        "c": {"wanted": 3, "kept": 0, "surplus": 0, "missing": 3},
    }


def test_the_largest_set_uses_up_the_scarcest_entry() -> None:
    # min(10 / 1, 12 / 2) = 6 sets of one a and two b.
    assert largest({"a": 1, "b": 2}, {"a": 10, "b": 12}) == {"a": 6, "b": 12}
    assert largest({"a": 1, "b": 2}, {"a": 10}) == {"a": 0, "b": 0}


def test_a_share_is_rounded_up_and_exact() -> None:
    # In floating point 100 * 0.07 is 7.000000000000001.
    assert scaled({"a": 100, "b": 1}, 0.07) == {"a": 7, "b": 1}


def test_counts_are_kept_and_what_is_over_or_missing_is_told(
    short_clips: Path, tmp_path: Path
) -> None:
    counts = {"mirror": 5, "invert": 20}
    summary = make(short_clips, tmp_path, config(counts=counts))
    assert made(tmp_path) == {"mirror": 5, "invert": 12, "jigsaw": 12}
    assert summary["mixture"]["mirror"] == {"wanted": 5, "kept": 5, "surplus": 7, "missing": 0}
    assert summary["mixture"]["invert"] == {"wanted": 20, "kept": 12, "surplus": 0, "missing": 8}
    assert summary["skips"] == 0
    assert summary["tasks"].keys() == {"mirror", "invert", "jigsaw"}


def test_weights_make_the_largest_set_with_these_shares(short_clips: Path, tmp_path: Path) -> None:
    weights = {"mirror": 0.25, "invert": 0.25, "jigsaw": 0.5}
    make(short_clips, tmp_path, config(weights=weights, per_task={"mirror": 3}))
    # Of 36, 12 and 12 the jigsaws are the scarcest for their share.
    assert made(tmp_path) == {"mirror": 6, "invert": 6, "jigsaw": 12}


def test_entries_of_one_task_ask_different_questions(short_clips: Path, tmp_path: Path) -> None:
    make(short_clips, tmp_path, config(held_out=0.5))
    samples = load_samples(tmp_path)
    assert {(s.entry, s.task, s.knobs.get("kinds", [None])[0]) for s in samples} == {
        ("mirror", "anomaly", "mirror"),
        ("invert", "anomaly", "invert"),
        ("jigsaw", "jigsaw", None),
    }
    assert len({sample.id for sample in samples}) == 36
    places = [
        [s.media[0].edits[0]["start"] for s in samples if s.entry == entry]
        for entry in ("mirror", "invert")
    ]
    assert places[0] != places[1]


def test_a_label_that_is_the_name_of_its_task_changes_nothing(
    short_clips: Path, tmp_path: Path
) -> None:
    for name, tasks in {"plain": {"jigsaw": {}}, "named": {"jigsaw": {"task": "jigsaw"}}}.items():
        make(short_clips, tmp_path / name, config(tasks=tasks))
    assert all_bytes(tmp_path / "plain") == all_bytes(tmp_path / "named")


def test_entries_with_other_answers_are_checked_apart(short_clips: Path, tmp_path: Path) -> None:
    tasks: dict[str, dict[str, Any]] = {
        "four": {"task": "jigsaw", "num_clips": 4},
        "six": {"task": "jigsaw"},
    }
    make(short_clips, tmp_path, config(tasks=tasks))
    findings = audit(tmp_path, num_samples=1)
    assert findings.errors == []
    assert [(floor.task, floor.samples) for floor in findings.floors] == [("four", 12), ("six", 12)]


def test_a_video_serves_one_entry_only_and_stays_with_it(short_clips: Path, tmp_path: Path) -> None:
    fewer = tmp_path / "videos"
    shutil.copytree(short_clips, fewer)
    for path in sorted(fewer.iterdir())[::3]:
        path.unlink()
    served = []
    for videos in (short_clips, fewer):
        out = tmp_path / f"of-{videos.name}"
        make(videos, out, config(disjoint=True, counts={"mirror": 4, "invert": 4, "jigsaw": 8}))
        entries: dict[str, set[str]] = {}
        for sample in load_samples(out):
            entries.setdefault(sample.video_ids[0], set()).add(sample.entry)
        assert all(len(here) == 1 for here in entries.values())
        served.append(entries)
    assert len(served[1]) > 4 and len({str(here) for here in served[0].values()}) > 1
    assert all(served[0].get(video, here) == here for video, here in served[1].items())


def test_a_video_that_is_no_use_to_its_entry_serves_the_next_one(
    short_clips: Path, tmp_path: Path
) -> None:
    tasks = {"anomaly": {"min_frames": 1000}, "jigsaw": {}}
    summary = make(short_clips, tmp_path, config(tasks=tasks, disjoint=True))
    assert made(tmp_path) == {"jigsaw": 12}
    assert 0 < summary["skips_by_task"]["anomaly"] < 12


MIXED = {
    "counts": {"mirror": 3, "invert": 2, "jigsaw": 7},
    "disjoint": True,
    "per_video": 2,
}


def test_workers_and_a_kill_change_no_byte_of_a_mixture(
    short_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(short_clips, tmp_path / "whole", config(**MIXED))
    make(short_clips, tmp_path / "two", config(**MIXED, workers=2))
    assert all_bytes(tmp_path / "two") == all_bytes(tmp_path / "whole")
    left = 9

    def full_after_some(file: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full_after_some)
        with pytest.raises(WriteError):
            make(short_clips, tmp_path / "out", config(**MIXED))
    make(short_clips, tmp_path / "out", config(**MIXED))
    assert all_bytes(tmp_path / "out") == all_bytes(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": {"miror": 3}}, r"unknown task in make\.counts 'miror'; did you mean 'mirror'"),
        ({"counts": {"mirror": 0}}, "counts is .*; allowed: 1 or more each"),
        ({"weights": {"mirror": 1.0}}, "weights lacks invert, jigsaw; give all or none"),
        ({"counts": {"mirror": 3}, "disjoint": True}, "counts lacks invert, jigsaw"),
        (
            {"weights": {"mirror": 0.0, "invert": 1, "jigsaw": 1}},
            "weights is .*; allowed: above 0 each",
        ),
        (
            {"counts": {"mirror": 3}, "weights": {"mirror": 1, "invert": 1, "jigsaw": 1}},
            "counts and weights are both given; give one of them",
        ),
        ({"share": 0.0}, "share is 0.0; allowed: above 0, to 1"),
    ],
)
def test_mixtures_that_make_no_sense_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        config(**change)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({"jigsaw": {"task": "anomaly"}}, "'jigsaw' is labelled as one task and is 'anomaly'"),
        ({"mine": {"task": "jigzaw"}}, "unknown task 'jigzaw'; did you mean 'jigsaw'"),
        ({"mirror": {}}, "unknown task 'mirror'"),
    ],
)
def test_labels_that_make_no_sense_are_refused(
    tasks: dict[str, dict[str, Any]], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        config(tasks=tasks).built()


def test_the_command_line_says_what_is_missing_and_how_to_get_it(
    short_clips: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("make: {tasks: {jigsaw: {}}, counts: {jigsaw: 3000}}")
    arguments = ["make", str(short_clips), "--config", str(recipe), "--workers", "0", "-o"]
    ran = CliRunner().invoke(app, [*arguments, str(tmp_path / "a")])
    assert ran.exit_code == 0
    assert "jigsaw: 2988 of 3000 samples are missing; give more videos, or raise" in ran.output
    ran = CliRunner().invoke(app, [*arguments, str(tmp_path / "b"), "--share", "0.001"])
    assert ran.exit_code == 0 and "missing" not in ran.output
    assert made(tmp_path / "b") == {"jigsaw": 3}
