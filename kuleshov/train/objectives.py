"""The arithmetic of the objectives that TRL has not: pure functions on tensors, no trainer.

Notation: rewards have the shape (groups, G), one row for the G completions of a prompt; NaN is a
completion without a reward. A group's mean is m, its standard deviation s (with Bessel's
correction, as in TRL), and

    rho_i = log pi(y_i | x) - log pi_old(y_i | x)

is how much likelier completion i has become since it was drawn. `objective.py` calls these.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

Tensor = torch.Tensor


def group_std(rewards: Tensor) -> Tensor:
    """Standard deviation of each group, shape (groups, 1), as in TRL; 0 for a single reward."""
    known = (~rewards.isnan()).sum(dim=-1, keepdim=True)
    variance = (rewards - group_mean(rewards)).square().nanmean(dim=-1, keepdim=True)
    return (variance * known / (known - 1).clamp(min=1)).sqrt()


def group_mean(rewards: Tensor) -> Tensor:
    """Mean of each group, shape (groups, 1)."""
    return rewards.nanmean(dim=-1, keepdim=True)


def group_advantages(rewards: Tensor, scale: bool = True, eps: float = 1e-4) -> Tensor:
    """A_i = (R_i - m) / (s + eps): the advantages of GRPO (arXiv 2402.03300) as TRL computes them.

    Args:
        rewards: shape (groups, G).
        scale: divide by the group's standard deviation; Dr. GRPO (arXiv 2503.20783) does not.
        eps: keeps a group whose rewards are all the same at 0.

    Returns:
        Shape (groups, G).
    """
    centred = rewards - group_mean(rewards)
    return centred / (group_std(rewards) + eps) if scale else centred


def t_grpo_bonus(
    accuracy: Tensor,
    shuffled: Tensor,
    alpha: float = 0.3,
    factor: float = 1.0,
    threshold: float = 0.1,
) -> Tensor:
    """What T-GRPO adds to the rewards of a group that needs the order of the frames.

        bonus_i = alpha   if mean(accuracy) >= factor * mean(shuffled) and accuracy_i > threshold
                  0       otherwise

    Source: Video-R1 (arXiv 2503.21776, eq. 1; the comparison is with the proportions of correct
    answers, alpha = 0.3). Its code has factor 0.8 and calls an answer correct above 0.1.
    Departures: none; the proportion of correct answers is the mean reward, as in the code, since
    rewards of pretext tasks are not only 0 or 1. A group without shuffled rewards gets no bonus.

    Args:
        accuracy: rewards on the video as it is, shape (groups, G).
        shuffled: rewards on the shuffled video, shape (groups, any number).
        alpha: the bonus.
        factor: how much better than shuffled a group must be: 1 as published, 0.8 in the code.
        threshold: an answer is correct above it.

    Returns:
        Shape (groups, G).
    """
    ordered = group_mean(accuracy) >= factor * group_mean(shuffled)
    return alpha * (ordered & (accuracy > threshold)).to(accuracy.dtype)


def sequence_log_ratio(logps: Tensor, old_logps: Tensor, mask: Tensor, mean: bool) -> Tensor:
    """The rho of each completion, from log-probabilities of its tokens.

    Args:
        logps: under the policy, shape (completions, tokens).
        old_logps: under the policy that wrote them, likewise.
        mask: 1 for the tokens of the completion, likewise.
        mean: over the tokens instead of their sum.

    Returns:
        Shape (completions,).
    """
    total = ((logps - old_logps) * mask).sum(dim=-1)
    return total / mask.sum(dim=-1).clamp(min=1) if mean else total


def reg_grpo_loss(
    log_ratios: Tensor, advantages: Tensor, std_floor: float = 1.0, detach_std: bool = False
) -> Tensor:
    """L = mean_i (A_i - rhat_i)^2 with rhat_i = (rho_i - mean rho) / max(std rho, floor).

    Source: Reg-GRPO of DeepVideo-R1 (arXiv 2506.07464). The best policy under a KL constraint has
    rewards proportional to rho + log Z(x); normalising both sides within the group cancels Z(x), so
    that the advantages can be regressed on. No clip, no minimum.

    Departures:
        - the floor: in the first step on fresh completions every rho is 0, where the published
          normaliser divides by its epsilon (gradients of 1e4) and the derivative of a standard
          deviation is 0 / 0. Under the floor this is plain regression on rho - mean rho, and the
          gradient at rho = 0 is -2 A_i / (n floor) for completion i of n: a policy gradient.
        - groups whose advantages are all 0 teach nothing and count 0, where the published form
          would pull their completions together.
        - the published formula prints - beta KL inside of what is minimised; a penalty needs + and
          is added by the caller.

    Args:
        log_ratios: rho, shape (groups, G).
        advantages: shape (groups, G), no gradient flows through them.
        std_floor: least standard deviation of rho, above 0 (ours; 1 makes the first step about as
            large as GRPO's).
        detach_std: take the standard deviation as a constant.

    Returns:
        The loss, a scalar.
    """
    centred = log_ratios - log_ratios.mean(dim=-1, keepdim=True)
    variance = centred.square().sum(dim=-1, keepdim=True) / (centred.size(-1) - 1)
    # The floor goes under the root: the derivative of the root at 0 is infinite.
    std = variance.clamp(min=std_floor**2).sqrt()
    predicted = centred / (std.detach() if detach_std else std)
    teaches = (advantages != 0).any(dim=-1, keepdim=True)
    return ((advantages.detach() - predicted).square() * teaches).mean()


def kl_penalty(logps: Tensor, ref_logps: Tensor, mask: Tensor) -> Tensor:
    """KL(pi || pi_ref), mean over tokens and then over completions, a scalar.

    Each token: exp(d) - d - 1 with d = log pi_ref - log pi (k3 of GRPO, arXiv 2402.03300).
    """
    apart = ref_logps - logps
    tokens = (apart.exp() - apart - 1) * mask
    return (tokens.sum(dim=-1) / mask.sum(dim=-1).clamp(min=1)).mean()


def dgrpo_scale(reward: Tensor, low: float, high: float) -> Tensor:
    """S = clamp((R - low) / (high - low), 0, 1), of any shape.

    Source: task level of VITAL's DGRPO (arXiv 2508.04416), there for the IoU of temporal grounding.
    Departures: none. The published bounds are not known to us.
    """
    return ((reward - low) / (high - low)).clamp(0, 1)


def dgrpo_weight(rewards: Tensor, pivot: float = 2.0) -> Tensor:
    """Weight of each group, more for harder samples.

        w = 0.5 clamp(pivot - D, 0, 1) + 0.5 with D the mean reward of the group

    Source: sample level of VITAL's DGRPO (arXiv 2508.04416), there R' = w R with pivot 2, for
    rewards of more than one part. Rewards that never exceed 1 need pivot 1: with 2, w is always 1.

    **w R is without effect on normalised advantages**: w is the same for a whole group, so that
    (w R_i - w m) / (w s) = (R_i - m) / s, but for an epsilon. To act, w must be applied to the
    advantages, after normalisation, or these must not be scaled.

    Args:
        rewards: shape (groups, G).
        pivot: w is 1 up to D = pivot - 1, and 0.5 from D = pivot on.

    Returns:
        Shape (groups, 1), in [0.5, 1].
    """
    return 0.5 * (pivot - group_mean(rewards)).clamp(0, 1) + 0.5


class Moments(NamedTuple):
    """Moving averages of a task's rewards and of their squares."""

    mean: float
    square: float

    def std(self, least: float = 1e-3) -> float:
        return float(max(self.square - self.mean**2, least**2) ** 0.5)


def ema_moments(old: Moments | None, rewards: Tensor, decay: float = 0.99) -> Moments:
    """E[R] and E[R^2] of a task, each m <- decay m + (1 - decay) m_now; the first batch sets them.

    Source: EMA-GRPO of OneThinker (`core_algos.py`, decay 0.99).
    Departures: rewards are those of all processes; there, each has its own average.

    Args:
        old: as they were, None before the first batch.
        rewards: of all completions of the task, any shape.
        decay: larger is slower.
    """
    now = Moments(rewards.nanmean().item(), rewards.square().nanmean().item())
    if old is None:
        return now
    return Moments(*(decay * a + (1 - decay) * b for a, b in zip(old, now, strict=True)))


def ema_advantages(rewards: Tensor, std: Tensor, limit: float = 5.0, eps: float = 1e-6) -> Tensor:
    """A_i = (R_i - m) / (std + eps) with the task's moving std in the place of the group's.

    Where an advantage of the group would exceed `limit`, the group's own standard deviation is
    taken (without Bessel's correction). So easy and hard prompts of a task weigh alike, and tasks
    with rewards of different spread are balanced.

    Source: EMA-GRPO of OneThinker (`core_algos.py`). Departures: none.

    Args:
        rewards: shape (groups, G).
        std: of each group's task, shape (groups, 1).
        limit: largest absolute advantage.
        eps: added to the divisor.

    Returns:
        Shape (groups, G).
    """
    centred = rewards - group_mean(rewards)
    own = centred.square().nanmean(dim=-1, keepdim=True).sqrt()
    scaled = centred / (std + eps)
    beyond = (scaled.abs() > limit).any(dim=-1, keepdim=True)
    return torch.where(beyond, centred / (own + eps), scaled)
