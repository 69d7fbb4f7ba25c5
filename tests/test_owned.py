from __future__ import annotations

import json
import os
from hashlib import blake2b
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kuleshov import owned
from kuleshov.cli import app
from kuleshov.demo import _FILES
from kuleshov.errors import UsageError
from kuleshov.lock import LOCK, _born, machine
from kuleshov.owned import apart, check, check_beside, check_page, read_mark, remove, writing


def state(folder: Path) -> dict[str, str]:
    """Everything in a folder by its hash."""
    return {
        path.relative_to(folder).as_posix(): blake2b(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
    }


def refused(*arguments: str | Path) -> str:
    """The one line that a command ends with, before any work."""
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert isinstance(result.exception, UsageError), (result.output, result.exception)
    return str(result.exception)


def test_a_folder_is_marked_before_anything_is_written(tmp_path: Path) -> None:
    with writing(tmp_path / "out", "samples"):
        assert read_mark(tmp_path / "out") == {"kind": "samples", "version": 1}
        (tmp_path / "out" / "a").touch()
    check(tmp_path / "out", "samples")


def test_an_empty_folder_is_ours_and_one_that_stays_empty_goes_again(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new/deep"):
        with pytest.raises(ZeroDivisionError), writing(tmp_path / name, "eval"):
            raise ZeroDivisionError
    assert state(tmp_path) == {"empty": "folder"}


@pytest.mark.parametrize("kind", owned.KINDS)
def test_no_kind_is_written_where_something_else_is(kind: str, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"give another folder.*thesis\.tex.*nothing was changed"):
        check(tmp_path, kind)


@pytest.mark.parametrize("kind", owned.KINDS)
def test_a_mark_of_another_kind_or_a_later_version_is_refused(kind: str, tmp_path: Path) -> None:
    other = next(name for name in owned.KINDS if name != kind)
    owned.set_mark(tmp_path, other)
    with pytest.raises(UsageError, match=owned.KINDS[other].what):
        check(tmp_path, kind)
    (tmp_path / owned.MARK).write_text(f'{{"kind": "{kind}", "version": 2}}')
    with pytest.raises(UsageError, match="by a later version"):
        check(tmp_path, kind)


@pytest.mark.parametrize(
    "mark",
    ['{"kind": ["samples"]}', '{"kind": "samples", "version": "1"}', "[" * 99_999, "\0" * 9, "[]"],
)
def test_a_mark_that_says_nothing_is_refused_in_words(mark: str, tmp_path: Path) -> None:
    (tmp_path / owned.MARK).write_text(mark)
    (tmp_path / "x").touch()
    with pytest.raises(UsageError, match=r"something other than|later version"):
        check(tmp_path, "samples")


@pytest.mark.parametrize("command", ["check", "pairs"])
def test_a_page_is_not_written_into_a_set_that_another_one_writes(
    command: str, short_clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    make = ["make", short_clips, "-o", out, "--task", "jigsaw", "--workers", "0"]
    assert CliRunner().invoke(app, list(map(str, make))).exit_code == 0
    alive = {"machine": machine(), "process": 1, "born": _born(1), "command": "kuleshov make"}
    (out / LOCK).write_text(json.dumps(alive))
    assert "is being written by `kuleshov make`" in refused(command, out)
    assert not list(out.glob("*.html"))


def test_what_is_read_never_lies_in_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "out" / "videos").mkdir(parents=True)
    for path in (tmp_path / "out", tmp_path / "out" / "videos"):
        with pytest.raises(UsageError, match="lies inside of"):
            apart(tmp_path / "out", path)
    (tmp_path / "link").symlink_to(tmp_path / "out" / "videos")
    with pytest.raises(UsageError, match="lies inside of"):
        apart(tmp_path / "out", tmp_path / "link")
    apart(tmp_path / "out" / "videos", tmp_path)


def test_a_page_takes_no_other_name_with_it(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("mine")
    page = tmp_path / "x.html"
    with pytest.raises(UsageError, match="another page"):
        check_beside(tmp_path / "x_files", "report", (page, tmp_path / "x.md"))
    check_beside(tmp_path / "y_files", "report", (tmp_path / "y.html",))
    page.write_text("<html>mine</html>")
    with pytest.raises(UsageError, match="no page of kuleshov"):
        check_page(page)
    page.write_text('<meta name="generator" content="kuleshov">')
    check_page(page)


def test_single_files_are_removed_and_links_not_followed(tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    for path in (out / "a" / "1.txt", out / "a" / "mine", out / "b" / "2.txt", other / "3.txt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (out / "c").symlink_to(other)
    remove(out, "*/*.txt")
    assert sorted(state(out)) == ["a", "a/mine", "c"] and (other / "3.txt").is_file()
    (out / "work" / "part").mkdir(parents=True)
    remove(out / "work", "*", "*/*")
    assert not (out / "work").exists()  # what a kill left of an earlier removal
    (tmp_path / "link").symlink_to(other)
    remove(tmp_path / "link", "*")
    assert (other / "3.txt").is_file()


def test_another_finished_set_needs_a_word_and_a_frozen_one_stays(
    short_clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = ("make", short_clips, "-o", out, "--task", "jigsaw", "--workers", "0")
    assert CliRunner().invoke(app, list(map(str, command))).exit_code == 0
    before = state(out)
    assert CliRunner().invoke(app, list(map(str, command))).exit_code == 0  # the same
    assert "--overwrite" in refused(*command, "--seed", "1")
    assert state(out) == before
    again = CliRunner().invoke(app, [*map(str, command), "--seed", "1", "--overwrite"])
    assert again.exit_code == 0 and state(out) != before
    (out / "bench.json").write_text("{}")
    before = state(out)
    assert "frozen" in refused(*command, "--overwrite")
    assert state(out) == before


def test_a_video_that_changed_makes_it_another_set(short_clips: Path, tmp_path: Path) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    for path in sorted(short_clips.iterdir())[:2]:
        (videos / path.name).write_bytes(path.read_bytes())
    command = ("make", videos, "-o", out, "--task", "jigsaw", "--workers", "0")
    assert CliRunner().invoke(app, list(map(str, command))).exit_code == 0
    later = (out / "summary.json").stat().st_mtime + 5
    os.utime(videos / path.name, (later, later))
    assert "--overwrite" in refused(*command)


@pytest.mark.parametrize(
    "name",
    [
        "samples/train-00000.parquet",
        "samples/added-00000.parquet",
        "skips.jsonl",
        "config.yaml",
        "manifest.json",
        "summary.json",
    ],
)
def test_a_finished_set_that_was_harmed_is_made_again(
    name: str, short_clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = ("make", short_clips, "-o", out, "--task", "jigsaw", "--workers", "0")
    assert CliRunner().invoke(app, list(map(str, command))).exit_code == 0
    before = state(out)
    if name.startswith("samples/added"):
        (out / "samples" / "train-00007.parquet").write_bytes(b"PAR1")
    else:
        (out / name).write_bytes((out / name).read_bytes()[:-9] + b"\xff")
    again = CliRunner().invoke(app, list(map(str, command)))
    assert again.exit_code == 0 and "the set is made again" in again.stderr
    assert state(out) == before
    (out / "bench.json").write_text("{}")
    (out / name).unlink(missing_ok=True)
    (out / "samples" / "train-00007.parquet").write_bytes(b"PAR1")
    before = state(out)
    assert "frozen" in refused(*command)
    assert state(out) == before


def test_an_evaluation_or_training_does_not_go_into_a_set(
    short_clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--task", "jigsaw", "--workers", "0", "--held-out", "0.5")
    CliRunner().invoke(app, ["make", str(short_clips), "-o", str(out), *options])
    before = state(out)
    assert "a set of samples" in refused("eval", "policy:random", out, "-o", out)
    assert "a set of samples" in refused("train", out, "--model", tmp_path, "-o", out)
    assert state(out) == before


def test_sets_of_before_the_mark_are_ours(short_clips: Path, tmp_path: Path) -> None:
    out, shown = tmp_path / "out", tmp_path / "rendered"
    run = CliRunner().invoke
    run(app, ["make", str(short_clips), "-o", str(out), "--task", "jigsaw", "--workers", "0"])
    run(app, ["render", str(out), "-o", str(shown), "--workers", "0"])
    run(app, ["view", str(out), "--sheets", "0", "--workers", "0"])
    for folder, kind in ((out, "samples"), (shown, "rendered"), (out / "view", "view")):
        (folder / owned.MARK).unlink()
        check(folder, kind)


def test_the_demo_erases_no_folder(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "samples").mkdir(parents=True)
    (mine / "samples" / "thesis.txt").write_text("years of work")
    (mine / "result.json").write_text("{}")
    before = state(mine)
    assert "something other than a demo" in refused("demo", "-o", mine)
    assert state(mine) == before
    videos = tmp_path / "out" / "videos"
    videos.mkdir(parents=True)
    owned.set_mark(tmp_path / "out", "demo")
    assert "lies inside of" in refused("demo", videos, "-o", tmp_path / "out")
    # It starts over among what is not its own.
    (tmp_path / "out" / "clips").mkdir()
    for name in ("clips/clip-0001.mp4", "clips/mine.mp4", "notes.txt", "settings.txt"):
        (tmp_path / "out" / name).touch()
    remove(tmp_path / "out", *_FILES)
    left = {".kuleshov", "clips", "clips/mine.mp4", "notes.txt", "videos"}
    assert set(state(tmp_path / "out")) == left


@pytest.mark.parametrize("text", ["three steps", "[]", '{"steps": 3}', '{"samples": 3}'])
def test_a_summary_of_something_else_is_no_set(text: str, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(text)
    for command in ("view", "check", "pairs", "freeze"):
        assert "holds no finished set" in refused(command, tmp_path)
    assert "holds no finished set" in refused("render", tmp_path, "-o", tmp_path / "out")
    assert list(state(tmp_path)) == ["summary.json"]
