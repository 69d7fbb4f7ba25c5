"""At which positions the tokens of a prompt stand, and what a model cannot tell apart by them.

M-RoPE gives each token of a video a time, a row and a column. What follows a video starts

    installed          at its start + max(rows, columns), as transformers has it since 5.3
                       (huggingface/transformers#45381); where a video lasts longer, what follows
                       stands at times within it
    largest_plus_one   behind its largest position, as in the published code of Qwen2-VL and
                       Qwen2.5-VL, in transformers up to 5.2 and in vLLM

Both are the same where each pair of frames stands alone between texts (Qwen3-VL), and where a
model has one axis only.

Times are whole numbers. Qwen2.5-VL has two for each second (`tokens_per_second`), so above 4 frames
a second some pairs of frames get the same, and the model can tell neither their order nor how far
apart they are. All of this is read off what the built model makes of a prompt, and no name of a
family stands here.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import wraps
from itertools import groupby
from types import MethodType
from typing import Any, NamedTuple

import numpy as np
import torch

from kuleshov.audit.findings import Finding
from kuleshov.errors import MissingVideoError, UsageError, unknown_name
from kuleshov.generation import POSITIONS
from kuleshov.sample import Pixels, Sample
from kuleshov.train.encode import Encoded, Encoder
from kuleshov.train.model import load_skeleton
from kuleshov.train.prefix import prompt_positions

INSTALLED, LARGEST_PLUS_ONE = POSITIONS
FEW = 16
"""Samples of each task that training and evaluation look at before they begin; ours."""


def place(model: Any, positions: str) -> None:
    """Make a model put its tokens at these positions, in rollouts, losses and evaluation.

    Args:
        model: a transformers model, or a PEFT wrapper of one.
        positions: in `POSITIONS`.

    Raises:
        UsageError: there are no such positions.
    """
    if positions not in POSITIONS:
        raise unknown_name("positions", positions, POSITIONS)
    backbone = _core(model).base_model
    vars(backbone).pop("get_rope_index", None)
    if positions == INSTALLED or not hasattr(backbone, "get_rope_index"):
        return
    installed = type(backbone).get_rope_index
    signature = inspect.signature(installed)

    @wraps(installed)
    def get_rope_index(self: Any, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        given = signature.bind(self, *args, **kwargs).arguments
        found, deltas = installed(self, *args, **kwargs)
        types, mask = given.get("mm_token_type_ids"), given.get("attention_mask")
        if types is None:
            raise UsageError(
                f"positions: {LARGEST_PLUS_ONE} needs a model that is told which tokens are of "
                f"videos (mm_token_type_ids), and {type(self).__name__} is not; leave it out"
            )
        moved = found.clone()
        for row in range(found.size(1)):
            own = torch.ones_like(types[row]).bool() if mask is None else mask[row].bool()
            moved[:, row, own] = behind_each_other(found[:, row, own], types[row, own].tolist())
            deltas[row] = moved[:, row, own].max() + 1 - int(own.sum())
        return moved, deltas

    backbone.get_rope_index = MethodType(get_rope_index, backbone)


def placed(model: Any) -> str:
    """Where a model puts its tokens, in `POSITIONS`."""
    return LARGEST_PLUS_ONE if "get_rope_index" in vars(_core(model).base_model) else INSTALLED


def positions_of(model: Any, prompt: Encoded) -> dict[str, torch.Tensor]:
    """By name what `prompt_positions` is with each of `POSITIONS`."""
    core, before = _core(model), placed(model)
    place(core, INSTALLED)
    try:
        found = prompt_positions(core, prompt)
    finally:
        place(core, before)
    types = [0] * found.size(1) if prompt.token_types is None else prompt.token_types.tolist()
    return {INSTALLED: found, LARGEST_PLUS_ONE: behind_each_other(found, types)}


def behind_each_other(positions: torch.Tensor, types: Sequence[int]) -> torch.Tensor:
    """Positions with each stretch of text, image or video behind all that stands before it.

    Args:
        positions: shape (axes, tokens).
        types: of each token, such as 0 for text, 1 for image and 2 for video.
    """
    moved, start, largest = positions.clone(), 0, -1
    for _, tokens in groupby(types):
        end = start + len(list(tokens))
        stretch = moved[:, start:end]
        stretch += max(0, largest + 1 - int(stretch.min()))
        largest, start = max(largest, int(stretch.max())), end
    return moved


class Clock(NamedTuple):
    """How a prompt's videos stand in time.

    Args:
        steps: for each stretch of video tokens how many pictures it has, each of as many frames
            as the model merges.
        apart: likewise, how many different positions they have.
        overlaps: whether what follows a video starts before its end.
    """

    steps: tuple[int, ...]
    apart: tuple[int, ...]
    overlaps: bool

    @property
    def coarse(self) -> list[bool]:
        """For each stretch, whether some of its pictures have the same position."""
        return [apart < steps for steps, apart in zip(self.steps, self.apart, strict=True)]


def clock(model: Any, prompt: Encoded) -> Clock:
    """What a model's positions tell of the time in a prompt.

    Args:
        model: the built model, of which no weight is needed; it may be on the `meta` device.
        prompt: as it is encoded for the model.
    """
    positions = prompt_positions(_core(model), prompt)
    types = [0] * positions.size(1) if prompt.token_types is None else prompt.token_types.tolist()
    steps, apart, overlaps, start, largest = [], [], False, 0, -1
    for kind, tokens in groupby(types):
        end = start + len(list(tokens))
        stretch = positions[:, start:end]
        overlaps |= int(stretch.min()) <= largest
        if kind == 2:
            # The same place in each picture: that of the first token.
            corner = (stretch[1:] == stretch[1:, :1]).all(dim=0)
            steps.append(int(corner.sum()))
            apart.append(len(set(stretch[0, corner].tolist())))
        largest, start = max(largest, int(stretch.max())), end
    return Clock(tuple(steps), tuple(apart), overlaps)


def finest_fps(model: Any, prompt: Encoded) -> float | None:
    """The most frames a second at which no two pictures of a prompt's videos share a position, to
    a quarter of a frame; None where the model is not told their rate.
    """
    told = prompt.videos.get("second_per_grid_ts")
    if told is None:
        return None
    merged = _core(model).config.vision_config.temporal_patch_size
    for quarter in range(240, 0, -1):
        step = torch.full_like(told, 4 * merged / quarter)
        slower = {**prompt.videos, "second_per_grid_ts": step}
        one = Encoded(prompt.input_ids, prompt.token_types, slower, prompt.sample)
        if not any(clock(model, one).coarse):
            return quarter / 4
    return None


def coarse_clocks(model: Any, prompts: Mapping[str, Sequence[Encoded]]) -> dict[str, str]:
    """Of which tasks a model cannot tell when the frames are, and in words how that shows.

    Args:
        model: see `clock`.
        prompts: of each task. As only sizes and times matter, they may show `blank` frames.
    """
    found = {}
    for task, some in prompts.items():
        clocks = [clock(model, prompt) for prompt in some]
        coarse = [prompt for prompt, one in zip(some, clocks, strict=True) if any(one.coarse)]
        if coarse:
            found[task] = _coarse(clocks, finest_fps(model, coarse[0]))
    return found


def some_of_each(samples: Iterable[Sample], most: int = FEW) -> dict[str, list[Sample]]:
    """Some samples of each task with media, the first ones by id, which is a hash."""
    by_task: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.id):
        if sample.media and len(some := by_task.setdefault(sample.entry, [])) < most:
            some.append(sample)
    return dict(sorted(by_task.items()))


def findings_of(name: str, samples: Sequence[Sample], most: int) -> list[Finding]:
    """What a model cannot be told of a sample set, for `kuleshov check --model`.

    Args:
        name: of the model, or its path. Its weights are not needed.
        samples: the set.
        most: how many of each task are looked at.

    Returns:
        Errors ("wrong") of samples that cannot be encoded for it, and notes.

    Raises:
        UsageError: the model is not there.
    """
    model, processor = load_skeleton(name)
    encode = Encoder(processor, blank)
    found: list[Finding] = []
    prompts: dict[str, list[Encoded]] = {}
    for task, some in some_of_each(samples, most).items():
        prompts[task] = []
        for sample in some:
            try:
                prompts[task].append(encode(sample))
            except (UsageError, MissingVideoError) as error:
                found.append(Finding("wrong", task, f"for {name}: {error}", sample.id))
    for task, text in coarse_clocks(model, prompts).items():
        found.append(Finding("note", task, text))
    for task, those in prompts.items():
        if number := sum(clock(model, prompt).overlaps for prompt in those):
            text = (
                f"in {number} of {len(those)} samples what follows a video stands at times within "
                f"it (huggingface/transformers#45381); positions: {LARGEST_PLUS_ONE} in train and "
                "eval puts it behind, as the model family was published"
            )
            found.append(Finding("note", task, text))
    return found


def _coarse(clocks: Sequence[Clock], fps: float | None) -> str:
    videos = sum(len(one.steps) for one in clocks)
    shared = sum(sum(one.coarse) for one in clocks)
    pairs = [pair for one in clocks for pair in zip(one.steps, one.apart, strict=True)]
    alike = sum(steps > apart == 1 for steps, apart in pairs)
    way_out = "" if fps is None else f" (make.max_fps: {fps:g})"
    return (
        f"in {shared} of {videos} videos several frame pairs share one position in time, in "
        f"{alike} of them all do: the model's clock is too coarse to tell them apart. Make samples "
        f"with fewer frames a second{way_out}, or take a model with a finer clock"
    )


def blank(sample: Sample) -> list[Pixels]:
    """Black frames of a sample's sizes, for what depends on nothing else."""
    return [
        np.zeros((len(item.frames), item.height, item.width, 3), np.uint8) for item in sample.media
    ]


def _core(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model
