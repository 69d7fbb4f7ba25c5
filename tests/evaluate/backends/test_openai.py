from __future__ import annotations

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kuleshov.controls import control
from kuleshov.dataset import load_samples, videos_root
from kuleshov.errors import EndpointError, UnreadableVideoError, UsageError
from kuleshov.evaluate import runner
from kuleshov.evaluate.backends.backend import Refusal, Reply, Request
from kuleshov.evaluate.backends.calls import Calls
from kuleshov.evaluate.backends.openai import OpenAI
from kuleshov.evaluate.config import CallConfig, EvalConfig, JudgeConfig
from kuleshov.evaluate.results import load_results
from kuleshov.evaluate.runner import evaluate
from kuleshov.generation import Sampling
from kuleshov.left_out import left_out
from kuleshov.media import render, render_all
from kuleshov.sample import Frame, MediaItem, Pixels, Reward, Sample
from kuleshov.synthesize import MakeConfig, make
from tests.evaluate.backends.stub import Behaviour, Stub, answers, completion, endpoint

CALLS = CallConfig(retries=1, first_wait_seconds=0.01, timeout_seconds=10, key_variable="STUB_KEY")
JIGSAW = {
    "num_clips": 2,
    "num_frames": 4,
    "min_frames": 4,
    "min_pixels": 32 * 32,
    "max_pixels": 32 * 32,
}


