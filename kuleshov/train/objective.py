"""What a step of GRPO optimises: the contract of objectives.

    completions -> rewards -> advantages -> loss
                   rewards()  advantages()  loss()      where an objective may act

Those that are flags of TRL act nowhere here (`objective_table.py`). The others change one of the
three, with the functions of `objectives.py` (`beyond_trl.py`). All rewards are gathered from all
processes before they get here.

An objective may ask for a **twin** of a sample: another sample made from it, such as the same
question on the shuffled video. The objective sees what its completions earned beside those of the
sample itself. A paired objective (full against degraded video) is a `twin` and what to make of its
rewards. Twins are not trained on, unless the objective has advantages for them as well. It may also
have completions **written again**, under another prompt, before they earn anything (`refeed.py`).

Imports no torch by itself: a recipe is checked before torch loads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from kuleshov.sample import Json, Sample

if TYPE_CHECKING:
    from torch import Tensor


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


RewardFunction = Callable[..., list[float]]
"""As TRL takes them: of completions and the columns of their rows, by name."""

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

    def trains_twins(self) -> bool:
        """Whether what the twins write is trained on too, with `twin_advantages`."""
        return False

    def tries(self) -> int:
        """How often a completion may be written again; 0 for never."""
        return 0

    def again(self, sample: Sample, completions: Sequence[str], twins: Sequence[str]) -> list[bool]:
        """Which completions of a group are written again, beside what its twin wrote."""
        raise NotImplementedError

    def asked_again(self, sample: Sample) -> Sample:
        """The sample with the prompt under which they are."""
        raise NotImplementedError

    def reward_functions(self) -> list[RewardFunction]:
        """Reward functions of its own, behind the given ones, for the twins too."""
        return []

    def metrics(self, step: Step) -> dict[str, float]:
        """What is logged of a step."""
        return {}

    def rewards(self, step: Step) -> Tensor:
        """The rewards to train on, shape (groups, G, reward functions)."""
        return step.rewards

    def advantages(
        self, advantages: Tensor, rewards: Tensor, step: Step, memory: Memory
    ) -> tuple[Tensor, Memory]:
        """The advantages to train on, and what to remember.

        Args:
            advantages: as TRL made them, shape (groups, G).
            rewards: their weighted sums over the reward functions, shape (groups, G).
            step: what they were made from.
            memory: what was to be remembered last time; {} at first.
        """
        return advantages, memory

    def twin_advantages(self, step: Step, memory: Memory) -> Tensor:
        """The advantages of what the twins wrote, shape (groups, twins), NaN for none.

        Args:
            step: as for `advantages`.
            memory: likewise.
        """
        raise NotImplementedError

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
