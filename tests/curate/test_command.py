from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kuleshov.cli import app
from kuleshov.errors import UsageError
from kuleshov.labels import read_labels
from tests.curate.test_build import REPLY
from tests.curate.test_video_r1 import CHOICE
from tests.evaluate.backends.stub import answers, completion, endpoint


def run(*arguments: object) -> tuple[int, str]:
    ran = CliRunner().invoke(app, ["curate", *map(str, arguments)])
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.exit_code, ran.output


def annotation(path: Path) -> Path:
    """One clip, in the layout of CelebV-HQ."""
    told = {"action": [1], "emotion": {"sep_flag": False, "labels": "neutral"}}
    clips = {"clip-0000": {"attributes": told}}
    path.write_text(json.dumps({"meta_info": {"action_mapping": ["light_flash"]}, "clips": clips}))
    return path


def test_an_endpoint_describes_clips_and_what_is_left_out_is_counted(
    clips: Path, tmp_path: Path
) -> None:
    told = "--layout", "celebv_hq", "--annotation", annotation(tmp_path / "info.json")
    with endpoint() as stub:
        stub.otherwise = answers(body=completion(json.dumps(REPLY)))
        given = "--endpoint", stub.url, "--model-name", "m"
        code, output = run(clips, "-o", tmp_path / "rows", *told, *given)
        assert code == 0 and "2 rows on 1 videos" in " ".join(output.split())
        assert "grammar: asked twice" in output
        (call,) = stub.calls
        *shown, text = call.body["messages"][0]["content"]
        assert len(shown) == 16 and "light flash" in text["text"]
        assert len(read_labels(tmp_path / "rows" / "rows.jsonl")) == 2
        stub.otherwise = answers(body=completion("I see a ball."))
        # What was said is kept: to start again asks nothing.
        assert run(clips, "-o", tmp_path / "rows", *told, *given)[0] == 0 and len(stub.calls) == 1
        code, output = run(clips, "-o", tmp_path / "none", *told, *given)
        assert code == 1 and "reply: not of the form" in output


def test_rows_of_video_r1_need_no_endpoint(tmp_path: Path) -> None:
    published = tmp_path / "Video-R1.json"
    published.write_text(json.dumps([CHOICE, {**CHOICE, "data_type": "image"}]))
    told = "--layout", "video_r1", "--annotation", published
    code, output = run(tmp_path, "-o", tmp_path / "rows", *told)
    assert code == 0 and "1 rows on 1 videos" in " ".join(output.split())
    assert "about an image" in output
    (row,) = read_labels(tmp_path / "rows" / "rows.jsonl")
    assert row.options == ("wave", "snap his fingers") and row.answer == "B"
    published.write_text("{}")
    with pytest.raises(UsageError, match="no JSON array"):
        run(tmp_path, "-o", tmp_path / "rows", *told)


def test_mistakes_are_answered_with_what_is_allowed(tmp_path: Path) -> None:
    address = "--endpoint", "http://127.0.0.1:1/v1", "--model-name", "m"
    given = tmp_path, "-o", tmp_path / "rows", *address
    with pytest.raises(UsageError, match="unknown layout 'hmdb'; did you mean 'hmdb51'"):
        run(*given, "--layout", "hmdb")
    with pytest.raises(UsageError, match="rule is 'second'; allowed: seconds, frames"):
        run(*given, "--layout", "hmdb51", "--rule", "second")
    with pytest.raises(UsageError, match="--fps is not for layout hmdb51"):
        run(*given, "--layout", "hmdb51", "--fps", "30")
    with pytest.raises(UsageError, match="endpoint is 'notanaddress'"):
        run(*given, "--layout", "hmdb51", "--endpoint", "notanaddress")
    with pytest.raises(UsageError, match="give --endpoint and --model-name"):
        run(tmp_path, "-o", tmp_path / "rows", "--layout", "hmdb51")
