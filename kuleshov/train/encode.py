"""Samples into model inputs: the one place where rendered frames meet a processor.

Training, rollouts and evaluation all encode here, so what is scored is what was trained on. The
frames of a recipe are passed on as they are (the processor samples none, and what it makes of
them is checked, see pixels.py), with their *shown* times, which each family expects in its own way:

    Qwen2.5-VL  one frame rate for each video, from which it spaces its position ids; it cannot
                be told an uneven clock, which is an error where the answer is a time
    Qwen3-VL    a text stamp for every two frames, `frames_indices / fps`
    InternVL    nothing but the number of each frame; so a sentence of ours tells the times, as
                for any processor that gives the same for another clock (LLaVA-Video's prompts
                have such a sentence; the wording is ours)

Some chat templates open the model's thought at the end of the prompt (Qwen3-VL-Thinking, Qwen3.5),
others write an empty one that is closed already. Where it is open, a true answer as a target closes
it first, and the text of a completion begins with what opened it, so that it can be read alone:

    prompt ... assistant <think>    target      </think> <answer>4</answer>
                                    completion  First ... so 4.</think> <answer>4</answer>
                                    its text    <think> First ... so 4.</think> <answer>4</answer>
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from kuleshov.errors import MissingVideoError, UnreadableVideoError, UsageError
from kuleshov.randomness import digest
from kuleshov.reward import CLOSE_THOUGHT, OPEN_THOUGHT
from kuleshov.sample import IMAGE, VIDEO, MediaItem, Pixels, Sample, dump_json
from kuleshov.tasks import task_of
from kuleshov.train.pace import Waiting
from kuleshov.train.pixels import INPUTS, check, joinable, untouched
from kuleshov.train.stand_ins import UnshownError

Render = Callable[[Sample], list[Pixels]]
# What processors raise on what they do not take.
_FAILURES = (ValueError, TypeError, LookupError, AttributeError, RuntimeError)
_TYPES = {IMAGE: "image", VIDEO: "video"}
_THOUGHT = f"{OPEN_THOUGHT}\n\n{CLOSE_THOUGHT}\n\n"
"""A thought without words, as the templates of Qwen3, Qwen3-VL and Qwen3.5 write it."""


def messages(sample: Sample, spell: bool = False) -> list[dict[str, Any]]:
    """The prompt as a chat with a part for each `<video>` and `<image>`; they hold no pixels.

    Args:
        sample: the question.
        spell: tell the shown times of each video in a sentence after it.

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
    items = iter(sample.media)
    for text in re.split(f"({VIDEO}|{IMAGE})", sample.prompt):
        if text in _TYPES:
            parts.append({"type": _TYPES[text]})
            text = _sentence(next(items)) if spell else ""
        if text and parts and parts[-1]["type"] == "text":
            parts[-1]["text"] += text
        elif text:
            parts.append({"type": "text", "text": text})
    return [{"role": "user", "content": parts}]


