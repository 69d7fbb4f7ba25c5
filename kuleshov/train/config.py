"""The `train` section of a recipe. Imports no torch: a recipe is checked before torch loads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kuleshov.errors import UsageError, unknown_name
from kuleshov.generation import POSITIONS, Sampling
from kuleshov.left_out import check_share
from kuleshov.tasks import GIVEN, TASKS
from kuleshov.train.contrast import Contrast
from kuleshov.train.objective import Objective
from kuleshov.train.objective_table import objective_of
from kuleshov.train.preference import SOURCES
from kuleshov.train.reporters import REPORTERS


@dataclass(frozen=True, kw_only=True)
class SFTSettings:
    """The cold start: supervised steps on true answers. A model that answers needs none.

    Args:
        steps: optimizer steps; 0 for none.
        batch_size: samples for each step.
        learning_rate: peak; decays linearly to 0.
        warmup_steps: steps in which the rate rises.
        curriculum: task -> steps on its samples alone, one task after the other, before the
            mixture of all gets the rest of the steps. For tasks that are learned late beside
            others, such as `jigsaw` by an untrained model.
        contrast: losses on the video beside the video without its key frames.
        extra: further arguments of `trl.SFTConfig`.
    """

    steps: int = 0
    batch_size: int = 8
    learning_rate: float = 1e-5
    warmup_steps: int = 0
    curriculum: dict[str, int] = field(default_factory=dict)
    contrast: Contrast = field(default_factory=Contrast)
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for task, steps in self.curriculum.items():
            if task not in (known := {**TASKS, **GIVEN}):
                raise unknown_name("task in train.sft.curriculum", task, known)
            if steps < 0:
                raise UsageError(f"train.sft.curriculum: {task} is {steps}; allowed: 0 or more")
        if sum(self.curriculum.values()) > self.steps:
            raise UsageError(
                f"train.sft.curriculum has {sum(self.curriculum.values())} steps of "
                f"{self.steps}; raise train.sft.steps or lower it"
            )


@dataclass(frozen=True, kw_only=True)
class DPOSettings:
    """Direct preference optimization, on pairs made from the samples (preference.py).

    Args:
        steps: optimizer steps; 0 for none.
        batch_size: pairs for each step.
        learning_rate: peak; decays linearly to 0.
        beta: how much the margin over the reference counts.
        rejected: where the rejected side comes from: "answer" for a wrong answer, "switched_off" or
            a control for the true answer to another video. Samples that give no pair are left out.
        max_reward: the largest reward that a wrong answer may have.
        share_prompts: compute a prompt once for both of its answers; false for attention that
            takes no mask, such as flash.
        extra: further arguments of `trl.DPOConfig`.
    """

    steps: int = 0
    batch_size: int = 8
    learning_rate: float = 1e-6
    beta: float = 0.1
    rejected: str = "answer"
    max_reward: float = 0.5
    share_prompts: bool = True
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rejected not in SOURCES:
            raise unknown_name("train.dpo.rejected", self.rejected, SOURCES)
        if not 0 <= self.max_reward < 1:
            raise UsageError(
                f"train.dpo: max_reward is {self.max_reward}; allowed: 0 to below 1, which the "
                "true answer earns"
            )


@dataclass(frozen=True, kw_only=True)
class LoRASettings:
    """Low-rank adapters (arXiv 2106.09685): few weights are trained, and put into the others.

    Each phase trains adapters of its own. Its model is saved with them merged, and the adapters
    beside it; what is not adapted stays as it was.

    Args:
        rank: of the adapters (r); 0 for none: all weights are trained.
        alpha: their weight is alpha / rank.
        dropout: share of their inputs that is dropped.
        targets: linear layers that get adapters: "all-linear" for all but the head, or a regular
            expression of their whole names. The default is those of the language model, whether
            it attends or runs through time (linear attention).
        target_parameters: weights that belong to no linear layer and get adapters, by the end of
            their names, such as "mlp.experts.gate_up_proj"; the experts of a mixture are of that
            kind. PEFT drops none of their inputs, so dropout has to be 0.
    """

    rank: int = 0
    alpha: float = 64.0
    dropout: float = 0.0
    targets: str = r".*(language_model|text_model)\.layers\..*_proj(_\w+)?"
    target_parameters: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for key, ok, allowed in [
            ("rank", self.rank >= 0, "0 or more"),
            ("alpha", self.alpha > 0, "above 0"),
            ("dropout", 0 <= self.dropout < 1, "0 to below 1"),
        ]:
            if not ok:
                raise UsageError(f"train.lora: {key} is {getattr(self, key)}; allowed: {allowed}")
        if self.target_parameters and self.dropout:
            raise UsageError(
                f"train.lora: dropout is {self.dropout}; allowed with target_parameters: 0"
            )


@dataclass(frozen=True, kw_only=True)
class GRPOSettings:
    """Group relative policy optimization.

    Args:
        steps: optimizer steps; 0 for none.
        prompts_per_step: different prompts for each step.
        group_size: completions for each prompt (G).
        micro_batch: completions for each forward and backward pass; None for all at once.
        share_prompts: compute a prompt once for all of its completions; the same results, to
            rounding. False for attention that takes no mask, such as flash.
        learning_rate: peak; decays linearly to 0.
        objective: what is optimised, a name in `kuleshov.train.objective_table.OBJECTIVES`.
        objective_options: knobs of the objective.
        beta: weight of the KL term; 0 needs no reference model.
        temperature: of the rollouts.
        sampling: what they are drawn from beside it. Anything but the defaults draws completions
            from another distribution than that of the loss.
        max_completion_tokens: where a completion is cut.
        extra: further arguments of `trl.GRPOConfig`, which win over those of the objective.
    """

    steps: int = 100
    prompts_per_step: int = 8
    group_size: int = 8
    micro_batch: int | None = None
    share_prompts: bool = True
    learning_rate: float = 1e-6
    objective: str = "trl_default"
    objective_options: dict[str, Any] = field(default_factory=dict)
    beta: float = 0.0
    temperature: float = 1.0
    sampling: Sampling = field(default_factory=Sampling)
    max_completion_tokens: int = 128
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        completions = self.prompts_per_step * self.group_size
        if self.group_size < 2:
            raise UsageError(f"train.grpo: group_size is {self.group_size}; allowed: 2 or more")
        if self.micro_batch is not None and completions % self.micro_batch:
            raise UsageError(
                f"train.grpo: micro_batch is {self.micro_batch}; it must divide prompts_per_step "
                f"* group_size = {completions}"
            )
        split = self.micro_batch is not None and self.micro_batch % self.group_size
        if self.built_objective().own_loss and (split or not self.share_prompts):
            raise UsageError(
                f"train.grpo: {self.objective} compares all completions of a group in its loss; "
                "make micro_batch a multiple of group_size or leave it out, with share_prompts: "
                f"true (got micro_batch: {self.micro_batch}, group_size: {self.group_size}, "
                f"share_prompts: {str(self.share_prompts).lower()})"
            )

    def built_objective(self) -> Objective:
        """The objective with its knobs."""
        return objective_of(self.objective, self.objective_options, self.extra)


@dataclass(frozen=True, kw_only=True)
class DivergenceSettings:
    """When training is stopped because it explodes; a loss or gradient of nan or inf always does.

    The numbers are our own choice, see `kuleshov.train.divergence`.

    Args:
        loss: the largest |loss|.
        grad_norm: the largest norm of the gradient, before it is clipped.
        steps: logged steps in a row with one of them larger.
    """

    loss: float = 100.0
    grad_norm: float = 1000.0
    steps: int = 5

    def __post_init__(self) -> None:
        for name, value in [("loss", self.loss), ("grad_norm", self.grad_norm)]:
            if not value > 0:
                raise UsageError(
                    f"train.divergence: {name} is {value}; allowed: above 0, .inf for no limit"
                )
        if self.steps < 1:
            raise UsageError(f"train.divergence: steps is {self.steps}; allowed: 1 or more")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The `train` section of a recipe.

    Args:
        seed: of the order of samples and of the rollouts.
        checkpoint_steps: steps between checkpoints, from which an interrupted run goes on.
        cache_megabytes: how many rendered frames are kept in memory.
        report_to: who is told of what training logs, names in `kuleshov.train.reporters.REPORTERS`;
            [] for none. metrics.jsonl has it in any case.
        lora: adapters, in all phases.
        cache_embeddings_megabytes: how many embeddings of videos are kept in memory in GRPO, for
            all epochs where the vision tower is frozen, within a step where it is trained; 0 for
            none.
        positions: where tokens behind a video stand in time: "installed", as the transformers at
            hand has it, or "largest_plus_one", behind the video's end, as Qwen2.5-VL was published
            (train/positions.py). A model is to be evaluated with those that it was trained with.
        freeze_vision: train no weight of the vision tower, its merger or projector included, in
            both phases. The sources known to us do not say what VideoSSR and MVP do; False is
            the default of EasyR1 (`freeze_vision_tower`) and of TRL. TEMPLE and LongVILA-R1's
            cached embeddings have it frozen.
        idle_steps: after so many steps from the first one on in which no completion had an
            answer, no group's rewards differed, or the gradient was 0, a phase stops with an
            error; 0 for a warning only (train/idle.py).
        left_out_share: of the samples, which may be left out as their videos cannot be shown, each
            for the next one that can; where there are more, training stops.
        sft: the cold start.
        dpo: learning from pairs, after the cold start.
        grpo: the reinforcement learning, last.
        divergence: when training is stopped because it explodes.
    """

    seed: int = 0
    checkpoint_steps: int = 100
    cache_megabytes: int = 1024
    report_to: list[str] = field(default_factory=lambda: ["tensorboard"])
    lora: LoRASettings = field(default_factory=LoRASettings)
    cache_embeddings_megabytes: int = 1024
    positions: str = "installed"
    freeze_vision: bool = False
    idle_steps: int = 0
    left_out_share: float = 0.05
    sft: SFTSettings = SFTSettings()
    dpo: DPOSettings = DPOSettings()
    grpo: GRPOSettings = GRPOSettings()
    divergence: DivergenceSettings = DivergenceSettings()

    def __post_init__(self) -> None:
        for name in self.report_to:
            if name not in REPORTERS:
                raise unknown_name("name in train.report_to", name, REPORTERS)
        if self.idle_steps < 0:
            raise UsageError(f"train: idle_steps is {self.idle_steps}; allowed: 0 or more")
        check_share(self.left_out_share, "train.left_out_share")
        if self.positions not in POSITIONS:
            raise unknown_name("train.positions", self.positions, POSITIONS)
        if not (self.sft.steps or self.dpo.steps or self.grpo.steps):
            raise UsageError("train: sft, dpo and grpo have no steps; give one of them some")
