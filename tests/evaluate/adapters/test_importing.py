from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kuleshov.cli import app
from kuleshov.dataset import load_samples, load_skips, load_summary
from kuleshov.errors import UsageError
from kuleshov.evaluate.adapters.config import BenchmarkConfig
from kuleshov.evaluate.adapters.importing import import_benchmark
from kuleshov.evaluate.adapters.table import table
from kuleshov.evaluate.figures import about_order
from kuleshov.tasks import task_of
from tests.evaluate.adapters.conftest import CONFIG, rows, said
from tests.evaluate.adapters.miniatures import motion_bench, video_mme

Folders = Callable[[str], Path]


def test_going_on_leaves_out_the_questions_of_missing_videos(tmp_path: Path) -> None:
    video_mme(tmp_path / "in")
    (tmp_path / "in" / "data" / "vid1.mp4").unlink()
    (tmp_path / "in" / "data" / "vid2.mp4").write_bytes(b"no video")
    config = replace(CONFIG, go_on=True)
    summary = import_benchmark("video_mme", tmp_path / "in", tmp_path / "out", config)
    assert summary["missing"] == ["data/vid1.mp4", "data/vid2.mp4"]
    assert (summary["samples"], summary["skips"]) == (3, 6)
    assert load_summary(tmp_path / "out")["missing"] == summary["missing"]
    assert {skip.path for skip in load_skips(tmp_path / "out")} == set(summary["missing"])
    for line in (tmp_path / "out" / "missing.txt").read_text().splitlines():
        assert line.startswith(("data/vid1.mp4: cannot be read: No such file", "data/vid2.mp4: "))


def test_going_on_without_any_video_is_refused(tmp_path: Path) -> None:
    motion_bench(tmp_path / "in")
    for video in (tmp_path / "in").rglob("*.mp4"):
        video.unlink()
    with pytest.raises(UsageError, match="2 of 2 videos are missing"):
        import_benchmark(
            "motion_bench", tmp_path / "in", tmp_path / "out", replace(CONFIG, go_on=True)
        )


def test_videos_may_lie_elsewhere(tmp_path: Path) -> None:
    motion_bench(tmp_path / "in")
    (tmp_path / "in" / "public-dataset").rename(tmp_path / "videos")
    config = replace(CONFIG, videos=str(tmp_path / "videos"))
    import_benchmark("motion_bench", tmp_path / "in", tmp_path / "out", config)
    (video,) = load_samples(tmp_path / "out")[0].provenance["videos"]
    assert video["path"] == "0.mp4"


def test_annotations_lead_out_of_no_folder(tmp_path: Path) -> None:
    motion_bench(tmp_path / "in")
    file = tmp_path / "in" / "video_info.meta.jsonl"
    file.write_text(file.read_text().replace('"0.mp4"', '"../../outside.mp4"'))
    with pytest.raises(UsageError, match="outside"):
        import_benchmark("motion_bench", tmp_path / "in", tmp_path / "out", CONFIG)


def test_circular_options_are_a_set_that_is_right_as_a_whole(
    folders: Folders, tmp_path: Path
) -> None:
    config = replace(CONFIG, options="circular")
    import_benchmark("motion_bench", folders("motion_bench"), tmp_path, config)
    samples = load_samples(tmp_path)
    # Two questions of five options, whose right one has each letter once.
    assert len(samples) == 10
    assert sorted(sample.answer for sample in samples) == sorted("ABCDE" * 2)
    for sample in samples:
        right = task_of(sample).knobs()["options"]["ABCDE".index(sample.answer)]
        assert right == "five" and f"{sample.answer}. five" in sample.prompt
    # A model that always says A is right in one of five rotations, and never in all.
    found = rows("motion_bench", tmp_path, lambda _: "A")
    assert found["overall", "accuracy"].value == pytest.approx(0.2)
    assert found["right in all rotations", "share"].value == 0.0
    # One that knows the answer to the first question, and says A to the second.
    first = samples[0].provenance["set"]
    found = rows(
        "motion_bench", tmp_path, lambda s: s.answer if s.provenance["set"] == first else "A"
    )
    assert found["overall", "accuracy"].value == pytest.approx(0.6)
    assert found["right in all rotations", "share"].value == pytest.approx(0.5)


def test_questions_read_in_another_way_are_the_same_questions(
    folders: Folders, tmp_path: Path
) -> None:
    sets = {}
    for reading in ("ours", "published"):
        config = replace(CONFIG, reading=reading)
        import_benchmark("video_mme", folders("video_mme"), tmp_path / reading, config)
        sets[reading] = load_samples(tmp_path / reading)
        assert {sample.knobs["reading"] for sample in sets[reading]} == {reading}
    assert [s.id for s in sets["ours"]] == [s.id for s in sets["published"]]


