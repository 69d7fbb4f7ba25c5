"""The formulas, and what acts in them: exact expectations over a policy with four answers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.train.comparative_rewards import (
    Against,
    comparative_reward,
    ema_baseline,
    insensitive,
    twin_reward,
    uses_key_frames,
)
from kuleshov.train.objectives import group_advantages


def test_the_comparative_reward_by_hand() -> None:
    quality = torch.tensor([[1.0, 0.0, 0.5]])
    degraded = torch.tensor([[0.0, 1.0, 0.2]])
    paired = comparative_reward(quality, degraded)
    assert torch.allclose(paired, torch.tensor([[1.0, -1.0, 0.3]]))
    # The mean is 0.4.
    mean = comparative_reward(quality, degraded, "mean")
    assert torch.allclose(mean, torch.tensor([[0.6, -0.4, 0.1]]))


def test_the_comparative_reward_from_the_other_side_by_hand() -> None:
    quality = torch.tensor([[1.0, 0.0, 0.5]])
    degraded = torch.tensor([[0.0, 1.0, 0.2]])
    paired = twin_reward(quality, degraded)
    assert torch.allclose(paired, torch.tensor([[1.0, -1.0, 0.3]]))
    # The mean is 0.5.
    mean = twin_reward(quality, degraded, "mean")
    assert torch.allclose(mean, torch.tensor([[0.5, -0.5, 0.3]]))


def test_without_a_degraded_video_nothing_is_compared() -> None:
    quality, none = torch.ones(1, 2), torch.full((1, 2), nan)
    assert comparative_reward(quality, none).isnan().all()
    assert comparative_reward(quality, none, "mean").isnan().all()
    assert uses_key_frames(comparative_reward(quality, none)).all()


def test_the_baseline_by_hand() -> None:
    # 0.9 * 0 + 0.1 * 0.5 = 0.05; 0.9 * 0.05 + 0.1 * -1 = -0.055
    first = ema_baseline(0.0, torch.tensor([[1.0, 0.0]]), 0.9)
    assert first == pytest.approx(0.05)
    assert ema_baseline(first, torch.tensor([[-1.0, nan]]), 0.9) == pytest.approx(-0.055)
    assert ema_baseline(first, torch.tensor([[nan]]), 0.9) == first


def test_the_gate_lets_pass_what_is_better_with_the_key_frames() -> None:
    rewards = torch.tensor([[0.1, 0.0, -0.5, nan]])
    assert uses_key_frames(rewards).tolist() == [[True, False, False, True]]


def test_items_that_both_branches_solve_are_insensitive() -> None:
    quality = torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    degraded = torch.tensor([[1.0, 0.8], [0.0, 1.0], [1.0, 1.0], [nan, nan]])
    assert insensitive(quality, degraded, 0.9).tolist() == [True, False, False, False]


# What acts. A policy over four answers, by its logits; the degraded branch has others, which depend
# on the same weights, but no gradient goes there. All pairs of answers are enumerated.
LOGITS = torch.tensor([0.3, -0.2, 0.9, 0.0], dtype=torch.float64)
DEGRADED = torch.tensor([0.1, 0.7, -0.4, 0.2], dtype=torch.float64).softmax(0)
GRADED = torch.tensor([0.0, 1.0, 0.4, 0.7], dtype=torch.float64)
BINARY = torch.tensor([0.0, 1.0, 0.0, 1.0], dtype=torch.float64)

Advantage = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def expected(advantage: Advantage, quality: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Mean and total variance of A grad log pi(o), over o from the policy and o~ from the degraded
    branch.
    """
    policy = LOGITS.softmax(0)
    # d log pi(o) / d logits = onehot(o) - pi
    scores = torch.eye(4, dtype=torch.float64) - policy
    weights = policy[:, None] * DEGRADED
    values = advantage(quality[:, None].expand(4, 4), quality.expand(4, 4))[..., None]
    estimates = values * scores[:, None]
    mean = (weights[..., None] * estimates).sum(dim=(0, 1))
    variance = (weights * (estimates - mean).square().sum(dim=-1)).sum()
    return mean, variance.item()


def test_the_enumeration_gives_the_gradient_of_the_expected_quality() -> None:
    logits = LOGITS.clone().requires_grad_()
    (wanted,) = torch.autograd.grad((logits.softmax(0) * GRADED).sum(), [logits])
    mean, _ = expected(lambda whole, less: whole, GRADED)
    assert torch.allclose(mean, wanted)


@pytest.mark.parametrize("baseline", [0.0, 0.25])
def test_paired_without_gate_is_quality_alone_with_more_noise(baseline: float) -> None:
    """No gradient flows into the degraded branch, so Q~ is a baseline, and a noisy one."""
    plain, _ = expected(lambda whole, less: whole, GRADED)
    paired, noise = expected(lambda whole, less: comparative_reward(whole, less) - baseline, GRADED)
    assert plain.norm() > 0.05 and torch.allclose(paired, plain)
    typical = (DEGRADED * GRADED).sum()
    _, steady = expected(lambda whole, less: whole - typical - baseline, GRADED)
    policy = LOGITS.softmax(0)
    scores = torch.eye(4, dtype=torch.float64) - policy
    spread = (DEGRADED * (GRADED - typical).square()).sum()
    more = spread * (policy * scores.square().sum(dim=1)).sum()
    assert more > 0.01 and noise - steady == pytest.approx(more.item())