@pytest.fixture(scope="module")
def data(short_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve questions of two clips of two frames each."""
    out = tmp_path_factory.mktemp("data")
    make(short_clips, out, MakeConfig(workers=0, tasks={"jigsaw": JIGSAW}, held_out=1.0))
    return out


def config(stub: Stub, **changes: Any) -> EvalConfig:
    settings = EvalConfig(
        backend="openai", endpoint=stub.url, conditions=("full",), calls=CALLS, temperature=0.5
    )
    return replace(settings, **changes)


def picture(part: dict[str, Any]) -> np.ndarray[Any, Any]:
    header, data = part["image_url"]["url"].split(",")
    assert header in ("data:image/png;base64", "data:image/jpeg;base64")
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))))


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def replied(backend: OpenAI, requests: Iterable[Request]) -> Iterator[tuple[Request, Reply]]:
    """Of questions that are all answered."""
    for request, reply in backend.ask(requests):
        assert isinstance(reply, Reply)
        yield request, reply


def test_frames_are_sent_as_images_after_their_shown_times(stub: Stub) -> None:
    pixels = np.arange(3 * 4 * 6 * 3, dtype=np.uint8).reshape(3, 4, 6, 3)
    media = (
        MediaItem((Frame("v", 9.0, 0.0), Frame("v", 8.0, 1.25)), 4, 6),
        MediaItem((Frame("v", 7.0, 3.0),), 4, 6),
    )
    sample = replace(a_sample(), media=media, prompt="See <video> and <image>?")
    request = Request(sample, [pixels[:2], pixels[2:]], seed=5)
    backend = OpenAI(stub.url, "served", config(stub))
    ((asked, reply),) = replied(backend, [request])
    assert asked is request
    (call,) = stub.calls
    (message,) = call.body.pop("messages")
    # Servers such as vLLM's take what is left out from the checkpoint.
    whole = {"top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
    own = {"model": "served", "temperature": 0.5, "max_tokens": 128, "seed": 5}
    assert call.body == {**own, **whole}
    assert reply.sampling == {"temperature": 0.5, **whole, "top_k": 0}
    assert message["role"] == "user"
    kinds = [part.get("text", "image") for part in message["content"]]
    assert kinds == ["See ", "[0 s]", "image", "[1.25 s]", "image", " and ", "image", "?"]
    sent = [picture(part) for part in message["content"] if part["type"] == "image_url"]
    assert np.array_equal(np.stack(sent), pixels)
    assert (reply.text, reply.finish, reply.num_tokens) == ("2,1", "stop", 321)
    assert (reply.num_frames, reply.sizes) == (3, [[4, 6], [4, 6]])
    assert reply.seconds == [[0.0, 1.25], [3.0]]


def test_an_endpoint_that_knows_openais_keys_only_is_asked_with_those(
    stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    known = {"model", "messages", "temperature", "top_p", "max_tokens", "seed"}

    def behave(handler: BaseHTTPRequestHandler) -> None:
        unknown = sorted(stub.calls[-1].body.keys() - known)
        text = f"Unrecognized request argument supplied: {unknown[:1]}"
        refused = answers(400, {"error": {"message": text}})
        (refused if unknown else answers())(handler)

    stub.otherwise = behave
    backend = OpenAI(stub.url, "served", config(stub, calls=replace(CALLS, concurrency=1)))
    asked = [Request(a_sample(), [], seed=seed) for seed in (1, 2)]
    replies = [reply for _, reply in replied(backend, asked)]
    told = re.findall(r"takes no (\w+); what it does instead is not known", caplog.text)
    assert told == ["min_p", "repetition_penalty", "top_k"]  # each of them once
    assert len(stub.calls) == 3 + 2
    left = {"top_k": None, "min_p": None, "repetition_penalty": None}
    assert [r.sampling for r in replies] == [{"temperature": 0.5, "top_p": 1.0, **left}] * 2


def test_a_setting_that_was_asked_for_is_not_left_out(stub: Stub) -> None:
    stub.otherwise = answers(400, {"error": {"message": "Unrecognized argument: top_k"}})
    backend = OpenAI(stub.url, "served", config(stub, sampling=Sampling(top_k=20)))
    ((_, refusal),) = backend.ask([Request(a_sample(), [])])
    assert isinstance(refusal, Refusal) and "Unrecognized argument: top_k" in refusal.reason
    assert len(stub.calls) == 1 and stub.calls[0].body["top_k"] == 20


def test_the_body_of_a_recipe_wins_and_is_written_down(stub: Stub) -> None:
    body = {"top_k": 50, "min_p": None}
    backend = OpenAI(stub.url, "served", config(stub, body=body))
    ((_, reply),) = replied(backend, [Request(a_sample(), [])])
    assert stub.calls[0].body["top_k"] == 50 and "min_p" not in stub.calls[0].body
    assert (reply.sampling["top_k"], reply.sampling["min_p"]) == (50, None)


def a_sample() -> Sample:
    return Sample("s", "jigsaw", ("v",), "held_out", (), "", [1, 2], "direct", {}, 0, 0.5)


def test_the_hash_is_of_what_is_asked_and_of_nothing_else(stub: Stub) -> None:
    pixels = np.zeros((2, 4, 6, 3), np.uint8)
    item = MediaItem((Frame("v", 0.0, 0.0), Frame("v", 1.0, 1.0)), 4, 6)
    sample = replace(a_sample(), media=(item,), prompt="<video>?")
    later = replace(item, frames=(item.frames[0], Frame("v", 1.0, 2.0)))
    variants = {
        "same": Request(sample, [pixels]),
        "again": Request(sample, [pixels], repeat=1, seed=7),
        "prompt": Request(replace(sample, prompt="<video>!"), [pixels]),
        "pixels": Request(sample, [pixels + 1]),
        "times": Request(replace(sample, media=(later,)), [pixels]),
    }
    backend = OpenAI(stub.url, "served", config(stub))
    sent = {id(request): reply.sent for request, reply in replied(backend, variants.values())}
    hashes = {name: sent[id(request)] for name, request in variants.items()}
    assert hashes["same"] == hashes["again"]
    assert len(set(hashes.values())) == 4


def test_bodies_can_be_changed_and_images_be_jpeg(stub: Stub) -> None:
    pixels = np.full((1, 32, 32, 3), 100, np.uint8)
    sample = replace(
        a_sample(), media=(MediaItem((Frame("v", 0.0, 0.0),), 32, 32),), prompt="<image>"
    )
    body = {"max_tokens": None, "max_completion_tokens": 9}
    backend = OpenAI(stub.url, "m", config(stub, images="jpeg", body=body))
    list(backend.ask([Request(sample, [pixels])]))
    (call,) = stub.calls
    assert "max_tokens" not in call.body and call.body["max_completion_tokens"] == 9
    (part,) = call.body["messages"][0]["content"]
    assert part["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert np.abs(picture(part).astype(int) - 100).max() <= 2


def test_a_prompt_that_does_not_fit_its_media_is_refused(stub: Stub) -> None:
    sample = replace(a_sample(), prompt="<video><video>")
    with pytest.raises(UsageError, match="has 2 <video> or <image> for 0 media items"):
        list(OpenAI(stub.url, "m", config(stub)).ask([Request(sample, [])]))
    assert stub.calls == []


def test_a_run_asks_each_item_once_and_logs_what_was_received(
    stub: Stub, data: Path, tmp_path: Path
) -> None:
    settings = config(stub, conditions=("full", "reversed"), repeats=2, model_name="served")
    results = evaluate("m", data, tmp_path / "run", settings)
    samples = {sample.id: sample for sample in load_samples(data)}
    assert {(r.sample, r.condition, r.repeat) for r in results} == {
        (i, condition, repeat)
        for i in samples
        for condition in ("full", "reversed")
        for repeat in (0, 1)
    }
    assert len(stub.calls) == len(results) == 48
    assert {call.body["model"] for call in stub.calls} == {"served"}
    assert len({call.body["seed"] for call in stub.calls}) == 48
    for r in results:
        sample = samples[r.sample]
        assert (r.num_frames, r.num_tokens, r.finish) == (4, 321, "stop")
        assert r.sizes == [[32, 32], [32, 32]]
        assert r.seconds == [[f.shown_seconds for f in item.frames] for item in sample.media]
        # "2,1" is untagged and so is no answer of the default form.
        assert (r.completion, r.answer, r.score, r.scores) == ("2,1", None, 0.0, {"exact": 0.0})
    hashes = Counter(r.sent for r in results)
    assert len(hashes) == 24 and set(hashes.values()) == {2}


def test_a_control_changes_the_frames_that_are_sent(stub: Stub, data: Path) -> None:
    sample = control(load_samples(data)[0], "blind")
    request = Request(sample, render(sample, videos_root(data)), "blind")
    list(OpenAI(stub.url, "m", config(stub)).ask([request]))
    content = stub.calls[0].body["messages"][0]["content"]
    sent = [picture(part) for part in content if part["type"] == "image_url"]
    assert len(sent) == 4 and all(len(np.unique(frame)) == 1 for frame in sent)


def test_no_more_requests_at_a_time_than_allowed(stub: Stub, data: Path, tmp_path: Path) -> None:
    stub.open.clear()
    calls = replace(CALLS, concurrency=3)
    settings = config(stub, calls=calls)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(evaluate, "m", data, tmp_path / "run", settings)
        wait_until(lambda: len(stub.calls) == 3)
        time.sleep(0.3)
        assert len(stub.calls) == 3
        stub.open.set()
        assert len(running.result(60)) == 12
    assert stub.most_at_once == 3


def test_an_endpoint_that_fails_stops_the_run_and_scores_nothing(
    stub: Stub, data: Path, tmp_path: Path
) -> None:
    stub.script.extend([answers()] * 5)
    stub.otherwise = answers(500, b"out of memory")
    settings = config(stub, calls=replace(CALLS, concurrency=1))
    with pytest.raises(EndpointError, match="it answers 500: out of memory, 2 times"):
        evaluate("m", data, tmp_path / "run", settings)
    kept = load_results(tmp_path / "run")
    assert len(kept) == 5 and all(r.completion == "2,1" for r in kept)
    stub.calls.clear()
    stub.otherwise = answers()
    # How it is called may change between the two.
    results = evaluate("m", data, tmp_path / "run", config(stub))
    assert len(results) == 12 and len(stub.calls) == 7
    images = [json.dumps(call.body["messages"]) for call in stub.calls]
    assert len(set(images)) == 7


def test_what_is_under_way_when_another_fails_is_kept(
    stub: Stub, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of four requests under way one is refused; the three others are answered after it was given
    # up, not just after it was refused: else one of them may be read first and make room for more.
    given_up = Event()

    def give_up(calls: Calls) -> None:
        whole(calls)
        given_up.set()

    whole = Calls.give_up
    monkeypatch.setattr(Calls, "give_up", give_up)

    def refuse(handler: BaseHTTPRequestHandler) -> None:
        wait_until(lambda: len(stub.calls) == 4)
        answers(403, b"no more")(handler)

    def follow(handler: BaseHTTPRequestHandler) -> None:
        given_up.wait(20)
        answers()(handler)

    stub.script.append(refuse)
    stub.otherwise = follow
    with pytest.raises(EndpointError, match="it answers 403: no more"):
        evaluate("m", data, tmp_path / "run", config(stub))
    assert len(stub.calls) == 4 and len(load_results(tmp_path / "run")) == 3


def test_a_judge_that_cannot_be_reached_stops_the_run_and_scores_nothing(
    stub: Stub, data: Path, tmp_path: Path
) -> None:
    judged: list[str] = []

    def judge(sample: Sample, completion: str) -> Reward:
        judged.append(sample.id)
        if len(judged) > 3:
            raise EndpointError("the judge gives no answer")
        return Reward(0.5, {}, completion)

    with pytest.raises(EndpointError, match="the judge gives no answer"):
        evaluate("m", data, tmp_path / "run", config(stub), grade=judge)
    assert [r.score for r in load_results(tmp_path / "run")] == [0.5] * 3


def test_a_finished_run_calls_nobody(stub: Stub, data: Path, tmp_path: Path) -> None:
    results = evaluate("m", data, tmp_path / "run", config(stub))
    stub.calls.clear()
    assert evaluate("m", data, tmp_path / "run", config(stub)) == results
    assert stub.calls == []


def test_other_settings_are_not_mixed_in(stub: Stub, data: Path, tmp_path: Path) -> None:
    evaluate("m", data, tmp_path / "run", config(stub))
    for changes in ({"images": "jpeg"}, {"body": {"top_p": 0.5}}, {"model_name": "n"}):
        with pytest.raises(UsageError, match="holds a run with"):
            evaluate("m", data, tmp_path / "run", config(stub, **changes))


COMMAND = "from kuleshov.cli import main; main()"


def test_paid_answers_are_kept_when_an_endpoint_has_moved(
    stub: Stub, data: Path, tmp_path: Path
) -> None:
    stub.script.extend([answers()] * 5)
    stub.otherwise = answers(403, b"oh")
    with pytest.raises(EndpointError):
        evaluate("m", data, tmp_path, config(stub))
    kept, begun = len(load_results(tmp_path)), stub.url
    with endpoint() as moved:
        with pytest.raises(UsageError, match=f"say so with --set formerly={begun}; else give"):
            evaluate("m", data, tmp_path, config(moved))
        with pytest.raises(UsageError, match="holds a run with endpoint"):
            evaluate("m", data, tmp_path, config(moved, formerly="http://127.0.0.1:9/v1"))
        assert moved.calls == []
        # Another model does not become the same one.
        with pytest.raises(UsageError, match="holds a run with model_name = m, not n"):
            evaluate("m", data, tmp_path, config(moved, formerly=begun, model_name="n"))
        evaluate("m", data, tmp_path, config(moved, formerly=f"{begun}/"))
        assert len(moved.calls) == 12 - kept and len(load_results(tmp_path)) == 12
        # From there on it is the new one, with or without the word; another spelling is the same.
        slash = config(moved, endpoint=f"{moved.url}/")
        for again in (config(moved), config(moved, formerly=begun), slash):
            evaluate("m", data, tmp_path, again)
        with pytest.raises(UsageError, match="holds a run with endpoint"):
            evaluate("m", data, tmp_path, config(stub))


def test_a_run_that_was_begun_with_a_slash_goes_on_without(
    stub: Stub, data: Path, tmp_path: Path
) -> None:
    evaluate("m", data, tmp_path, config(stub))
    path = tmp_path / "environment.json"
    path.write_text(path.read_text().replace(f'"{stub.url}"', f'"{stub.url}/"'))  # as it was once
    evaluate("m", data, tmp_path, config(stub))
    assert len(stub.calls) == 12


def test_a_judge_that_has_moved_is_the_same_by_the_users_word(
    stub: Stub, data: Path, tmp_path: Path
) -> None:
    judge = JudgeConfig(endpoint="http://127.0.0.1:9/v1", model_name="j", calls=CALLS)
    evaluate("m", data, tmp_path, config(stub, judge=judge))
    slash = replace(judge, endpoint=f"{judge.endpoint}/")
    evaluate("m", data, tmp_path, config(stub, judge=slash))
    moved = replace(judge, endpoint="http://127.0.0.1:7/v1")
    with pytest.raises(UsageError, match=f"--set judge.formerly={judge.endpoint}; else give"):
        evaluate("m", data, tmp_path, config(stub, judge=moved))
    other = replace(moved, model_name="k", formerly=judge.endpoint)
    with pytest.raises(UsageError, match=r"not k at .*:7/v1; give another run folder"):
        evaluate("m", data, tmp_path, config(stub, judge=other))
    evaluate("m", data, tmp_path, config(stub, judge=replace(moved, formerly=judge.endpoint)))
    assert len(stub.calls) == 12


def test_a_judge_that_cannot_be_asked_is_refused_before_anything_is(
    stub: Stub, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "“sk”")
    calls = replace(CALLS, key_variable="JUDGE_KEY")
    judge = JudgeConfig(endpoint=stub.url, model_name="j", calls=calls)
    with pytest.raises(UsageError, match="JUDGE_KEY"):
        evaluate("m", data, tmp_path, config(stub, judge=judge))
    assert stub.calls == []


def test_a_body_that_is_no_json_is_refused() -> None:
    for body in ({"x": {1, 2}}, {"x": float("nan")}, {"x": b"a"}):
        with pytest.raises(UsageError, match=r"eval: body is .*; allowed: JSON"):
            EvalConfig(body=body)


def test_a_killed_run_goes_on_without_repeated_calls(
    stub: Stub, data: Path, tmp_path: Path
) -> None:
    run, recipe = tmp_path / "run", tmp_path / "recipe.yaml"
    recipe.write_text(
        "eval: {conditions: [full, reversed], calls: {concurrency: 2, per_minute: 600}}"
    )
    words = ["eval", "m", str(data), "-o", str(run), "--config", str(recipe)]
    words += ["--backend", "openai", "--endpoint", stub.url, "--model-name", "served"]
    command = [sys.executable, "-c", COMMAND, *words]
    environment = {**os.environ, "OPENAI_API_KEY": "secret-123"}
    first = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    path = run / "results.jsonl"
    deadline = time.monotonic() + 120
    while not path.is_file() or len(path.read_bytes().splitlines()) < 4:
        assert first.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    kept = {(r.sample, r.condition) for r in load_results(run)}
    assert 4 <= len(kept) < 24
    # As if it had been killed while it wrote.
    with path.open("ab") as file:
        file.write(b'{"sample": "cut sh')
    before = len(stub.calls)
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    results = load_results(run)
    assert len(results) == len({(r.sample, r.condition) for r in results}) == 24
    assert len(stub.calls) - before == 24 - len(kept)
    sent = Counter(json.dumps(call.body["messages"]) for call in stub.calls)
    # Only what was under way at the kill is asked twice: at most two.
    assert len(sent) == 24 and sum(sent.values()) <= 26
    assert {call.headers["Authorization"] for call in stub.calls} == {"Bearer secret-123"}
    assert not any(b"secret-123" in file.read_bytes() for file in run.iterdir())


def test_the_command_fails_when_the_endpoint_does(stub: Stub, data: Path, tmp_path: Path) -> None:
    stub.otherwise = answers(200, completion(choices=[]))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("eval: {calls: {retries: 0}}")
    words = ["eval", "m", data, "-o", tmp_path / "run", "--config", recipe]
    words += ["--backend", "openai", "--endpoint", stub.url]
    command = [sys.executable, "-c", COMMAND, *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 2 and "Traceback" not in ran.stderr
    assert "gives no answer: no chat completion" in ran.stderr
    with pytest.raises(UsageError, match="holds no results"):
        load_results(tmp_path / "run")


def refusing(stub: Stub, number: int) -> Callable[[BaseHTTPRequestHandler], None]:
    """An endpoint that answers 400 to one question, always: that of the call of this number."""
    refused: list[str] = []

    def behave(handler: BaseHTTPRequestHandler) -> None:
        asked = json.dumps(stub.calls[-1].body["messages"])
        if len(stub.calls) == number:
            refused.append(asked)
        (answers(400, b"policy") if asked in refused else answers())(handler)

    return behave


@pytest.mark.parametrize("number", [1, 5, 12])
def test_one_refused_question_is_left_out_with_its_reason(
    stub: Stub, data: Path, tmp_path: Path, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    stub.otherwise = refusing(stub, number)
    alone = config(stub, calls=replace(CALLS, concurrency=1), conditions=("full",))
    results = evaluate("m", data, tmp_path / "run", alone)
    samples = load_samples(data, "held_out")
    total = len(samples)
    if number <= total:
        (one,) = left_out(tmp_path / "run")
        assert {r.sample for r in results} == {s.id for s in samples} - {one["sample"]}
        assert one["condition"] == "full" and "it answers 400: policy" in one["reason"]
        assert f"sample {one['sample']} is left out" in caplog.text
        # It is asked again when the run goes on, and then may have an answer.
        stub.otherwise = answers()
        assert len(evaluate("m", data, tmp_path / "run", alone)) == total


@pytest.mark.parametrize(
    "refusal",
    [
        answers(413, b"too large"),
        answers(451, b"not here"),
        answers(200, {"choices": [{"message": {}, "finish_reason": "content_filter"}]}),
    ],
    ids=["413", "451", "filtered"],
)
def test_a_question_is_refused_in_other_words_too(
    stub: Stub, data: Path, tmp_path: Path, refusal: Behaviour
) -> None:
    stub.script.extend([answers()] * 3 + [refusal])
    alone = config(stub, calls=replace(CALLS, concurrency=1), conditions=("full",))
    results = evaluate("m", data, tmp_path / "run", replace(alone, left_out_share=0.5))
    (one,) = left_out(tmp_path / "run")
    samples = {sample.id for sample in load_samples(data, "held_out")}
    assert {result.sample for result in results} == samples - {one["sample"]}
    assert len(stub.calls) == len(samples)


def test_an_endpoint_that_refuses_everything_stops_the_run(
    stub: Stub, data: Path, tmp_path: Path
) -> None:
    stub.otherwise = answers(400, b"what is this?")
    with pytest.raises((EndpointError, UsageError), match=r"it answers 400: what is this"):
        evaluate("m", data, tmp_path / "run", config(stub))
    assert not (tmp_path / "run" / "results.jsonl").exists()


def test_more_refusals_than_a_share_stop_the_run(stub: Stub, data: Path, tmp_path: Path) -> None:
    stub.script.extend([answers()] * 3)
    stub.otherwise = answers(422, b"no")
    one = replace(CALLS, concurrency=1)
    with pytest.raises(UsageError, match=r"more than eval.left_out_share: 0.05 allows; .*left_out"):
        evaluate("m", data, tmp_path / "run", config(stub, calls=one))
    assert len(load_results(tmp_path / "run")) == 3
    stub.script.extend([answers()] * 3)
    most = config(stub, calls=one, left_out_share=1.0)
    assert len(evaluate("m", data, tmp_path / "run", most)) == 6
    assert len(left_out(tmp_path / "run")) == 6
    with pytest.raises(UsageError, match=r"eval.left_out_share is 1.5; allowed: 0 to 1"):
        config(stub, left_out_share=1.5)


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": [{"type": "text", "text": "2,"}, {"type": "text", "text": "1"}]}, "2,1", ""),
        ({"content": [{"type": "thinking"}, {"text": "2,1"}, "x"]}, "2,1", ""),
        ({"content": ["2,", "1"]}, "2,1", ""),
        ({"content": {"type": "text", "text": "2,1"}}, "2,1", ""),
        ({"content": [{"type": "output_text", "text": "2,1"}]}, "2,1", ""),
        ({"content": [{"type": "reasoning", "text": "1?"}, {"text": "2,1"}]}, "2,1", ""),
        ({"content": [{"type": "thinking", "thinking": "So"}]}, "", ""),
        ({"content": []}, "", ""),
        ({"content": [{"type": "refusal", "refusal": "no"}]}, "", ""),
        ({"content": None, "reasoning_content": "So 2,1"}, "So 2,1", "So 2,1"),
        ({"content": "", "reasoning": "So 2,1"}, "So 2,1", "So 2,1"),
        ({"content": "2,1", "reasoning_content": "Hm."}, "2,1", "Hm."),
        ({"content": "2,1", "reasoning_content": 7}, "2,1", ""),
    ],
)
def test_parts_and_thoughts_are_read_and_stored(
    stub: Stub, data: Path, tmp_path: Path, message: dict[str, Any], text: str, reasoning: str
) -> None:
    stub.otherwise = answers(body={"choices": [{"message": message}]})
    results = evaluate("m", data, tmp_path, config(stub))
    assert {(r.completion, r.reasoning) for r in results} == {(text, reasoning)}


def test_a_video_that_cannot_be_shown_is_left_out_under_all_conditions(
    stub: Stub, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = load_samples(data, "held_out")
    gone = samples[0].video_ids

    def shown(asked: Sequence[Sample], root: Any) -> list[list[Pixels]]:
        if asked[0].video_ids == gone:
            raise UnreadableVideoError("a.mp4: no frame at 1.000 s")
        return render_all(asked, root)

    monkeypatch.setattr(runner, "render_all", shown)
    results = evaluate("m", data, tmp_path, config(stub, left_out_share=0.5))
    lost = [s.id for s in samples if s.video_ids == gone]
    assert {r.sample for r in results} == {s.id for s in samples} - set(lost)
    told = left_out(tmp_path)
    conditions = len(config(stub).conditions)
    assert len(told) == len(lost) * conditions and len(stub.calls) == len(results)
    assert {one["reason"] for one in told} == {"a.mp4: no frame at 1.000 s"}
    monkeypatch.undo()
    evaluate("m", data, tmp_path, config(stub))
    assert left_out(tmp_path) == []
