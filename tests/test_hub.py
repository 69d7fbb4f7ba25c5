"""Uploads to a stub of the hub on this machine: what it was sent, and what it refuses."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kuleshov.errors import HubError, UsageError
from kuleshov.hub import check, push


class Stub(ThreadingHTTPServer):
    """Takes what the hub takes: a repository, the question which files are large, a commit."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.status = status
        self.asked: list[tuple[str, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def files(self) -> list[str]:
        """Paths of the files that were committed."""
        lines = [body for path, body in self.asked if "/commit/" in path]
        commit = [json.loads(line) for text in lines for line in text.splitlines()]
        return sorted(line["value"]["path"] for line in commit if line["key"] == "file")


class Answer(BaseHTTPRequestHandler):
    server: Stub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.server.asked.append((self.path, body))
        if self.server.status != 200:
            return self.answer({"error": "Invalid credentials"}, self.server.status)
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            folder = "datasets/" if asked.get("type") == "dataset" else ""
            name = f"{asked.get('organization', 'user')}/{asked['name']}"
            return self.answer({"url": f"{self.server.address}/{folder}{name}"})
        if "/preupload/" in self.path:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return self.answer({"files": files})
        if self.path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        assert "/commit/" in self.path
        address = f"{self.server.address}/user/name/commit/1"
        return self.answer({"commitUrl": address, "commitOid": "1"})

    def do_GET(self) -> None:
        self.answer({"error": "not found"}, 404)

    def do_HEAD(self) -> None:
        self.answer({}, 404)

    def answer(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    point_at(server.address, monkeypatch)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def point_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `HF_ENDPOINT` does, which huggingface_hub reads once, when it is imported."""
    from huggingface_hub import constants, hf_api

    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(hf_api.api, "endpoint", address)
    monkeypatch.setenv("HF_TOKEN", "of-the-test")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("README.md", "samples/train-00000.parquet", ".making/journal", "view/index.html"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "set"


def test_a_folder_is_uploaded_into_a_private_repository(stub: Stub, folder: Path) -> None:
    address = push(folder, "user/name", "dataset")
    assert address == f"{stub.address}/datasets/user/name"
    path, body = stub.asked[0]
    assert path == "/api/repos/create"
    asked = json.loads(body)
    assert (asked["name"], asked["type"]) == ("name", "dataset")
    assert asked.get("private") is True or asked.get("visibility") == "private"
    assert stub.files == ["README.md", "samples/train-00000.parquet"]


def test_a_refusal_says_what_is_safe_and_how_to_push_again(stub: Stub, folder: Path) -> None:
    stub.status = 401
    with pytest.raises(HubError) as caught:
        push(folder, "user/name", "model")
    text = str(caught.value)
    assert "user/name was not pushed: " in text and "401" in text and "hf auth login" in text
    assert f"Everything is in {folder}, nothing is lost" in text
    assert f"hf upload user/name {folder} . --repo-type model --private" in text
    assert "\n" not in text and (folder / "README.md").read_text() == "README.md"


def test_without_a_network_the_same(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    point_at(address, monkeypatch)
    with pytest.raises(HubError, match=r"was not pushed: .*refused.* push again: hf upload"):
        push(folder, "user/name", "model")


@pytest.mark.parametrize("repo", ["a/b/c", "", "user/na me", "user/name.git"])
def test_a_name_that_the_hub_would_refuse_is_refused_before_the_work(repo: str) -> None:
    with pytest.raises(UsageError, match=r"--push-to-hub: .* allowed: user/name"):
        check(repo)


def test_make_pushes_the_set_and_keeps_it_when_the_hub_refuses(
    stub: Stub, short_clips: Path, tmp_path: Path
) -> None:
    import os

    command = [sys.executable, "-m", "kuleshov", "make", str(short_clips), "-o", "out"]
    command += ["--task", "jigsaw", "--workers", "0", "--push-to-hub", "user/name"]

    def make() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={**os.environ, "HF_ENDPOINT": stub.address, "HF_TOKEN": "of-the-test"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    stub.status = 401
    refused = make()
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    last = refused.stderr.strip().splitlines()[-1]
    assert last.startswith("kuleshov: user/name was not pushed") and "hf upload" in last
    assert (tmp_path / "out" / "summary.json").is_file()
    stub.status = 200
    done = make()
    assert done.returncode == 0, done.stderr
    assert f"{stub.address}/datasets/user/name" in done.stdout
    assert "README.md" in stub.files and "samples/train-00000.parquet" in stub.files
    assert not any(name.startswith(".") for name in stub.files)
