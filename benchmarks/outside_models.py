"""Every video model of the installed transformers: right through our own path, or refused.

Each type of the registry (any_model.py) is built tiny and judged in a process of its own, so that
one that crashes or hangs stops no other. A model is right if, of all that goes through loading,
encoding, the guard, GRPO's log-probabilities and rollouts, and evaluation,

    log-probabilities   of a group's completions are those of plain rows, one at a time
    rollouts            greedy ones are what `generate` writes to the prompt alone
    evaluation          likewise
    pixels, order       other pixels, and the same frames backwards, change what it says
    times               other times change what it is given

with a tolerance measured at the model: what plain rows differ by from themselves in batches of
other shapes. Behind what fills up a row, positions are others, and float32 rounds their angles
otherwise; at the same positions and in float64 nothing of it is left, which a test shows.

A model is refused if the project says so before it trains or answers, by a property that was found
on the built model and processor. All else that goes on is silently wrong. So that nothing passes
because nothing shows, each model must also tell a planted leak: a completion that sees the one
before.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from datasets import Dataset
from transformers import GenerationConfig
from trl import GRPOConfig

from benchmarks.any_model import SIDE, build, types
from kuleshov.clips import write_clips
from kuleshov.dataset import load_samples
from kuleshov.errors import KuleshovError
from kuleshov.evaluate.backends.backend import Request
from kuleshov.evaluate.backends.transformers import Transformers
from kuleshov.evaluate.config import EvalConfig
from kuleshov.media import Renderer
from kuleshov.preflight import Subject
from kuleshov.preflight.checks import sees
from kuleshov.preflight.findings import WRONG
from kuleshov.sample import Pixels, Sample
from kuleshov.synthesize import MakeConfig, make
from kuleshov.train.config import TrainConfig
from kuleshov.train.encode import Encoded, Encoder, left_pad, vision_tokens
from kuleshov.train.generation import ends, plain
from kuleshov.train.grpo import VideoGRPOTrainer, row
from kuleshov.train.model import load_model
from kuleshov.train.sharing import FILLED

WORKERS, CPU_SECONDS, WALL_SECONDS = 2, 150, 3600
"""Processes at a time, and after how long one of them is given up. What a model needs is CPU time:
on a machine with other work, the clock on the wall says nothing of it, and only ends what sleeps.
"""
LEAST, MOST, SLACK = 1e-4, 2e-3, 4.0
"""The tolerance in nats is so many times the rounding that was measured, between the two others."""
MOST_NOT_BUILT = 5
LANGUAGES: dict[str, dict[str, Any]] = {
    "internvl with llama": {"model_type": "llama"},
    "internvl with gpt_oss": {
        "model_type": "gpt_oss",
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": 16,
        "layer_types": ["sliding_attention", "full_attention"],
    },
}
"""Beside the types themselves: language models that InternVL is published with."""
RIGHT = (
    *("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe", "internvl"),
    *(*LANGUAGES, "llava_onevision", "video_llama_3", "smolvlm"),
)
"""Those that must be right."""
LENGTHS = (5, 1, 7, 3)
"""Tokens of the completions of a group."""
GREEDY = 8
"""Tokens of rollouts."""
_FRAMES = {"min_pixels": SIDE**2, "max_pixels": SIDE**2, "size_multiple": 28}
_TASKS: dict[str, dict[str, Any]] = {
    "anomaly": {
        "num_frames": 8,
        "min_frames": 8,
        "min_segment": 2,
        "max_segment": 4,
        **_FRAMES,
    },
    "jigsaw": {"num_clips": 3, "num_frames": 12, "min_frames": 12, **_FRAMES},
}
_FAILURES = (ValueError, TypeError, LookupError, AttributeError, RuntimeError, ImportError, OSError)


def models() -> dict[str, Any]:
    """The verdicts on all of them, as `make outside` prints them."""
    with tempfile.TemporaryDirectory() as folder:
        data = prepare(Path(folder))
        names = [*types(), *LANGUAGES]
        with ThreadPoolExecutor(WORKERS) as pool:
            found = dict(zip(names, pool.map(lambda name: _apart(name, data), names), strict=True))
    return figures(found)


def figures(found: dict[str, str]) -> dict[str, Any]:
    """What is printed of the verdicts, given by name."""
    not_built = [name for name, said in found.items() if said.startswith("not built")]
    not_right = [name for name in RIGHT if not found.get(name, "").startswith("right")]
    if len(not_built) > MOST_NOT_BUILT:
        not_right += not_built
    return {
        "models": found,
        "types": len(types()),
        "silently_wrong": sum(said.startswith("wrong") for said in found.values()),
        "models_missing": not_right,
        "transformers": transformers.__version__,
        "torch": torch.__version__,
    }


def prepare(folder: Path) -> Path:
    """A folder with clips and a sample set: questions about one video and about three."""
    write_clips(folder / "clips", 3, seed=7, workers=0)
    make(folder / "clips", folder / "set", MakeConfig(workers=0, tasks=_TASKS, held_out=0.0))
    return folder


def _apart(name: str, data: Path) -> str:
    """The verdict on one model, found in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.outside_models", name, str(data)]
    with subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as running:
        resource.prlimit(running.pid, resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
        try:
            told, _ = running.communicate(timeout=WALL_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            told, _ = running.communicate()
    last = (told.strip().splitlines() or [""])[-1]
    if last.startswith('"'):
        said = str(json.loads(last))
    elif running.returncode == -signal.SIGXCPU:
        said = f"not built: no verdict after {CPU_SECONDS} s of CPU time"
    else:
        said = f"not built: exit {running.returncode}"
    print(f"{name}: {said}", file=sys.stderr)
    return said


def verdict(name: str, data: Path) -> str:
    """Build a model and judge it.

    Args:
        name: a type, or one of `LANGUAGES`.
        data: see `prepare`.
    """
    kind = name.partition(" with ")[0]
    changes = {"text_config": LANGUAGES[name]} if name in LANGUAGES else {}
    samples = load_samples(data / "set", "train")
    with tempfile.TemporaryDirectory() as folder:
        try:
            build(Path(folder), kind, [sample.prompt for sample in samples], **changes)
        except _FAILURES as error:
            return f"not built: {_brief(error)}"
        try:
            return Judge(Path(folder), samples, Renderer(data / "clips")).verdict()
        except KuleshovError as error:
            return f"refused: {_brief(error)}"
        except _FAILURES as error:
            return f"not built: {_brief(error)}"


def _brief(error: Exception) -> str:
    text = str(error) if isinstance(error, KuleshovError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:400]


class Judge:
    """One model in a folder, through our own path and plainly.

    Args:
        folder: of the model and its processor.
        samples: questions about one video each, and about several.
        render: their frames.

    Raises:
        KuleshovError: the model is refused.
    """

    def __init__(
        self, folder: Path, samples: Sequence[Sample], render: Callable[[Sample], list[Pixels]]
    ) -> None:
        self.folder, self.render = folder, render
        self.model, self.processor = load_model(str(folder))
        self.model.eval()
        self.encode = Encoder(self.processor, render)
        one = next(sample for sample in samples if len(sample.media) == 1)
        self.prompts = [self.encode(one)]
        several = next(sample for sample in samples if len(sample.media) > 1)
        with suppress(KuleshovError):  # said, and so no harm: such questions are left out
            self.prompts.append(self.encode(several))
        special = {*self.processor.tokenizer.all_special_ids, *vision_tokens(self.model.config)}
        usual = torch.tensor(sorted({*range(len(self.processor.tokenizer))} - special))
        random = torch.Generator().manual_seed(0)
        self.completions = [
            usual[torch.randint(len(usual), (n,), generator=random)] for n in LENGTHS
        ]
        self.limit = min(max(LEAST, SLACK * self.rounding()), MOST)

    def verdict(self) -> str:
        """What is to be said of the model: right, refused or wrong."""
        first, second = self.completions[0], self.completions[2]
        leaky = self.plain(self.prompts[0], torch.cat([first, second]))[len(first) :]
        if self.same(leaky, self.plain(self.prompts[0], second)):
            return "wrong: the planted leak does not show"
        if blind := [name for name, change in _CHANGES.items() if not self.tells(change)]:
            found = sees(self._subject(), 60.0)
            return f"refused: {found.text}" if found.status == WRONG else f"wrong: {blind} unseen"
        if not self.tells_times():
            return "wrong: other times are the same to it"
        trainer = self.trainer()
        if apart := self.log_probabilities(trainer):
            return f"wrong: log-probabilities differ by {apart:.2g} nats"
        if not self.rolls_out(trainer):
            return "wrong: rollouts are not those of a plain generate"
        if not self.answers():
            return "wrong: evaluation answers otherwise than a plain generate"
        return "right" if trainer.share_prompts else "right, unshared"

    def rounding(self) -> float:
        """The largest difference, in nats, of a completion's log-probabilities in plain rows:
        alone, twice, and filled up on the left.
        """
        prompt, completion = self.prompts[0], self.completions[0]
        alone = self.plain(prompt, completion)
        others = [
            self.plain(prompt, completion, rows=2),
            *(self.plain(prompt, completion, filled=filled) for filled in FILLED),
        ]
        return max(float((other - alone).abs().max()) for other in others)

    def same(self, one: torch.Tensor, other: torch.Tensor) -> bool:
        return float((one - other).abs().max()) <= self.limit

    @torch.no_grad()
    def plain(
        self, prompt: Encoded, completion: torch.Tensor, rows: int = 1, filled: int = 0
    ) -> torch.Tensor:
        """Log-probabilities of a completion behind its prompt, from a forward of nothing else.

        Args:
            prompt: the prompt.
            completion: token ids of shape (length,), at least one.
            rows: how often the row is repeated.
            filled: by how many places it is filled up on the left.

        Returns:
            Shape (length,).
        """
        inputs = _inputs(prompt, completion, rows, filled)
        start = filled + len(prompt.input_ids) - 1
        logits = self.model(**inputs).logits[0, start : start + len(completion)]
        told: torch.Tensor = logits.float().log_softmax(-1).gather(1, completion[:, None])[:, 0]
        return told

    @torch.no_grad()
    def following(self, prompt: Encoded) -> torch.Tensor:
        """Log-probabilities of all tokens behind a prompt."""
        inputs = _inputs(prompt, prompt.input_ids[:0])
        told: torch.Tensor = self.model(**inputs).logits[0, -1].float().log_softmax(-1)
        return told

    def tells(self, change: Callable[[Pixels], Pixels]) -> bool:
        """Whether the model says something else where it is shown something else."""
        sample = self.prompts[0].sample
        shown = Encoder(self.processor, lambda s: [change(p) for p in self.render(s)])(sample)
        return not self.same(self.following(shown), self.following(self.prompts[0]))

    def tells_times(self) -> bool:
        """Whether what the model is given of the same frames at other times is something else."""
        (prompt, *_), sample = self.prompts, self.prompts[0].sample
        media = tuple(
            replace(
                item,
                frames=tuple(f._replace(shown_seconds=f.shown_seconds * 1.5) for f in item.frames),
            )
            for item in sample.media
        )
        other = self.encode(replace(sample, media=media))
        fields = [{"ids": p.input_ids, **p.videos} for p in (prompt, other)]
        return any(not torch.equal(fields[0][key], fields[1][key]) for key in fields[0])

    def trainer(self) -> VideoGRPOTrainer:
        args = GRPOConfig(
            str(self.folder / "run"),
            per_device_train_batch_size=4,
            num_generations=4,
            max_completion_length=GREEDY,
            generation_kwargs={
                "do_sample": False,
                "suppress_tokens": vision_tokens(self.model.config),
            },
            report_to=[],
            bf16=False,
            activation_checkpointing=False,
            dataloader_pin_memory=False,
            disable_tqdm=True,
        )
        return VideoGRPOTrainer(
            self.model,
            reward_funcs=[_none],
            args=args,
            train_dataset=Dataset.from_list([row(prompt.sample) for prompt in self.prompts]),
            processing_class=self.processor,
            encoder=self.encode,
        )

    @torch.no_grad()
    def log_probabilities(self, trainer: VideoGRPOTrainer) -> float:
        """By how much those of GRPO differ from plain ones; 0 if they are the same."""
        pad = self.processor.tokenizer.pad_token_id
        prompts = [prompt for prompt in self.prompts for _ in self.completions]
        completions = self.completions * len(self.prompts)
        longest = max(LENGTHS)
        ids = left_pad([prompt.input_ids for prompt in prompts], pad)
        seen = left_pad([torch.ones_like(prompt.input_ids) for prompt in prompts], 0)
        own = [torch.nn.functional.pad(c, (0, longest - len(c)), value=pad) for c in completions]
        kept = torch.tensor([[i < len(c) for i in range(longest)] for c in completions]).long()
        self.model.eval()
        trainer._prompts = prompts
        try:
            found, *_ = trainer._get_per_token_logps_and_entropies(
                trainer.model,
                torch.cat([ids, torch.stack(own)], dim=1),
                torch.cat([seen, kept], dim=1),
                longest,
            )
        finally:
            trainer._prompts = None
        worst = 0.0
        for told, prompt, completion in zip(found, prompts, completions, strict=True):
            plainly = self.plain(prompt, completion)
            worst = max(worst, float((told[: len(completion)] - plainly).abs().max()))
        return worst if not worst <= self.limit else 0.0

    def greedy(self, prompt: Encoded) -> list[int]:
        """What `generate` writes to a prompt alone, up to the token that ends it."""
        tokenizer = self.processor.tokenizer
        settings = GenerationConfig(
            do_sample=False,
            max_new_tokens=GREEDY,
            eos_token_id=ends(self.model, tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            suppress_tokens=vision_tokens(self.model.config),
        )
        inputs = _inputs(prompt, prompt.input_ids[:0])
        with torch.no_grad(), plain(self.model):
            written = self.model.generate(**inputs, generation_config=settings)
        return _ended(written[0, len(prompt.input_ids) :].tolist(), settings.eos_token_id)

    def rolls_out(self, trainer: VideoGRPOTrainer) -> bool:
        prompts = [prompt for prompt in self.prompts for _ in range(2)]
        stops = ends(self.model, self.processor.tokenizer)
        found = [_ended(ids, stops) for ids in trainer._complete(prompts, 2)]
        self.model.eval()
        return found == [self.greedy(prompt) for prompt in prompts]

    def answers(self) -> bool:
        config = EvalConfig(
            temperature=0.0, max_completion_tokens=GREEDY, batch_size=len(self.prompts)
        )
        backend = Transformers(str(self.folder), config)
        samples = [prompt.sample for prompt in self.prompts]
        asked = backend.ask(Request(sample, self.render(sample)) for sample in samples)
        found = {request.sample.id: reply.text for request, reply in asked}
        plainly = self.encode.texts([self.greedy(prompt) for prompt in self.prompts])
        return [found[sample.id] for sample in samples] == plainly

    def _subject(self) -> Subject:
        samples = [prompt.sample for prompt in self.prompts]
        return Subject(self.model, self.processor, samples, self.render, TrainConfig())


_CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "other pixels": lambda pixels: 255 - pixels,
    "frames backwards": lambda pixels: np.ascontiguousarray(pixels[::-1]),
}


def _inputs(
    prompt: Encoded, completion: torch.Tensor, rows: int = 1, filled: int = 0
) -> dict[str, torch.Tensor]:
    pad = torch.nn.functional.pad
    ids = torch.cat([prompt.input_ids, completion])[None]
    seen = torch.ones_like(ids)
    inputs = {"input_ids": pad(ids, (filled, 0)), "attention_mask": pad(seen, (filled, 0))}
    if prompt.token_types is not None:
        inputs["mm_token_type_ids"] = pad(prompt.token_types, (filled, len(completion)))[None]
    return {key: torch.cat([value] * rows) for key, value in {**inputs, **prompt.videos}.items()}


def _ended(ids: list[int], stops: Sequence[int]) -> list[int]:
    return next((ids[: i + 1] for i, token in enumerate(ids) if token in stops), ids)


def _none(completions: list[Any], **columns: Any) -> list[float]:
    return [0.0 for _ in completions]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.outside_models")
    parser.add_argument("name", help="a type, such as qwen2_vl")
    parser.add_argument("data", type=Path, help="a folder that `prepare` has filled")
    args = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(json.dumps(verdict(args.name, args.data)))


if __name__ == "__main__":
    main()
