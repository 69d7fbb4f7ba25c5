"""The arithmetic of Comparative GRPO (VideoPerceiver, arXiv 2511.18823, section 3.3): pure
functions on tensors, no trainer.

    Q  (groups, G)  quality of each completion from the video as it is
    Q~ (groups, T)  of those from the video without its key frames; NaN where there is no such video

    r_c = Q - Q~             comparative_reward   (8)
    A_c = r_c - b            b <- rho b + (1 - rho) r_c        ema_baseline   (9)
    A   = A_base + beta A_c  (10), then what the gate leaves

Stated in the paper: the difference of qualities against a reference answer, a baseline such as a
moving average of past r_c, a beta that balances, and that the policy is updated only where the
model shows that it uses the key frames. **Reconstructed**: that this is r_c > 0, and the plain sum
in (10). rho and beta are not stated.

**Know what acts.** The completions from the degraded video get no gradient, so Q~ is a baseline:

    paired, no gate    E[r_c grad log pi] = E[Q grad log pi], with Var(Q~) E|grad log pi|^2 more
                       variance than Q - E[Q~] would have
    mean, normalised   (r_c - m(r_c)) / s(r_c) = (Q - m(Q)) / s(Q): Q~ is the same for a whole group
                       and cancels
    gate, Q in {0, 1}  E[1(r_c > 0) r_c grad log pi] = P(Q~ = 0) E[Q grad log pi]: the gate weighs
                       each prompt by how often the key frames are needed

**With gradient into the degraded branch** (ours) the degraded completions are trained on as well,
with r_c as it looks from there (`twin_reward`): Q - Q~, or against the mean m(Q) - Q~. Each branch
is then the other's baseline:

    no gate            E[r_c grad log pi(o) + r~_c grad log pi(o~)] = grad (E[Q] - E[Q~])
    gate, Q in {0, 1}  ... = grad (E[Q] (1 - E[Q~])): the chance that the full branch alone is
                       right; the degraded one counts as far as the full one is right already

These are tested as numbers. `comparative.py` calls these.
"""

from __future__ import annotations

from typing import Literal

import torch

from kuleshov.train.objectives import group_mean

Tensor = torch.Tensor
Against = Literal["paired", "mean"]


def comparative_reward(quality: Tensor, degraded: Tensor, against: Against = "paired") -> Tensor:
    """(8): r_c of each completion.

        paired   r_c,i = Q_i - Q~_i
        mean     r_c,i = Q_i - mean(Q~)     ours

    Args:
        quality: Q, shape (groups, G).
        degraded: Q~, shape (groups, T); T = G where they are paired.
        against: what is subtracted.

    Returns:
        Shape (groups, G); NaN where nothing can be compared.
    """
    return quality - (degraded if against == "paired" else group_mean(degraded))


def twin_reward(quality: Tensor, degraded: Tensor, against: Against = "paired") -> Tensor:
    """r_c of each degraded completion, the same as (8) from the other side. Ours.

        paired   r~_c,i = Q_i - Q~_i = r_c,i
        mean     r~_c,i = mean(Q) - Q~_i

    Args:
        quality: Q, shape (groups, G).
        degraded: Q~, shape (groups, T); T = G where they are paired.
        against: as for `comparative_reward`.

    Returns:
        Shape (groups, T); NaN where nothing can be compared.
    """
    return comparative_reward(-degraded, -quality, against)


def ema_baseline(old: float, rewards: Tensor, decay: float) -> float:
    """(9): b <- rho b + (1 - rho) mean(r_c), once a step; without any completion it stays.

    Departures: the paper does not say whether it moves completion by completion; then it would
    depend on their order.

    Args:
        old: b as it was; it starts at 0.
        rewards: r_c, any shape.
        decay: rho in [0, 1); larger is slower.
    """
    known = rewards[~rewards.isnan()]
    return decay * old + (1 - decay) * known.mean().item() if known.numel() else old


def uses_key_frames(rewards: Tensor) -> Tensor:
    """The gate: r_c > 0, shape as given. What cannot be compared passes (ours)."""
    return ~(rewards <= 0)


def insensitive(quality: Tensor, degraded: Tensor, solved: float) -> Tensor:
    """Which groups solve their question without the key frames as well as with them, shape
    (groups,): mean(Q) >= solved and mean(Q~) >= solved. Ours.

    Such a question does not depend on its key frames: r_c is about 0 and says nothing of the model.
    """
    with_and_without = torch.cat([group_mean(quality), group_mean(degraded)], dim=1)
    return (with_and_without >= solved).all(dim=1)
