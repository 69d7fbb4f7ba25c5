from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kuleshov.cli import app
from kuleshov.errors import UsageError
from kuleshov.labels import read_labels
from tests.curate.test_build import REPLY
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
        code, output = run(clips, "-o", tmp_path / "none", *told, *given)
        assert code == 1 and "reply: not of the form" in output


def test_mistakes_are_answered_with_what_is_allowed(tmp_path: Path) -> None:
    address = "--endpoint", "http://127.0.0.1:1/v1", "--model-name", "m"
    given = tmp_path, "-o", tmp_path / "rows", *address
    with pytest.raises(UsageError, match="unknown layout 'hmdb'; did you mean 'hmdb51'"):
        run(*given, "--layout", "hmdb")
    with pytest.raises(UsageError, match="rule is 'second'; allowed: seconds, frames"):
        run(*given, "--layout", "hmdb51", "--rule", "second")