@given(
    st.lists(st.sampled_from([0.0, 0.3, 0.5, 1.0]), min_size=4, max_size=4),
    st.lists(st.sampled_from([0.0, 0.3, 0.5, 1.0]), min_size=1, max_size=4),
)
def test_against_the_mean_the_degraded_branch_cancels_in_normalised_advantages(
    whole: list[float], less: list[float]
) -> None:
    quality = torch.tensor([whole], dtype=torch.float64)
    rewards = comparative_reward(quality, torch.tensor([less], dtype=torch.float64), "mean")
    assert torch.allclose(group_advantages(rewards), group_advantages(quality), atol=1e-9)


def test_paired_the_degraded_branch_does_not_cancel() -> None:
    quality = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    rewards = comparative_reward(quality, torch.tensor([[1.0, 0.0, 0.0, 1.0]]))
    # 0 0 1 -1: the standard deviation is sqrt(2 / 3) = 0.816497
    want = torch.tensor([[0.0, 0.0, 1.224745, -1.224745]])
    assert torch.allclose(group_advantages(rewards), want, atol=1e-3)


def test_the_gate_weighs_a_prompt_by_how_often_its_key_frames_are_needed() -> None:
    def gated(whole: torch.Tensor, less: torch.Tensor) -> torch.Tensor:
        rewards = comparative_reward(whole, less)
        return rewards * uses_key_frames(rewards)

    plain, _ = expected(lambda whole, less: whole, BINARY)
    acts, _ = expected(gated, BINARY)
    fails = (DEGRADED * (BINARY == 0)).sum()
    assert 0.2 < fails < 0.8 and torch.allclose(acts, fails * plain)
    # With graded qualities it is no multiple of it.
    plain, _ = expected(lambda whole, less: whole, GRADED)
    acts, _ = expected(gated, GRADED)
    cosine = torch.nn.functional.cosine_similarity(plain, acts, dim=0)
    assert cosine < 0.999


# With gradient into the degraded branch both have the same weights, here three, from which the
# logits of each come by a matrix of its own.
WEIGHTS = torch.tensor([0.4, -0.7, 0.2], dtype=torch.float64)
FULL, LESS = torch.randn(
    (2, 4, 3), generator=torch.Generator().manual_seed(0), dtype=torch.float64
).unbind()
Advantages = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def through_both(advantages: Advantages, quality: torch.Tensor, size: int = 2) -> torch.Tensor:
    """Mean of the update of a group: (1 / G) sum of A grad log pi(o) + A~ grad log pi(o~).

    All groups of `size` completions from the full and as many from the degraded video.
    """
    weights = WEIGHTS.clone().requires_grad_()
    total = torch.zeros(3, dtype=torch.float64)
    full, less = (FULL @ weights).log_softmax(0), (LESS @ weights).log_softmax(0)
    for drawn in product(range(4), repeat=2 * size):
        whole, other = list(drawn[:size]), list(drawn[size:])
        own, twins = advantages(quality[whole][None], quality[other][None])
        logps = full[whole].sum() + less[other].sum()
        surrogate = (own[0] * full[whole] + twins[0] * less[other]).sum() / size
        (update,) = torch.autograd.grad(surrogate, [weights], retain_graph=True)
        total += logps.exp().item() * update
    return total


def gradient_of(
    what: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], quality: torch.Tensor
) -> torch.Tensor:
    """The gradient of something of E[Q] and E[Q~], by central differences."""

    def at(weights: torch.Tensor) -> torch.Tensor:
        return what((FULL @ weights).softmax(0) @ quality, (LESS @ weights).softmax(0) @ quality)

    steps = 1e-5 * torch.eye(3, dtype=torch.float64)
    return torch.stack([at(WEIGHTS + step) - at(WEIGHTS - step) for step in steps]) / 2e-5


@pytest.mark.parametrize("against", ["paired", "mean"])
@pytest.mark.parametrize("baseline", [0.0, 0.25])
def test_through_both_branches_it_is_the_gradient_of_the_difference(
    against: Against, baseline: float
) -> None:
    got = through_both(
        lambda whole, less: (
            comparative_reward(whole, less, against) - baseline,
            twin_reward(whole, less, against) - baseline,
        ),
        GRADED,
    )
    wanted = gradient_of(lambda whole, less: whole - less, GRADED)
    assert wanted.norm() > 0.05 and torch.allclose(got, wanted, atol=1e-8)
    # Which is another direction than that of Q alone.
    plain = gradient_of(lambda whole, less: whole, GRADED)
    assert torch.nn.functional.cosine_similarity(plain, wanted, dim=0) < 0.99


def test_through_both_branches_and_the_gate_it_is_the_chance_that_the_full_one_alone_is_right() -> (
    None
):
    def gated(whole: torch.Tensor, less: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rewards = comparative_reward(whole, less), twin_reward(whole, less)
        return tuple(reward * uses_key_frames(reward) for reward in rewards)  # type: ignore[return-value]

    got = through_both(gated, BINARY)
    wanted = gradient_of(lambda whole, less: whole * (1 - less), BINARY)
    assert wanted.norm() > 0.02 and torch.allclose(got, wanted, atol=1e-8)
