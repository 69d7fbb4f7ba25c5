"""GRPO on video: TRL's trainer, with the video in the loss.

The algorithm is TRL's, unchanged. TRL 1.16 passes images on to its log-probabilities and drops
videos; the four overrides here carry each prompt's vision inputs from the prompt to every
forward pass. Each prompt is rendered and encoded once for all completions of its group.

    _generate_and_score_completions   encode each row's sample; keep the inputs for the loss
      _tokenize_prompts                 hand them to generation
      _get_per_token_logps_...          old and reference log-probabilities
    _compute_loss                     bring back the inputs of this micro-batch
      _get_per_token_logps_...          policy log-probabilities

Departures: none from TRL's GRPO. Not covered: vLLM rollouts, tools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from kuleshov.sample import Sample
from kuleshov.tasks import score
from kuleshov.train.encode import Encoded, Encoder, join_videos, left_pad
from kuleshov.train.guard import guard
from kuleshov.train.objective_trainer import ObjectiveTrainer


def row(sample: Sample) -> dict[str, Any]:
    """A sample as a row of the trainer's dataset; the pixels are rendered when it is used."""
    return {
        "prompt": [{"role": "user", "content": sample.prompt}],
        "sample": sample.to_json(),
    }


def pretext_reward(
    completions: list[list[dict[str, str]]],
    sample: list[str],
    log_metric: Callable[[str, float], None] | None = None,
    twin: list[bool] | None = None,
    **columns: Any,
) -> list[float]:
    """What each completion earns, as a TRL reward function.

    Logs the mean reward of each task and the share of completions without an answer; those of
    twins (see objective.py), which are not trained on, under names of their own.
    """
    prefix = "twin/" if twin else ""
    samples = [Sample.from_json(text) for text in sample]
    rewards = [
        score(s, completion[0]["content"])
        for s, completion in zip(samples, completions, strict=True)
    ]
    if log_metric is not None:
        for task in sorted({s.task for s in samples}):
            earned = [r.total for s, r in zip(samples, rewards, strict=True) if s.task == task]
            log_metric(f"{prefix}task/{task}", sum(earned) / len(earned))
        failures = [reward.answer is None for reward in rewards]
        log_metric(f"{prefix}parse_failures", sum(failures) / len(failures))
    return [reward.total for reward in rewards]


class VideoGRPOTrainer(ObjectiveTrainer):
    """`trl.GRPOTrainer` whose dataset rows hold samples (see `row`).

    Args:
        encoder: turns a sample into model inputs.
        **kwargs: as for `ObjectiveTrainer` and `trl.GRPOTrainer`.

    Raises (while training):
        MissingVideoError: video tokens reached the model without their features.
    """

    def __init__(self, *args: Any, encoder: Encoder, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.encoder = encoder
        # The prompts of the batch at hand, one for each row of it, None outside of a batch.
        self._prompts: Sequence[Encoded] | None = None
        guard(self.model)
        if self.ref_model is not None:
            guard(self.ref_model)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        once: dict[str, Encoded] = {}
        for text in (entry["sample"] for entry in inputs):
            if text not in once:
                once[text] = self.encoder(Sample.from_json(text))
        self._prompts = [once[entry["sample"]] for entry in inputs]
        try:
            output: dict[str, Any] = super()._generate_and_score_completions(inputs)
            # TRL shuffles and splits lists in step with the tensors beside them.
            output["encoded"] = list(self._prompts)
        finally:
            self._prompts = None
        return output

    def roll_out(self, samples: Sequence[Sample], number: int) -> list[list[int]]:
        encoded = [self.encoder(sample) for sample in samples]
        outer, self._prompts = self._prompts, [e for e in encoded for _ in range(number)]
        try:
            prompts = self._tokenize_prompts([None] * len(self._prompts))
            ids: list[list[int]] = self._generate_single_turn(*prompts, number)[0]
        finally:
            self._prompts = outer
        return ids

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        assert self._prompts is not None and len(self._prompts) == len(prompts)
        fields: dict[str, Any] = dict(join_videos(self._prompts))
        fields["mm_token_type_ids"] = [prompt.token_types.tolist() for prompt in self._prompts]
        return [prompt.input_ids.tolist() for prompt in self._prompts], None, fields

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        assert self._prompts is not None and len(self._prompts) == len(input_ids)
        kwargs.pop("mm_token_type_ids", None)
        size = batch_size or len(input_ids)
        parts = []
        for start in range(0, len(input_ids), size):
            here = slice(start, start + size)
            prompts = self._prompts[here]
            ids = input_ids[here]
            types = torch.zeros_like(ids)
            padded = left_pad([prompt.token_types for prompt in prompts], 0)
            end = ids.size(1) - logits_to_keep
            types[:, end - padded.size(1) : end] = padded
            videos = {key: value.to(ids.device) for key, value in join_videos(prompts).items()}
            parts.append(
                super()._get_per_token_logps_and_entropies(
                    partial(model, **videos),
                    ids,
                    attention_mask[here],
                    logits_to_keep,
                    mm_token_type_ids=types,
                    **kwargs,
                )
            )
        logps, entropies, aux = zip(*parts, strict=True)
        return (
            torch.cat(logps),
            None if entropies[0] is None else torch.cat(entropies),
            None if aux[0] is None else torch.stack(aux).mean(),
        )

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        self._prompts = inputs["encoded"]
        try:
            loss: torch.Tensor = super()._compute_loss(model, inputs)
        finally:
            self._prompts = None
        return loss
