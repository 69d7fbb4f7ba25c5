from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.train.objectives import (
    Moments,
    dgrpo_scale,
    dgrpo_weight,
    ema_advantages,
    ema_moments,
    group_advantages,
    kl_penalty,
    reg_grpo_loss,
    sequence_log_ratio,
    t_grpo_bonus,
)

NAN = float("nan")


def tensor(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def close(got: torch.Tensor, *rows: list[float], atol: float = 1e-9) -> bool:
    return torch.allclose(got, tensor(*rows), atol=atol, rtol=0)


def test_group_advantages_are_centred_and_scaled_by_the_group() -> None:
    # 0 0 1 1: m = 1/2, squares of the deviations 4 * 1/4 = 1, s = sqrt(1 / 3) = 0.577350,
    # A = +-0.5 / (0.577350 + 0.0001) = +-0.865876.
    # 1 1 1 1: no deviation, A = 0.
    rewards = tensor([0, 0, 1, 1], [1, 1, 1, 1])
    a = 0.5 / (math.sqrt(1 / 3) + 1e-4)
    assert a == pytest.approx(0.865876, abs=1e-6)
    assert close(group_advantages(rewards), [-a, -a, a, a], [0, 0, 0, 0])
    assert close(group_advantages(rewards, scale=False), [-0.5, -0.5, 0.5, 0.5], [0, 0, 0, 0])


def test_a_completion_without_a_reward_is_left_out_of_its_group() -> None:
    # Of 0, 1 and nothing: m = 1/2, s = sqrt((1/4 + 1/4) / 1) = 0.707107.
    got = group_advantages(tensor([0, 1, NAN]), eps=0.0)
    assert close(got[:, :2], [-1 / math.sqrt(2), 1 / math.sqrt(2)])
    assert got[0, 2].isnan()


def test_t_grpo_pays_correct_answers_of_groups_that_need_the_order() -> None:
    accuracy = tensor(
        [1.0, 0.0, 0.5, 0.1],  # mean 0.4; 0.1 is not above the threshold
        [1.0, 0.0, 0.5, 0.1],
        [0.0, 0.0, 0.0, 0.0],
        [1.0, 1.0, 1.0, 1.0],
    )
    shuffled = tensor(
        [0.3, 0.5],  # mean 0.4: as good, which is enough
        [0.4, 0.5],  # mean 0.45: better than 0.4, but 0.8 * 0.45 = 0.36 is not
        [0.0, 0.0],  # as good, but nothing is correct
        [NAN, NAN],  # nothing to compare with
    )
    none = [0.0] * 4
    paid = [0.3, 0.0, 0.3, 0.0]
    assert close(t_grpo_bonus(accuracy, shuffled), paid, none, none, none)
    assert close(t_grpo_bonus(accuracy, shuffled, factor=0.8), paid, paid, none, none)
    assert close(
        t_grpo_bonus(accuracy[:1], shuffled[:1], alpha=1.0, threshold=0.5), [1.0, 0.0, 0.0, 0.0]
    )


def test_a_log_ratio_is_a_sum_or_a_mean_over_the_tokens_of_the_completion() -> None:
    logps, old = tensor([-1, -2, -9], [-1, -1, -1]), tensor([-2, -4, 0], [-1, -1, -1])
    mask = tensor([1, 1, 0], [0, 0, 0])
    # (-1 + 2) + (-2 + 4) = 3, over 2 tokens 1.5; the third is padding, and so is the second row.
    assert sequence_log_ratio(logps, old, mask, mean=False).tolist() == [3.0, 0.0]
    assert sequence_log_ratio(logps, old, mask, mean=True).tolist() == [1.5, 0.0]


def test_reg_grpo_regresses_advantages_on_normalised_log_ratios() -> None:
    # rho 1 3: mean 2, deviations -1 1, std = sqrt(2 / 1) = 1.414214, rhat = -+0.707107.
    # A = -1 1: (1 - 0.707107)^2 = 0.085786 each.
    rho, advantages = tensor([1, 3]), tensor([-1, 1])
    want = (1 - 1 / math.sqrt(2)) ** 2
    assert want == pytest.approx(0.085786, abs=1e-6)
    assert reg_grpo_loss(rho, advantages).item() == pytest.approx(want)
    assert reg_grpo_loss(rho, advantages, detach_std=True).item() == pytest.approx(want)
    # A floor of 4 above the std: rhat = -+1/4, (1 - 0.25)^2 = 0.5625.
    assert reg_grpo_loss(rho, advantages, std_floor=4.0).item() == pytest.approx(0.5625)


def test_reg_grpo_leaves_out_groups_without_a_lesson() -> None:
    # The second group would add (0.707107)^2 = 0.5 for each of its completions.
    rho, advantages = tensor([1, 3], [1, 3]), tensor([-1, 1], [0, 0])
    want = (1 - 1 / math.sqrt(2)) ** 2 / 2  # two of four completions count 0
    assert reg_grpo_loss(rho, advantages).item() == pytest.approx(want)


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=4), st.floats(-100, 100))
def test_reg_grpo_does_not_see_the_partition_function(ratios: list[float], log_z: float) -> None:
    # log Z(x) is the same for all completions of a prompt: adding it changes nothing.
    rho, advantages = tensor(ratios), tensor([-1, 0.5, 0.5, 0])
    there = reg_grpo_loss(rho + log_z, advantages)
    assert there.item() == pytest.approx(reg_grpo_loss(rho, advantages).item(), abs=1e-9)


