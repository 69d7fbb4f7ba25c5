"""Rollouts by vLLM that see the video: TRL 1.16 hands vLLM images only.

All of TRL's code around vLLM stays in use (weights, sleep, sampling settings, several processes);
only what is asked of vLLM is replaced, behind the two objects that TRL asks:

    colocate  `VideoLLM` for `vllm.LLM`: frames with their metadata, vLLM's `TokensPrompt`
    server    `VideoClient` for TRL's `VLLMClient`: the processed frames (vllm_server.py)

TRL sends prompts with their vision tokens already written out, which vLLM then writes out a
second time (huggingface/trl#6294). Here a prompt goes with one token for each video or image, and
what vLLM makes of it must be, token by token, the prompt that the loss sees. In colocate mode a
prompt goes once, with n = G.

vLLM computes the positions of tokens by itself. Where there are two opinions of them, see
positions.py, its own function is asked, and must say what the loss is computed with.

Not run on a GPU; what was checked is in docs/rollouts.md.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import torch
from PIL import Image

from kuleshov.errors import UsageError
from kuleshov.sample import IMAGE
from kuleshov.train.encode import Encoded, Encoder, metadata
from kuleshov.train.pixels import ANY_SIZE
from kuleshov.train.positions import INSTALLED, placed, positions_of
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


def check_positions(model: Any, prompt: Encoded) -> None:
    """Raise unless vLLM puts the tokens of a prompt where the model of the loss puts them.

    A vLLM that cannot be asked is taken at its word where nothing else was asked for, with a
    warning.

    Args:
        model: that of the loss, or one without weights, with its positions (`positions.place`).
        prompt: as it is encoded for the model.

    Raises:
        UsageError: it puts them elsewhere, or cannot be asked about `largest_plus_one`.
    """
    opinions = positions_of(model, prompt)
    here, other = placed(model), next(name for name in opinions if name != placed(model))
    if opinions[here].equal(opinions[other]):
        return
    theirs = _positions_of_vllm(model.config, prompt)
    if theirs is None and here == INSTALLED:
        _warn_unasked()
        return
    if theirs is not None and theirs.equal(opinions[here]):
        return
    if theirs is None:
        found = "the vLLM at hand cannot be asked where it puts them. Leave positions out"
    elif theirs.equal(opinions[other]):
        found = f"vLLM puts them there. Set positions: {other} in train and eval"
    else:
        found = "vLLM puts them elsewhere still. Take another vLLM"
    raise UsageError(
        f"sample {prompt.sample.id}: with positions: {here} tokens behind a video stand at other "
        f"times than with {other} (huggingface/transformers#45381), and {found}, or do without "
        "vLLM (leave use_vllm out; eval.backend: transformers)"
    )


@cache
def _warn_unasked() -> None:
    logging.getLogger(__name__).warning(
        "this vLLM cannot be asked where it puts tokens behind a video. Its own models put them "
        "behind its end (positions: largest_plus_one), and the loss has positions: installed"
    )


def _positions_of_vllm(config: Any, prompt: Encoded) -> torch.Tensor | None:
    """What vLLM's class of the model says, without its weights; None if it cannot be asked.

    Read in vLLM 0.33: `get_mrope_input_positions` takes the prompt's tokens, and for each image or
    video where its tokens start and its grid.
    """
    try:
        from vllm import ModelRegistry  # type: ignore[import-not-found, unused-ignore]

        kind = ModelRegistry.models[config.architectures[0]].load_model_cls()
        model = object.__new__(kind)
        vars(model)["config"] = config
        found, _ = model.get_mrope_input_positions(prompt.input_ids.tolist(), _features(prompt))
    except (ImportError, LookupError, AttributeError, TypeError, AssertionError):
        return None
    return torch.as_tensor(found)


def _features(prompt: Encoded) -> list[Any]:
    """The media of a prompt with what vLLM's functions read of its `MultiModalFeatureSpec`."""
    assert prompt.token_types is not None
    rows = {
        "image": iter(prompt.videos.get("image_grid_thw", ())),
        "video": iter(prompt.videos.get("video_grid_thw", ())),
    }
    seconds = iter(prompt.videos.get("second_per_grid_ts", ()))
    features, place = [], 0
    for kind, tokens in groupby(prompt.token_types.tolist()):
        length = len(list(tokens))
        if kind:
            medium = {1: "image", 2: "video"}[kind]
            data = {f"{medium}_grid_thw": SimpleNamespace(data=next(rows[medium]))}
            if medium == "video" and "second_per_grid_ts" in prompt.videos:
                data["second_per_grid_ts"] = SimpleNamespace(data=next(seconds))
            position = SimpleNamespace(offset=place, length=length)
            features.append(SimpleNamespace(modality=medium, mm_position=position, data=data))
        place += length
    return features


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
