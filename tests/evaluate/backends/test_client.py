from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kuleshov.endpoint import Endpoint
from kuleshov.errors import UsageError
from kuleshov.evaluate.backends.calls import Calls
from kuleshov.evaluate.backends.client import Key
from kuleshov.evaluate.backends.openai import OpenAI
from kuleshov.evaluate.config import CallConfig, EvalConfig, JudgeConfig
from kuleshov.evaluate.judge import grading
from kuleshov.tasks import score
from tests.evaluate.backends.stub import Stub

CALLS = CallConfig(retries=0, timeout_seconds=5, key_variable="STUB_KEY")
PROXIES = [f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "ALL", "NO")]
TLS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *map(str.lower, PROXIES), *TLS):
        monkeypatch.delenv(name, raising=False)


def told(message: str, address: str = "http://127.0.0.1:8000/v1") -> str:
    """The error, which eval, curate and a judge give alike."""
    texts = set()
    judge = JudgeConfig(endpoint=address, model_name="j", calls=CALLS)
    for begin in (
        lambda: OpenAI(address, "m", EvalConfig(backend="openai", endpoint=address, calls=CALLS)),
        lambda: Endpoint(address, "m", CALLS),
        lambda: grading(judge, score).__enter__(),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            begin()
        texts.add(str(caught.value))
    (text,) = texts
    assert "\n" not in text
    return text


@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTP_PROXY", "http_proxy", "all_proxy"])
@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:1080", "socks://127.0.0.1:1080", "http://127.0.0.1:80a0"]
)
def test_a_proxy_that_cannot_be_used_is_refused_by_the_name_of_its_variable(
    variable: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, proxy.replace("//", "//me:secret@"))
    text = told(rf"variable {variable} names a proxy .*unset it.*add 127\.0\.0\.1 to NO_PROXY")
    assert "secret" not in text and ("socksio" in text) == proxy.startswith("socks5")


@pytest.mark.parametrize("proxy", ["http://", "http://:3128", "http://h:99999", "ftp://h"])
def test_a_proxy_that_is_no_place_is_refused(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    told("variable HTTP_PROXY names a proxy that cannot be used")


def test_a_log_of_keys_that_cannot_be_written_is_not_taken_for_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))  # so that Python's own settings count
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "none" / "keys"))
    assert f"SSLKEYLOGFILE={tmp_path}/none/keys" in told("unset that environment variable")


@pytest.mark.parametrize(
    "environment",
    [
        {"ALL_PROXY": "socks5://127.0.0.1:1080", "NO_PROXY": "127.0.0.1"},
        {"all_proxy": "socks://127.0.0.1:1080", "no_proxy": "localhost, 127.0.0.1"},
        {"HTTP_PROXY": "http://127.0.0.1:80a0", "NO_PROXY": "*"},
        {"HTTPS_PROXY": "socks5://127.0.0.1:1080"},
    ],
)
def test_a_proxy_that_is_not_for_this_host_is_in_nobodys_way(
    environment: dict[str, str], stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with Endpoint(stub.url, "m", CALLS) as model:
        assert model.ask("Which?") == "2,1"


def test_a_proxy_of_the_scheme_is_taken_though_the_one_for_all_cannot_be_used(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    monkeypatch.setenv("HTTP_PROXY", stub.url.removeprefix("http://").removesuffix("/v1"))
    with Endpoint("http://far.invalid/v1", "m", CALLS) as model:
        assert model.ask("Which?") == "2,1"
    assert stub.calls[0].path == "http://far.invalid/v1/chat/completions"


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\x00\xff"])
def test_certificates_that_cannot_be_read_are_refused_with_their_path(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    assert f"SSL_CERT_FILE={path}" in told("no certificates can be read")


@pytest.mark.parametrize(
    "key", ["“sk-NOTAKEY”", "sk-NOT\nAKEY", "sk-NOTAKEY\x00", "sk–NOTAKEY", "\u200bsk-NOTAKEY"]
)
def test_a_key_that_is_none_is_refused_and_not_shown(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "\x00" in key:
        key = key.replace("\x00", "\x7f")  # no environment holds the other one
    monkeypatch.setenv("STUB_KEY", key)
    assert "AKEY" not in told("variable STUB_KEY holds characters that no key has")


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {}", "\t{} \n"])
def test_white_space_around_a_key_is_no_part_of_it(
    around: str, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_KEY", around.format("sk-NOTAKEY"))
    with Calls(f"{stub.url}/chat/completions", CALLS) as calls:
        calls.post({})
    assert stub.calls[0].headers["Authorization"] == "Bearer sk-NOTAKEY"


def test_a_key_is_masked_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_KEY", 'sk/a"b\\c')
    masked = Key("STUB_KEY").masked
    for text in ('sk/a"b\\c', 'sk/a\\"b\\\\c', "sk%2Fa%22b%5Cc", 'sk/a"b\\\\c'):
        assert masked(f"<{text}>") == "<***>"
    monkeypatch.setenv("STUB_KEY", "x")  # a placeholder
    assert Key("STUB_KEY").masked("next text") == "next text"


def test_a_command_says_it_in_one_line_and_ends_with_two(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "rows.csv").write_text("")
    command = "from kuleshov.cli import main; main()"
    options = ["--keys", "relevance", "--model-name", "m"]
    for arguments, environment, message in [
        (["--endpoint", "notanaddress"], {}, "endpoint is 'notanaddress'"),
        (["--endpoint", "http://127.0.0.1:9/v1"], {"OPENAI_API_KEY": "“sk”"}, "OPENAI_API_KEY"),
    ]:
        ran = subprocess.run(
            [sys.executable, "-c", command, "pairs", str(tmp_path), *options, *arguments],
            env={"PYTHONPATH": ":".join(sys.path), "PATH": "", **environment},
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 2 and message in ran.stderr and ran.stderr.count("\n") == 1