def test_a_published_reading_that_is_not_known_is_refused(folders: Folders, tmp_path: Path) -> None:
    config = replace(CONFIG, reading="published")
    with pytest.raises(UsageError, match="unknown published reading of choices of benchmark"):
        import_benchmark("video_mmmu", folders("video_mmmu"), tmp_path / "out", config)
    assert not (tmp_path / "out" / "config.yaml").exists()
    with pytest.raises(UsageError, match="unknown reading 'theirs'"):
        replace(CONFIG, reading="theirs")  # type: ignore[arg-type]  # what is tested


def test_shuffled_options_belong_to_the_seed(folders: Folders, tmp_path: Path) -> None:
    def orders(seed: int, out: str) -> list[list[int]]:
        config = replace(CONFIG, options="shuffled", seed=seed)
        import_benchmark("video_mme", folders("video_mme"), tmp_path / out, config)
        return [s.provenance["published"]["order"] for s in load_samples(tmp_path / out)]

    assert orders(0, "a") == orders(0, "b") != orders(1, "c")
    for sample in load_samples(tmp_path / "a"):
        letters = {"Ann.": "A", "Bob.": "B", "Cid.": "C"}
        right = sample.knobs["options"]["ABCD".index(sample.answer)]
        turn = int(sample.provenance["published"]["key"][-1])
        assert letters[right] == "ABC"[turn - 1]


def test_what_a_benchmark_says_of_its_samples_reaches_the_statistics(
    sets: Callable[[str], Path],
) -> None:
    samples = load_samples(sets("video_mme"))
    assert about_order(samples) == [True, False, False] * 3
    assert len({sample.source for sample in samples}) == 3


def test_repeats_are_averaged_and_unanswered_questions_refused(
    sets: Callable[[str], Path],
) -> None:
    samples = load_samples(sets("motion_bench"))
    results = said(samples, lambda _: "E")
    again = [replace(result, repeat=1, score=0.0) for result in results]
    assert table("motion_bench", samples, results + again)[0].value == 0.5
    with pytest.raises(UsageError, match="1 of 2 questions are not answered"):
        table("motion_bench", samples, results[:1])
    with pytest.raises(UsageError, match="under the condition blind"):
        table("motion_bench", samples, results, "blind")
    with pytest.raises(UsageError, match="unknown benchmark 'motion_bnch'; did you mean"):
        table("motion_bnch", samples, results)


def test_frames_are_the_middles_of_equal_parts_on_the_clock_of_the_video(
    sets: Callable[[str], Path],
) -> None:
    # 4 frames of 10 s: the middles of parts of 2.5 s.
    (item,) = load_samples(sets("charades_sta"))[0].media
    assert [frame.shown_seconds for frame in item.frames] == [1.25, 3.75, 6.25, 8.75]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"options": "circle"}, "unknown order of options 'circle'; did you mean 'circular'"),
        ({"num_frames": 5}, "num_frames is 5; allowed: even numbers"),
        ({"num_frames": 0}, "num_frames is 0"),
        ({"min_pixels": 9, "max_pixels": 4}, "min_pixels 9 and max_pixels 4"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    settings: dict[str, str | int], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        BenchmarkConfig(**settings)  # type: ignore[arg-type]


def test_unknown_benchmarks_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown benchmark 'mvbnch'; did you mean 'mvbench'"):
        import_benchmark("mvbnch", tmp_path, tmp_path, CONFIG)
    with pytest.raises(UsageError, match="nowhere is not a folder"):
        import_benchmark("mvbench", tmp_path / "nowhere", tmp_path, CONFIG)


def test_from_the_command_line_with_the_figures_of_a_policy(
    folders: Folders, tmp_path: Path
) -> None:
    def run(*arguments: object) -> str:
        result = CliRunner().invoke(app, list(map(str, arguments)))
        assert result.exit_code == 0, result.output
        return result.output

    out = tmp_path / "set"
    output = run("benchmark", "video_mme", folders("video_mme"), "-o", out, "--num-frames", "4")
    assert "9 samples and 0 skips" in output.replace("\n", "")
    output = run("eval", "policy:majority", out, "-o", tmp_path / "run")
    # Always A (of A, B and C, the first): a third.
    assert "overall" in output and "0.333" in output and "not computed" in output
