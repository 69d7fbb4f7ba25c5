"""Where an objective acts in TRL's trainer.

    _calculate_rewards                twins are rolled out; objective.rewards
    _generate_and_score_completions   objective.advantages, objective.twin_advantages
    _compute_loss                     objective.loss, if it has one of its own

TRL's groups may be spread over processes, and it shuffles completions before it splits them into
micro-batches. So rewards and advantages are handled where all of them are gathered and in order,
and each completion carries the number of its group to the loss.

Longer than a subclass should be: half of it is the rollouts of twins, which TRL knows nothing of,
and a loss over whole groups, which TRL takes apart.

Not covered: evaluation steps, in which an objective changes nothing but the loss.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate.utils import gather, gather_object
from transformers import TrainerCallback
from trl import GRPOTrainer

from kuleshov.errors import UsageError
from kuleshov.sample import Sample
from kuleshov.train.objective import Memory, Objective, Step
from kuleshov.train.objective_table import OBJECTIVES
from kuleshov.train.objectives import kl_penalty
from kuleshov.train.refeed import Written


class Twins(NamedTuple):
    """The twins of the groups of a process, which of them are none, and what they wrote."""

    asked: list[Sample]
    absent: list[bool]
    written: Written
    texts: list[list[str]]  # the same, group by group


class ObjectiveTrainer(GRPOTrainer, ABC):  # type: ignore[misc]  # TRL has no type information
    """`trl.GRPOTrainer` with an objective; the flags of the objective are up to the caller.

    Args:
        objective: what to optimise.
        **kwargs: as for `trl.GRPOTrainer`; dataset rows hold samples (`kuleshov.train.grpo.row`).
    """

    def __init__(
        self, *args: Any, objective: Objective = OBJECTIVES["trl_default"], **kwargs: Any
    ) -> None:
        if own := objective.reward_functions():
            kwargs["reward_funcs"] = [*kwargs["reward_funcs"], *own]
        super().__init__(*args, **kwargs)
        self.objective = objective
        self.memory: Memory = {}
        self._twins: Twins | None = None
        self._step_rewards: Step | None = None
        self.add_callback(_Remember(self))

    @abstractmethod
    def roll_out(self, samples: Sequence[Sample], number: int) -> Written:
        """Completions without gradient: `number` for each sample, one after other."""

    @abstractmethod
    def read(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """The texts of completions, given as token ids, as they are graded."""

    @property
    def _size(self) -> int:
        """Completions in each group."""
        size: int = self.num_generations if self.model.training else self.num_generations_eval
        return size

    def _calculate_rewards(
        self, inputs: list[dict[str, Any]], prompts: Any, completions: Any, ids: Any
    ) -> torch.Tensor:
        # Behind these ids are those of twins that are trained on.
        own = ids[: len(inputs)]
        rewards: torch.Tensor = super()._calculate_rewards(inputs, prompts, completions, own)
        if not self.model.training:
            return rewards
        tasks = [Sample.from_json(entry["sample"]).task for entry in inputs]
        size = self._size
        step = Step(
            gather_object(tasks)[::size],
            rewards.view(-1, size, rewards.size(1)),
            self._twin_rewards(inputs) if self.objective.twins(size) else None,
        )
        for name, value in self.objective.metrics(step).items():
            self._metrics["train"][name].append(value)
        self._step_rewards = step._replace(rewards=self.objective.rewards(step))
        return self._step_rewards.rewards.view_as(rewards)

    def roll_out_twins(self, samples: Sequence[Sample]) -> Twins:
        """What the twins of whole groups write, once for each step.

        Args:
            samples: of all completions of this process.
        """
        size, number = self._size, self.objective.twins(self._size)
        if len(samples) % size:
            raise UsageError(
                f"{len(samples)} completions on each process are not whole groups of {size}; for "
                "an objective with twins make them a multiple of train.grpo.group_size"
            )
        if self._twins is None:
            twins = [self.objective.twin(sample) for sample in samples[::size]]
            # In the place of a missing twin the sample itself is rolled out and not counted, so
            # that all processes generate equally often.
            pairs = zip(twins, samples[::size], strict=True)
            asked = [twin or sample for twin, sample in pairs]
            absent = [twin is None for twin in twins]
            written = self.roll_out(asked, number)
            texts = self.read(written.ids)
            by_group = [texts[i : i + number] for i in range(0, len(texts), number)]
            self._twins = Twins(asked, absent, written, by_group)
        return self._twins

    def _twin_rewards(self, inputs: list[dict[str, Any]]) -> torch.Tensor:
        """What the twins of all groups earn, shape (groups, twins, reward functions)."""
        asked, absent, written, texts = self.roll_out_twins(
            [Sample.from_json(entry["sample"]) for entry in inputs]
        )
        self._twins = None
        rows = [
            {**entry, "sample": sample.to_json(), "twin": True}
            for entry, sample, some in zip(inputs[:: self._size], asked, texts, strict=True)
            for _ in some
        ]
        rewards: torch.Tensor = super()._calculate_rewards(
            rows,
            [entry["prompt"] for entry in rows],
            [[{"role": "assistant", "content": text}] for some in texts for text in some],
            written.ids,
        )
        missing = gather(torch.tensor(absent, device=rewards.device))
        grouped = rewards.view(len(missing), -1, rewards.size(1))
        return grouped.masked_fill(missing[:, None, None], torch.nan)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        first = self.accelerator.process_index * len(inputs)
        here = slice(first, first + len(inputs))
        numbers = torch.arange(here.start, here.stop, device=output["advantages"].device)
        output["group"] = numbers // self._size
        step, self._step_rewards = self._step_rewards, None
        if step is not None:
            given = gather(output["advantages"]).view(step.rewards.shape[:2])
            rewards = (step.rewards * self.reward_weights.to(given.device)).nansum(dim=-1)
            rewards[step.rewards.isnan().all(dim=-1)] = torch.nan
            before = self.memory
            made, self.memory = self.objective.advantages(given, rewards, step, before)
            output["advantages"] = made.nan_to_num(nan=0.0).flatten()[here]
            if self.objective.trains_twins():
                self._add_twins(output, self.objective.twin_advantages(step, before))
        return output

    def _add_twins(self, output: dict[str, Any], advantages: torch.Tensor) -> None:
        """The twins' completions, whose ids are there already, as groups behind the others.

        TRL's loss is a mean over all of them. The factor makes it the mean over those of the
        samples, as without twins, and the twins come on top.
        """
        groups = output["group"][:: self._size]
        own, twins = output["advantages"], advantages.nan_to_num(nan=0.0)[groups]
        output["group"] = torch.cat(
            [output["group"], (len(advantages) + groups).repeat_interleave(twins.size(1))]
        )
        both = torch.cat([own, twins.flatten()])
        output["advantages"] = both * (len(both) / len(own))

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        loss: torch.Tensor
        if self.objective.own_loss:
            loss = self._own_loss(model, inputs)
        else:
            loss = super()._compute_loss(model, inputs)
        return loss

    def _own_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        size = self._size
        order = inputs["group"].argsort(stable=True)
        groups = inputs["group"][order]
        if len(groups) % size or (groups.view(-1, size) != groups[::size, None]).any():
            raise UsageError(
                "this objective compares the completions of a group in its loss, and groups are "
                "split; make train.grpo.micro_batch a multiple of group_size, share_prompts true"
            )
        mask = inputs["completion_mask"]
        logps, entropies, _ = self._get_per_token_logps_and_entropies(
            model,
            torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
            torch.cat([inputs["prompt_mask"], mask], dim=1),
            mask.size(1),
            compute_entropy=True,
        )
        old = inputs.get("old_per_token_logps")
        old = logps.detach() if old is None else old

        def grouped(values: torch.Tensor) -> torch.Tensor:
            return values[order].view(-1, size, *values.shape[1:])

        loss = self.objective.loss(
            grouped(logps), grouped(old), grouped(mask), grouped(inputs["advantages"])
        )
        mode = "train" if self.model.training else "eval"
        if self.beta:
            kl = kl_penalty(logps, inputs["ref_per_token_logps"], mask)
            loss = loss + self.beta * kl
            self._metrics[mode]["kl"].append(self.accelerator.gather(kl.detach()).mean().item())
        entropy = (entropies * mask).sum() / mask.sum().clamp(min=1)
        self._metrics[mode]["entropy"].append(self.accelerator.gather(entropy).mean().item())
        return loss / (self.current_gradient_accumulation_steps if mode == "train" else 1)


class _Remember(TrainerCallback):  # type: ignore[misc]  # transformers has no type information
    """Puts the objective's memory into the checkpoints, and takes it out when a run goes on."""

    def __init__(self, trainer: ObjectiveTrainer) -> None:
        self.trainer = trainer

    def _file(self, args: Any, state: Any) -> Path:
        return Path(args.output_dir) / f"checkpoint-{state.global_step}" / "objective.json"

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.trainer.memory and state.is_world_process_zero:
            self._file(args, state).write_text(json.dumps(self.trainer.memory), encoding="utf-8")

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        file = self._file(args, state)
        if file.is_file():
            self.trainer.memory = json.loads(file.read_text(encoding="utf-8"))
