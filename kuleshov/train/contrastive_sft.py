"""Supervised fine-tuning with VideoPerceiver's contrastive losses (arXiv 2511.18823, section 3.2).

    L = L_SFT + weight (L_vv + L_xv + L_vx)                         (7), contrastive.py

L_SFT is that of `sft.py`, on the sample as it is. For the other three, the video, the degraded
video and the text are each a **segment**: a chat turn of its own that ends in an end-of-sequence
token, whose state behind a block of the language model stands for all of the segment.

    separate       [v end]  [v~ end]  [x end]      rows of their own: nothing leaks (default)
    concatenated   [v end v~ end x end]            (3) as printed: under causal attention the end
                                                   of v~ sees v, and that of x sees both
    second view    the rows with v once more, with dropout on v's visual tokens

Departures: the end token is that of the tokenizer, not three new ones; L_SFT sees no degraded
video; x is the question without its media and the true answer, as the question alone is the same
for all samples of a pretext task. Qwen-VL has no dropout that makes a second view, so dropout of
our own (values, not tokens, as in SimCSE) acts on the visual tokens where they enter the language
model, in training only; features that Qwen3-VL adds in later blocks are left as they are.

Longer than a subclass should be: the segments, their masks and the second view are here too, as
nothing else has use for them.

Not covered: weights sharded by FSDP or DeepSpeed, as the segments do not pass the wrapped model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from accelerate.utils import gather

from kuleshov.errors import UsageError
from kuleshov.randomness import digest
from kuleshov.sample import IMAGE, VIDEO, Sample
from kuleshov.tasks import task_of
from kuleshov.train.contrast import Contrast
from kuleshov.train.contrastive import Ends, alignment, losses
from kuleshov.train.encode import Encoded, Encoder, batch
from kuleshov.train.sft import VideoCollator, VideoSFTTrainer, block_output

Degraded = Callable[[Sample], Sample | None]
_SEGMENTS = "segments"  # in a batch, beside the inputs of L_SFT
_OTHER = ("length_d", "length_x", "words", "known")


def text_of(sample: Sample) -> str:
    """The x of a sample: its question without media, and its true answer."""
    question = sample.prompt.replace(VIDEO, "").replace(IMAGE, "").strip()
    return f"{question} {task_of(sample).completion(sample.answer, sample)}"


class ContrastiveCollator(VideoCollator):
    """The batches of `VideoCollator`, with the segments of their samples.

    Args:
        encoder: turns a sample into model inputs.
        degraded: the same sample without its key frames; None where there is none.
        layout: see `Contrast`.
    """

    def __init__(self, encoder: Encoder, degraded: Degraded, layout: str) -> None:
        super().__init__(encoder)
        self.degraded = degraded
        self.layout = layout

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        inputs: dict[str, Any] = super().__call__(rows)
        inputs[_SEGMENTS] = self.segments([Sample.from_json(entry["sample"]) for entry in rows])
        return inputs

    def segments(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """All segments of some samples as tensors.

        Returns:
            `rows`, a list of batches of model inputs: of v, v~ and x, or of the concatenation;
            lengths of v~ and x, of shape (samples,); `words`, a number for each text; `known`,
            whether there is a degraded video. Where there is none, v is in its place.
        """
        others = [self.degraded(sample) for sample in samples]
        less = [other or sample for other, sample in zip(others, samples, strict=True)]
        v = [self._segment(sample, "".join(sample.placeholders)) for sample in samples]
        d = [self._segment(sample, "".join(sample.placeholders)) for sample in less]
        x = [self._segment(replace(s, media=()), text_of(s)) for s in samples]
        parts = [v, d, x]
        if self.layout == "concatenated":
            parts = [[_joined(row) for row in zip(v, d, x, strict=True)]]
        lengths = [torch.tensor([len(one.input_ids) for one in some]) for some in (d, x)]
        words = torch.tensor([digest(text_of(sample)) % 2**62 for sample in samples])
        known = torch.tensor([other is not None for other in others])
        pad = self.encoder.processor.tokenizer.pad_token_id
        return {
            "rows": [batch(part, pad) for part in parts],
            **dict(zip(_OTHER, [*lengths, words, known], strict=True)),
        }

    def _segment(self, sample: Sample, prompt: str) -> Encoded:
        one = self.encoder(replace(sample, prompt=prompt))
        end = torch.tensor([self.encoder.processor.tokenizer.eos_token_id])
        types = one.token_types
        return replace(
            one,
            input_ids=torch.cat([one.input_ids, end]),
            token_types=None if types is None else torch.cat([types, torch.zeros_like(end)]),
        )


def _joined(segments: Sequence[Encoded]) -> Encoded:
    """Segments one after the other, as one prompt."""
    types = [one.token_types for one in segments if one.token_types is not None]
    keys = {key for one in segments for key in one.videos}
    return replace(
        segments[0],
        input_ids=torch.cat([one.input_ids for one in segments]),
        token_types=torch.cat(types) if types else None,
        videos={
            key: torch.cat([one.videos[key] for one in segments if key in one.videos])
            for key in keys
        },
        key=None,
    )


class ContrastiveSFTTrainer(VideoSFTTrainer):
    """`VideoSFTTrainer` with the contrastive losses.

    Logs the three losses and the alignment (`contrastive.alignment`), by process.

    Args:
        encoder: turns a sample into model inputs.
        degraded: the same sample without its key frames; None where there is none.
        contrast: the knobs.
        **kwargs: as for `VideoSFTTrainer`, without a `data_collator`.

    Raises:
        UsageError: the weights are sharded.
    """

    def __init__(
        self,
        *args: Any,
        encoder: Encoder,
        degraded: Degraded,
        contrast: Contrast,
        **kwargs: Any,
    ) -> None:
        collator = ContrastiveCollator(encoder, degraded, contrast.layout)
        super().__init__(*args, encoder=encoder, data_collator=collator, **kwargs)
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            raise UsageError(
                "contrastive losses need whole weights in each process; train without FSDP and "
                "DeepSpeed, with train.lora if memory is short"
            )
        self.contrast = contrast
        core = self.accelerator.unwrap_model(self.model)
        self.blocks = clamped(contrast.blocks, len(_core(core).get_decoder().layers))

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        segments = inputs.pop(_SEGMENTS)
        found = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        # With a count of tokens `Trainer` leaves the mean over micro-batches to the loss.
        steps = 1 if num_items_in_batch is None else self.current_gradient_accumulation_steps
        added = self.contrast.factor(self.args.learning_rate) * self._contrast(segments) / steps
        return (found[0] + added, found[1]) if return_outputs else found + added

    def _contrast(self, segments: dict[str, Any]) -> torch.Tensor:
        """The bracket of (7), mean over the blocks."""
        mode = "train" if self.model.training else "eval"
        with self.accelerator.autocast():
            found = self.ends(segments)
        total = torch.zeros((), device=segments["words"].device)
        process = self.accelerator.process_index
        for ends in found:
            all_three = losses(
                ends,
                segments["words"],
                segments["known"],
                self.contrast.temperature,
                gather,
                process,
            )
            total = total + all_three.total / len(found)
            for name, loss in all_three._asdict().items():
                self._metrics[mode][f"contrastive/{name}"].append(loss.item())
            aligned = alignment(ends)[segments["known"]]
            if len(aligned):
                self._metrics[mode]["contrastive/alignment"].append(aligned.mean().item())
        return total

    def ends(self, segments: dict[str, Any]) -> list[Ends]:
        """What the end tokens of a batch's segments hold, for each block.

        Args:
            segments: see `ContrastiveCollator.segments`, on the model's device.
        """
        core = _core(self.accelerator.unwrap_model(self.model))
        rows = segments["rows"]
        with ExitStack() as stack:
            kept = [stack.enter_context(block_output(core, number)) for number in self.blocks]
            for inputs in rows:
                core.base_model(**inputs, use_cache=False)
            p = self.contrast.dropout if self.model.training else 0.0
            with _dropout(core, rows[0]["input_ids"], p):
                core.base_model(**rows[0], use_cache=False)
        d, x = segments["length_d"], segments["length_x"]
        if len(rows) == 1:
            # Rows are filled up on the left: segments are counted from their ends.
            return [
                Ends(_at(whole, d + x), _at(view, d + x), _at(whole, x), _at(whole, 0 * x))
                for whole, view in kept
            ]
        return [Ends(v[:, -1], view[:, -1], less[:, -1], t[:, -1]) for v, less, t, view in kept]


def clamped(blocks: Sequence[int], most: int) -> list[int]:
    """Blocks that a model of `most` blocks has, each once, with a warning for those it lacks."""
    if beyond := [number for number in blocks if number > most]:
        warnings.warn(
            f"contrast: blocks {beyond} of a language model with {most}; block {most} is taken",
            stacklevel=2,
        )
    return sorted({min(number, most) for number in blocks})


def _core(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _at(hidden: torch.Tensor, behind: torch.Tensor) -> torch.Tensor:
    """The states so many tokens before the last one of each row."""
    rows = torch.arange(len(hidden), device=hidden.device)
    return hidden[rows, hidden.size(1) - 1 - behind]


@contextmanager
def _dropout(core: Any, ids: torch.Tensor, p: float) -> Iterator[None]:
    """Dropout on the visual tokens, where they enter the language model.

    In a concatenation on those of v~ too, which the end of v does not see.

    Args:
        core: a transformers model.
        ids: of the rows, filled up on the left, shape (rows, tokens).
        p: share of the values that is dropped.
    """
    names = ("image_token_id", "video_token_id")
    known = [value for name in names if (value := getattr(core.config, name, None)) is not None]
    visual = torch.isin(ids, torch.tensor(known, device=ids.device))
    if not p:
        yield
        return

    def drop(module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        whole = kwargs["inputs_embeds"]
        kwargs["inputs_embeds"] = torch.where(
            visual[..., None], torch.nn.functional.dropout(whole, p), whole
        )
        return args, kwargs

    handle = core.get_decoder().register_forward_pre_hook(drop, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
