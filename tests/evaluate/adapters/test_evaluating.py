"""From a local folder to figures, through the path of every model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kuleshov.audit import audit
from kuleshov.dataset import load_samples
from kuleshov.errors import EndpointError
from kuleshov.evaluate.adapters.importing import import_benchmark
from kuleshov.evaluate.adapters.table import table
from kuleshov.evaluate.bench import freeze, verify
from kuleshov.evaluate.compare import compare, overall
from kuleshov.evaluate.config import CallConfig, EvalConfig, JudgeConfig
from kuleshov.evaluate.policies import POLICIES, evaluate_policy
from kuleshov.evaluate.results import load_results
from kuleshov.evaluate.runner import evaluate
from kuleshov.report.build import build
from kuleshov.report.compared import labelled
from kuleshov.report.view import view
from tests.evaluate.adapters.conftest import CONFIG
from tests.evaluate.backends.conftest import stub
from tests.evaluate.backends.stub import Stub, answers, completion
from tests.train.conftest import Setup, data, setup

__all__ = ["data", "setup", "stub"]
Sets = Callable[[str], Path]
CALLS = CallConfig(retries=0, first_wait_seconds=0.01, timeout_seconds=10, key_variable="STUB_KEY")
CONDITIONS = ("full", "blind", "single", "shuffled", "reversed", "half_rate")


def settings(stub: Stub) -> EvalConfig:
    return EvalConfig(backend="openai", endpoint=stub.url, conditions=CONDITIONS, calls=CALLS)


def test_an_endpoint_is_asked_under_every_condition(stub: Stub, sets: Sets, tmp_path: Path) -> None:
    stub.otherwise = answers(body=completion("The answer is (A)."))
    results = evaluate("m", sets("video_mme"), tmp_path, settings(stub))
    samples = load_samples(sets("video_mme"))
    assert len(results) == len(samples) * len(CONDITIONS) == len(stub.calls)
    for condition in CONDITIONS:
        row = table("video_mme", samples, results, condition)[0]
        assert row.value == pytest.approx(1 / 3) and row.failures == 0.0


def test_two_runs_are_compared_with_their_time_gain(stub: Stub, sets: Sets, tmp_path: Path) -> None:
    for text in ("A", "B"):
        stub.otherwise = answers(body=completion(text))
        evaluate("m", sets("video_mme"), tmp_path / text, settings(stub))
    rows = compare(tmp_path / "A", tmp_path / "B")
    assert list(rows) == ["videomme_long", "videomme_medium", "videomme_short"]
    whole = overall(tmp_path / "A", tmp_path / "B", figure="items")
    assert whole.before == whole.after == pytest.approx(1 / 3)
    assert (whole.difference, whole.videos) == (0.0, 3)
    assert whole.time_gain_after is not None and whole.time_gain_after.value == 0.0
    build([tmp_path / "A", tmp_path / "B"], tmp_path / "site", sheets=0)
    (told,) = json.loads((tmp_path / "site" / "report.json").read_text())["sets"]
    # The page has the benchmark's own figures, which are those that `eval` prints.
    own = table("video_mme", load_samples(sets("video_mme")), load_results(tmp_path / "B"))
    known = [row for row in own if row.value is not None]
    assert [(r["name"], r["metric"], r["values"][1]) for r in told["reported"]] == [
        (row.name, row.metric, pytest.approx(row.value)) for row in known
    ]
    page = (tmp_path / "site" / "index.html").read_text()
    assert "As the benchmark reports it" in page and len(known) > 3


def test_it_is_checked_frozen_and_shown_like_any_set(
    folders: Callable[[str], Path], tmp_path: Path
) -> None:
    out = tmp_path / "set"
    import_benchmark("mvbench", folders("mvbench"), out, CONFIG)
    findings = audit(out)
    assert not findings.errors
    freeze(out, "mini", findings)
    assert (verify(out) or {})["name"] == "mini"
    viewed = view(out, tmp_path / "view", 1, 0)
    assert (viewed.samples, viewed.failed) == (len(load_samples(out)), 0)


def test_a_model_in_this_process_is_asked_too(
    setup: Setup, folders: Callable[[str], Path], tmp_path: Path
) -> None:
    out = tmp_path / "set"
    config = replace(CONFIG, size_multiple=28, min_pixels=56 * 56, max_pixels=56 * 56)
    import_benchmark("motion_bench", folders("motion_bench"), out, config)
    asked = EvalConfig(conditions=("full", "blind"), max_completion_tokens=4)
    results = evaluate(str(setup.folder), out, tmp_path / "run", asked)
    assert [r.num_frames for r in results] == [CONFIG.num_frames] * 4
    assert table("motion_bench", load_samples(out), results)[0].items == 2


def test_floors_of_all_kinds_of_answers_are_between_0_and_1(sets: Sets, tmp_path: Path) -> None:
    name = "vsi_bench"
    evaluate_policy("best_constant", sets(name), tmp_path, EvalConfig())
    row = table(name, load_samples(sets(name)), load_results(tmp_path))[0]
    # Both scenes have the same answers, which a constant of each task hits.
    assert row.value == 1.0


def test_a_judge_that_fails_stops_the_run_and_the_rest_is_kept(
    stub: Stub, folders: Callable[[str], Path], tmp_path: Path
) -> None:
    out = tmp_path / "set"
    import_benchmark("video_mmmu", folders("video_mmmu"), out, replace(CONFIG, judged=True))
    judge = JudgeConfig(endpoint="http://127.0.0.1:9/v1", model_name="j", calls=CALLS)
    config = replace(settings(stub), conditions=("full",), judge=judge)
    stub.otherwise = answers(body=completion("C"))
    with pytest.raises(EndpointError, match="gives no answer"):
        evaluate("m", out, tmp_path / "run", config)
    # Of six questions the open one has no result, and no score.
    open_question = {s.id for s in load_samples(out) if s.task == "given_text"}
    kept = load_results(tmp_path / "run")
    assert len(open_question) == 1 and not open_question & {r.sample for r in kept}


def test_floors_of_judged_questions_ask_no_judge(
    stub: Stub, folders: Callable[[str], Path], tmp_path: Path
) -> None:
    out = tmp_path / "set"
    import_benchmark("video_mmmu", folders("video_mmmu"), out, replace(CONFIG, judged=True))
    judge = JudgeConfig(endpoint=stub.url, model_name="j", calls=CALLS)
    config = replace(settings(stub), conditions=("full",), judge=judge)
    for name in ("a", "b"):
        # The model's answer, and what the judge says of the open one.
        stub.otherwise = answers(body=completion("yes"))
        evaluate("m", out, tmp_path / name, config)
    rows = labelled(build([tmp_path / "a", tmp_path / "b"], tmp_path / "site", sheets=0))
    open_question = next(s for s in load_samples(out) if s.task == "given_text")
    # The judge says yes to the models' answer; no policy gives one.
    assert all(r.score == 1.0 for r in load_results(tmp_path / "a") if r.sample == open_question.id)
    assert max(rows[open_question.entry].floors.values()) < 1
    for name in POLICIES:
        found = evaluate_policy(name, out, tmp_path / name, EvalConfig())
        (own,) = (r for r in found if r.sample == open_question.id)
        assert (own.completion, own.score) == ("", 0.0)
