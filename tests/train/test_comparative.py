from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest
import torch

from kuleshov.controls import control
from kuleshov.errors import UsageError
from kuleshov.sample import Frame, MediaItem, Sample
from kuleshov.tasks import task_of
from kuleshov.train.comparative import QUALITIES
from kuleshov.train.objective import Objective, Step
from kuleshov.train.objective_table import objective_of

SAMPLE = Sample(
    id="s",
    task="anomaly",
    video_ids=("v",),
    split="train",
    media=(MediaItem(tuple(Frame("v", float(i), float(i)) for i in range(8)), 28, 28),),
    prompt="<video> When?",
    answer=[1.0, 3.0],
    form="tagged",
    knobs={},
    seed=0,
    chance=0.0,
)
RIGHT, HALF, WRONG = map(task_of(SAMPLE).completion, ([1.0, 3.0], [1.0, 2.0], [5.0, 6.0]))


def objective(**options: Any) -> Objective:
    return objective_of("comparative", {"degraded": "single", **options}, {})


def step(quality: list[list[float]], twins: list[list[float]]) -> Step:
    """Rewards of the task, 9 so that they are seen where they should not be, then the quality."""
    whole, less = torch.tensor(quality), torch.tensor(twins)
    return Step(
        ["anomaly"] * len(quality),
        torch.stack([torch.full_like(whole, 9), whole], dim=-1),
        torch.stack([torch.full_like(less, 9), less], dim=-1),
    )


def advantages(given: Step, base: list[list[float]], **options: Any) -> Any:
    made, memory = objective(**options).advantages(
        torch.tensor(base), torch.zeros(len(base), len(base[0])), given, {"baseline": 0.25}
    )
    return made.tolist(), memory


def test_the_twin_is_the_degraded_video_and_answers_as_often() -> None:
    comparative = objective()
    assert comparative.twins(4) == 4
    assert comparative.twin(SAMPLE) == control(SAMPLE, "single")


def test_the_base_alone_needs_no_degraded_video() -> None:
    alone = objective(weight=0.0, gate=False)
    given = step([[1.0, 0.0]], [[0.0, 1.0]])._replace(twins=None)
    assert alone.twins(4) == 0 and alone.metrics(given) == {}
    made, memory = advantages(given, [[0.5, -0.5]], weight=0.0, gate=False)
    assert made == [[0.5, -0.5]] and memory == {"baseline": 0.25}
    for needing in ({"gate": True}, {"gate": False, "drop_insensitive": True}):
        assert objective(weight=0.0, **needing).twins(4) == 4


def test_the_sum_of_both_advantages_by_hand() -> None:
    # r_c = 1, -1; b = 0.25: A_c = 0.75, -1.25; with beta 2 and A_base 0.5, 1: 2, -1.5
    given = step([[1.0, 0.0]], [[0.0, 1.0]])
    made, memory = advantages(given, [[0.5, 1.0]], weight=2.0, gate=False, decay=0.5)
    assert made == [[2.0, -1.5]]
    assert memory == {"baseline": 0.125}  # 0.5 * 0.25 + 0.5 * 0


def test_the_gate_shuts_out_what_is_no_better() -> None:
    given = step([[1.0, 0.0, 1.0]], [[0.0, 0.0, 1.0]])
    made, memory = advantages(given, [[0.5, 0.5, 0.5]], decay=0.5)
    assert made == [[1.25, 0.0, 0.0]]
    # What is shut out moves the baseline all the same: 0.5 * 0.25 + 0.5 / 3
    assert memory["baseline"] == pytest.approx(0.125 + 0.5 / 3)


def test_a_group_without_degraded_video_has_its_base_alone() -> None:
    made, memory = advantages(step([[1.0, 0.0]], [[nan, nan]]), [[0.5, -0.5]])
    assert made == [[0.5, -0.5]] and memory == {"baseline": 0.25}


def test_against_the_mean_and_normalised_it_is_grpo_on_the_quality() -> None:
    options = {"against": "mean", "baseline": "group", "gate": False}
    made, memory = advantages(step([[1.0, 0.0]], [[1.0, 0.2]]), [[0.0, 0.0]], **options)
    # 1 and 0 have the mean 0.5 and the standard deviation sqrt(0.5).
    assert made[0] == pytest.approx([0.5**0.5, -(0.5**0.5)], abs=1e-3)
    assert memory == {"baseline": 0.25}


def test_against_nothing_the_quality_alone_has_the_same_baseline_and_gate() -> None:
    given = step([[1.0, 0.0]], [[9.0, 9.0]])._replace(twins=None)
    # r_c = Q; b = 0.25: A_c = 0.75, -0.25; with beta 2 and A_base 0.5, 1: 2, 0.5
    options = {"against": "nothing", "weight": 2.0, "decay": 0.5}
    made, memory = advantages(given, [[0.5, 1.0]], gate=False, **options)
    assert made == [[2.0, 0.5]]
    assert memory == {"baseline": 0.375}  # 0.5 * 0.25 + 0.5 * 0.5
    assert advantages(given, [[0.5, 1.0]], **options)[0] == [[2.0, 0.0]]
    alone = objective(**options)
    assert alone.twins(4) == 0
    # Whether the degraded video would have done is not known.
    assert alone.metrics(given) == {
        "comparative/reward": 0.5,
        "comparative/shut_out": 0.5,
        "comparative/never": 0.0,
    }


def twin_advantages(given: Step, **options: Any) -> Any:
    made = objective(degraded_gradient=True, **options)
    assert made.trains_twins()
    return made.twin_advantages(given, {"baseline": 0.25}).tolist()


