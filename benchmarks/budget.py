"""GRPO until a budget of tokens is spent, so that runs whose steps cost unequally can be compared.

    policy      trained: the tokens of all passes with gradient
    generated   those of the rollouts: from the full video, from the degraded one, and again

In both a completion counts with all of its tokens, and a prompt, video included, once for all of
the completions that share it, as it is computed. They are added as they are, though a backward pass
makes a trained token dearer; both are told, for those who weigh them otherwise.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from transformers import TrainerCallback

from kuleshov.train.grpo import VideoGRPOTrainer


class Spent(TrainerCallback):  # type: ignore[misc]  # transformers has no type information
    """Counts the tokens of a training, and ends it with the step that is nearest to the budget.

    A run then is off by about half of one of its steps: the last one is taken for the next.

    Args:
        budget: tokens, policy and generated together.

    Attributes:
        seconds: of the CPU in all steps, which other processes do not change much.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.policy = self.generated = self.steps = 0
        self.seconds = self._began = 0.0
        self._before = 0

    @property
    def total(self) -> int:
        return self.policy + self.generated

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began = time.process_time()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.seconds = time.process_time() - self._began
        step, self._before = self.total - self._before, self.total
        self.steps += 1
        if self.total + step / 2 >= self.budget:
            control.should_training_stop = True


class Counted(VideoGRPOTrainer):
    """The trainer with a count of its tokens.

    Args:
        spent: where they are counted.
        **kwargs: as for `VideoGRPOTrainer`.
    """

    def __init__(self, *args: Any, spent: Spent, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spent = spent
        self.add_callback(spent)

    def _shared(self) -> int:
        """Tokens of the prompts at hand; copies of a prompt are the same object."""
        assert self._prompts is not None
        lengths = {id(prompt): len(prompt.input_ids) for prompt in self._prompts}
        return sum(lengths.values())

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> tuple[list[list[int]], Any]:
        turn = super()._generate_single_turn(*args, **kwargs)
        self.spent.generated += self._shared() + sum(map(len, turn[0]))
        return turn

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Any,
        attention_mask: Any,
        logits_to_keep: int,
        *a: Any,
        **k: Any,
    ) -> Any:
        if torch.is_grad_enabled():
            completions = int(attention_mask[:, -logits_to_keep:].sum())
            self.spent.policy += self._shared() + completions
        return super()._get_per_token_logps_and_entropies(
            model, input_ids, attention_mask, logits_to_keep, *a, **k
        )
