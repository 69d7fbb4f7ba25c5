from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from math import fsum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kuleshov import synthesize
from kuleshov.clips import clip, write_clips
from kuleshov.dataset import load_samples, load_skips
from kuleshov.errors import UsageError, WriteError
from kuleshov.read import read_video
from kuleshov.runners import Failed
from kuleshov.sample import Json, Skip, Video
from kuleshov.synthesize import MakeConfig, make, split_of, with_both_sides
from kuleshov.tasks import TASKS
from tests.conftest import a_video
from tests.frames.encoded import encode

SIZE = (64, 64)
KNOBS: dict[str, dict[str, float]] = {name: {} for name in TASKS}
KNOBS["masked"] = {"max_similarity": 0.999, "fps": 2.0}


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def numbered(count: int) -> list[Video]:
    return [replace(a_video(), id=f"{i:032x}", path=f"{i}.mp4") for i in range(count)]


def test_one_and_two_workers_write_the_same_bytes(clips: Path, tmp_path: Path) -> None:
    for workers in (0, 2):
        make(clips, tmp_path / str(workers), MakeConfig(tasks=KNOBS, workers=workers))
    assert all_bytes(tmp_path / "0") == all_bytes(tmp_path / "2")


def naive(values: Iterable[Any], start: Any = 0) -> Any:
    """`sum` of Python 3.11: from left to right, each sum rounded."""
    for value in values:
        start = start + value
    return start


def compensated(values: Iterable[Any], start: Any = 0) -> Any:
    """`sum` of Python 3.12 and later: floats exactly, rounded once (near enough to Neumaier's)."""
    listed = [start, *values]
    return fsum(listed) if any(type(v) is float for v in listed) else naive(listed)


