"""A set leads to videos outside of itself only where this user's command line said so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kuleshov import named
from kuleshov.cli import app
from kuleshov.content import content_id
from kuleshov.dataset import videos_root
from kuleshov.errors import UsageError
from kuleshov.evaluate.bench import _found
from kuleshov.locations import Location, Remote
from kuleshov.synthesize import MakeConfig, make


@pytest.fixture
def somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state of a user who has named nothing yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("KULESHOV_CACHE")
    monkeypatch.setattr(named, "_here", set())
    return tmp_path / "state"


@pytest.fixture(scope="module")
def made(short_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("named") / "set"
    make(short_clips, out, MakeConfig(tasks={"arrow": {}}, workers=0))
    return out


def led_to(data: Path, where: str, tmp_path: Path) -> Path:
    """The set with another folder of videos in its settings."""
    out = tmp_path / "led"
    shutil.copytree(data, out)
    (out / "config.yaml").write_text(json.dumps({"videos": where}))
    return out


def run(*command: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in command])
    error = result.exception
    if error is not None and not isinstance(error, SystemExit):
        assert isinstance(error, UsageError), error
        return 2, str(error)
    return result.exit_code, result.output


OUTSIDE = ["/etc", "..", "../..", "videos/../..", "s3://bucket/videos", "file:///etc", "out"]


@pytest.mark.parametrize("where", OUTSIDE)
def test_a_set_of_a_stranger_leads_nowhere(
    where: str, made: Path, somebody: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = led_to(made, where, tmp_path)
    (out / "out").symlink_to("/etc")
    monkeypatch.setattr(Remote, "open", lambda *_: pytest.fail("an address was called"))
    with pytest.raises(UsageError, match=r"no command on this machine has named.*--videos"):
        videos_root(out)


COMMANDS = {
    "check": [],
    "view": [],
    "render": ["-o", "OUT"],
    "freeze": [],
    "pairs": [],
    "eval": ["-o", "OUT"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_the_set_wants_before_it_writes(
    command: str, made: Path, somebody: Path, tmp_path: Path
) -> None:
    out = led_to(made, "/etc", tmp_path)
    before = sorted(path.name for path in out.iterdir())
    words = [str(tmp_path / "out") if word == "OUT" else word for word in COMMANDS[command]]
    asked = ["a model"] if command == "eval" else []
    more = ["--backend", "openai", "--endpoint", "http://127.0.0.1:9/v1"] if asked else []
    code, said = run(command, *asked, out, *words, *more)
    assert code == 2 and "the folder /etc, outside of itself" in said
    assert sorted(path.name for path in out.iterdir()) == before
    assert not (tmp_path / "out").exists()


def test_what_was_named_once_is_not_asked_again(
    made: Path, short_clips: Path, somebody: Path, tmp_path: Path
) -> None:
    view = ["view", made, "-o", tmp_path / "page", "--sheets", "1", "--workers", "0"]
    assert "no command on this machine" in run(*view)[1]
    code, said = run(*view, "--videos", tmp_path / "nowhere")
    assert code == 2 and "is no folder" in said
    assert run(*view, "--videos", short_clips)[0] == 0
    assert run(*view)[0] == 0
    assert (somebody / "kuleshov" / "videos").read_text() == f"{short_clips.resolve()}\n"
    # A set of one's own may be moved.
    moved = tmp_path / "moved"
    shutil.copytree(made, moved)
    assert videos_root(moved) == short_clips


def test_videos_are_read_where_the_command_line_says(
    made: Path, short_clips: Path, somebody: Path, tmp_path: Path
) -> None:
    out = led_to(made, "/nowhere", tmp_path)
    with named.given(str(short_clips)):
        assert videos_root(out) == short_clips
    with pytest.raises(UsageError):
        videos_root(out)
    with named.given("s3://bucket/videos/"):
        assert videos_root(out) == Remote("s3://bucket/videos")
    assert named.was_named(Remote("s3://bucket/videos"))


def test_making_a_set_names_its_videos(short_clips: Path, somebody: Path, tmp_path: Path) -> None:
    config = MakeConfig(tasks={"arrow": {}}, workers=0)
    root: Location
    for name, root in (("a", short_clips), ("b", Remote(f"file://{short_clips}"))):
        make(str(root), tmp_path / name, config)
        assert videos_root(tmp_path / name) == root


def test_a_home_that_cannot_be_written_stops_nothing(
    short_clips: Path, tmp_path: Path, somebody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("a file")
    make(short_clips, tmp_path / "a", MakeConfig(tasks={"arrow": {}}, workers=0))
    assert videos_root(tmp_path / "a") == short_clips
    monkeypatch.setattr(named, "_here", set())
    with pytest.raises(UsageError, match="--videos"):
        videos_root(tmp_path / "a")
    monkeypatch.setenv("KULESHOV_CACHE", str(tmp_path / "cache"))
    named.remember(short_clips)
    monkeypatch.setattr(named, "_here", set())
    assert videos_root(tmp_path / "a") == short_clips


def test_a_manifest_leads_out_of_no_folder(made: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(b"of somebody")
    found = _found(made, {content_id(outside): str(outside)}, lambda *_: None)
    assert found == {}
