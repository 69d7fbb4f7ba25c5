from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.barcode import pictures
from benchmarks.encoding import write
from benchmarks.outside_cases import CASES, GIVEN, given_folder, run
from benchmarks.outside_cells import CODECS, CONTAINERS
from kuleshov.cli import app
from kuleshov.dataset import load_samples, load_skips
from kuleshov.evaluate.results import load_results
from kuleshov.left_out import left_out
from kuleshov.rendered import RenderConfig, render_set
from kuleshov.synthesize import MakeConfig, make
from kuleshov.train import tiny


@pytest.mark.parametrize("name", CASES)
def test_what_public_reports_describe_is_right(name: str, tmp_path: Path) -> None:
    CASES[name].make(tmp_path / name)
    assert CASES[name].truth(tmp_path / name) == []


def test_another_file_has_another_truth(tmp_path: Path) -> None:
    for name, other in (("cat_same.ts", "zero_tail.mp4"), ("hflip.mp4", "h264_b.avi")):
        CASES[name].make(tmp_path / other)
        assert CASES[other].truth(tmp_path / other) != []
        assert CASES["cenc.mp4"].truth(tmp_path / other) != []


def test_files_of_a_folder_are_checked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KULESHOV_CASES", str(tmp_path))
    CASES["h264_b.avi"].make(tmp_path / "h264_b.avi")
    (tmp_path / "podcast.mp4").write_bytes(b"")
    assert given_folder() == tmp_path and set(GIVEN) <= set(CASES)
    found = run()
    assert (found["cases"], found["cases_wrong"]) == (len(CASES) + 2, 1)
    assert list(found["wrong"]) == [str(tmp_path / "podcast.mp4")]
    monkeypatch.setenv("KULESHOV_CASES", str(tmp_path / "gone"))
    assert given_folder() is None


def test_make_and_render_go_on_beside_them(short_clips: Path, tmp_path: Path) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    for name, case in CASES.items():
        (videos / name).parent.mkdir(parents=True, exist_ok=True)
        case.make(videos / name)
    for path in short_clips.iterdir():
        os.link(path, videos / path.name)
    make(videos, out, MakeConfig(workers=0, tasks={"arrow": {}, "jigsaw": {}}))
    reasons = {skip.path: skip.reason for skip in load_skips(out) if skip.task is None}
    assert set(reasons) == {"cenc.mp4", "podcast.mp4"}
    sampled = {sample.provenance["videos"][0]["path"] for sample in load_samples(out)}
    assert sampled >= {"h264_b.avi", "xvid_b.avi", "cat_same.ts", "data [v2]/a [x1].mp4"}
    summary = render_set(out, tmp_path / "rendered", RenderConfig(workers=0))
    assert summary["skips"] == 0 and summary["samples"] == len(load_samples(out))


def run_command(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def noisy_end(path: Path) -> None:
    """120 frames of which those behind the 90th are packets of noise that begin as they should."""
    write(path, pictures(0, 120), CODECS["hevc-b0"], CONTAINERS["mp4"])
    with av.open(str(path)) as container:
        places = [(packet.pos or 0, packet.size) for packet in container.demux(video=0)]
    data, noise = bytearray(path.read_bytes()), np.random.default_rng(0)
    for start, size in places[90:120]:
        data[start + 8 : start + size] = noise.bytes(max(0, size - 8))
    path.write_bytes(data)


def test_the_whole_way_goes_on_beside_them(short_clips: Path, tmp_path: Path) -> None:
    """One end does not decode, and one good clip is emptied when the set is made."""
    videos, data, model = tmp_path / "videos", tmp_path / "set", tmp_path / "model"
    for name, case in CASES.items():
        (videos / name).parent.mkdir(parents=True, exist_ok=True)
        case.make(videos / name)
    noisy_end(videos / "noisy_end.mp4")
    for path in short_clips.iterdir():
        shutil.copy(path, videos / path.name)
    small = ["--set", "tasks={arrow: {min_pixels: 3136, max_pixels: 3136, size_multiple: 28}}"]
    code, output = run_command(
        "make", videos, "-o", data, "--workers", "0", "--held-out", "0.4", *small
    )
    assert code == 0, output
    reasons = {skip.path: skip.reason for skip in load_skips(data) if skip.task is None}
    assert set(reasons) == {"cenc.mp4", "podcast.mp4"}
    assert "is encrypted" in reasons["cenc.mp4"] and "but a cover" in reasons["podcast.mp4"]
    samples = load_samples(data)
    of = {sample.provenance["videos"][0]["path"]: sample for sample in samples}
    named = {"h264_b.avi", "xvid_b.avi", "cat_same.ts", "data [v2]/a [x1].mp4", "noisy_end.mp4"}
    assert named <= set(of)
    assert run_command("render", data, "-o", tmp_path / "whole", "--workers", "0")[0] == 0
    assert not (tmp_path / "whole" / "skips.jsonl").read_text()

    logging.getLogger("transformers").setLevel(logging.ERROR)
    tiny.build(model, [sample.prompt for sample in samples], "qwen2_5_vl")
    emptied = {
        split: next(path for path, sample in of.items() if sample.split == split and path in clips)
        for clips in [{path.name for path in short_clips.iterdir()}]
        for split in ("train", "held_out")
    }
    for path in emptied.values():
        (videos / path).write_bytes(b"")
    code, output = run_command("render", data, "-o", tmp_path / "less", "--workers", "0")
    assert code == 1 and f"2 of {len(samples)} samples are skips" in output
    share = ["--left-out-share", "0.5", "--workers", "0"]
    assert run_command("render", data, "-o", tmp_path / "less", *share)[0] == 0

    count = sum(sample.split == "train" for sample in samples)
    steps = f"sft={{steps: 2, batch_size: {-(-count // 2)}}}"
    end = ["grpo={steps: 1, prompts_per_step: 2, group_size: 2, max_completion_tokens: 4}"]
    sets = [part for one in (steps, *end, "report_to=[]") for part in ("--set", one)]
    code, output = run_command("train", data, "--model", model, "-o", tmp_path / "run", *sets)
    assert code == 0, output
    asked = ["-o", str(tmp_path / "asked"), "--set", "max_completion_tokens=4"]
    code, said = run_command("eval", tmp_path / "run" / "model", data, *asked)
    assert code == 0, said
    for run_folder, split, text in (("run", "train", output), ("asked", "held_out", said)):
        (lost,) = {one["sample"]: one for one in left_out(tmp_path / run_folder)}.values()
        assert lost["sample"] == of[emptied[split]].id
        assert "has changed since the samples were made" in lost["reason"]
        assert "1 samples are left out, see" in text
    held_out = {sample.id for sample in samples if sample.split == "held_out"}
    results = load_results(tmp_path / "asked")
    assert {r.sample for r in results} == held_out - {of[emptied["held_out"]].id}
