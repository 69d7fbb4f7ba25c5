from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kuleshov.cli import app, main
from kuleshov.errors import UsageError
from kuleshov.recipe import packaged

COMMANDS = [
    "make",
    "import",
    "benchmark",
    "check",
    "view",
    "pairs",
    "curate",
    "render",
    "preflight",
    "train",
    "plan",
    "eval",
    "freeze",
    "report",
    "demo",
    "doctor",
]


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def shell(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from kuleshov.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    code, output = run(command, "--help")
    assert code == 0 and f"Example: kuleshov {command}" in output


def test_help_lists_every_command() -> None:
    _, output = run("--help")
    assert all(f" {command} " in output for command in COMMANDS)


def test_make_check_and_view_one_after_the_other(short_clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, output = run("make", short_clips, "-o", out, "--task", "jigsaw", "--held-out", "0.3")
    assert code == 0 and "12 samples and 0 skips" in output.replace("\n", "")
    summary = json.loads((out / "summary.json").read_text())
    assert list(summary["tasks"]) == ["jigsaw"]
    code, output = run("check", out)
    assert code == 0 and "0 errors" in output and "jigsaw" in output
    assert "learned" in output and "<th>learned</th>" in (out / "check.html").read_text()
    code, output = run("view", out, "--sheets", "1", "--workers", "0")
    assert code == 0 and "12 samples, 1 with a sheet, and 0 skips" in output
    assert (out / "view" / "index.html").is_file()
    assert len(list((out / "view" / "sheets").iterdir())) == 2
    assert "Errors and warnings" in (out / "check.html").read_text()
    code, output = run("check", out, "--samples", "3", "--drop", tmp_path / "clean")
    assert code == 0 and "12 samples in" in output and "0 dropped" in output


def test_render_writes_files_and_says_how_much(short_clips: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    run("make", short_clips, "-o", data, "--task", "jigsaw", "--workers", "0")
    code, output = run("render", data, "-o", out, "--format", "tar", "--workers", "0")
    assert code == 0 and "12 samples and 0 skips in" in output and "MB" in output
    assert (out / "train-00000.tar").is_file()
    (tmp_path / "nothing").mkdir()
    into = tmp_path / "none"
    code, output = run(
        *("render", data, "-o", into, "--workers", "0", "--videos", tmp_path / "nothing")
    )
    assert code == 1 and "says why" in output
    assert (tmp_path / "none" / "skips.jsonl").read_text().count("cannot be opened") == 12


def test_a_floor_is_evaluated_like_a_model(short_clips: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    run("make", short_clips, "-o", data, "--task", "jigsaw", "--held-out", "1", "--workers", "0")
    code, output = run("eval", "policy:majority", data, "-o", tmp_path / "run")
    assert code == 0 and "full" in output and "0.0%" in output
    assert len((tmp_path / "run" / "results.jsonl").read_text().splitlines()) == 12
    with pytest.raises(UsageError, match="unknown policy 'majorty'; did you mean 'majority'"):
        run("eval", "policy:majorty", data, "-o", tmp_path / "other")


def test_flags_win_over_the_recipe(short_clips: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("make: {tasks: {jigsaw: {num_clips: 4}}, per_video: 2, seed: 9}\n")
    run("make", short_clips, "-o", tmp_path / "out", "--config", recipe, "--per-video", "1")
    config = (tmp_path / "out" / "config.yaml").read_text()
    assert "per_video: 1" in config and "seed: 9" in config and "num_clips: 4" in config


def test_one_key_is_set_and_what_was_resolved_is_written(short_clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    task = ("--task", "jigsaw", "--set", "tasks.jigsaw.num_clips=4")
    code, _ = run("make", short_clips, "-o", out, *task, "--seed", "1", "--set", "seed=9")
    assert code == 0
    config = (out / "config.yaml").read_text()
    assert "num_clips: 4" in config and "seed: 9" in config


def test_plan_prints_a_step_and_the_memory_of_a_recipe() -> None:
    recipe = packaged("videossr_30k.yaml")
    model = ("--model", "Qwen/Qwen3-VL-8B-Instruct")
    code, output = run("plan", *model, "--config", recipe, "--processes", "8", "--shard")
    assert code == 0
    assert "8.77 billion parameters" in output and "64 prompts x 8 completions" in output
    assert "GPU memory: in all" in output


def test_the_package_runs_as_a_module(tmp_path: Path) -> None:
    """As `accelerate launch -m kuleshov` starts it."""
    command = [sys.executable, "-m", "kuleshov", "train", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 0 and "accelerate launch" in result.stdout


def test_a_list_is_read_with_its_column_and_root(short_clips: Path, tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("path,clip\nnowhere.mp4,clip-0001.mp4\n")
    out = tmp_path / "out"
    options = ("--task", "jigsaw", "--column", "clip", "--root", f"file://{short_clips}/")
    code, output = run("make", f"file://{table}", "-o", out, *options)
    assert code == 0 and "1 samples and 0 skips" in output.replace("\n", "")
    config = (out / "config.yaml").read_text()
    assert f"source: file://{table}\n" in config and f"videos: file://{short_clips}\n" in config


def test_findings_end_with_exit_code_one(short_clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("make", short_clips, "-o", out, "--task", "jigsaw")
    from dataclasses import replace

    from kuleshov.dataset import load_samples, write

    bad = replace(load_samples(out)[0], answer=[1])
    write(out, [bad], {"videos": str(short_clips)})
    code, output = run("check", out)
    assert code == 1 and "1 errors" in output


def test_no_sample_at_all_ends_with_exit_code_one(short_clips: Path, tmp_path: Path) -> None:
    # 4 s are too short for the default of masked.
    code, output = run("make", short_clips, "-o", tmp_path / "out", "--task", "masked")
    assert code == 1 and "says why" in output
    assert (tmp_path / "out" / "skips.jsonl").read_text().count("needs 8 s") == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["make", "nowhere", "-o", "out"], "nowhere is not a folder"),
        (["make", ".", "-o", "out", "--task", "jigzaw"], "did you mean 'jigsaw'"),
        (["check", "nowhere"], "make one with `kuleshov make VIDEOS -o nowhere`"),
        (["view", "nowhere"], "nowhere holds no finished set"),
        (["view", ".", "--sheets", "many"], "--sheets is 'many'; allowed: a number or all"),
        (["render", "nowhere", "-o", "out"], "nowhere holds no finished set"),
        (["render", ".", "-o", "out", "--format", "mp5"], "did you mean 'mp4'"),
        (["report", "nowhere", "-o", "page.html"], "nowhere is no run folder"),
        (["make", ".", "-o", "out", "--config", "no.yaml"], "no.yaml cannot be read as a recipe"),
        (["make", ".", "-o", "out", "--set", "sead=1"], "unknown key in make 'sead'; did you mean"),
        (["train", ".", "--model", "m", "-o", "r", "--set", "grpo.bta=1"], "did you mean 'beta'"),
        (["eval", "m", ".", "-o", "r", "--set", "seed"], "allowed: key=value with a dotted key"),
        (["make", ".", "-o", "out", "--push-to-hub", "a/b/c"], "--push-to-hub: "),
        (["train", ".", "--model", "m", "-o", "r", "--push-to-hub", ""], "--push-to-hub: "),
        (["plan", "--model", "Qwen/Qwen3-VL-8B"], "did you mean 'Qwen/Qwen3-VL-8B-Instruct'"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_two(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", "from kuleshov.cli import main; main()", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr and "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_usage_error_of_the_command_line_is_exit_code_two() -> None:
    result = shell("make")
    assert result.returncode == 2 and "Missing argument" in result.stderr


def test_doctor_names_decoder_codecs_and_versions() -> None:
    code, output = run("doctor")
    assert code == 0
    for word in ("python", "av", "ffmpeg", "decodes h264", "torch", "gpu"):
        assert word in output


def test_missing_training_packages_are_named_with_the_command_that_installs_them(
    tmp_path: Path,
) -> None:
    code = (
        "import sys; sys.modules['trl'] = None\n"
        "sys.argv = ['kuleshov', 'eval', 'm', 'd', '-o', 'r']\n"
        "from kuleshov.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert result.returncode == 2
    assert "needs trl, which is not installed; pip install 'kuleshov[train]'" in result.stderr


def test_main_is_the_entry_point() -> None:
    from importlib.metadata import entry_points

    (script,) = [e for e in entry_points(group="console_scripts") if e.name == "kuleshov"]
    assert script.load() is main


def test_what_the_package_warns_of_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("kuleshov.train.idle").warning("%s learned nothing", "[red]")
    logging.getLogger("kuleshov.train.idle").info("nothing to see")
    logging.getLogger("elsewhere").warning("nobody's")
    assert capsys.readouterr().err == "warning: [red] learned nothing\n"
