"""vLLM offline: the same prompts, batched and cached by vLLM itself.

Not run by us: the tests compare what is handed over with the schema of vLLM 0.33's prompts
(`vllm.inputs.TextPrompt`, `vllm.multimodal.parse`), as its code has it. vLLM has its own processor,
so sizes are those handed over; a model may resize them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, final

from kuleshov.errors import UsageError
from kuleshov.evaluate.backends.backend import Backend, Reply, Request, batches, digest_of
from kuleshov.evaluate.config import EvalConfig
from kuleshov.sample import IMAGE
from kuleshov.train.encode import messages, metadata


@final
class VLLM(Backend):
    """`LLM.generate` of vLLM.

    Args:
        model: name or path of a Hugging Face Video LLM.
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
        from transformers import AutoProcessor

        self.config = config
        self.vllm: Any = vllm
        self.processor = AutoProcessor.from_pretrained(model)
        self.model = vllm.LLM(model=model, seed=config.seed)

    def ask(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Reply]]:
        for asked in batches(requests, self.config.batch_size):
            prompts = [prompt(request, self.processor) for request in asked]
            settings = [
                self.vllm.SamplingParams(
                    temperature=self.config.temperature,
                    max_tokens=self.config.max_completion_tokens,
                    seed=request.seed,
                )
                for request in asked
            ]
            outputs = self.model.generate(prompts, settings, use_tqdm=False)
            for request, given, output in zip(asked, prompts, outputs, strict=True):
                yield request, _reply(request, given["prompt"], output)


def prompt(request: Request, processor: Any) -> dict[str, Any]:
    """A request as a `TextPrompt` of vLLM.

    Videos come as (frames, metadata) pairs, as vLLM wants them for the families that are told
    times; the frames are all shown, so it samples none.

    Args:
        request: the question.
        processor: of the model's family, for its chat template.
    """
    sample = request.sample
    images, videos = [], []
    for placeholder, item, pixels in zip(
        sample.placeholders, sample.media, request.pixels, strict=True
    ):
        if placeholder == IMAGE:
            images.append(pixels[0])
        else:
            videos.append((pixels, _metadata(metadata(item), len(pixels))))
    data = {"image": images, "video": videos}
    return {
        "prompt": processor.apply_chat_template(
            messages(sample), tokenize=False, add_generation_prompt=True
        ),
        "multi_modal_data": {kind: items for kind, items in data.items() if items},
    }


def _metadata(told: dict[str, Any], frames: int) -> dict[str, Any]:
    return {**told, "duration": frames / told["fps"], "do_sample_frames": False}


def _reply(request: Request, text: str, output: Any) -> Reply:
    (completion,) = output.outputs
    told = [metadata(item) for item in request.sample.media]
    return Reply(
        text=completion.text,
        finish=completion.finish_reason or "",
        num_frames=sum(len(frames) for frames in request.pixels),
        num_tokens=len(output.prompt_token_ids),
        seconds=request.seconds(),
        sizes=request.sizes(),
        sent=digest_of([text, told], request.pixels),
    )
