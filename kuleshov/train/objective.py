"""What a step of GRPO optimises, by name: `train.grpo.objective` in a recipe.

    completions -> rewards -> advantages -> loss
                   rewards()  advantages()  loss()      where an objective may act

Some objectives are flags of TRL and act nowhere here. The others change one of the three, with the
functions of `objectives.py`. All rewards are gathered from all processes before they get here.

An objective may ask for a **twin** of a sample: another sample made from it, such as the same
question on the shuffled video. Twins are answered without gradient and never trained on; the
objective sees what their completions earned beside those of the sample itself. A paired objective
(full against degraded video) is a `twin` and what to make of its rewards.

Imports no torch by itself: a recipe is checked before torch loads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, final

from kuleshov.edits import control
from kuleshov.errors import UsageError, unknown_name
from kuleshov.recipe import build
from kuleshov.sample import Json, Sample
from kuleshov.tasks import TASKS

if TYPE_CHECKING:
    from torch import Tensor

OPTIONS = "train.grpo.objective_options"


class Step(NamedTuple):
    """What the completions of a step earned, in all processes, group by group.

    Args:
        tasks: the task of each group.
        rewards: shape (groups, G, reward functions); the first function is the task's score.
        twins: likewise for the twin of each group, NaN where it has none; None without twins.
    """

    tasks: list[str]
    rewards: Tensor
    twins: Tensor | None


Memory = dict[str, Json]
"""What an objective keeps from step to step; it goes into the checkpoints."""


@dataclass(frozen=True, kw_only=True)
class Objective(ABC):
    """An objective with its knobs, which are its fields. What it does not override is as in TRL."""

    own_loss: ClassVar[bool] = False
    """`loss` takes the place of TRL's; every group must then be whole in each forward pass."""

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Arguments of `trl.GRPOConfig` that the objective needs; a recipe's `extra` wins."""

    def twins(self, group_size: int) -> int:
        """How many completions the twin of a group gets; 0 for no twins."""
        return 0

    def twin(self, sample: Sample) -> Sample | None:
        """The sample that a group is compared with, or None if it has none."""
        return None

    def rewards(self, step: Step) -> Tensor:
        """The rewards to train on, shape (groups, G, reward functions)."""
        return step.rewards

    def advantages(
        self, advantages: Tensor, rewards: Tensor, tasks: list[str], memory: Memory
    ) -> tuple[Tensor, Memory]:
        """The advantages to train on, and what to remember.

        Args:
            advantages: as TRL made them, shape (groups, G).
            rewards: their weighted sums over the reward functions, shape (groups, G).
            tasks: the task of each group.
            memory: what was to be remembered last time; {} at first.
        """
        return advantages, memory

    def loss(self, logps: Tensor, old_logps: Tensor, mask: Tensor, advantages: Tensor) -> Tensor:
        """The loss without its KL term, if the objective has one of its own.

        Args:
            logps: log-probabilities of the completions' tokens, shape (groups, G, tokens).
            old_logps: likewise, under the policy that wrote them.
            mask: 1 for the tokens of a completion, likewise.
            advantages: shape (groups, G).

        Returns:
            A scalar.
        """
        raise NotImplementedError


@final
@dataclass(frozen=True, kw_only=True)
class Trl(Objective):
    """An objective that TRL has: the `trl.GRPOConfig` arguments that make it; None is TRL's own."""

    loss_type: str
    scale_rewards: Literal["group", "batch", "none"] = "group"
    importance_sampling_level: Literal["token", "sequence"] = "token"
    epsilon: float | None = None
    epsilon_high: float | None = None
    sapo_temperature_pos: float | None = None
    sapo_temperature_neg: float | None = None
    mask_truncated_completions: bool = False

    def arguments(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value is not None}


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
        self, advantages: Tensor, rewards: Tensor, tasks: list[str], memory: Memory
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
        self, advantages: Tensor, rewards: Tensor, tasks: list[str], memory: Memory
    ) -> tuple[Tensor, Memory]:
        from kuleshov.train.objectives import Moments, ema_advantages, ema_moments

        moments = {task: Moments(*pair) for task, pair in memory.items()}
        for task in sorted(set(tasks)):
            here = rewards[[name == task for name in tasks]]
            moments[task] = ema_moments(moments.get(task), here, self.decay)
        stds = [[moments[task].std(self.min_std)] for task in tasks]
        scaled = ema_advantages(rewards, rewards.new_tensor(stds), self.limit)
        return scaled, {task: list(pair) for task, pair in moments.items()}


