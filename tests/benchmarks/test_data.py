"""The sides of the data benchmark on procedural clips; what they cost is not looked at here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import corpus
from benchmarks.copies import copy_of
from benchmarks.corpus import Spec
from benchmarks.data import commands, figures, start_up
from benchmarks.measure import Cost, bytes_below, measure
from kuleshov.clips import clip
from kuleshov.read import read
from kuleshov.sample import Video
from kuleshov.synthesize import MakeConfig, make
from tests.frames.encoded import encode

ROOT = Path(__file__).parent.parent.parent
TASKS: dict[str, dict[str, object]] = {"anomaly": {}, "counting": {}, "jigsaw": {}}


def test_the_cost_of_a_command_includes_its_orphans() -> None:
    burn = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {burn!r}])"
    assert measure([sys.executable, "-c", code], ROOT).cpu > 0.3


def test_a_command_that_fails_is_not_measured() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        measure([sys.executable, "-c", "raise SystemExit(3)"], ROOT)


def test_the_baseline_writes_frames_and_three_rows_for_each_video(
    clips: Path, tmp_path: Path
) -> None:
    pytest.importorskip("cv2")
    pytest.importorskip("decord")
    out = tmp_path / "out"
    subprocess.run([sys.executable, "-m", "benchmarks.baseline", clips, out], cwd=ROOT, check=True)
    rows = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    assert [row["task"] for row in rows] == ["anomaly", "counting", "jigsaw"] * 6
    for row in rows:
        assert len(row["frames"]) == 48
        assert all((out / row["video"] / name).is_file() for name in row["frames"])


def test_the_corpus_is_written_once_and_as_described(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [Spec("clip-0000.mp4", 32, 12), Spec("clip-0001.mp4", 48, 3, suffix=".mkv")]
    monkeypatch.setattr(corpus, "SPECS", specs)
    (tmp_path / "stale.mp4").write_text("of an older list")
    for _ in range(2):
        corpus.corpus(clips, tmp_path)
        videos = [video for video in read(tmp_path) if isinstance(video, Video)]
        assert [(v.height, round(v.duration, 2), v.num_frames) for v in videos] == [
            (32, 12.0, 300),
            (48, 3.0, 75),
        ]


def test_the_figures_are_ratios_of_medians(clips: Path, tmp_path: Path) -> None:
    make(clips, tmp_path / "make once", MakeConfig(workers=0, tasks=TASKS))
    for side, size in (("baseline", 4000), ("render once", 100)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "a.jpg").write_bytes(bytes(size))
    cpu = {"baseline": 60.0, "make": 2.0, "render": 18.0, "baseline looks": 30.0, "masked": 15.0}
    costs = {
        name: [Cost(s, s, 100), Cost(s, s, 100), Cost(9 * s, s, 100)] for name, s in cpu.items()
    }
    costs |= {"make 1080p": [Cost(1, 1, 150)], "render 1080p": [Cost(1, 1, 250)]}
    found = figures(costs, tmp_path, 20)
    per_sample = found.pop("recipe_bytes_per_sample")
    assert per_sample == pytest.approx(
        bytes_below(tmp_path / "make once", "*.parquet") / 18, abs=0.001
    )
    assert found == {
        "recipe_rate_ratio": 30.0,
        "rendered_rate_ratio": 3.0,
        "rendered_bytes_ratio": 0.1,
        "peak_rss_mb_1080p": 250,
        "baseline_cpu_s_per_video": 3.0,
        "masked_rate_ratio": 2.0,
    }


def test_every_side_writes_to_a_folder_of_its_own(tmp_path: Path) -> None:
    sides = commands(tmp_path / "corpus", tmp_path / "videos", tmp_path)
    assert all(str(tmp_path / name) in command for name, command in sides.items())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_copy_shows_the_same_in_a_file_with_another_hash(suffix: str, tmp_path: Path) -> None:
    encode(tmp_path / f"one{suffix}", "libx264", {}, clip(3, 1, seconds=1))
    content = (tmp_path / f"one{suffix}").read_bytes()
    (tmp_path / f"two{suffix}").write_bytes(copy_of(content, suffix, 7))
    one, two = read(tmp_path)
    assert isinstance(one, Video) and isinstance(two, Video)
    assert one.id != two.id
    assert (one.end, one.num_frames) == (two.end, two.num_frames)


def test_the_cost_of_starting_is_what_videos_do_not_explain() -> None:
    costs = {"make": [Cost(4.0, 1, 1)], "make 1080p": [Cost(2.5, 1, 1)]}
    assert start_up(costs, 33, 3) == "make: 2.35 CPU s to start, 0.050 for each video"
