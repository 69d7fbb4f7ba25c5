"""vLLM offline: the prompts of training and of backend transformers, batched by vLLM itself.

What it is asked is what rollouts ask it (`kuleshov.train.vllm_rollout`), and what it makes of a
prompt has to be, token by token, what the encoder makes of it; so what is written down of an item
is what the model received. Not run by us: see docs/rollouts.md for what was checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, final

from kuleshov.errors import UsageError
from kuleshov.evaluate.backends.backend import Backend, Reply, Request, batches
from kuleshov.evaluate.backends.encoding import Encoding
from kuleshov.evaluate.config import EvalConfig
from kuleshov.sample import Sample
from kuleshov.train.encode import Encoded, vision_tokens
from kuleshov.train.model import load_skeleton
from kuleshov.train.positions import blank, coarse_clocks, place, some_of_each
from kuleshov.train.vllm_rollout import Request as Prompt
from kuleshov.train.vllm_rollout import check_positions
from kuleshov.train.vllm_rollout import request as prompt_of


@final
class VLLM(Backend):
    """`LLM.generate` of vLLM.

    Args:
        model: name or path of a Hugging Face Video LLM, of a Qwen-VL family.
        config: the settings.

    Raises:
        UsageError: vLLM is not installed.
    """

    def __init__(self, model: str, config: EvalConfig) -> None:
        try:
            import vllm  # type: ignore[import-not-found, unused-ignore]
        except ImportError as error:
            raise UsageError(
                "backend vllm needs vllm, which is not installed; install it in an environment "
                "with a GPU, or use backend transformers"
            ) from error
        self.config = config
        self.vllm: Any = vllm
        # Which tells what prompts are to be, and has no weights.
        self.skeleton, processor = load_skeleton(model)
        place(self.skeleton, config.positions)
        sampling = config.sampling.named(config.temperature)
        self.encode = Encoding(processor, sampling, config.positions)
        # As `suppress_tokens` of transformers; -100 is the lowest bias that vLLM takes.
        self.bias = dict.fromkeys(vision_tokens(self.skeleton.config), -100.0)
        self.model = vllm.LLM(model=model, seed=config.seed)

    def coarse_clocks(self, samples: Sequence[Sample]) -> dict[str, str]:
        prompts = {
            task: [self.encode(Request(sample, blank(sample))) for sample in some]
            for task, some in some_of_each(samples).items()
        }
        return coarse_clocks(self.skeleton, prompts)

    def ask(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Reply]]:
        for asked in batches(requests, self.config.batch_size):
            given = [self._prompt(request) for request in asked]
            settings = [
                self.vllm.SamplingParams(
                    **self.config.sampling.vllm(self.config.temperature),
                    max_tokens=self.config.max_completion_tokens,
                    seed=request.seed,
                    logit_bias=self.bias,
                )
                for request in asked
            ]
            prompts = [prompt.prompt for _, prompt in given]
            outputs = self.model.generate(prompts, settings, use_tqdm=False)
            for request, (encoded, prompt), output in zip(asked, given, outputs, strict=True):
                prompt.check(output.prompt_token_ids)
                (written,) = output.outputs
                finish = written.finish_reason or ""
                # As `Encoder.texts` has it.
                text = f"{self.encode.encoder.opening}{written.text}"
                yield request, self.encode.reply(request, encoded, text, finish)

    def _prompt(self, request: Request) -> tuple[Encoded, Prompt]:
        encoded = self.encode(request)
        if encoded.videos and encoded.token_types is None:
            raise UsageError(
                "backend vllm is written for the processors of Qwen-VL models, and this one's is "
                "of another kind; use backend transformers"
            )
        check_positions(self.skeleton, encoded)
        return encoded, prompt_of(encoded, self.encode.encoder)
