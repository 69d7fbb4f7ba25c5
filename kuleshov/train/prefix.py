"""A prompt computed once for all completions of its group, forward and backward.

The completions of a group stand one after the other behind their prompt, in one row, and a mask
keeps each of them from seeing the others:

    row         p p p p | p a a a | p b b | p c c c c        | the last token of the prompt,
    position    0 1 2 3 | 4 5 6 7 | 4 5 6 | 4 5 6 7 8          once for each completion
    sees        prompt    prompt    prompt  prompt
                          + own     + own   + own

A row of a prompt of P tokens and G completions of L tokens has P + G (L + 1) tokens in the place of
G (P + L). Each token sees the same tokens at the same positions as in a row of its own, so that
log-probabilities and gradients are the same, to rounding. That holds for layers of full attention
that take a mask of four dimensions and position ids, which those of transformers do with "sdpa" or
"eager" attention, and for no others: sharing.py finds out.

Prior art: PrefixGrouper (arXiv 2506.05433) for text. The copy of the last prompt token is ours:
what follows from a token is then at its place + 1 everywhere, as any language-model loss expects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from kuleshov.errors import UsageError
from kuleshov.train.encode import Encoded
from kuleshov.train.tower import NOTHING_KEPT, Tower

ATTENTIONS = ("sdpa", "eager")


@dataclass(frozen=True)
class Group:
    """A prompt and its completions, token ids of shape (length,) each; lengths may differ."""

    prompt: Encoded
    completions: Sequence[torch.Tensor]


@dataclass(frozen=True)
class Packed:
    """Groups as model inputs, one row for each group.

    Args:
        inputs: `input_ids`, `position_ids`, `attention_mask` and the vision inputs.
        labels: the completions' tokens at their places, -100 elsewhere, shape (rows, length).
        places: for each completion, in the order of the groups, its row and its first place.
    """

    inputs: dict[str, Any]
    labels: torch.Tensor
    places: list[tuple[int, int]]

    def of_completions(self, values: torch.Tensor, length: int) -> torch.Tensor:
        """What belongs to the tokens of each completion, filled up with zeros.

        Args:
            values: of the label at each place + 1, shape (rows, length of a row - 1), zero where
                there is none.
            length: of the longest completion.

        Returns:
            Tensor of shape (completions, length).
        """
        padded = torch.nn.functional.pad(values, (0, length))
        own = self.labels.roll(-1, dims=1) != -100
        kept = torch.nn.functional.pad(own[:, :-1], (0, length))
        rows = []
        for row, first in self.places:
            here = slice(first - 1, first - 1 + length)
            # What follows may already belong to the next completion, behind an unlabelled token.
            mine = kept[row, here].cumprod(0)
            rows.append(padded[row, here] * mine)
        return torch.stack(rows)


def pack(
    model: Any,
    groups: Sequence[Group],
    device: torch.device | str = "cpu",
    tower: Tower = NOTHING_KEPT,
) -> Packed:
    """Groups as rows of a batch.

    Args:
        model: a transformers model, or a PEFT wrapper of one, which knows its position ids.
        groups: the prompts with their completions.
        device: where the inputs go.
        tower: the embeddings of the videos as far as they are known.

    Raises:
        UsageError: the model's attention takes no mask of four dimensions.
    """
    core = model.get_base_model() if hasattr(model, "get_base_model") else model
    # Of the decoder: the parts of a model may attend in different ways.
    attention = core.get_decoder().config._attn_implementation
    if attention not in ATTENTIONS:
        raise UsageError(
            f"prompts are shared with attention {' or '.join(ATTENTIONS)}, the model has "
            f"{attention!r}; load it with attn_implementation='sdpa' or set share_prompts: false"
        )
    rows = [_row(core, group) for group in groups]
    length = max(row.ids.numel() for row in rows)
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    positions = torch.zeros(rows[0].positions.size(0), len(rows), length, dtype=torch.long)
    # Filled-up places see themselves, as a softmax over nothing is no number.
    sees = torch.eye(length, dtype=torch.bool).repeat(len(rows), 1, 1)
    places = []
    for i, row in enumerate(rows):
        end = row.ids.numel()
        ids[i, :end], labels[i, :end] = row.ids, row.labels
        positions[:, i, :end] = row.positions
        same = (row.branch[:, None] == row.branch) | (row.branch == 0)
        sees[i, :end, :end] = same.tril()
        places += [(i, first) for first in row.firsts]
    mask = sees[:, None].to(device)
    if attention == "eager":
        lowest = torch.finfo(core.dtype).min
        mask = torch.zeros_like(mask, dtype=core.dtype).masked_fill(~mask, lowest)
    inputs = {
        "input_ids": ids.to(device),
        "position_ids": (positions if len(positions) > 1 else positions[0]).to(device),
        "attention_mask": mask,
        **tower.inputs(model, [group.prompt for group in groups], device),
    }
    return Packed(inputs, labels.to(device), places)


@dataclass(frozen=True)
class _Row:
    ids: torch.Tensor
    labels: torch.Tensor
    positions: torch.Tensor  # (1 or 3, length)
    branch: torch.Tensor  # 0 for the prompt, then the number of the completion
    firsts: list[int]  # where each completion starts


def _row(core: Any, group: Group) -> _Row:
    prompt = group.prompt.input_ids
    told = prompt_positions(core, group.prompt)
    shared, last = prompt[:-1], prompt[-1:]
    ids, labels = [shared], [torch.full_like(shared, -100)]
    positions, branches = [told[:, :-1]], [torch.zeros_like(shared)]
    firsts, end = [], len(shared)
    for number, completion in enumerate(group.completions, 1):
        own = completion.to(last.device)
        ids += [last, own]
        labels += [torch.full_like(last, -100), own]
        # As in a plain row all axes go on from the last token, which may stand before the end of
        # a long video (positions.py).
        positions += [told[:, -1:], told[:, -1:] + 1 + torch.arange(len(own))]
        branches.append(torch.full((len(own) + 1,), number))
        firsts.append(end + 1)
        end += len(own) + 1
    return _Row(
        torch.cat(ids),
        torch.cat(labels),
        torch.cat(positions, dim=1),
        torch.cat(branches),
        firsts,
    )


def prompt_positions(core: Any, prompt: Encoded) -> torch.Tensor:
    """Position ids of a prompt's tokens, shape (axes, tokens): 3 axes where time, height and width
    have their own (M-RoPE), else 1.
    """
    backbone = core.base_model
    if not hasattr(backbone, "get_rope_index") or prompt.token_types is None:
        return torch.arange(len(prompt.input_ids))[None]
    grids = {
        key: value
        for key, value in prompt.videos.items()
        if key.endswith("grid_thw") or key == "second_per_grid_ts"
    }
    positions, _ = backbone.get_rope_index(
        prompt.input_ids[None], mm_token_type_ids=prompt.token_types[None], **grids
    )
    told: torch.Tensor = positions[:, 0]
    return told
