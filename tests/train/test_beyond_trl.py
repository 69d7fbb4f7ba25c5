from __future__ import annotations

import pytest
import torch

from kuleshov.sample import Frame, MediaItem, Sample
from kuleshov.train.objective import Step
from kuleshov.train.objective_table import OBJECTIVES, objective_of
from kuleshov.train.objectives import group_advantages


def step(rewards: list[list[float]], twins: list[list[float]] | None = None) -> Step:
    """Groups of anomalies first, of jigsaws last, with one reward function."""
    tasks = ["anomaly"] * (len(rewards) - 1) + ["jigsaw"]
    return Step(
        tasks,
        torch.tensor(rewards)[..., None],
        None if twins is None else torch.tensor(twins)[..., None],
    )


def test_t_grpo_compares_with_the_shuffled_video() -> None:
    t_grpo = OBJECTIVES["t_grpo"]
    assert [t_grpo.twins(size) for size in (2, 3, 8)] == [1, 1, 4]
    frames = tuple(Frame("v", float(i), float(i)) for i in range(8))
    sample = Sample(
        id="s",
        task="anomaly",
        video_ids=("v",),
        split="train",
        media=(MediaItem(frames, 28, 28),),
        prompt="<video>",
        answer=[1.0, 2.0],
        form="tagged",
        knobs={},
        seed=0,
        chance=0.0,
    )
    twin = t_grpo.twin(sample)
    assert twin is not None and twin.media[0].edits[-1]["edit"] == "reorder"
    assert (twin.prompt, twin.answer) == (sample.prompt, sample.answer)
    # Means 0.5 against 0.25 and 0.75: only the first group earns, and what was given is kept.
    given = step([[1.0, 0.0], [1.0, 0.0]], [[0.25], [0.75]])
    got = t_grpo.rewards(given)
    assert torch.allclose(got[..., 0], torch.tensor([[1.3, 0.0], [1.0, 0.0]]))
    assert given.rewards[0, 0, 0] == 1.0


def test_dgrpo_scales_the_tasks_that_have_bounds() -> None:
    scaled = objective_of("dgrpo", {"bounds": {"anomaly": [0.2, 0.7]}}, {})
    got = scaled.rewards(step([[0.45, 0.9], [0.45, 0.9]]))
    # (0.45 - 0.2) / 0.5 = 0.5
    assert torch.allclose(got[..., 0], torch.tensor([[0.5, 1.0], [0.45, 0.9]]))


def test_dgrpo_acts_on_advantages_and_as_published_does_not() -> None:
    rewards = torch.tensor([[0.0, 1.0], [0.6, 1.0]])
    plain = group_advantages(rewards)
    # Means 0.5 and 0.8: weights 0.75 and 0.6.
    acts, _ = OBJECTIVES["dgrpo"].advantages(plain, rewards, step(rewards.tolist()), {})
    assert torch.allclose(acts, plain * torch.tensor([[0.75], [0.6]]))
    published = objective_of("dgrpo", {"weight": "rewards"}, {})
    weighed = published.rewards(step(rewards.tolist()))[..., 0]
    assert torch.allclose(weighed, rewards * torch.tensor([[0.75], [0.6]]))
    after, _ = published.advantages(group_advantages(weighed), weighed, step(weighed.tolist()), {})
    assert torch.allclose(after, plain, atol=1e-3)


def test_ema_grpo_scales_by_task_and_remembers() -> None:
    ema = objective_of("ema_grpo", {"decay": 0.5}, {})
    rewards = torch.tensor([[0.0, 1.0], [0.5, 0.5], [0.4, 0.6]])
    got, memory = ema.advantages(torch.zeros(3, 2), rewards, step(rewards.tolist()), {})
    # anomaly 0 1 0.5 0.5: mean 0.5, squares 1.5 / 4 = 0.375, std sqrt(0.125) = 0.353553, and
    # 0.5 / 0.353553 = 1.414214. jigsaw: mean 0.5, squares 0.26, std 0.1, and 0.1 / 0.1 = 1.
    want = torch.tensor([[-1.414214, 1.414214], [0.0, 0.0], [-1.0, 1.0]])
    assert torch.allclose(got, want, atol=1e-3)
    assert memory["anomaly"] == pytest.approx([0.5, 0.375])
    # Next: jigsaw alone, 1 1; half of the old and half of the new. anomaly stays.
    _, memory = ema.advantages(torch.zeros(1, 2), torch.ones(1, 2), step([[1.0, 1.0]]), memory)
    assert memory["anomaly"] == pytest.approx([0.5, 0.375])
    assert memory["jigsaw"] == pytest.approx([0.75, 0.63])
