"""Stock TRL on video: its GRPO trainer with the smallest change that shows it the video at all.

TRL 1.16 loses videos on the way to the loss. Here the vision inputs of each row stay with it:
nothing else is TRL's business. As in TRL, a prompt is repeated for each of its completions before
it is processed, so that the processor, the vision tower and the language model see it G times.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from trl import GRPOTrainer

from kuleshov.sample import Sample
from kuleshov.train.encode import Encoded, Encoder, join_videos


class StockTrainer(GRPOTrainer):  # type: ignore[misc]  # TRL has no type information
    """`trl.GRPOTrainer` on rows of samples (`kuleshov.train.grpo.row`).

    Args:
        encoder: TRL's own call of the processor would drop the shown times of the frames.
        **kwargs: as for `trl.GRPOTrainer`.
    """

    def __init__(self, *args: Any, encoder: Encoder, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.encoder = encoder
        self._texts: list[str] = []
        self._rows: list[Encoded] = []

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._texts = [entry["sample"] for entry in inputs]
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        output["encoded"] = list(self._rows)
        return output

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        self._rows = [self.encoder(Sample.from_json(text)) for text in self._texts]
        fields: dict[str, Any] = dict(join_videos(self._rows))
        fields["mm_token_type_ids"] = [_types(row).tolist() for row in self._rows]
        return [row.input_ids.tolist() for row in self._rows], None, fields

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        assert batch_size is None or batch_size >= len(input_ids) == len(self._rows)
        types = torch.zeros_like(input_ids)
        end = input_ids.size(1) - logits_to_keep
        for row, encoded in zip(types, self._rows, strict=True):
            row[end - len(encoded.input_ids) : end] = _types(encoded)
        videos = {k: v.to(input_ids.device) for k, v in join_videos(self._rows).items()}
        kwargs["mm_token_type_ids"] = types
        found: tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None] = (
            super()._get_per_token_logps_and_entropies(
                partial(model, **videos), input_ids, attention_mask, logits_to_keep, **kwargs
            )
        )
        return found

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        self._rows = inputs["encoded"]
        loss: torch.Tensor = super()._compute_loss(model, inputs)
        return loss


def _types(encoded: Encoded) -> torch.Tensor:
    assert encoded.token_types is not None, "the families measured have them"
    return encoded.token_types
