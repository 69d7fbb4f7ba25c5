"""Supervised fine-tuning on true answers: the cold start that teaches the answer's form.

TRL's trainer as it is; only the collator is ours, since TRL's drops videos.
"""

from __future__ import annotations

from typing import Any

import torch

from kuleshov.sample import Sample
from kuleshov.tasks import task_of
from kuleshov.train.encode import Encoder, batch


class VideoCollator:
    """Rows with a `sample` become a batch whose labels are the true answers' completions."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        samples = [Sample.from_json(entry["sample"]) for entry in rows]
        answers = [task_of(sample).completion(sample.answer) for sample in samples]
        return batch(
            [self.encoder(sample) for sample in samples],
            self.encoder.processor.tokenizer.pad_token_id,
            [self.encoder.answer_ids(answer) for answer in answers],
        )
