"""Samples into model inputs: the one place where rendered frames meet a processor.

Training, rollouts and evaluation all encode here, so what is scored is what was trained on. The
frames of a recipe are passed on as they are (the processor samples none), with their *shown*
times, which each family expects in its own way:

    Qwen2.5-VL  one frame rate for each video, from which it spaces its position ids
    Qwen3-VL    a text stamp for every two frames, `frames_indices / fps`
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from kuleshov.errors import UsageError
from kuleshov.sample import IMAGE, VIDEO, MediaItem, Pixels, Sample
from kuleshov.train.pace import Waiting

Render = Callable[[Sample], list[Pixels]]
_TYPES = {IMAGE: "image", VIDEO: "video"}
# No limits, as the size is the recipe's: Qwen3-VL's own would enlarge what is below 256 x 256.
ANY_SIZE = {"shortest_edge": 1, "longest_edge": 1 << 24}


def messages(sample: Sample) -> list[dict[str, Any]]:
    """The prompt as a chat with a part for each `<video>` and `<image>`; they hold no pixels.

    Raises:
        UsageError: the prompt does not fit the media.
    """
    found = sample.placeholders
    if len(found) != len(sample.media):
        raise UsageError(
            f"sample {sample.id}: the prompt has {len(found)} {VIDEO} or {IMAGE} for "
            f"{len(sample.media)} media items"
        )
    for placeholder, item in zip(found, sample.media, strict=True):
        if placeholder == IMAGE and len(item.frames) != 1:
            raise UsageError(
                f"sample {sample.id}: an {IMAGE} has {len(item.frames)} frames; allowed: 1"
            )
    parts: list[dict[str, Any]] = []
    for text in re.split(f"({VIDEO}|{IMAGE})", sample.prompt):
        if text in _TYPES:
            parts.append({"type": _TYPES[text]})
        elif text:
            parts.append({"type": "text", "text": text})
    return [{"role": "user", "content": parts}]


def metadata(item: MediaItem) -> dict[str, Any]:
    """The shown times of an item in the words of transformers' `VideoMetadata`.

    The frame rate is the mean one, and the indices are times in units of it: whole numbers on
    an even clock, and true to the time where the clock is uneven. An item whose times do not
    advance (a still) is told at one frame a second.
    """
    shown = [frame.shown_seconds for frame in item.frames]
    span = shown[-1] - shown[0]
    fps = (len(shown) - 1) / span if span > 0 else 1.0
    indices = [round(second * fps, 6) for second in shown]
    return {"total_num_frames": len(shown), "fps": fps, "frames_indices": indices}


@dataclass(frozen=True)
class Encoded:
    """One prompt as a model takes it.

    Args:
        input_ids: shape (tokens,).
        token_types: 1 for image, 2 for video and 0 for text tokens, shape (tokens,).
        videos: what the vision tower needs, such as `pixel_values_videos` and `video_grid_thw`,
            and for images `pixel_values` and `image_grid_thw`; the tensors of several prompts
            are joined along their first dimension.
        sample: what was encoded.
    """

    input_ids: torch.Tensor
    token_types: torch.Tensor
    videos: dict[str, torch.Tensor]
    sample: Sample


class Encoder:
    """Encodes samples for one model family.

    Args:
        processor: the family's transformers processor, with its chat template.
        render: gives the frames of a sample, such as a `kuleshov.media.Renderer`.
    """

    def __init__(self, processor: Any, render: Render) -> None:
        self.processor = processor
        self.render = render
        self.waiting = Waiting()

    def __call__(self, sample: Sample) -> Encoded:
        with self.waiting:
            return self._encode(sample)

    def _encode(self, sample: Sample) -> Encoded:
        text = self.processor.apply_chat_template(
            messages(sample), tokenize=False, add_generation_prompt=True
        )
        images, videos, times = [], [], []
        rendered = zip(sample.placeholders, sample.media, self.render(sample), strict=True)
        for placeholder, item, pixels in rendered:
            frames = torch.from_numpy(pixels).permute(0, 3, 1, 2)
            if placeholder == IMAGE:
                images.append(frames[0])
            else:
                videos.append(frames)
                times.append(metadata(item))
        fields = dict(
            self.processor(
                text=[text],
                # None for a question without media; processors do not take an empty list.
                images=images or None,
                videos=videos or None,
                video_metadata=times or None,
                do_sample_frames=False,
                images_kwargs={"size": ANY_SIZE},
                return_tensors="pt",
            )
        )
        del fields["attention_mask"]
        return Encoded(
            input_ids=fields.pop("input_ids")[0],
            token_types=fields.pop("mm_token_type_ids")[0],
            videos=fields,
            sample=sample,
        )

    def answer_ids(self, text: str) -> torch.Tensor:
        """A completion as token ids, with the token that ends the turn."""
        tokenizer = self.processor.tokenizer
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        return torch.tensor([*ids, tokenizer.eos_token_id])


def vision_tokens(config: Any) -> list[int]:
    """Tokens that a model must not write itself: no features would belong to them."""
    keys = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    return [getattr(config, key) for key in keys if getattr(config, key, None) is not None]


def join_videos(encoded: Sequence[Encoded]) -> dict[str, torch.Tensor]:
    """The vision inputs of several prompts, videos and images, each one after the other."""
    keys = {key for prompt in encoded for key in prompt.videos}
    return {
        key: torch.cat([p.videos[key] for p in encoded if key in p.videos]) for key in sorted(keys)
    }


def left_pad(rows: Sequence[torch.Tensor], value: int) -> torch.Tensor:
    """Rows of different lengths as one tensor, filled on the left."""
    return torch.nn.utils.rnn.pad_sequence(
        list(rows), batch_first=True, padding_value=value, padding_side="left"
    )


def batch(
    encoded: Sequence[Encoded], pad_token_id: int, completions: Sequence[torch.Tensor] = ()
) -> dict[str, torch.Tensor]:
    """Prompts as one batch, padded on the left, with completions and their labels if given.

    Returns:
        Model inputs; `labels` (with completions) are -100 on everything but the completions.
    """
    ids = [prompt.input_ids for prompt in encoded]
    types = [prompt.token_types for prompt in encoded]
    labels = [torch.full_like(row, -100) for row in ids]
    if completions:
        ids = [torch.cat(pair) for pair in zip(ids, completions, strict=True)]
        types = [
            torch.cat([row, torch.zeros_like(end)])
            for row, end in zip(types, completions, strict=True)
        ]
        labels = [torch.cat(pair) for pair in zip(labels, completions, strict=True)]
    inputs = {
        "input_ids": left_pad(ids, pad_token_id),
        "attention_mask": left_pad([torch.ones_like(row) for row in ids], 0),
        "mm_token_type_ids": left_pad(types, 0),
        **join_videos(encoded),
    }
    if completions:
        inputs["labels"] = left_pad(labels, -100)
    return inputs
