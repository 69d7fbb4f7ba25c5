"""The objectives that TRL has not; their formulas are in `objectives.py`.

The fields of each are its knobs, `train.grpo.objective_options` in a recipe. Imports no torch by
itself: a recipe is checked before torch loads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

from kuleshov.controls import control
from kuleshov.errors import UsageError, unknown_name
from kuleshov.sample import Sample
from kuleshov.tasks import TASKS
from kuleshov.train.objective import Memory, Objective, Step

if TYPE_CHECKING:
    from torch import Tensor

OPTIONS = "train.grpo.objective_options"


@final
@dataclass(frozen=True, kw_only=True)
class TGrpo(Objective):
    """T-GRPO of Video-R1 (arXiv 2503.21776): a bonus where the order of the frames was needed.

    The twin is the video with its frames shuffled, with half as many completions as the group
    (Video-R1's code). See `objectives.t_grpo_bonus`.

    Departures: the shuffle is that of the control "shuffled", one for each sample, and not drawn
    anew each time. The length reward that Video-R1 adds is left out: answers here are short. The
    loss is TRL's "grpo", which on fresh completions is what Video-R1 computes.

    Args:
        alpha: the bonus.
        factor: how much better than shuffled a group must be: 1 as published, 0.8 in the code.
        threshold: an answer is correct above it.
    """

    alpha: float = 0.3
    factor: float = 1.0
    threshold: float = 0.1

    def arguments(self) -> dict[str, Any]:
        return {"loss_type": "grpo"}

    def twins(self, group_size: int) -> int:
        return max(1, group_size // 2)

    def twin(self, sample: Sample) -> Sample | None:
        return control(sample, "shuffled")

    def rewards(self, step: Step) -> Tensor:
        from kuleshov.train.objectives import t_grpo_bonus

        assert step.twins is not None
        rewards = step.rewards.clone()
        rewards[..., 0] += t_grpo_bonus(
            rewards[..., 0], step.twins[..., 0], self.alpha, self.factor, self.threshold
        )
        return rewards


@final
@dataclass(frozen=True, kw_only=True)
class RegGrpo(Objective):
    """Reg-GRPO of DeepVideo-R1 (arXiv 2506.07464): advantages by regression, without clipping.

    See `objectives.reg_grpo_loss`. `train.grpo.beta` weighs the KL term. The paper's
    difficulty-aware augmentation is left out: its scale is not known to us.

    Args:
        std_floor: least standard deviation of the log-ratios.
        detach_std: take that standard deviation as a constant.
        ratio: of a completion, the "sum" over its tokens, or their "mean". Which one is published
            is not known to us; the formula reads as the sum.
    """

    own_loss: ClassVar[bool] = True

    std_floor: float = 1.0
    detach_std: bool = False
    ratio: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
        if not self.std_floor > 0:
            raise UsageError(f"{OPTIONS}: std_floor is {self.std_floor}; allowed: more than 0")

    def arguments(self) -> dict[str, Any]:
        return {}

    def loss(self, logps: Tensor, old_logps: Tensor, mask: Tensor, advantages: Tensor) -> Tensor:
        from kuleshov.train.objectives import reg_grpo_loss, sequence_log_ratio

        ratios = sequence_log_ratio(logps, old_logps, mask, mean=self.ratio == "mean")
        return reg_grpo_loss(ratios, advantages, self.std_floor, self.detach_std)


@final
@dataclass(frozen=True, kw_only=True)
class Dgrpo(Objective):
    """DGRPO of VITAL (arXiv 2508.04416): rewards scaled by task, hard samples weighed more.

    See `objectives.dgrpo_scale` and `objectives.dgrpo_weight`.

    Departures: by default the weight acts, which as published it does not (`weight: rewards`, where
    the normalisation cancels it), and its pivot is 1, since pretext rewards end at 1.

    Args:
        bounds: task -> [low, high], the reward that becomes 0 and the one that becomes 1. Of the
            tool reward and the format reward nothing is scaled: only the task's score is.
        weight: what the weight is multiplied with.
        pivot: the weight is 1 up to a mean reward of pivot - 1, and 0.5 from pivot on;
            published: 2.
    """

    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    weight: Literal["advantages", "rewards"] = "advantages"
    pivot: float = 1.0

    def __post_init__(self) -> None:
        for task, (low, high) in self.bounds.items():
            if task not in TASKS:
                raise unknown_name(f"task in {OPTIONS}.bounds", task, TASKS)
            if not low < high:
                raise UsageError(f"{OPTIONS}.bounds: {task} is {low} to {high}; the low one first")

    def arguments(self) -> dict[str, Any]:
        return {"loss_type": "grpo"}

    def rewards(self, step: Step) -> Tensor:
        from kuleshov.train.objectives import dgrpo_scale, dgrpo_weight

        rewards = step.rewards.clone()
        for group, task in enumerate(step.tasks):
            if task in self.bounds:
                rewards[group, :, 0] = dgrpo_scale(rewards[group, :, 0], *self.bounds[task])
        if self.weight == "rewards":
            rewards *= dgrpo_weight(rewards.nansum(dim=-1), self.pivot)[..., None]
        return rewards

    def advantages(
        self, advantages: Tensor, rewards: Tensor, step: Step, memory: Memory
    ) -> tuple[Tensor, Memory]:
        from kuleshov.train.objectives import dgrpo_weight

        if self.weight == "rewards":
            return advantages, memory
        return advantages * dgrpo_weight(rewards, self.pivot), memory


@final
@dataclass(frozen=True, kw_only=True)
class EmaGrpo(Objective):
    """EMA-GRPO of OneThinker: advantages scaled by a moving average of their task's spread.

    See `objectives.ema_moments` and `objectives.ema_advantages`. TRL's `scale_rewards` has no
    effect here. The knobs' values are those of OneThinker's code, which averages the loss over
    tokens (TRL: "dapo"); its wider upper clip is left to `extra`.

    Args:
        decay: of the moving averages; larger is slower.
        min_std: least standard deviation of a task.
        limit: groups with a larger absolute advantage are scaled by their own spread.
    """

    decay: float = 0.99
    min_std: float = 1e-3
    limit: float = 5.0

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise UsageError(f"{OPTIONS}: decay is {self.decay}; allowed: 0 to below 1")

    def arguments(self) -> dict[str, Any]:
        return {"loss_type": "dapo"}

    def advantages(
        self, advantages: Tensor, rewards: Tensor, step: Step, memory: Memory
    ) -> tuple[Tensor, Memory]:
        from kuleshov.train.objectives import Moments, ema_advantages, ema_moments

        moments = {task: Moments(*pair) for task, pair in memory.items()}
        for task in sorted(set(step.tasks)):
            here = rewards[[name == task for name in step.tasks]]
            moments[task] = ema_moments(moments.get(task), here, self.decay)
        stds = [[moments[task].std(self.min_std)] for task in step.tasks]
        scaled = ema_advantages(rewards, rewards.new_tensor(stds), self.limit)
        return scaled, {task: list(pair) for task, pair in moments.items()}
