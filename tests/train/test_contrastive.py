from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.train.contrastive import (
    Ends,
    alignment,
    gathered,
    info_nce,
    losses,
    similarity,
    text_video,
    video_text,
    video_video,
)

# Unit vectors along the axes and between them: cosines are 1, 0, 0.6, 0.8.
E1, E2, E12 = [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]


def random_ends(samples: int, seed: int, width: int = 5) -> Ends:
    drawn = torch.Generator().manual_seed(seed)
    return Ends(*torch.randn(4, samples, width, generator=drawn, dtype=torch.float64).unbind())


def loops(ends: Ends, texts: list[int], known: list[bool], t: float) -> list[float]:
    """The equations in plain Python, a sample and a negative at a time."""

    def e(a: torch.Tensor, b: torch.Tensor) -> float:
        x, y = a.tolist(), b.tolist()
        dot = sum(i * j for i, j in zip(x, y, strict=True))
        return math.exp(dot / math.hypot(*x) / math.hypot(*y) / t)

    count = len(texts)
    vv = xv = vx = 0.0
    for i in range(count):
        v, view, x = ends.video[i], ends.view[i], ends.text[i]
        without = [ends.degraded[j] for j in range(count) if known[j]]
        vv -= math.log(e(v, view) / (e(v, view) + sum(e(v, d) for d in without)))
        xv -= math.log(e(x, v) / (e(x, v) + sum(e(x, d) for d in without)))
        other = [ends.text[j] for j in range(count) if texts[j] != texts[i]]
        vx -= math.log(e(v, x) / (e(v, x) + sum(e(v, o) for o in other)))
    return [vv / count, xv / count, vx / count]


def test_the_similarity_is_the_cosine_whatever_the_lengths() -> None:
    got = similarity(torch.tensor([E1, E12]) * 3, torch.tensor([E1, E2]) * 0.5)
    assert torch.allclose(got, torch.tensor([[1.0, 0.0], [0.6, 0.8]]))


def test_info_nce_by_hand() -> None:
    # Temperature 0.5: logits 2 | 0, 1. log(e^2 + e^0 + e^1) = log(7.389056 + 1 + 2.718282)
    # = log(11.107338) = 2.407606, minus 2.
    got = info_nce(torch.tensor([1.0]), torch.tensor([[0.0, 0.5]]), 0.5)
    assert got.item() == pytest.approx(0.407606, abs=1e-6)
    # Without negatives there is nothing to tell apart.
    assert info_nce(torch.tensor([0.3]), torch.tensor([[-torch.inf]]), 0.5).item() == 0.0


def test_video_video_by_hand() -> None:
    # Temperature 1. Anchors E1, E2; views E12, E2; degraded E2, E1.
    # First: p = 0.6, n = 0, 1: log(e^0.6 + e^0 + e^1) - 0.6 = log(1.822119 + 1 + 2.718282) - 0.6
    #   = log(5.540401) - 0.6 = 1.712067 - 0.6 = 1.112067
    # Second: p = 1, n = 1, 0: log(2.718282 + 2.718282 + 1) - 1 = log(6.436564) - 1 = 0.861995
    video, view = torch.tensor([E1, E2]), torch.tensor([E12, E2])
    degraded = torch.tensor([E2, E1])
    got = video_video(video, view, degraded, 1.0)
    assert got.item() == pytest.approx((1.112067 + 0.861995) / 2, abs=1e-5)


def test_text_video_by_hand() -> None:
    # Temperature 0.5, one sample: p = sim(E12, E2) = 0.8, n = sim(E12, E1) = 0.6:
    # log(e^1.6 + e^1.2) - 1.6 = log(1 + e^-0.4) = log(1.670320) = 0.513015
    got = text_video(torch.tensor([E12]), torch.tensor([E2]), torch.tensor([E1]), 0.5)
    assert got.item() == pytest.approx(0.513015, abs=1e-5)