def _sentence(item: MediaItem) -> str:
    """The shown times in words; none for a still, whose time does not advance."""
    shown = [frame.shown_seconds for frame in item.frames]
    if shown[0] == shown[-1]:
        return ""
    return f"\nThe frames are shown at {', '.join(f'{round(s, 2):g}' for s in shown)} seconds."


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
        token_types: 1 for image, 2 for video and 0 for text tokens, shape (tokens,); None for a
            family whose model takes none.
        videos: what the vision tower needs, such as `pixel_values_videos` and `video_grid_thw`,
            and for images `pixel_values` and `image_grid_thw` (pixels.py knows the layouts); the
            tensors of several prompts are joined along their first dimension.
        sample: what was encoded.
        key: of all that decides `videos`, for one renderer; None if it is not known.
    """

    input_ids: torch.Tensor
    token_types: torch.Tensor | None
    videos: dict[str, torch.Tensor]
    sample: Sample
    key: int | None = None


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
        """One prompt as its model takes it.

        Raises:
            UsageError: the prompt does not fit its media, its processor changes frames or moves
                them, or the family cannot be told the times that the answer is about.
            MissingVideoError: there are more or fewer vision tokens than features.
            UnshownError: its video cannot be shown.
        """
        with self.waiting:
            return self._encode(sample)

    def _encode(self, sample: Sample) -> Encoded:
        chat = messages(sample, spell=not self.tells_times)
        text = self._written(chat)
        images, videos, clocks = [], [], []
        try:
            shown = self.render(sample)
        except UnreadableVideoError as error:
            raise UnshownError(sample, error) from error
        for placeholder, item, pixels in zip(sample.placeholders, sample.media, shown, strict=True):
            frames = torch.from_numpy(pixels).permute(0, 3, 1, 2)
            if placeholder == IMAGE:
                images.append(frames[0])
            else:
                videos.append(frames)
                clocks.append(item)
        try:
            _check_order(chat, text)
            fields = self._read(text, images, videos, [metadata(item) for item in clocks])
            ids = fields.pop("input_ids")[0]
            types = fields.pop("mm_token_type_ids", None)
            counted = check(self.processor, ids, fields, images, videos)
            if videos and not counted and not self.follows_frames:
                raise UsageError(
                    "the processor makes as much of 8 frames as of 4, so it picks frames by itself "
                    "and cannot be told not to (do_sample_frames: false changes nothing); take a "
                    "model whose processor takes the frames that it is given"
                )
            if "second_per_grid_ts" in fields:
                merged = self.processor.video_processor.temporal_patch_size
                _check_rates(sample, clocks, fields["second_per_grid_ts"].tolist(), merged)
        except (UsageError, MissingVideoError) as error:
            raise type(error)(f"sample {sample.id}: {error}") from error
        types = None if types is None else types[0]
        return Encoded(ids, types, joinable(fields), sample, self._key(sample))

    def text(self, sample: Sample) -> str:
        """The prompt as its chat template writes it, with one token for each video or image."""
        return self._written(messages(sample, spell=not self.tells_times))

    def _written(self, chat: list[dict[str, Any]]) -> str:
        return str(
            self.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        )

    @cached_property
    def tells_times(self) -> bool:
        """Whether the processor tells the model times: it does not if two clocks give the same.

        They differ by fractions of a second: some processors tell whole ones.
        """
        one, other = (self._blank(2, fps) for fps in (4.0, 2.0))
        return any(not torch.equal(one[key], other[key]) for key in one)

    @cached_property
    def follows_frames(self) -> bool:
        """Whether the processor makes more of more frames; not if it picks them by itself."""
        few, many = (
            sum(value.numel() for value in self._blank(frames, 1.0).values()) for frames in (4, 8)
        )
        return many > few

    def _blank(self, frames: int, fps: float) -> dict[str, torch.Tensor]:
        """What the processor makes of a black video."""
        video = torch.zeros(frames, 3, 224, 224, dtype=torch.uint8)
        chat = [{"role": "user", "content": [{"type": "video"}]}]
        text = self.processor.apply_chat_template(chat, tokenize=False)
        times = {"total_num_frames": frames, "fps": fps, "frames_indices": list(range(frames))}
        return self._read(text, [], [video], [times])

    def _read(
        self,
        text: str,
        images: list[torch.Tensor],
        videos: list[torch.Tensor],
        times: list[dict[str, Any]],
    ) -> dict[str, torch.Tensor]:
        try:
            fields = dict(
                self.processor(
                    text=[text],
                    # None for a question without media; processors do not take an empty list.
                    images=images or None,
                    videos=videos or None,
                    video_metadata=times or None,
                    do_sample_frames=False,
                    images_kwargs=untouched(self.processor.image_processor),
                    # Some write times by what they are told, and forget it unless asked.
                    videos_kwargs={
                        **untouched(self.processor.video_processor),
                        "return_metadata": True,
                    },
                    return_tensors="pt",
                )
            )
        except _FAILURES as error:
            lengths = [len(video) for video in videos]
            if len(set(lengths)) < 2:
                reason = next(iter(str(error).strip().splitlines()), "")
                raise UsageError(
                    f"{type(self.processor).__name__} fails on {len(images)} images and videos of "
                    f"{lengths} frames: {type(error).__name__}: {reason}. Compare its files with "
                    "those that belong to the model, or take a model whose processor takes frames"
                ) from error
            raise UsageError(
                f"{type(self.processor).__name__} does not take videos of {lengths} frames in one "
                "prompt; allowed: as many frames in each of them. Make the samples so; task masked "
                "with the knob stills: image"
            ) from error
        del fields["attention_mask"]
        fields.pop("video_metadata", None)
        for key, value in fields.items():
            if not isinstance(value, torch.Tensor):
                raise UsageError(
                    f"{type(self.processor).__name__} gives {key} as a {type(value).__name__}, and "
                    "prompts are put together as tensors; take a model with one of the layouts "
                    "that docs/training.md names"
                )
        return fields

    def _key(self, sample: Sample) -> int:
        media = dump_json(sample.to_row()["media"])
        return digest(str(self.processor.to_json_string()), *sample.placeholders, media)

    @cached_property
    def opening(self) -> str:
        """How the chat template opens the model's thought at the end of a prompt; "" if it does
        not, or closes it again.
        """
        chat = [{"role": "user", "content": [{"type": "text", "text": "Why?"}]}]
        _, opened, rest = self._written(chat).rpartition("Why?")[2].rpartition(OPEN_THOUGHT)
        return f"{opened}{rest}" if opened and CLOSE_THOUGHT not in rest else ""

    def answer_ids(self, text: str) -> torch.Tensor:
        """A true answer as the tokens of a target, with the one that ends the turn.

        Behind a prompt that opens a thought it is closed first, without words: nothing is known
        of what was to be thought.
        """
        if self.opening:
            begun = _THOUGHT.startswith(self.opening)
            text = f"{_THOUGHT[len(self.opening) if begun else len(OPEN_THOUGHT) :]}{text}"
        tokenizer = self.processor.tokenizer
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        return torch.tensor([*ids, tokenizer.eos_token_id])

    def texts(self, completions: Iterable[Sequence[int]]) -> list[str]:
        """The text of each completion, given as token ids, without special tokens.

        It begins with the thought that the prompt opened. The marks of a thought stay, which are
        special tokens to some tokenizers.
        """
        tokenizer = self.processor.tokenizer
        marks = {
            token: mark
            for mark in (OPEN_THOUGHT, CLOSE_THOUGHT)
            if (token := tokenizer.convert_tokens_to_ids(mark)) in tokenizer.all_special_ids
            and token != tokenizer.unk_token_id
        }
        return [self.opening + _decoded(tokenizer, ids, marks) for ids in completions]


def _decoded(tokenizer: Any, ids: Sequence[int], kept: Mapping[int, str]) -> str:
    """Token ids as text without special tokens but those that are kept, given with their text."""
    places = [place for place, token in enumerate(ids) if int(token) in kept]
    starts, ends = [0, *(place + 1 for place in places)], [*places, len(ids)]
    parts = [
        str(tokenizer.decode(ids[start:end], skip_special_tokens=True))
        for start, end in zip(starts, ends, strict=True)
    ]
    marks = [kept[int(ids[place])] for place in places]
    return "".join(text for pair in zip(parts, [*marks, ""], strict=True) for text in pair)


def _check_order(chat: list[dict[str, Any]], text: str) -> None:
    """Raise if a chat template has moved the media out of their places between the texts."""
    texts = [re.escape(p["text"].strip()) for p in chat[0]["content"] if p["type"] == "text"]
    if not re.search(r".*?\S.*?".join(texts), text, re.DOTALL):
        raise UsageError(
            "the chat template moves videos or images, or changes the text between them; expected: "
            "each in its place, as the question refers to places. Give the processor a "
            "chat_template that keeps the order"
        )


def _check_rates(
    sample: Sample, items: Sequence[MediaItem], told: Sequence[float], merged: int
) -> None:
    """Raise if seconds between positions, one figure for each video, are not the shown times."""
    for item, seconds in zip(items, told, strict=True):
        step = 1 / metadata(item)["fps"]
        if abs(seconds - merged * step) > 1e-3 * merged * step:
            raise UsageError(
                f"the processor tells {seconds / merged:g} s from frame to frame, shown are "
                f"{step:g} s; it must take the times that it is given (video_metadata)"
            )
        shown = [frame.shown_seconds for frame in item.frames]
        off = max(abs(second - i * step) for i, second in enumerate(shown))
        if off > 0.01 * step and shown[0] != shown[-1] and task_of(sample).timed:
            raise UsageError(
                f"the shown times are uneven or do not start at 0 (off by {off:g} s), but the "
                "model is told one frame rate, and the answer is a time; allowed: even clocks "
                "from 0, or a family with time stamps, such as Qwen3-VL"
            )


def vision_tokens(config: Any) -> list[int]:
    """Tokens that a model must not write itself: no features would belong to them."""
    keys = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    return [getattr(config, key) for key in keys if getattr(config, key, None) is not None]


def join_videos(encoded: Sequence[Encoded]) -> dict[str, torch.Tensor]:
    """The vision inputs of several prompts, videos and images, each one after the other.

    Where a model takes videos as rows of frames, shorter ones are filled up with frames that are no
    numbers, which `kuleshov.train.tower.leave_out_filled` lets a model leave out again.

    Raises:
        UsageError: they are not of one size, and the model takes no others in one batch.
    """
    keys = {key for prompt in encoded for key in prompt.videos}
    joined = {}
    for key in sorted(keys):
        parts = [prompt.videos[key] for prompt in encoded if key in prompt.videos]
        if key == INPUTS["video"][1] and parts[0].dim() == 5:
            parts = _filled_up(parts)
        if len({part.shape[1:] for part in parts}) > 1:
            shapes = ", ".join(str(tuple(part.shape)) for part in parts)
            raise UsageError(
                f"this model takes {key} of one size in a batch, and here they have the shapes "
                f"{shapes}; make samples of one size, or put one prompt in each batch"
            )
        joined[key] = torch.cat(parts)
    return joined


def _filled_up(videos: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Rows of frames, each of shape (videos, frames, channels, height, width), of one length."""
    longest = max(video.size(1) for video in videos)
    behind = (*(0, 0) * 3, 0)  # nothing to channels, rows and columns
    pad = torch.nn.functional.pad
    return [pad(v, (*behind, longest - v.size(1)), value=float("nan")) for v in videos]


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
    types = [prompt.token_types for prompt in encoded if prompt.token_types is not None]
    labels = [torch.full_like(row, -100) for row in ids]
    if completions:
        ids = [torch.cat(pair) for pair in zip(ids, completions, strict=True)]
        types = [
            torch.nn.functional.pad(row, (0, len(end)))
            for row, end in zip(types, completions, strict=bool(types))
        ]
        labels = [torch.cat(pair) for pair in zip(labels, completions, strict=True)]
    inputs = {
        "input_ids": left_pad(ids, pad_token_id),
        "attention_mask": left_pad([torch.ones_like(row) for row in ids], 0),
        **({"mm_token_type_ids": left_pad(types, 0)} if types else {}),
        **join_videos(encoded),
    }
    if completions:
        inputs["labels"] = left_pad(labels, -100)
    return inputs
