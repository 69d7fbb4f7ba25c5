"""Comparative GRPO of VideoPerceiver (arXiv 2511.18823, section 3.3) as an objective.

The formulas, and what acts in them, are in `comparative_rewards.py`; how completions are written
again is in `refeed.py`; docs/videoperceiver.md goes through the paper symbol by symbol. Imports no
torch by itself: a recipe is checked before torch loads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import fsum
from typing import TYPE_CHECKING, Any, Final, Literal, final

from kuleshov.errors import UsageError, unknown_name
from kuleshov.sample import Sample
from kuleshov.tasks import score
from kuleshov.train.beyond_trl import OPTIONS
from kuleshov.train.objective import Memory, Objective, RewardFunction, Step
from kuleshov.train.preference import DEGRADED, SWITCHED_OFF, degraded
from kuleshov.train.quality import ENTAILMENT, NLI, entailments, exact, overlap
from kuleshov.train.surface import MAX_WORDS, PARTS, surface_reward

if TYPE_CHECKING:
    from torch import Tensor

_BASELINE = "baseline"  # in the memory
NOTHING: Final = "nothing"

QUALITIES: dict[str, Callable[[Sample, str], float]] = {
    "task": lambda sample, text: score(sample, text).total,
    "exact": exact,
    "overlap": overlap,
}
"""Q of a completion, in [0, 1]: what the task gives for it (ours), whether its answer is the true
one (the paper's, for closed questions), or how many words of the true one it has (ours)."""


@final
@dataclass(frozen=True, kw_only=True)
class Comparative(Objective):
    """Comparative GRPO: completions gain where they are better than those without key frames.

    The twin is the sample on the degraded video, with as many completions as the group.

    Departures: the baseline moves once a step. A group whose sample has no degraded video is
    trained on A_base alone. The loss is TRL's "grpo".

    Args:
        degraded: what the twin lacks, in `DEGRADED`: the effect that the task asks for, or what a
            control takes away. The paper's is a video without its key frames.
        quality: Q, in `QUALITIES`, or "entailment" (quality.py). The paper's: "exact" for closed
            questions, and "entailment" for open-ended ones, which compares closed ones exactly.
        nli: name or path of the model of natural language inference, for "entailment".
        against: a completion is compared with its own one from the degraded video ("paired", the
            paper's), or with their mean (ours); or with "nothing" (ours): r_c is Q under the same
            baseline and gate and no degraded video is answered, which tells what that is worth.
        base: where A_base comes from: the task's score, the paper's surface reward, or nothing.
        surface: parts of the surface reward.
        max_words: from how many words on length costs.
        weight: beta, of A_c beside A_base. Not stated in the paper; 1 is ours. At 0, without gate
            and `drop_insensitive`, nothing is compared and no degraded video is answered.
        baseline: A_c is r_c less a moving average ("ema", the paper's), or r_c normalised within
            its group as GRPO's rewards are ("group", ours).
        decay: rho of the moving average. Not stated; 0.9 is ours.
        gate: only completions with r_c > 0 are trained on (the paper's).
        retries: how often one with r_c <= 0 is written again, the refeed. Not stated; 0 for never.
        instruction: what the prompt ends with then, the paper's words.
        degraded_gradient: train on the completions from the degraded video too, with
            A~ = beta A~_c, where A~_c is r_c as it looks from there (`twin_reward`), under the same
            baseline and gate, without A_base. Ours; the paper's (by our reading) is False. Without
            gate, beta A_c then follows the gradient of E[Q] - E[Q~]. **Danger**: being wrong on
            the degraded video is rewarded, and a policy may learn to answer wrongly whenever it
            is unsure. Nothing here stops the push where Q~ is at chance already. The loss has
            twice as many completions; `micro_batch` counts those of the samples alone.
        drop_insensitive: do not train on groups that are solved without the key frames as well.
            With the gate and "exact" they have no gradient anyway.
        solved: the least mean quality of a solved group.
    """

    degraded: str = SWITCHED_OFF
    quality: str = "task"
    nli: str = NLI
    against: Literal["paired", "mean", "nothing"] = "paired"
    base: Literal["task", "surface", "none"] = "task"
    surface: tuple[str, ...] = tuple(PARTS)
    max_words: int = MAX_WORDS
    weight: float = 1.0
    baseline: Literal["ema", "group"] = "ema"
    decay: float = 0.9
    gate: bool = True
    retries: int = 0
    instruction: str = "Re-answer with attention to fine-grained visual details."
    degraded_gradient: bool = False
    drop_insensitive: bool = False
    solved: float = 0.9

    def __post_init__(self) -> None:
        for what, name, known in [
            ("degraded", self.degraded, DEGRADED),
            ("quality", self.quality, (*QUALITIES, ENTAILMENT)),
            *(("surface", part, PARTS) for part in self.surface),
        ]:
            if name not in known:
                raise unknown_name(f"{what} in {OPTIONS}", name, known)
        # What is nothing without the degraded video.
        wanted = {
            "retries": self.retries,
            "degraded_gradient": self.degraded_gradient,
            "drop_insensitive": self.drop_insensitive,
        }
        needing = ", ".join(name for name, given in wanted.items() if given)
        for key, ok, allowed in [
            ("surface", len(self.surface) > 0, f"some of {', '.join(PARTS)}"),
            ("max_words", self.max_words > 0, "1 or more"),
            ("decay", 0 <= self.decay < 1, "0 to below 1"),
            ("retries", self.retries >= 0, "0 or more"),
            ("retries", self.gate or not self.retries, "0 without the gate, which says what fails"),
            # A draw that was chosen by its twin is no baseline for it.
            ("retries", not (self.retries and self.degraded_gradient), "0 with degraded_gradient"),
            ("solved", 0 < self.solved <= 1, "above 0, to 1"),
            ("against", self.against != NOTHING or not needing, f"paired, mean with {needing}"),
        ]:
            if not ok:
                raise UsageError(f"{OPTIONS}: {key} is {getattr(self, key)}; allowed: {allowed}")

    def arguments(self) -> dict[str, Any]:
        # The task's score first, then those of `reward_functions`.
        base = [0.0, 1.0] if self.base == "surface" else [float(self.base == "task")]
        return {"loss_type": "grpo", "reward_weights": [*base, 0.0]}

    def reward_functions(self) -> list[RewardFunction]:
        def surface(completions: Any, sample: list[str], **columns: Any) -> list[float]:
            return [
                surface_reward(text, s.form, self.surface, self.max_words)
                for s, text in _read(sample, completions)
            ]

        def quality(completions: Any, sample: list[str], **columns: Any) -> list[float]:
            return self._quality(_read(sample, completions))

        return [surface, quality] if self.base == "surface" else [quality]

    def twins(self, group_size: int) -> int:
        # A_base alone needs none: the paper's ablation C.
        compares = self.weight or self.gate or self.drop_insensitive
        return group_size if compares and self.against != NOTHING else 0

    def twin(self, sample: Sample) -> Sample | None:
        return degraded(sample, self.degraded)

    def trains_twins(self) -> bool:
        return self.degraded_gradient and self.weight != 0

    def tries(self) -> int:
        return self.retries

    def again(self, sample: Sample, completions: Sequence[str], twins: Sequence[str]) -> list[bool]:
        if self.twin(sample) is None:
            return [False] * len(completions)
        quality = self._quality([(sample, text) for text in completions])
        less = self._quality([(sample, text) for text in twins])
        if self.against == "mean":
            less = [fsum(less) / len(less)] * len(quality)
        return [q <= other for q, other in zip(quality, less, strict=True)]

    def asked_again(self, sample: Sample) -> Sample:
        return replace(sample, prompt=f"{sample.prompt} {self.instruction}")

    def metrics(self, step: Step) -> dict[str, float]:
        """Mean r_c; shares of the compared completions that the gate shuts out, and of groups of
        which it shuts out all, and which are insensitive.
        """
        from kuleshov.train.comparative_rewards import insensitive, uses_key_frames

        if not self._compares(step):
            return {}
        quality, less, rewards = self._compared(step)
        known = ~rewards.isnan().any(dim=1)
        if not known.any():
            return {}
        passes = uses_key_frames(rewards[known])
        found = {
            "reward": rewards[known],
            "shut_out": (~passes).float(),
            "never": (~passes.any(dim=1)).float(),
        }
        if self.against != NOTHING:
            found["insensitive"] = insensitive(quality, less, self.solved)[known].float()
        return {f"comparative/{name}": value.mean().item() for name, value in found.items()}

    def advantages(
        self, advantages: Tensor, rewards: Tensor, step: Step, memory: Memory
    ) -> tuple[Tensor, Memory]:
        from kuleshov.train.comparative_rewards import ema_baseline

        if not self._compares(step):
            return advantages, memory
        _, _, compared = self._compared(step)
        made = self._kept(advantages + self._own(compared, memory), compared, step)
        if self.baseline == "ema":
            before = float(memory.get(_BASELINE, 0.0))
            memory = {_BASELINE: ema_baseline(before, compared, self.decay)}
        return made, memory

    def twin_advantages(self, step: Step, memory: Memory) -> Tensor:
        from kuleshov.train.comparative_rewards import twin_reward

        quality, less, _ = self._compared(step)
        assert self.against != NOTHING
        compared = twin_reward(quality, less, self.against)
        return self._kept(self._own(compared, memory), compared, step)

    def _own(self, compared: Tensor, memory: Memory) -> Tensor:
        """The comparative part, beta A_c; 0 where nothing can be compared."""
        from kuleshov.train.objectives import group_advantages

        before = float(memory.get(_BASELINE, 0.0))
        centred = group_advantages(compared) if self.baseline == "group" else compared - before
        return self.weight * centred.nan_to_num(nan=0.0)

    def _kept(self, made: Tensor, compared: Tensor, step: Step) -> Tensor:
        """Advantages where they are trained on, 0 elsewhere."""
        from kuleshov.train.comparative_rewards import insensitive, uses_key_frames

        quality, less, _ = self._compared(step)
        if self.gate:
            made = made * uses_key_frames(compared)
        if self.drop_insensitive:
            made = made * ~insensitive(quality, less, self.solved)[:, None]
        return made

    def _quality(self, given: Sequence[tuple[Sample, str]]) -> list[float]:
        """Q of completions."""
        if self.quality == ENTAILMENT:
            return entailments([s for s, _ in given], [text for _, text in given], self.nli)
        return [QUALITIES[self.quality](s, text) for s, text in given]

    def _compares(self, step: Step) -> bool:
        """Whether there is an r_c."""
        return self.against == NOTHING or step.twins is not None

    def _compared(self, step: Step) -> tuple[Tensor, Tensor, Tensor]:
        """Q, Q~ and r_c; Q~ is 0 against nothing."""
        from kuleshov.train.comparative_rewards import comparative_reward

        quality = step.rewards[..., -1]
        if self.against == NOTHING:
            return quality, quality.new_zeros(quality.shape), quality
        assert step.twins is not None
        less = step.twins[..., -1]
        return quality, less, comparative_reward(quality, less, self.against)


def _read(samples: Sequence[str], completions: Any) -> list[tuple[Sample, str]]:
    return [
        (Sample.from_json(text), completion[0]["content"])
        for text, completion in zip(samples, completions, strict=True)
    ]