@pytest.mark.parametrize("detach_std", [False, True])
def test_reg_grpo_starts_as_a_policy_gradient(detach_std: bool) -> None:
    # At rho = 0 the predictor is (rho - mean) / floor, so for completion j of n = 4
    # dL/drho_j = -2 / (n floor) (A_j - mean A) = -A_j / (2 floor), as the A of a group sum to 0.
    advantages = tensor([-1, 0, 0.25, 0.75])
    for floor in (1.0, 0.5):
        rho = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True)
        [gradient] = torch.autograd.grad(reg_grpo_loss(rho, advantages, floor, detach_std), rho)
        assert close(gradient, [0.5 / floor, 0, -0.125 / floor, -0.375 / floor])


@given(
    st.lists(st.floats(-1e-3, 1e-3), min_size=3, max_size=3),
    st.sampled_from([1e-4, 1e-2, 1.0]),
    st.booleans(),
)
def test_reg_grpo_gradients_are_finite_and_bounded_by_the_floor(
    ratios: list[float], floor: float, detach_std: bool
) -> None:
    rho = tensor(ratios).requires_grad_()
    loss = reg_grpo_loss(rho, tensor([-1, 0, 1]), floor, detach_std)
    [gradient] = torch.autograd.grad(loss, rho)
    assert gradient.isfinite().all()
    # |A - rhat| < 1 + 2 and |drhat/drho| is at most 2 / floor, with the std's part below as much.
    assert gradient.abs().max() <= 2 * 3 * 4 / floor


def test_the_gradient_of_reg_grpo_is_that_of_its_formula() -> None:
    rho = tensor([0.3, -0.7, 2.0], [1.0, 1.5, -4.0]).requires_grad_()
    advantages = tensor([-1, 0.2, 0.8], [0.5, 0.5, -1.0])
    assert torch.autograd.gradcheck(lambda x: reg_grpo_loss(x, advantages, 0.1), (rho,))


def test_the_kl_penalty_is_zero_only_where_the_policies_agree() -> None:
    # Token 1: d = log(1/2), exp(d) - d - 1 = 0.5 + 0.693147 - 1 = 0.193147; token 2: 0; token 3 is
    # padding. Mean over two tokens 0.096574, over two completions 0.048287.
    logps, ref = tensor([0, -1, -1], [-1, -1, 0]), tensor([math.log(0.5), -1, -9], [-1, -1, 0])
    mask = tensor([1, 1, 0], [1, 1, 0])
    assert kl_penalty(logps, ref, mask).item() == pytest.approx((0.5 + math.log(2) - 1) / 4)
    assert kl_penalty(logps, logps, mask).item() == 0.0


