"""The objectives by name: `train.grpo.objective` in a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, final

from kuleshov.errors import UsageError, unknown_name
from kuleshov.recipe import build
from kuleshov.train.beyond_trl import OPTIONS, Dgrpo, EmaGrpo, RegGrpo, TGrpo
from kuleshov.train.comparative import Comparative
from kuleshov.train.objective import Objective


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
    "comparative": Comparative(),
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
    objective = build(type(default), {**known, **options}, OPTIONS)
    if objective.tries() and extra.get("use_vllm"):
        raise UsageError(
            f"{OPTIONS}: completions are written again (retries: {objective.tries()}) by "
            "transformers only; set retries: 0 or leave use_vllm out of train.grpo.extra"
        )
    if objective.trains_twins() and extra.get("use_vllm"):
        raise UsageError(
            f"{OPTIONS}: completions from the degraded video are trained on (degraded_gradient) "
            "with rollouts by transformers only; set degraded_gradient: false or leave use_vllm "
            "out of train.grpo.extra"
        )
    return objective
