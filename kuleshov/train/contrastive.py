"""The contrastive losses of VideoPerceiver (arXiv 2511.18823, section 3.2): pure functions on
tensors, no model.

    h_v     a video at its end token          h_v+    the same under dropout, the second view
    h_v~    the video without its key frames  h_x     the text

    loss    anchor   positive   negatives                        equation
    L_vv    h_v      h_v+       h_v~ of all samples of the batch    (4)
    L_xv    h_x      h_v        h_v~ of all samples of the batch    (5)
    L_vx    h_v      h_x        h_x of the other samples            (6)

Stated in the paper: which vectors are anchor, positive and negatives, that (4) is like InfoNCE, and
that the sum is weighed by 0.1 beside the loss of SFT (7). **Reconstructed**, as the symbols are
lost in the text that we have: the denominators below (the positive and all negatives, its own
degraded video among them), that all three losses weigh the same, and the cosine as the similarity.
The temperature is not stated. `contrastive_sft.py` calls these.

Ours: texts that are word by word the same are no negatives of each other, and samples without a
degraded video give none. Both are masks, and without them the formulas are as above.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

Tensor = torch.Tensor


def similarity(rows: Tensor, columns: Tensor) -> Tensor:
    """Cosine of each row with each column, shape (rows, columns), from (rows, width) and
    (columns, width); computed in float32.
    """
    first = torch.nn.functional.normalize(rows.float(), dim=-1)
    second = torch.nn.functional.normalize(columns.float(), dim=-1)
    return first @ second.T


def info_nce(positive: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """-log exp(p / t) / (exp(p / t) + sum_j exp(n_j / t)), mean over the anchors, a scalar.

    Source: InfoNCE (arXiv 1807.03748).

    Args:
        positive: similarity of each anchor to its positive, shape (anchors,).
        negatives: its similarities to the negatives, shape (anchors, negatives); -inf for none.
        temperature: t, above 0; smaller is sharper.
    """
    logits = torch.cat([positive[:, None], negatives], dim=1) / temperature
    return -logits.log_softmax(dim=1)[:, 0].mean()


def video_video(
    video: Tensor,
    view: Tensor,
    degraded: Tensor,
    temperature: float,
    known: Tensor | None = None,
) -> Tensor:
    """(4): L_vv = -log e(v, v+) / (e(v, v+) + sum_j e(v, v~_j)) with e(a, b) = exp(sim(a, b) / t).

    Args:
        video: h_v, shape (samples, width).
        view: h_v+ of the same samples, likewise.
        degraded: h_v~ of all samples of the batch, shape (all, width).
        temperature: t.
        known: which of `degraded` there are, shape (all,); None for all of them.

    Returns:
        The mean over the samples, a scalar.
    """
    own = torch.nn.functional.cosine_similarity(video.float(), view.float())
    return info_nce(own, _without(similarity(video, degraded), known), temperature)


def text_video(
    text: Tensor,
    video: Tensor,
    degraded: Tensor,
    temperature: float,
    known: Tensor | None = None,
) -> Tensor:
    """(5): L_xv = -log e(x, v) / (e(x, v) + sum_j e(x, v~_j)).

    It is (4) with the text as the anchor: other samples' whole videos are no negatives.

    Args:
        text: h_x, shape (samples, width).
        video: h_v of the same samples, likewise.
        degraded: h_v~ of all samples of the batch, shape (all, width).
        temperature: t.
        known: see `video_video`.

    Returns:
        The mean over the samples, a scalar.
    """
    return video_video(text, video, degraded, temperature, known)


def video_text(
    video: Tensor, text: Tensor, all_texts: Tensor, same: Tensor, temperature: float
) -> Tensor:
    """(6): L_vx = -log e(v, x) / sum_j e(v, x_j), the sum with the own text.

    Args:
        video: h_v, shape (samples, width).
        text: h_x of the same samples, likewise.
        all_texts: h_x of all samples of the batch, shape (all, width).
        same: which of all texts say what the own one says, itself included, shape (samples, all);
            they are no negatives.
        temperature: t.

    Returns:
        The mean over the samples, a scalar; 0 where all texts are the same.
    """
    own = torch.nn.functional.cosine_similarity(video.float(), text.float())
    return info_nce(own, similarity(video, all_texts).masked_fill(same, -torch.inf), temperature)


class Losses(NamedTuple):
    """The three losses of a batch, scalars."""

    video_video: Tensor
    text_video: Tensor
    video_text: Tensor

    @property
    def total(self) -> Tensor:
        """L_vv + L_xv + L_vx, the bracket of (7)."""
        return self.video_video + self.text_video + self.video_text


class Ends(NamedTuple):
    """What the end tokens hold behind a block, each of shape (samples, width)."""

    video: Tensor
    view: Tensor
    degraded: Tensor
    text: Tensor


def losses(
    ends: Ends,
    words: Tensor,
    known: Tensor,
    temperature: float,
    everyone: Callable[[Tensor], Tensor] = lambda local: local,
    process: int = 0,
) -> Losses:
    """The three losses, with the negatives of all processes.

    Args:
        ends: of the samples of this process.
        words: a number for each text, the same for the same words, shape (samples,).
        known: whether a sample has a degraded video, shape (samples,).
        temperature: t.
        everyone: makes of a tensor those of all processes, one after the other.
        process: the number of this one.
    """
    degraded = gathered(ends.degraded, everyone, process)
    texts = gathered(ends.text, everyone, process)
    there = everyone(known)
    return Losses(
        video_video(ends.video, ends.view, degraded, temperature, there),
        text_video(ends.text, ends.video, degraded, temperature, there),
        video_text(ends.video, ends.text, texts, words[:, None] == everyone(words), temperature),
    )


def gathered(local: Tensor, everyone: Callable[[Tensor], Tensor], process: int) -> Tensor:
    """What all processes have, with gradient into the own part.

    To the others' parts they are constants, as accelerate gathers without gradient: each process
    moves its own vectors only.

    Args:
        local: of this process, shape (samples, ...), as many in each process.
        everyone: see `losses`.
        process: the number of this one.

    Returns:
        Shape (processes * samples, ...).
    """
    whole = everyone(local.detach())
    first = process * len(local)
    return torch.cat([whole[:first], local, whole[first + len(local) :]])


def alignment(ends: Ends) -> Tensor:
    """sim(x, v) - sim(x, v~) of each sample, shape (samples,), in [-2, 2]: by how much the text is
    closer to the video than to the one without key frames. What (5) is to raise. Ours.
    """
    whole = torch.nn.functional.cosine_similarity(ends.text.float(), ends.video.float())
    less = torch.nn.functional.cosine_similarity(ends.text.float(), ends.degraded.float())
    return whole - less


def _without(similarities: Tensor, known: Tensor | None) -> Tensor:
    return similarities if known is None else similarities.masked_fill(~known, -torch.inf)
