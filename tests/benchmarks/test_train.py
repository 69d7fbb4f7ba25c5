"""The sides of the training benchmark on a tiny model; what they cost is not looked at here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import train
from benchmarks.phases import Stopwatch, phases
from benchmarks.sizes import shape
from benchmarks.train import Setting, figures, parsed, prepare, step
from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.train import tiny
from kuleshov.train.tower import freeze, weights_of

TASKS: dict[str, dict[str, Any]] = {
    "anomaly": {"num_frames": 20, "min_frames": 20, "min_pixels": 56**2, "max_pixels": 56**2},
    "jigsaw": {"num_clips": 3, "num_frames": 12, "min_pixels": 56**2, "max_pixels": 56**2},
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    prepare(folder, TASKS)
    prompts = [sample.prompt for sample in load_samples(folder / "data")]
    for family in train.FAMILIES:
        tiny.build(folder / family, prompts, family)
    return folder


@pytest.mark.parametrize(("family", "tower"), [("qwen2_5_vl", "frozen"), ("qwen3_vl", "trainable")])
def test_both_sides_compute_the_same(prepared: Path, family: str, tower: str) -> None:
    setting = Setting(family, tower, 5)
    sides = {side: step(prepared, side, setting, "cpu") | {"peak": 1} for side in train.SIDES}
    assert sides["ours"]["logps"].shape == (train.GROUP, 5)
    found = figures(setting, sides)
    assert found["logp_abs_err"] < 1e-5
    assert found["grad_rel_err"] < 1e-4
    assert found["decodes_per_prompt"] == 1
    assert found["prompt"] == sides["stock"]["prompt"] > 40
    names = sides["ours"]["gradients"]
    assert any("visual" in name for name in names) == (tower == "trainable")
    for side in sides.values():
        assert all(seconds > 0 for seconds in side["seconds"].values())
        parts = [side["seconds"][name] for name in ("preprocessing", "train", "tokens")]
        assert sum(parts) < side["seconds"]["step"]


def test_what_differs_is_told() -> None:
    # |(3, 4) - (3, 4.5)| / |(3, 4)| = 0.5 / 5; the bias is nothing but rounding.
    stock: dict[str, Any] = {
        "seconds": {"train": 8.0, "step": 12.0, "tokens": 1.0},
        "logps": torch.tensor([[-1.0, -2.0]]),
        "gradients": {"w": torch.tensor([3.0, 4.0]), "bias": torch.tensor([1e-9])},
        "peak": 400,
        "prompt": 30,
        "decodes": 1.0,
    }
    ours = {
        **stock,
        "seconds": {"train": 2.0, "step": 4.0, "tokens": 1.0},
        "logps": torch.tensor([[-1.0, -2.25]]),
        "gradients": {"w": torch.tensor([3.0, 4.5]), "bias": torch.tensor([-1e-9])},
        "peak": 100,
    }
    assert figures(Setting("qwen3_vl", "frozen", 2), {"stock": stock, "ours": ours}) == {
        "train_ratio": 4.0,
        "step_ratio": 3.0,
        "generation_share": 0.25,
        "logp_abs_err": 0.25,
        "grad_rel_err": 0.1,
        "peak_memory_ratio": 0.25,
        "decodes_per_prompt": 1.0,
        "family": "qwen3_vl",
        "tower": "frozen",
        "completion": 2,
        "prompt": 30,
        "group": 8,
    }
    fewer = {**ours, "gradients": {"w": ours["gradients"]["w"]}}
    with pytest.raises(SystemExit, match=r"train other weights: \{'bias'\}"):
        figures(Setting("qwen3_vl", "frozen", 2), {"stock": stock, "ours": fewer})


def test_phases_are_told_apart() -> None:
    seconds = {
        "step": 20.0,
        "optimizer": 1.0,
        "preparing": 11.0,  # of it 2 preprocessing, 5 generation, 3 reference, 1 rewards
        "preprocessing": 2.0,
        "generation": 5.0,  # of it 1 tower, 2 prefill, 2 token by token
        "prefill tower": 1.0,
        "prefill": 2.0,
        "reference": 3.0,
        "tower": 1.5,
    }
    assert phases(seconds) == {
        "preprocessing": 2.0,
        "tower": 2.5,
        "train": 1.0 + 2.0 + 3.0 + (20.0 - 11.0 - 1.0),
        "tokens": 2.0,
        "step": 20.0,
    }


def test_the_stopwatch_counts_stretches_within_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, times = Stopwatch(), iter([0.0, 1.0, 3.0, 10.0])
    monkeypatch.setattr(clock, "_now", lambda: next(times))
    with clock("step"), clock("tower"):
        pass
    assert clock.seconds == {"step": 10.0, "tower": 2.0}


@pytest.mark.parametrize(
    ("size", "family", "billions"),
    [
        ("3b", "qwen2_5_vl", 3.75),
        ("7b", "qwen2_5_vl", 8.29),
        ("3b", "qwen3_vl", 4.44),
        ("7b", "qwen3_vl", 8.77),
    ],
)
def test_real_sizes_have_the_parameters_of_the_published_models(
    size: str, family: str, billions: float
) -> None:
    config, kind = shape(tiny.tokenizer(["When?"]), family, size)
    with torch.device("meta"):
        model = kind(config)
    count = sum(weight.numel() for weight in model.parameters())
    assert round(count / 1e9, 2) == billions
    freeze(model)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert trained == count - sum(weight.numel() for weight in weights_of(model))


def test_another_size_is_refused() -> None:
    with pytest.raises(UsageError, match="qwen3_vl 70b"):
        shape(None, "qwen3_vl", "70b")


def test_a_setting_is_read_as_it_is_written() -> None:
    for setting in train.SETTINGS:
        assert parsed(str(setting)) == setting
    lengths = {(s.family, s.tower, s.completion) for s in train.SETTINGS}
    assert {(f, t, n) for f in train.FAMILIES for t in train.TOWERS for n in (16, 64)} < lengths