def test_sums_of_every_python_make_the_same_bytes(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for algorithm in (naive, compensated):
        monkeypatch.setattr("builtins.sum", algorithm)
        make(clips, tmp_path / algorithm.__name__, MakeConfig(workers=0, tasks=KNOBS))
    assert all_bytes(tmp_path / "naive") == all_bytes(tmp_path / "compensated")


def test_every_video_and_task_ends_as_samples_or_as_a_skip(
    clips: Path, short_clips: Path, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(clips, videos / "long")
    shutil.copytree(short_clips, videos / "short")
    shutil.copy(clips / "clip-0000.mp4", videos / "zz-copy.mp4")
    (videos / "bad.mp4").write_text("no video")
    make(videos, tmp_path / "out", MakeConfig(workers=0, tasks=KNOBS))
    samples, skips = load_samples(tmp_path / "out"), load_skips(tmp_path / "out")
    made = {(s.provenance["videos"][0]["path"], s.task) for s in samples}
    skipped = {(skip.path, skip.task) for skip in skips}
    whole = {path for path, task in skipped if task is None}
    assert whole == {"bad.mp4", "zz-copy.mp4"}
    for path in [p.relative_to(videos).as_posix() for p in videos.rglob("*.mp4")]:
        for task in TASKS:
            ended = [(path, task) in made, (path, task) in skipped, path in whole]
            assert sum(ended) == 1, (path, task)


def test_per_video_makes_different_samples_of_each_video(clips: Path, tmp_path: Path) -> None:
    make(clips, tmp_path, MakeConfig(workers=0, tasks={"anomaly": {}}, per_video=3))
    samples = load_samples(tmp_path)
    assert len(samples) == 3 * 6
    assert len({sample.media[0].edits[0]["start"] for sample in samples}) > 3


def test_single_tasks_can_get_more_samples(clips: Path, tmp_path: Path) -> None:
    tasks: dict[str, dict[str, object]] = {"anomaly": {}, "jigsaw": {}}
    summary = make(clips, tmp_path, MakeConfig(workers=0, tasks=tasks, per_task={"jigsaw": 3}))
    counts = {name: sum(count.values()) for name, count in summary["tasks"].items()}
    assert counts == {"anomaly": 6, "jigsaw": 18}


@pytest.mark.parametrize(
    ("per_task", "message"),
    [
        ({"jigzaw": 3}, r"unknown task in make\.per_task 'jigzaw'; did you mean 'jigsaw'"),
        ({"jigsaw": 0}, "per_task is .*; allowed: 1 or more each"),
    ],
)
def test_weights_that_make_no_sense_are_refused(per_task: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MakeConfig(workers=0, per_task=per_task)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_handful_of_videos_can_be_split_so_that_no_side_is_empty(
    count: int, share: float
) -> None:
    videos = numbered(count)
    config = with_both_sides(MakeConfig(workers=0, held_out=share), [video.id for video in videos])
    sides = [split_of(video.id, config) for video in videos]
    wanted = min(max(1, round(share * count)), count - 1)
    assert sides.count("held_out") == wanted


def test_one_video_stays_on_its_side() -> None:
    config = MakeConfig(workers=0, held_out=0.3)
    assert with_both_sides(config, ["0" * 32]) == config


@pytest.mark.parametrize("writes", [1, 4, 8, 12])
def test_a_full_disk_stops_the_work_and_loses_none_of_it(
    short_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    config = MakeConfig(workers=0, tasks={"jigsaw": {}})
    make(short_clips, tmp_path / "whole", config)
    left = writes

    def full_after_some(file: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full_after_some)
        with pytest.raises(WriteError, match="No space left on device"):
            make(short_clips, tmp_path / "out", config)
    assert not (tmp_path / "out" / "summary.json").exists()
    make(short_clips, tmp_path / "out", config)
    assert all_bytes(tmp_path / "out") == all_bytes(tmp_path / "whole")


def test_samples_say_what_of_their_videos_is_not_as_it_is_meant(
    short_clips: Path, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(short_clips, videos)
    hdr = "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    encode(videos / "hdr.mp4", "libx265", {"x265-params": hdr}, clip(9, 1, seconds=5))
    make(videos, tmp_path / "out", MakeConfig(workers=0, tasks={"arrow": {}}))
    named = [sample.provenance["videos"][0] for sample in load_samples(tmp_path / "out")]
    assert [one["path"] for one in named if "caveats" in one] == ["hdr.mp4"]
    assert next(one["caveats"] for one in named if "caveats" in one) == ["hdr"]
    assert len(named) > 1


@pytest.fixture(scope="module")
def twice(short_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each clip, and the same encoded again."""
    videos = tmp_path_factory.mktemp("twice") / "videos"
    shutil.copytree(short_clips, videos)
    for path in sorted(short_clips.iterdir()):
        found = read_video(short_clips, path.name)
        assert isinstance(found, Video)
        times = [found.start + i / 12 for i in range(found.num_frames)]
        encode(videos / f"again-{path.name}", "libx264", {"crf": "20"}, found.frames(times, SIZE))
    return videos


def test_near_duplicates_do_not_lend_to_each_other(twice: Path, tmp_path: Path) -> None:
    # As an entry of many names, each of which borrows elsewhere.
    tasks = {f"odd_clip_{i}": {"task": "odd_clip"} for i in range(6)}
    make(twice, tmp_path, MakeConfig(workers=0, tasks=tasks, held_out=0.5))
    pairs = [
        [video["path"].removeprefix("again-") for video in sample.provenance["videos"]]
        for sample in load_samples(tmp_path)
    ]
    assert len(pairs) > 100 and all(one != other for one, other in pairs)


def test_near_duplicates_stay_on_one_side(twice: Path, tmp_path: Path) -> None:
    tasks: dict[str, dict[str, float]] = {"jigsaw": {}}
    make(twice, tmp_path / "out", MakeConfig(workers=0, tasks=tasks, held_out=0.5))
    sides: dict[str, list[str]] = {}
    leaders: dict[str, set[str]] = {}
    for sample in load_samples(tmp_path / "out"):
        name = sample.provenance["videos"][0]["path"].removeprefix("again-")
        sides.setdefault(name, []).append(sample.split)
        leader = sample.provenance.get("near_duplicate_of", sample.video_ids[0])
        leaders.setdefault(name, set()).add(leader)
    assert len(sides) == 12
    assert all(len(pair) == 2 and len(set(pair)) == 1 for pair in sides.values())
    assert all(len(pair) == 1 for pair in leaders.values())
    assert {pair[0] for pair in sides.values()} == {"train", "held_out"}


def test_another_seed_is_another_set(clips: Path, tmp_path: Path) -> None:
    answers = []
    for seed in (0, 1):
        make(clips, tmp_path / str(seed), MakeConfig(workers=0, tasks={"anomaly": {}}, seed=seed))
        answers.append([sample.answer for sample in load_samples(tmp_path / str(seed))])
    assert answers[0] != answers[1]


def test_held_out_is_a_share_of_the_videos_and_stays_with_the_content() -> None:
    config = MakeConfig(workers=0, held_out=0.3)
    videos = numbered(2000)
    held = [video for video in videos if split_of(video.id, config) == "held_out"]
    # Binomial: 600 with standard deviation sqrt(2000 * 0.3 * 0.7) = 20.5.
    assert abs(len(held) - 600) < 4 * 20.5


def test_all_samples_of_a_video_are_on_one_side(clips: Path, tmp_path: Path) -> None:
    make(clips, tmp_path, MakeConfig(workers=0, tasks=KNOBS, held_out=0.5))
    sides: dict[str, set[str]] = {}
    for sample in load_samples(tmp_path):
        sides.setdefault(sample.video_ids[0], set()).add(sample.split)
    assert {len(side) for side in sides.values()} == {1}


def test_progress_reaches_the_end(short_clips: Path, tmp_path: Path) -> None:
    seen: dict[str, tuple[int, int]] = {}
    make(
        short_clips,
        tmp_path,
        MakeConfig(workers=0, tasks={"jigsaw": {}}),
        lambda what, done, total: seen.update({what: (done, total)}),
    )
    assert seen == dict.fromkeys(["reading", "hashing frames", "making samples"], (12, 12))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"per_video": 0}, "per_video is 0; allowed: 1 or more"),
        ({"held_out": 1.5}, "held_out is 1.5; allowed: 0 to 1"),
        ({"workers": -1}, "workers is -1; allowed: 0 or more"),
        ({"runner": "slurm"}, "runner is slurm; allowed: local or ray"),
        ({"near_duplicates": 0.2}, r"near_duplicates is 0.2; allowed: 0 to 0\.061, or null"),
        ({"seed": -1}, "seed is -1; allowed: 0 or more"),
    ],
)
def test_values_out_of_range_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MakeConfig(**change)  # type: ignore[arg-type]


def test_the_real_clips_end_as_samples_or_true_reasons(real_clips: Path, tmp_path: Path) -> None:
    summary = make(real_clips, tmp_path, MakeConfig(workers=0))
    samples, skips = load_samples(tmp_path), load_skips(tmp_path)
    assert {sample.task for sample in samples} == set(TASKS)

    def sampled(*tasks: str) -> set[str]:
        of = [sample for sample in samples if sample.task in tasks]
        return {sample.provenance["videos"][0]["path"] for sample in of}

    # Every clip with 48 or more decodable frames (counted with ffprobe -count_frames) gives one.
    assert sampled("anomaly", "counting", "jigsaw") == LONG_ENOUGH
    duplicates = [skip for skip in skips if skip.reason.startswith("duplicate of")]
    assert duplicates == [Skip("sub dir/mdn_flower.mkv", "duplicate of intel_asl_book.mkv")]
    unreadable = {skip.path for skip in skips if skip.task is None} - {duplicates[0].path}
    assert unreadable == {
        "made_audio_only.mp4",
        "made_empty.mp4",
        "made_not_a_video.mp4",
        "made_truncated_head.mp4",
    }
    # Each readable clip ends as a sample or as a reason with each task.
    readable = sampled(*TASKS) | {skip.path for skip in skips} - unreadable
    readable.discard(duplicates[0].path)
    ends = Counter(
        [(sample.provenance["videos"][0]["path"], sample.task) for sample in samples]
        + [(skip.path, skip.task) for skip in skips if skip.task is not None]
    )
    assert ends == Counter((path, task) for path in readable for task in TASKS)
    assert all(skip.reason for skip in skips)
    assert summary["samples"] == len(samples) >= 3 * len(LONG_ENOUGH)
    assert np.mean([len(sample.to_json()) for sample in samples]) < 20_000


LONG_ENOUGH = {
    "ax_bbb_642x642_vp9.webm",
    "ax_bbb_800x640_pyramid_3b.mp4",
    "ax_hdr10-av1.mp4",
    "ax_long_180p_av1.mp4",
    "ax_sample_edit_list.mp4",
    "bbb_480p_30s.mp4",
    "de_corrupted.mp4",
    "de_pancake.mkv",
    "intel_asl_book.mkv",
    "intel_bottle-detection.mp4",
    "intel_car-detection.mp4",
    "made_odd_321x137.mp4",
    "made_start_offset.mkv",
    "made_truncated_faststart.mp4",
    "made_vfr.mp4",
    "mdn_flower.mp4",
    "mdn_flower.webm",
    "mp4p_MOV00006.3gp",
    "mpy_no_duration.webm",
    "nasa_13013.mp4",
    "sk_bikes.mp4",
    "sk_carphone_pristine.mp4",
    "sk_luma.mp4",
}


def test_videos_on_which_the_work_failed_are_worked_on_again(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = MakeConfig(workers=0, tasks={"jigsaw": {}, "anomaly": {}})
    make(clips, tmp_path / "whole", config)
    path = load_samples(tmp_path / "whole")[0].provenance["videos"][0]["path"]
    worked: list[str] = []

    def failing(placed: Any, **given: Any) -> Any:
        worked.append(placed["video"]["path"])
        if placed["video"]["path"] == path and fails:
            return synthesize._unmade(placed, Failed("the process that worked on it died (9)"))
        return inner(placed, **given)

    inner, fails = synthesize._synthesize, True
    monkeypatch.setattr(synthesize, "_synthesize", failing)
    make(clips, tmp_path / "set", config)
    assert all_bytes(tmp_path / "set") != all_bytes(tmp_path / "whole")
    with pytest.raises(UsageError, match="was made with other settings"):
        make(clips, tmp_path / "set", replace(config, seed=1), retry_skipped=True)
    with pytest.raises(UsageError, match="no finished set"):
        make(clips, tmp_path / "none", config, retry_skipped=True)
    worked.clear()
    fails = False
    make(clips, tmp_path / "set", config, retry_skipped=True)
    assert worked == [path]
    assert all_bytes(tmp_path / "set") == all_bytes(tmp_path / "whole")
    assert "retried" not in (tmp_path / "set" / "summary.json").read_text()


def test_the_share_held_out_is_met_as_nearly_as_can_be(clips: Path, tmp_path: Path) -> None:
    for seed in range(6):
        config = MakeConfig(workers=0, tasks={"text_order": {}}, seed=seed, held_out=0.2)
        make(clips, tmp_path / str(seed), config)
        sides = {s.video_ids[0]: s.split for s in load_samples(tmp_path / str(seed))}
        assert list(sides.values()).count("held_out") == max(1, round(0.2 * len(sides)))


def test_no_task_is_left_without_a_held_out_video(tmp_path: Path) -> None:
    """Of twelve videos three are long enough for one task; of another each sample needs two."""
    videos = tmp_path / "videos"
    write_clips(videos, 9, seed=3)
    write_clips(tmp_path / "long", 3, seed=4, seconds=9.0)
    for path in (tmp_path / "long").iterdir():
        path.rename(videos / f"long-{path.name}")
    tasks: dict[str, dict[str, Json]] = {
        "appearance": {},
        "odd_clip": {"max_stretch": 9.0},
        "arrow": {},
    }
    sets = []
    for seed in range(4):
        out = tmp_path / str(seed)
        config = MakeConfig(workers=0, tasks=tasks, seed=seed, held_out=0.1, near_duplicates=None)
        make(videos, out, config)
        samples = load_samples(out)
        sides: dict[str, set[str]] = {}
        for sample in samples:
            sides.setdefault(sample.task, set()).add(sample.split)
        assert set(sides) == set(tasks)
        assert {name: len(here) for name, here in sides.items()} == dict.fromkeys(tasks, 2)
        of_video = {v: s.split for s in samples for v in s.video_ids}
        assert all(of_video[v] == s.split for s in samples for v in s.video_ids)
        assert list(of_video.values()).count("held_out") <= 4
        sets.append(samples)
    make(videos, tmp_path / "two", replace(config, workers=2))
    assert load_samples(tmp_path / "two") == sets[-1]
