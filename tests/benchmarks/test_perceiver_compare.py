"""The comparison in its quick form: it runs, goes on after a kill, and counts what it says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import perceiver_compare
from benchmarks.perceiver import interval
from benchmarks.perceiver_compare import ARMS, COLD, CONTROLS, QUICK, Settings, compare, cost
from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.pairs import differing
from kuleshov.sample import Sample
from kuleshov.train.objective_table import objective_of

NAMES = ("grpo_q", "rc_gate_refeed", "rc_gradient", "rc_gate", "q_ema_gate")
SOME = {name: ARMS[name] for name in NAMES}
SHORT = replace(QUICK, arms=SOME)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("compare")
    return out, compare(out, SHORT, workers=0)


def records(out: Path) -> dict[str, Any]:
    files = [out / f"{name}-0.json" for name in (COLD, *SOME)]
    return {file.stem: json.loads(file.read_text()) for file in files}


def test_every_arm_is_told_beside_the_cold_start(finished: tuple[Path, dict[str, Any]]) -> None:
    _, told = finished
    assert list(told["arms"]) == list(SOME) and (told["seeds"], told["videos"]) == (1, 12)
    for arm in told["arms"].values():
        for name in ("accuracy", "sensitivity", "gain", "seconds_per_step"):
            assert isinstance(arm[name], float)
        low, high = arm["interval"]
        assert 0 <= low <= arm["accuracy"] <= high <= 1
        assert arm["tokens"] == arm["policy_tokens"] + arm["generated_tokens"]
        gain = arm["accuracy"] - told["cold_start"]["accuracy"]
        assert arm["gain"] == pytest.approx(gain, abs=1e-3)
    assert [name for name, arm in told["arms"].items() if "over_q" in arm] == list(SOME)[1:]
    (controlled,) = (name for name, arm in told["arms"].items() if "over_control" in arm)
    gated, control = told["arms"][controlled], told["arms"]["q_ema_gate"]
    assert controlled == "rc_gate"
    assert gated["over_control"] == pytest.approx(gated["accuracy"] - control["accuracy"], abs=1e-3)
    assert told["chance"] == pytest.approx((1 / 3 + 1 / 4) / 2, abs=1e-4)
    json.dumps(told)


def test_budgets_are_equal_to_a_step_and_everything_counts(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    out, told = finished
    for arm in told["arms"].values():
        assert abs(arm["tokens"] - SHORT.budget) <= arm["tokens_per_step"]
    plain, refed, both, *_ = (records(out)[f"{name}-0"] for name in SOME)
    # Without twins each prompt and completion is written once and trained on once, and with twins
    # that are trained on as well.
    for arm in (plain, both):
        assert arm["policy_tokens"] == arm["generated_tokens"] > 0
    assert both["steps"] < plain["steps"]
    # The untrained model is never right, so that all completions are written twice more.
    assert refed["logged"]["refeed/completions"] == 2 * 2 * 4
    assert refed["generated_tokens"] > 3 * refed["policy_tokens"]
    assert refed["steps"] < plain["steps"]


def test_the_degraded_set_lacks_the_key_frames(finished: tuple[Path, dict[str, Any]]) -> None:
    out, _ = finished
    full, less = (load_samples(out / side, "held_out") for side in ("full", "degraded"))
    assert [s.id for s in full] == [s.id for s in less] and len(full) == 36
    for one, other in zip(full, less, strict=True):
        assert [list(place) for place in differing(one, other)] == one.provenance["key_frames"]


def test_it_goes_on_where_it_was_killed(
    finished: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, told = finished
    before = records(out)
    (out / "rc_gate_refeed-0.json").unlink()
    (out / "begun-left" / "run").mkdir(parents=True)  # a kill leaves what was begun
    done = []
    work = perceiver_compare.work

    def noted(*given: Any) -> str:
        done.append(given[2])
        return work(*given)

    monkeypatch.setattr(perceiver_compare, "work", noted)
    again = compare(out, SHORT, workers=0)
    assert done == [("rc_gate_refeed", 0)] and not list(out.glob("begun-*"))
    after = records(out)
    for record in (*before.values(), *after.values()):
        del record["seconds"]
    assert after == before
    assert again["arms"]["grpo_q"] == told["arms"]["grpo_q"]
    assert compare(out, SHORT, workers=0) == again and len(done) == 1


def test_other_settings_are_refused(finished: tuple[Path, dict[str, Any]]) -> None:
    out, _ = finished
    with pytest.raises(UsageError, match="budget = 1500, not 1600"):
        compare(out, replace(SHORT, budget=1600), workers=0)


def test_an_interval_draws_videos_with_all_of_their_questions_and_seeds(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    out, _ = finished
    asked = [s for s in load_samples(out / "full", "held_out") if s.entry != "quiet"]

    def of(scores: Any) -> dict[str, Any]:
        return interval("x", scores, asked)

    def half(sample: Sample) -> float:
        return float(sample.video_ids[0] in videos[:6])

    videos = sorted({sample.video_ids[0] for sample in asked})
    one = np.array([[half(sample)] for sample in asked])
    told = of(one)
    # Six of 12 videos are right in both questions: the share of a draw is binomial, n = 12,
    # p = 1/2, whose 2.5 % and 97.5 % points are 3 and 9.
    assert told == {"x": 0.5, "x_interval": [0.25, 0.75]}
    # Two seeds, one all right and one all wrong: a draw of two has 0, 1/2 or 1.
    seeds = np.array([[1.0, 0.0]] * len(asked))
    assert of(seeds) == {"x": 0.5, "x_interval": [0.0, 1.0]}


def test_costs_are_means_over_seeds() -> None:
    def run(steps: int, policy: int, generated: int, seconds: float, never: float) -> Any:
        logged = {"comparative/never": never}
        names = ("steps", "policy_tokens", "generated_tokens", "seconds", "logged")
        return dict(zip(names, (steps, policy, generated, seconds, logged), strict=True))

    assert cost([run(10, 100, 300, 5.0, 0.5), run(20, 140, 280, 10.0, 0.25)]) == {
        "tokens": 410,
        "policy_tokens": 120,
        "generated_tokens": 290,
        "steps": 15,
        "seconds_per_step": 0.5,
        "tokens_per_step": 27,
        "logged": {"comparative/never": 0.375},
    }


@pytest.mark.parametrize("arm", ARMS)
def test_arms_are_settings_of_the_objective(arm: str) -> None:
    objective = objective_of("comparative", ARMS[arm], {})
    without = ("base", "grpo_q", "q_ema", "q_ema_gate")
    assert objective.twins(8) == (0 if arm in without else 8)
    assert (objective.tries() > 0) == (arm == "rc_gate_refeed")
    assert objective.trains_twins() == (arm == "rc_gradient")
    assert objective.arguments()["reward_weights"] == (
        [1.0, 0.0] if arm == "grpo_q" else [0.0, 1.0, 0.0]
    )


@pytest.mark.parametrize("arm", CONTROLS)
def test_a_control_differs_in_the_degraded_video_alone(arm: str) -> None:
    assert ARMS[CONTROLS[arm]] == {**ARMS[arm], "against": "nothing"}


def test_the_settings_of_the_run_are_balanced_and_have_three_seeds() -> None:
    settings = Settings()
    assert len(settings.seeds) == 3 and not {100, 101} & set(settings.seeds)
    assert all(clips % 48 == 0 for clips in settings.clips)
    assert settings.arms == ARMS
