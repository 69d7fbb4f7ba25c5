"""Any Hugging Face Video LLM, in this process, encoded as in training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, final

import torch

from kuleshov.evaluate.backends.backend import Backend, Reply, Request, batches
from kuleshov.evaluate.backends.encoding import Encoding
from kuleshov.evaluate.config import EvalConfig
from kuleshov.randomness import digest
from kuleshov.sample import Sample
from kuleshov.train.encode import batch, vision_tokens
from kuleshov.train.generation import ends, plain
from kuleshov.train.guard import guard
from kuleshov.train.model import load_model
from kuleshov.train.positions import blank, coarse_clocks, place, some_of_each


@final
class Transformers(Backend):
    """`generate` of transformers, in batches.

    Args:
        model: name or path for `from_pretrained`.
        config: the settings.

    Raises:
        UsageError: the model cannot be loaded, or takes no video.
    """

    def __init__(self, model: str, config: EvalConfig) -> None:
        gpu = torch.cuda.is_available()
        loaded, self.processor = load_model(model, torch.bfloat16 if gpu else torch.float32)
        self.model: Any = loaded.eval().to("cuda" if gpu else "cpu")
        guard(self.model)
        place(self.model, config.positions)
        self.config = config
        sampling = config.sampling.named(config.temperature)
        self.encode = Encoding(self.processor, sampling, config.positions)

    def coarse_clocks(self, samples: Sequence[Sample]) -> dict[str, str]:
        prompts = {
            task: [self.encode(Request(sample, blank(sample))) for sample in some]
            for task, some in some_of_each(samples).items()
        }
        return coarse_clocks(self.model, prompts)

    def ask(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Reply]]:
        for asked in batches(requests, self.config.batch_size):
            yield from zip(asked, self._answers(asked), strict=True)

    @torch.no_grad()
    def _answers(self, requests: Sequence[Request]) -> list[Reply]:
        encoded = [self.encode(request) for request in requests]
        tokenizer, config = self.processor.tokenizer, self.config
        padded = batch(encoded, tokenizer.pad_token_id)
        inputs = {key: value.to(self.model.device) for key, value in padded.items()}
        stops = ends(self.model, tokenizer)
        # One generator serves a batch: a run that was stopped between batches goes on with the
        # same draws.
        torch.manual_seed(digest("batch", *(request.seed for request in requests)) % 2**63)
        with plain(self.model):
            output = self.model.generate(
                **inputs,
                **config.sampling.transformers(config.temperature),
                max_new_tokens=config.max_completion_tokens,
                eos_token_id=stops,
                pad_token_id=tokenizer.pad_token_id,
                suppress_tokens=vision_tokens(self.model.config),
            )
        written = output[:, inputs["input_ids"].size(1) :]
        texts = self.encode.encoder.texts(written.tolist())
        ended = torch.isin(written, torch.tensor(stops, device=written.device)).any(dim=1).tolist()
        return [
            self.encode.reply(request, prompt, text, "stop" if stop else "length")
            for request, prompt, text, stop in zip(requests, encoded, texts, ended, strict=True)
        ]