OBJECTIVES: dict[str, Objective] = {
    # GRPO with the token-level loss of DAPO: what TRL 1.16 does when it is told nothing.
    "trl_default": Trl(loss_type="dapo"),
    # DeepSeekMath, arXiv 2402.03300: mean over the tokens of each completion first.
    "grpo": Trl(loss_type="grpo"),
    # arXiv 2503.14476: token-level loss, clip-higher, no loss on answers that were cut. TRL has no
    # dynamic sampling; the overlong penalty is a reward.
    "dapo": Trl(loss_type="dapo", epsilon=0.2, epsilon_high=0.28, mask_truncated_completions=True),
    # arXiv 2503.20783: neither the length nor the spread of the rewards divides.
    "dr_grpo": Trl(loss_type="dr_grpo", scale_rewards="none"),
    # arXiv 2507.18071, section 5.1: one ratio for a whole completion, clipped tightly.
    "gspo": Trl(
        loss_type="grpo", importance_sampling_level="sequence", epsilon=3e-4, epsilon_high=4e-4
    ),
    # MiniMax-M1, arXiv 2506.13585: the ratio is clipped and not the update; upper bound of ScaleRL.
    "cispo": Trl(loss_type="cispo", epsilon_high=5.0),
    # arXiv 2511.20347: a smooth gate in the place of the clip.
    "sapo": Trl(loss_type="sapo", sapo_temperature_pos=1.0, sapo_temperature_neg=1.05),
    # Not in TRL.
    "t_grpo": TGrpo(),
    "reg_grpo": RegGrpo(),
    "dgrpo": Dgrpo(),
    "ema_grpo": EmaGrpo(),
}
"""The objectives. On fresh completions (one step for each rollout, the default) all ratios are 1,
and those of TRL differ only in how they average; ratios come to matter with `num_iterations` or
`steps_per_generation` in `extra`."""

# What TRL's own loss alone reads; beside an own loss these would be without effect.
_OF_TRLS_LOSS = (
    "delta",
    "entropy_coef",
    "epsilon",
    "epsilon_high",
    "importance_sampling_level",
    "loss_type",
    "mask_truncated_completions",
    "off_policy_mask_threshold",
    "top_entropy_quantile",
    "use_adaptive_entropy",
    "use_bias_correction_kl",
)


def objective_of(name: str, options: Mapping[str, Any], extra: Mapping[str, Any]) -> Objective:
    """An objective with some of its knobs changed.

    Args:
        name: in `OBJECTIVES`.
        options: knobs of the objective.
        extra: what else TRL is told.

    Raises:
        UsageError: an unknown objective or knob, a value that is not allowed, or an argument in
            `extra` that the objective would leave without effect.
    """
    if name not in OBJECTIVES:
        raise unknown_name("objective in train.grpo", name, OBJECTIVES)
    default = OBJECTIVES[name]
    known = {knob.name: getattr(default, knob.name) for knob in fields(default)}
    idle = sorted(set(extra) & set(_OF_TRLS_LOSS)) if default.own_loss else []
    if idle:
        raise UsageError(
            f"train.grpo.extra: {', '.join(idle)} would be without effect, as {name} has a loss of "
            "its own; remove it or take another objective"
        )
    return build(type(default), {**known, **options}, OPTIONS)