def test_the_advantages_of_the_twins_by_hand() -> None:
    # r_c = 1, -1; b = 0.25: beta A_c = 2 * 0.75, 2 * -1.25, without A_base
    given = step([[1.0, 0.0]], [[0.0, 1.0]])
    assert twin_advantages(given, weight=2.0, gate=False) == [[1.5, -2.5]]
    assert twin_advantages(given, weight=2.0) == [[1.5, 0.0]]
    # Against the mean of 1 and 0: 0.5 - 0, 0.5 - 1
    assert twin_advantages(given, against="mean", gate=False) == [[0.25, -0.75]]
    # In its own group -Q~ is 0 and -1: the mean is -0.5 and the standard deviation sqrt(0.5).
    normalised = twin_advantages(given, against="mean", baseline="group", gate=False)
    assert normalised[0] == pytest.approx([0.5**0.5, -(0.5**0.5)], abs=1e-3)
    # Nothing to compare with, and a group that is solved without key frames.
    given = step([[1.0, 0.0], [1.0, 1.0]], [[nan, nan], [1.0, 1.0]])
    assert twin_advantages(given, drop_insensitive=True, gate=False) == [[0.0, 0.0]] * 2
    assert not objective().trains_twins()


def test_insensitive_groups_are_counted_and_can_be_dropped() -> None:
    given = step([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0], [nan, nan]])
    kept, _ = advantages(given, [[1.0, 1.0]] * 3, gate=False)
    dropped, _ = advantages(given, [[1.0, 1.0]] * 3, gate=False, drop_insensitive=True)
    assert kept == [[0.75, 0.75], [1.75, 0.75], [1.0, 1.0]]
    assert dropped == [[0.0, 0.0], [1.75, 0.75], [1.0, 1.0]]
    # Of two groups that can be compared one is insensitive, and the gate shuts all of it out;
    # of their four completions it shuts out three. r_c = 0, 0, 1, 0.
    assert objective().metrics(given) == {
        "comparative/reward": 0.25,
        "comparative/shut_out": 0.75,
        "comparative/never": 0.5,
        "comparative/insensitive": 0.5,
    }
    assert objective().metrics(step([[1.0]], [[nan]])) == {}


@pytest.mark.parametrize(
    ("quality", "text", "want"),
    [("task", HALF, 0.5), ("exact", HALF, 0.0), ("exact", RIGHT, 1.0), ("exact", "?", 0.0)],
)
def test_qualities(quality: str, text: str, want: float) -> None:
    assert QUALITIES[quality](SAMPLE, text) == pytest.approx(want)


@pytest.mark.parametrize(
    ("base", "weights", "names"),
    [
        ("task", [1.0, 0.0], ["quality"]),
        ("surface", [0.0, 1.0, 0.0], ["surface", "quality"]),
        ("none", [0.0, 0.0], ["quality"]),
    ],
)
def test_the_base_is_what_is_weighed_and_the_quality_is_not(
    base: str, weights: list[float], names: list[str]
) -> None:
    comparative = objective(base=base, max_words=2, surface=("length",))
    assert comparative.arguments()["reward_weights"] == weights
    functions = comparative.reward_functions()
    assert [function.__name__ for function in functions] == names
    texts = [RIGHT, "a b c"]  # 2 - 3 / 2
    earned = [
        function(completions=[[{"content": text}] for text in texts], sample=[SAMPLE.to_json()] * 2)
        for function in functions
    ]
    assert earned[-1] == [1.0, 0.0] and earned[:-1] in ([], [[1.0, 0.5]])


def test_what_is_no_better_than_its_twin_is_asked_again_with_the_instruction() -> None:
    comparative = objective(retries=1, instruction="Look closely.")
    # 1 > 0; 0.5 < 1; 0 = 0
    given = ([RIGHT, HALF, WRONG], [WRONG, RIGHT, WRONG])
    assert comparative.again(SAMPLE, *given) == [False, True, True]
    # The mean is 1 / 3.
    mean = objective(retries=1, against="mean")
    assert mean.again(SAMPLE, *given) == [False, False, True]
    assert comparative.asked_again(SAMPLE).prompt == "<video> When? Look closely."
    # Nothing to compare with, nothing to ask again.
    still = replace(SAMPLE, media=(MediaItem(SAMPLE.media[0].frames[:1], 28, 28),))
    assert comparative.twin(still) is None and comparative.again(still, *given) == [False] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"degraded": "singel"}, "unknown degraded in .* 'singel'; did you mean 'single'"),
        ({"quality": "good"}, "unknown quality in .* 'good'"),
        ({"surface": ["lenght"]}, "unknown surface in .*did you mean 'length'"),
        ({"surface": []}, "surface is .*; allowed: some of length, format, fluency"),
        ({"decay": 1}, r"decay is 1\.0; allowed: 0 to below 1"),
        ({"retries": 2, "gate": False}, "retries is 2; allowed: 0 without the gate"),
        (
            {"retries": 2, "degraded_gradient": True},
            "retries is 2; allowed: 0 with degraded_gradient",
        ),
        ({"solved": 0}, r"solved is 0\.0; allowed: above 0, to 1"),
        (
            {"against": "nothing", "retries": 1, "drop_insensitive": True},
            "against is nothing; allowed: paired, mean with retries, drop_insensitive",
        ),
    ],
)
def test_mistakes_are_answered_with_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        objective(**options)


def test_training_on_twins_is_refused_beside_rollouts_by_vllm() -> None:
    with pytest.raises(UsageError, match="degraded_gradient: false or leave use_vllm"):
        objective_of("comparative", {"degraded_gradient": True}, {"use_vllm": True})