def test_video_text_by_hand() -> None:
    # Temperature 1. First: own text E1, the other E12: log(e^1 + e^0.6) - 1 = log(1 + e^-0.4)
    # = 0.513015. Second: video E2, own text E12, the other E1: log(e^0.8 + e^0) - 0.8
    # = log(1 + e^-0.8) = log(1.449329) = 0.371101
    video, text = torch.tensor([E1, E2]), torch.tensor([E1, E12])
    got = video_text(video, text, text, torch.eye(2, dtype=torch.bool), 1.0)
    assert got.item() == pytest.approx((0.513015 + 0.371101) / 2, abs=1e-5)


def test_texts_of_the_same_words_are_no_negatives() -> None:
    video, text = torch.tensor([E1, E2]), torch.tensor([E1, E1])
    assert video_text(video, text, text, torch.ones(2, 2, dtype=torch.bool), 1.0).item() == 0.0


def test_the_sum_is_that_of_the_three() -> None:
    found = losses(random_ends(3, 0), torch.arange(3), torch.ones(3, dtype=torch.bool), 0.5)
    assert found.total.item() == pytest.approx(sum(loss.item() for loss in found))


@given(
    st.integers(1, 5).flatmap(
        lambda n: st.tuples(
            st.lists(st.integers(0, 2), min_size=n, max_size=n),
            st.lists(st.booleans(), min_size=n, max_size=n),
            st.integers(0, 99),
            st.sampled_from([0.05, 0.5, 2.0]),
        )
    )
)
def test_the_losses_are_those_of_plain_loops(
    drawn: tuple[list[int], list[bool], int, float],
) -> None:
    texts, known, seed, temperature = drawn
    ends = random_ends(len(texts), seed)
    got = losses(ends, torch.tensor(texts), torch.tensor(known), temperature)
    want = loops(ends, texts, known, temperature)
    assert [loss.item() for loss in got] == pytest.approx(want, rel=1e-4, abs=1e-4)


def test_processes_see_each_others_negatives_and_move_their_own() -> None:
    """Two processes of two samples are, on average, one of four."""
    whole = random_ends(4, 1)
    words, known = torch.tensor([0, 1, 0, 2]), torch.tensor([True, True, False, True])
    parts = [Ends(*(end[2 * p : 2 * p + 2] for end in whole)) for p in (0, 1)]

    def gather(process: int) -> object:
        """As accelerate does it: what a process gives is known of all, without gradient."""
        own = [*parts[process][2:], words[2 * process :][:2], known[2 * process :][:2]]
        everyone = [*whole[2:], words, known]

        def everyones(local: torch.Tensor) -> torch.Tensor:
            assert not local.requires_grad
            (found,) = (a for o, a in zip(own, everyone, strict=True) if torch.equal(o, local))
            return found

        return everyones

    together = losses(whole, words, known, 0.5)
    apart = [
        losses(parts[p], words[2 * p :][:2], known[2 * p :][:2], 0.5, gather(p), p)  # type: ignore[arg-type]
        for p in (0, 1)
    ]
    for one, *two in zip(together, *apart, strict=True):
        assert one.item() == pytest.approx(sum(loss.item() for loss in two) / 2)


@pytest.mark.parametrize("process", [0, 1])
def test_gradient_flows_into_the_own_part_only(process: int) -> None:
    local = torch.tensor([[1.0], [2.0]], requires_grad=True)
    others = torch.tensor([[5.0], [6.0]], requires_grad=True)

    def everyone(given: torch.Tensor) -> torch.Tensor:
        return torch.cat([given, others] if process == 0 else [others, given])

    found = gathered(local, lambda given: everyone(given).detach(), process)
    assert found.flatten().tolist() == ([1, 2, 5, 6] if process == 0 else [5, 6, 1, 2])
    own, theirs = torch.autograd.grad(found.square().sum(), [local, others], allow_unused=True)
    assert own.flatten().tolist() == [2.0, 4.0] and theirs is None


def test_alignment_is_what_the_key_frames_bring_the_video_nearer_to_the_text() -> None:
    # sim(E12, E2) - sim(E12, E1) = 0.8 - 0.6
    row = {name: torch.tensor([end]) for name, end in [("video", E2), ("degraded", E1)]}
    ends = Ends(row["video"], row["video"], row["degraded"], torch.tensor([E12]))
    assert alignment(ends).tolist() == pytest.approx([0.2])
