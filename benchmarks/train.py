"""A GRPO step of ours against one of stock TRL, on the same prompt, completions and weights.

    a clip ─► a sample ─┬─► stock   TRL, made to see the video, a prompt for each completion
                        └─► ours    VideoGRPOTrainer

Each side of each setting runs in a process of its own: a small step to warm up, then the one that
counts, with the frames in memory, a reference model, and the learning rate 0. Both sides generate,
and then train on the same random tokens in the place of what they generated, so that their
log-probabilities and gradients can be compared. The last line that is printed is one JSON object;
for each setting

    train_ratio         stock / ours: prefill, reference, policy and backward, vision tower included
    step_ratio          stock / ours: the whole step
    generation_share    of our step, that goes token by token
    logp_abs_err        largest difference of a log-probability
    grad_rel_err        largest difference of a parameter's gradient, over that gradient's norm
    peak_memory_ratio   ours / stock: resident memory of the process, or memory of the GPU
    decodes_per_prompt  of ours

    python -m benchmarks.train [--device cuda] [--size small|3b|7b] [--only qwen3_vl,frozen,16]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks.measure import measure

if TYPE_CHECKING:  # the starting process stays small
    from kuleshov.sample import Sample
    from kuleshov.train.encode import Encoder

ROOT = Path(__file__).parent.parent
GROUP = 8
SIDES = ("stock", "ours")
FAMILIES = ("qwen2_5_vl", "qwen3_vl")
TOWERS = ("frozen", "trainable")
TASKS: dict[str, dict[str, Any]] = {
    # The step that counts: 26 pairs of frames with 9 x 9 tokens each.
    "anomaly": {"num_frames": 52, "min_frames": 52, "min_pixels": 252**2, "max_pixels": 252**2},
    "jigsaw": {"num_clips": 3, "num_frames": 12, "min_pixels": 56**2, "max_pixels": 56**2},
}


@dataclass(frozen=True)
class Setting:
    """What is measured: a family, what is trained, and how long completions are, in tokens."""

    family: str
    tower: str  # "frozen" or "trainable"
    completion: int

    def __str__(self) -> str:
        return f"{self.family},{self.tower},{self.completion}"


SETTINGS = [
    *(Setting(f, t, length) for f in FAMILIES for length in (16, 64) for t in TOWERS),
    Setting(FAMILIES[0], "frozen", 256),
]


def prepare(folder: Path, tasks: dict[str, dict[str, Any]]) -> None:
    """The clip, and the samples of it: a small one and the one that counts."""
    from kuleshov.clips import write_clips
    from kuleshov.synthesize import MakeConfig, make

    write_clips(folder / "videos", 1, seed=0, seconds=6)
    sized = {name: {**knobs, "size_multiple": 28} for name, knobs in tasks.items()}
    make(folder / "videos", folder / "data", MakeConfig(workers=0, tasks=sized, held_out=0.0))


def build(folder: Path, family: str, size: str, device: str) -> None:
    """A model with random weights, and its processor."""
    import torch

    from benchmarks.sizes import shape
    from kuleshov.dataset import load_samples
    from kuleshov.train import tiny

    words = tiny.tokenizer([sample.prompt for sample in load_samples(folder / "data")])
    config, kind = shape(words, family, size)
    torch.manual_seed(0)
    if device == "cuda":
        torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = kind(config)
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder / family)
    patch = config.vision_config.patch_size
    tiny.processor(words, family, patch).save_pretrained(folder / family)


def step(folder: Path, side: str, setting: Setting, device: str) -> dict[str, Any]:
    """Run the step of a side, in this process; what it took and what came out of it."""
    import torch
    from transformers import AutoProcessor, TrainerCallback

    from benchmarks.phases import Stopwatch, phases, time_phases
    from kuleshov import frames
    from kuleshov.dataset import load_samples
    from kuleshov.media import Renderer
    from kuleshov.train.encode import Encoder

    clock, gpu = Stopwatch(device), device == "cuda"
    # The small one first, to warm up.
    samples = sorted(load_samples(folder / "data"), key=lambda s: len(s.media[0].frames))
    renderer = Renderer(folder / "videos")
    encoder = Encoder(AutoProcessor.from_pretrained(folder / setting.family), renderer)
    trainer = _trainer(folder, side, setting, device, samples, encoder)
    random = torch.Generator().manual_seed(0)
    tokens = torch.randint(10, 200, (GROUP, setting.completion), generator=random)
    time_phases(trainer, clock, tokens.tolist())
    gradients: dict[str, Any] = {}

    class Watch(TrainerCallback):  # type: ignore[misc]  # transformers has no type information
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            gradients.clear()
            if gpu:
                torch.cuda.reset_peak_memory_stats()

        def on_pre_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
            parameters = trainer.model.named_parameters()
            gradients.update({n: p.grad for n, p in parameters if p.grad is not None})

    trainer.add_callback(Watch())
    with patch("kuleshov.media.decode", wraps=frames.decode) as decode:
        with clock("decode"):
            renderer(samples[-1])
        decoding = clock.seconds["decode"]
        trainer.train()
    return {
        "seconds": {"decode": decoding, **phases(clock.seconds)},
        "prompt": len(encoder(samples[-1]).input_ids),
        "decodes": decode.call_count / len(samples),
        "peak": torch.cuda.max_memory_allocated() / 2**20 if gpu else 0,
        "logps": trainer.scored.float().cpu(),
        # Of the largest weights a part.
        "gradients": {n: g.flatten()[: 1 << 21].float().cpu() for n, g in gradients.items()},
    }


def _trainer(
    folder: Path, side: str, setting: Setting, device: str, samples: list[Sample], encoder: Encoder
) -> Any:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForImageTextToText
    from trl import GRPOConfig

    from benchmarks.stock import StockTrainer
    from kuleshov.train.encode import vision_tokens
    from kuleshov.train.grpo import VideoGRPOTrainer, row
    from kuleshov.train.tower import freeze

    gpu = device == "cuda"
    dtype = torch.bfloat16 if gpu else torch.float32
    where = str(folder / setting.family)
    model = AutoModelForImageTextToText.from_pretrained(where, dtype=dtype)
    if setting.tower == "frozen":
        freeze(model)
    arguments = GRPOConfig(
        str(folder / "out"),
        per_device_train_batch_size=GROUP,
        num_generations=GROUP,
        max_completion_length=setting.completion,
        generation_kwargs={
            "min_new_tokens": setting.completion,
            "suppress_tokens": vision_tokens(model.config),
        },
        beta=0.04,
        model_init_kwargs={"dtype": dtype},  # of the reference model
        max_steps=len(samples),
        learning_rate=0.0,
        max_grad_norm=0.0,  # no clipping
        shuffle_dataset=False,
        optim="sgd" if gpu else "adamw_torch",
        bf16=gpu,
        gradient_checkpointing=gpu,
        use_cpu=not gpu,
        dataloader_pin_memory=gpu,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        seed=0,
    )
    kind: Any = VideoGRPOTrainer if side == "ours" else StockTrainer
    return kind(
        model,
        reward_funcs=[_some_reward],
        args=arguments,
        train_dataset=Dataset.from_list([row(sample) for sample in samples]),
        processing_class=encoder.processor,
        encoder=encoder,
    )


def _some_reward(completions: list[Any], **columns: Any) -> list[float]:
    """With variance in each group, and the same on both sides."""
    return [float(number % 3) for number in range(len(completions))]


def run(folder: Path, setting: Setting, device: str) -> dict[str, dict[str, Any]]:
    """Both sides of a setting, each in a process of its own."""
    import torch

    sides = {}
    for side in SIDES:
        out = folder / f"{side}.pt"
        own = [str(folder), side, str(setting), device, str(out)]
        cost = measure([sys.executable, "-m", "benchmarks.train", "--step", *own], ROOT)
        sides[side] = torch.load(out)
        sides[side]["peak"] = sides[side]["peak"] or cost.peak_mb
        told = " ".join(f"{name} {value:.2f}" for name, value in sides[side]["seconds"].items())
        print(f"{setting} {side}: {told} s, {sides[side]['peak']:.0f} MB", file=sys.stderr)
    return sides


def figures(setting: Setting, sides: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The claims of a setting, from what both sides took and what came out of them."""
    ours, stock = sides["ours"], sides["stock"]
    took, takes = stock["seconds"], ours["seconds"]
    slow, fast = stock["gradients"], ours["gradients"]
    if slow.keys() != fast.keys():
        raise SystemExit(f"{setting}: the sides train other weights: {slow.keys() ^ fast.keys()}")
    whole = sum(float(gradient.norm()) ** 2 for gradient in slow.values()) ** 0.5
    # What is nothing but rounding (a bias that the softmax does not see) has no relative error.
    told = {name: float(g.norm()) for name, g in slow.items() if g.norm() > 1e-6 * whole}
    errors = {name: float((fast[name] - slow[name]).norm()) / norm for name, norm in told.items()}
    found = {
        "train_ratio": round(took["train"] / takes["train"], 2),
        "step_ratio": round(took["step"] / takes["step"], 2),
        "generation_share": round(takes["tokens"] / takes["step"], 3),
        "logp_abs_err": float(f"{float((ours['logps'] - stock['logps']).abs().max()):.2g}"),
        "grad_rel_err": float(f"{max(errors.values()):.2g}"),
        "peak_memory_ratio": round(ours["peak"] / stock["peak"], 3),
        "decodes_per_prompt": ours["decodes"],
    }
    return {**found, **asdict(setting), "prompt": ours["prompt"], "group": GROUP}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.train", description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--size", choices=["small", "3b", "7b"], default="small")
    parser.add_argument("--only", help="one setting: family,tower,completion")
    parser.add_argument("--step", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        import torch

        folder, side, setting, device, out = args.step
        torch.save(step(Path(folder), side, parsed(setting), device), out)
        return
    settings = [parsed(args.only)] if args.only else SETTINGS
    # What is measured is this checkout; threads that wait for others must not count.
    os.environ.update(PYTHONPATH=str(ROOT), OMP_WAIT_POLICY="passive", TOKENIZERS_PARALLELISM="0")
    with tempfile.TemporaryDirectory(prefix="bench-train-") as temporary:
        folder = Path(temporary)
        prepare(folder, TASKS)
        for family in {setting.family for setting in settings}:
            build(folder, family, args.size, args.device)
        found = [figures(setting, run(folder, setting, args.device)) for setting in settings]
    print(json.dumps({"device": args.device, "size": args.size, "settings": found}))


def parsed(text: str) -> Setting:
    family, tower, completion = text.split(",")
    return Setting(family, tower, int(completion))


if __name__ == "__main__":
    main()