def test_dgrpo_stretches_a_reward_between_its_bounds() -> None:
    # (0.4 - 0.2) / (0.7 - 0.2) = 0.4
    got = dgrpo_scale(tensor([0.1, 0.2, 0.4, 0.7, 0.9]), 0.2, 0.7)
    assert close(got, [0, 0, 0.4, 1, 1])


def test_dgrpo_weighs_hard_samples_more() -> None:
    # Means 0, 0.5, 1, 1.5 and 2.5; 0.5 * clamp(2 - D, 0, 1) + 0.5.
    rewards = tensor([0, 0], [0, 1], [1, 1], [1, 2], [2, 3])
    assert close(dgrpo_weight(rewards), [1], [1], [1], [0.75], [0.5])
    assert close(dgrpo_weight(rewards, pivot=1.0), [1], [0.75], [0.5], [0.5], [0.5])


@given(st.lists(st.integers(0, 10), min_size=4, max_size=4).filter(lambda r: len(set(r)) > 1))
def test_the_weight_of_dgrpo_cancels_on_rewards_and_acts_on_advantages(tenths: list[int]) -> None:
    rewards = tensor([tenth / 10 for tenth in tenths])
    weight = dgrpo_weight(rewards, pivot=1.0)
    plain = group_advantages(rewards)
    # On rewards, what is left of it is the epsilon: (s + 1e-4) / (s + 1e-4 / w), s >= 0.05.
    assert torch.allclose(group_advantages(weight * rewards), plain, rtol=3e-3)
    assert torch.allclose(
        group_advantages(weight * rewards, eps=0.0), group_advantages(rewards, eps=0.0)
    )
    # Unscaled advantages keep it.
    assert torch.allclose(
        group_advantages(weight * rewards, scale=False),
        weight * group_advantages(rewards, scale=False),
    )


def test_the_moments_of_a_task_move_slowly() -> None:
    # Rewards 0 1 1 1: E = 3/4, E of squares 3/4, std = sqrt(3/4 - 9/16) = 0.433013.
    first = ema_moments(None, tensor([0, 1], [1, 1]))
    assert first == Moments(0.75, 0.75)
    assert first.std() == pytest.approx(0.433013, abs=1e-6)
    # Then 0 0.5: E = 0.25, squares 0.125. With decay 0.9:
    # 0.9 * 0.75 + 0.1 * 0.25 = 0.7 and 0.9 * 0.75 + 0.1 * 0.125 = 0.6875; sqrt(0.6875 - 0.49).
    then = ema_moments(first, tensor([0, 0.5]), decay=0.9)
    assert list(then) == pytest.approx([0.7, 0.6875])
    assert then.std() == pytest.approx(math.sqrt(0.1975))
    assert Moments(0.5, 0.25).std(least=0.01) == 0.01


def test_ema_advantages_share_the_scale_of_their_task() -> None:
    # Deviations +-0.5 and +-0.1, both over 0.4: +-1.25 and +-0.25. A task std of 0.01 would give
    # +-10 in the third group, beyond 5: its own std, sqrt(0.01) = 0.1, takes the place.
    rewards = tensor([0, 1], [0.4, 0.6], [0.4, 0.6])
    got = ema_advantages(rewards, tensor([0.4], [0.4], [0.01]), eps=0.0)
    assert close(got, [-1.25, 1.25], [-0.25, 0.25], [-1, 1])
    # A group whose rewards are all the same teaches nothing, however small the std is.
    assert close(ema_advantages(tensor([0.5, 0.5]), tensor([1e-3])), [0, 0])
