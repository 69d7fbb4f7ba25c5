"""Rollouts by vLLM that see the video: TRL 1.16 hands vLLM images only.

All of TRL's code around vLLM stays in use (weights, sleep, sampling settings, several processes);
only what is asked of vLLM is replaced, behind the two objects that TRL asks:

    colocate  `VideoLLM` for `vllm.LLM`: frames with their metadata, vLLM's `TokensPrompt`
    server    `VideoClient` for TRL's `VLLMClient`: the processed frames (vllm_server.py)

TRL sends prompts with their vision tokens already written out, which vLLM then writes out a
second time (huggingface/trl#6294). Here a prompt goes with one token for each video or image, and
what vLLM makes of it must be, token by token, the prompt that the loss sees. In colocate mode a
prompt goes once, with n = G.

Not run on a GPU; what was checked is in docs/rollouts.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from PIL import Image

from kuleshov.errors import UsageError
from kuleshov.sample import IMAGE
from kuleshov.train.encode import Encoded, Encoder, metadata
from kuleshov.train.pixels import ANY_SIZE
from kuleshov.train.vllm_server import VideoClient, servable


@dataclass(frozen=True)
class Request:
    """A prompt for vLLM.

    Args:
        prompt: vLLM's `TokensPrompt`.
        expected: the token ids that vLLM must make of it.
    """

    prompt: dict[str, Any]
    expected: list[int]

    def check(self, made: Sequence[int]) -> None:
        """Raises:
        UsageError: vLLM sees another prompt than the loss.
        """
        if list(made) == self.expected:
            return
        pairs = enumerate(zip(made, self.expected, strict=False))
        at = next((i for i, (a, b) in pairs if a != b), min(len(made), len(self.expected)))
        raise UsageError(
            f"vLLM made {len(made)} tokens of a prompt that has {len(self.expected)} here, "
            f"the first other one at {at}: it samples frames, sizes or times of its own. Use a "
            "vLLM whose transformers has the same processor for this model, start it without "
            "mm_processor_kwargs, or do without it (leave use_vllm out; eval.backend: transformers)"
        )


def request(encoded: Encoded, encoder: Encoder) -> Request:
    """A prompt for vLLM's `LLM.generate`, with its frames and the times that they are shown at."""
    sample = encoded.sample
    media: dict[str, list[Any]] = {"image": [], "video": []}
    rendered = zip(sample.placeholders, sample.media, encoder.render(sample), strict=True)
    for placeholder, item, pixels in rendered:
        if placeholder == IMAGE:
            media["image"].append(Image.fromarray(pixels[0]))
        else:
            media["video"].append((pixels, {**metadata(item), "do_sample_frames": False}))
    prompt: dict[str, Any] = {
        "prompt_token_ids": encoder.processor.tokenizer(encoder.text(sample))["input_ids"]
    }
    present = {kind: items for kind, items in media.items() if items}
    if present:
        prompt["multi_modal_data"] = present
        # Flat: vLLM adds flat settings of its own, which a nested `images_kwargs` would hide.
        prompt["mm_processor_kwargs"] = {
            "do_sample_frames": False,
            **({"size": ANY_SIZE} if media["image"] else {}),
        }
    return Request(prompt, encoded.input_ids.tolist())


def couriers(prompts: Sequence[Encoded], encoder: Encoder, mode: str) -> list[list[Any]]:
    """What stands in the place of TRL's images, one list for each row.

    TRL brings it to where vLLM is asked, whatever it is, to other processes too. Rows with the
    same prompt share one object.
    """
    made: dict[int, Any] = {}
    for encoded in prompts:
        if encoded.videos and encoded.token_types is None:
            raise UsageError(
                "vLLM rollouts are written for the processors of Qwen-VL models, and this one's is "
                "of another kind; leave use_vllm out"
            )
        if id(encoded) not in made:
            asked = request(encoded, encoder) if mode == "colocate" else servable(encoded)
            made[id(encoded)] = asked
    return [[made[id(encoded)]] for encoded in prompts]


def carry_videos(generation: Any) -> None:
    """Make a `trl` `VLLMGeneration` ask vLLM with `couriers`."""
    if generation.mode == "colocate":
        generation.llm = VideoLLM(generation.llm)
    elif generation.accelerator.is_main_process:
        generation.vllm_client = VideoClient(generation.vllm_client, generation.processing_class)


def unsampled(tokens: Sequence[int], extra: dict[str, Any]) -> dict[str, Any]:
    """TRL's `generation_kwargs` that keep a model from writing these tokens.

    Args:
        tokens: their ids.
        extra: other arguments of `trl.GRPOConfig`, such as `use_vllm`. vLLM knows no
            `suppress_tokens`; -100 is the lowest bias that it takes.
    """
    if extra.get("use_vllm"):
        return {"logit_bias": dict.fromkeys(tokens, -100.0)}
    return {"suppress_tokens": list(tokens)}


class VideoLLM:
    """A `vllm.LLM` that takes requests in the place of images; else as it is."""

    def __init__(self, llm: Any) -> None:
        self._llm = llm

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llm, name)

    def generate(self, rows: list[Any], sampling_params: Any, **settings: Any) -> list[Any]:
        """One completion for each row, as TRL asks for; each different prompt is sent once."""
        asked: list[Request] = [row["multi_modal_data"]["image"] for row in rows]
        members: dict[int, list[int]] = {}
        for row, request in enumerate(asked):
            members.setdefault(id(request), []).append(row)
        groups = list(members.values())
        counts = [sampling_params.clone() for _ in groups]
        for some, count in zip(groups, counts, strict=True):
            count.n = len(some)
        outputs = self._llm.generate(
            [asked[some[0]].prompt for some in groups], sampling_params=counts, **settings
        )
        answers: dict[int, Any] = {}
        for some, output in zip(groups, outputs, strict=True):
            asked[some[0]].check(output.prompt_token_ids)
            for row, written in zip(some, output.outputs, strict=True):
                answers[row] = SimpleNamespace(
                    prompt_token_ids=output.prompt_token_ids, outputs=[written]
                )
        return [answers[row] for row in range(len(rows))]
