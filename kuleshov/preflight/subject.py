"""What a preflight looks at: a model with its processor, and samples of a set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, final

import torch

from kuleshov.dataset import load_samples, videos_root
from kuleshov.errors import KuleshovError, UsageError
from kuleshov.media import Renderer
from kuleshov.preflight.findings import FINE, WRONG, Found
from kuleshov.sample import Pixels, Sample
from kuleshov.train.config import TrainConfig
from kuleshov.train.encode import Encoded, Encoder, Render, batch
from kuleshov.train.guard import guard
from kuleshov.train.model import load_model
from kuleshov.train.positions import place, some_of_each
from kuleshov.train.tower import freeze

# What models, processors and templates raise that do not fit each other or what they are given.
_FAILURES = (ValueError, TypeError, LookupError, AttributeError, RuntimeError, NotImplementedError)
_OUT_OF_MEMORY = (
    "train adapters (train.lora.rank: 32), freeze the vision tower (train.freeze_vision: true), "
    "lower train.grpo.micro_batch, or make samples of fewer or smaller frames; `kuleshov plan` "
    "says what takes how much"
)


@final
class Subject:
    """A model as training has it, with what it is to be trained on.

    Args:
        model: the model; float32 weights, as training keeps them.
        processor: of its family.
        samples: of the train split.
        render: their frames, such as a `kuleshov.media.Renderer`.
        config: the settings of the training.
        name: of the model, or its path.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        samples: Sequence[Sample],
        render: Render,
        config: TrainConfig,
        name: str = "",
    ) -> None:
        self.model, self.processor, self.samples = model, processor, samples
        self.config, self.render, self.name = config, render, name
        self.encoder = Encoder(processor, render)
        self.shares = True  # prompts by completions, as far as is known
        self.seconds_per_answer = 0.0  # of a rollout, when one was seen
        place(model, config.positions)
        guard(model)

    @staticmethod
    def samples_of(data: Path) -> list[Sample]:
        """The train split of a set.

        Raises:
            UsageError: it cannot be read, or is empty.
        """
        samples = load_samples(data, "train")
        if not samples:
            raise UsageError(f"{data} has no samples in its train split; lower make's held_out")
        return samples

    @classmethod
    def load(
        cls, model: str, data: Path, samples: Sequence[Sample], config: TrainConfig
    ) -> tuple[Subject, Found]:
        """A model from its files, on the GPU if there is one, and what is to be said of that.

        Raises:
            UsageError: it cannot be loaded, or takes no video.
        """
        gpu = torch.cuda.is_available()
        renderer = Renderer(videos_root(data), config.cache_megabytes << 20)
        loaded, processor = load_model(model)
        loaded = loaded.eval().to("cuda" if gpu else "cpu")
        if config.freeze_vision:
            freeze(loaded)
        weights = sum(weight.numel() for weight in loaded.parameters())
        attention = loaded.config._attn_implementation
        where = torch.cuda.get_device_name() if gpu else "CPU"
        text = f"{loaded.config.model_type}, {weights:,} weights, {attention}, on {where}"
        figures = {"type": loaded.config.model_type, "weights": weights, "device": where}
        found = Found("model", FINE, text, figures={**figures, "attention": attention})
        return cls(loaded, processor, samples, renderer, config, model), found

    @cached_property
    def chosen(self) -> list[Sample]:
        """One sample of each task, those with media first."""
        with_media = [some[0] for some in some_of_each(self.samples, 1).values()]
        return with_media or list(self.samples[:1])

    @cached_property
    def prompts(self) -> list[Encoded]:
        """What the model takes of `chosen`."""
        return [self.encoder(sample) for sample in self.chosen]

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self.model.device
        return device

    def precision(self) -> AbstractContextManager[Any]:
        """In which training computes: bfloat16 on a GPU, float32 on a CPU."""
        gpu = self.device.type == "cuda"
        return torch.autocast("cuda", torch.bfloat16) if gpu else nullcontext()

    def shown(self, sample: Sample, change: Callable[[Pixels], Pixels]) -> Encoded:
        """A prompt with other pixels in the place of its own."""
        return Encoder(self.processor, lambda s: [change(p) for p in self.render(s)])(sample)

    @torch.no_grad()
    def following(self, prompts: Sequence[Encoded]) -> torch.Tensor:
        """Log-probabilities of the token behind each of several prompts, computed as one batch.

        Returns:
            Float32 tensor of shape (prompts, vocabulary).
        """
        padded = batch(prompts, self.processor.tokenizer.pad_token_id)
        inputs = {key: value.to(self.device) for key, value in padded.items()}
        with self.precision():
            logits = self.model(**inputs, logits_to_keep=1).logits[:, -1]
        return torch.log_softmax(logits.float(), dim=-1).cpu()

    @cached_property
    def rounding(self) -> float:
        """The largest difference of a log-probability between a prompt computed alone and the same
        in a batch with another: what is the same to rounding differs by so much.
        """
        first = self.prompts[0]
        longer = max(self.prompts, key=lambda prompt: len(prompt.input_ids))
        alone = self.following([first])[0]
        beside = self.following([first, longer])[0]
        return float((alone - beside).abs().max())

    def tried(self, name: str, run: Callable[[Subject, float], Found], left: float) -> Found:
        """What a check says; what it fails with is a finding."""
        try:
            return run(self, left)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            return Found(name, WRONG, "the GPU's memory does not suffice", _OUT_OF_MEMORY)
        except KuleshovError as error:
            return Found(name, WRONG, str(error))
        except _FAILURES as error:
            reason = next(iter(str(error).strip().splitlines()), "")
            text = f"the model or its processor fails: {type(error).__name__}: {reason}"
            return Found(name, WRONG, text, "compare its files with those that belong to it")
