"""The whole way on small settings: clips, samples, cold start, GRPO, evaluation, one page.

    OUT/
      clips/        procedural videos, unless you give your own
      samples/      what `kuleshov make` writes
      tiny/         the tiny model with random weights
      train/        the training run; train/sft/model is the cold-started model
      before/       evaluation of the cold-started model
      after/        evaluation of the GRPO-trained model
      report.html   the page; what it reads lies in report_files/, its tables beside it
      result.json   its figures

An interrupted demo goes on where it was; a finished one starts over: its own files are removed,
by their names, and nothing else is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from kuleshov import clips
from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.evaluate.config import EvalConfig
from kuleshov.files import replace_text
from kuleshov.owned import MARK, remove, writing
from kuleshov.progress import Figures, Progress
from kuleshov.recipe import load
from kuleshov.synthesize import MakeConfig, make, with_both_sides
from kuleshov.train.config import TrainConfig

_MODEL = (
    *("config.json", "generation_config.json", "processor_config.json", "tokenizer_config.json"),
    *("preprocessor_config.json", "video_preprocessor_config.json", "tokenizer.json"),
    *("special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt"),
    *("chat_template.jinja", "chat_template.json", "*.safetensors", "*.safetensors.index.json"),
    *("trained_on.json", "README.md", "training_args.bin", "tokenizer.model"),
)
_RUN = (MARK, "config.yaml", "environment.json")
_CHECKPOINT = ("optimizer.pt", "scheduler.pt", "rng_state*.pth", "trainer_state.json", "whole")
_PHASES = ("sft", "dpo", "grpo")
_FILES = (
    *("settings.txt", "result.json", "report.html", "report.json", "report.md", "report.tex"),
    *(f"report_files/{name}" for name in (MARK, "data.js", "details/*.js", "sheets/*.jpg")),
    *("clips/clip-*.mp4", "clips/.*.tmp"),
    *(f"samples/{name}" for name in (MARK, "config.yaml", "skips.jsonl", "summary.json")),
    *("samples/README.md", "samples/manifest.json", "samples/samples/*-*.parquet"),
    *("samples/.making/*", "samples/.making/*/*"),
    *(f"tiny/{name}" for name in _MODEL),
    *(f"train/{name}" for name in (*_RUN, "metrics.jsonl", "completions.jsonl", "left_out.jsonl")),
    *(f"train/{model}/{name}" for model in ("model", "model.tmp") for name in _MODEL),
    *(f"train/{phase}/{name}" for phase in _PHASES for name in ("no_pair.json", "whole")),
    *(
        f"train/{phase}/checkpoints/{name}"
        for phase in _PHASES
        for name in ("README.md", "runs/*/events.out.tfevents.*")  # TRL's, and TensorBoard's
    ),
    *(
        f"train/{phase}/{folder}/{name}"
        for phase in _PHASES
        for folder in ("model", "model.tmp", "adapter")
        for name in (*_MODEL, "adapter_config.json")
    ),
    *(
        f"train/{phase}/checkpoints/checkpoint-*/{name}"
        for phase in _PHASES
        for name in (*_MODEL, *_CHECKPOINT, "adapter_config.json", "objective.json", "window-*.pt")
    ),
    *(
        f"{run}/{name}"
        for run in ("before", "after")
        for name in (*_RUN, "results.jsonl", "left_out.jsonl")
    ),
)
"""What a demo may have written, as `remove` takes it."""


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """The `demo` section of a recipe.

    Args:
        num_clips: procedural videos to make.
        clips_seed: of their scenes.
        clip_seconds: how long each one is.
        family: architecture of the tiny model.
        model_seed: of its random weights.
        own_held_out: share held out of your own videos, which are fewer than the clips. Of two
            or more, at least one is on either side.
    """

    num_clips: int = 400
    clips_seed: int = 0
    clip_seconds: float = clips.SECONDS
    family: str = "qwen2_5_vl"
    model_seed: int = 0
    own_held_out: float = 0.3


def demo(
    recipe: Path,
    out: Path,
    videos: Path | None = None,
    progress: Progress = lambda *_: None,
    figures: Figures = lambda *_: None,
) -> Path:
    """Run the demo and return the path of its report.

    Args:
        recipe: the YAML file with all settings.
        out: the folder for everything.
        videos: your own folder of videos instead of procedural clips.
        progress: told of every step of every stage.
        figures: told of what training logs.

    Raises:
        UsageError: a recipe or a folder that cannot be used.
    """
    with writing(out, "demo", *([] if videos is None else [videos])):
        return _demo(recipe, out, videos, progress, figures)


def _demo(
    recipe: Path, out: Path, videos: Path | None, progress: Progress, figures: Figures
) -> Path:
    from kuleshov.evaluate.runner import evaluate
    from kuleshov.report.build import build
    from kuleshov.report.compared import labelled
    from kuleshov.train import tiny
    from kuleshov.train.pipeline import train

    config = load(recipe, "demo", DemoConfig, {})
    make_config = load(recipe, "make", MakeConfig, {})
    train_config = load(recipe, "train", TrainConfig, {})
    eval_config = load(recipe, "eval", EvalConfig, {})

    settings = f"{recipe.read_text(encoding='utf-8')}\nvideos: {videos and videos.resolve()}\n"
    if (out / "result.json").exists() or not _same_settings(out, settings):
        remove(out, *_FILES)
    replace_text(out / "settings.txt", settings)

    data = out / "samples"
    if videos is not None:
        make_config = replace(make_config, held_out=config.own_held_out)
        seen = f"your videos in {videos}"
    else:
        seen = f"{config.num_clips} procedural clips of seed {config.clips_seed}"
        videos = out / "clips"
        clips.write_clips(
            videos,
            config.num_clips,
            config.clips_seed,
            config.clip_seconds,
            make_config.workers,
            progress,
        )
    if not (data / "summary.json").exists():
        summary = make(videos, data, make_config, progress)
        if 0 in summary["videos"].values():
            ids = [
                sample.provenance.get("near_duplicate_of", sample.video_ids[0])
                for sample in load_samples(data)
            ]
            make(videos, data, with_both_sides(make_config, ids), progress, overwrite=True)
    samples = load_samples(data)
    if not {"train", "held_out"} <= {sample.split for sample in samples}:
        raise UsageError(
            f"{videos} gave {len(samples)} samples, not enough for a train and a held-out split, "
            "which need two videos; "
            f"{data / 'skips.jsonl'} says what was skipped and why"
        )
    # A handful of your own videos may give fewer prompts than a step of GRPO asks.
    few = min(train_config.grpo.prompts_per_step, sum(s.split == "train" for s in samples))
    train_config = replace(train_config, grpo=replace(train_config.grpo, prompts_per_step=few))
    tiny_model = out / "tiny"
    if not (tiny_model / "config.json").exists():
        prompts = [sample.prompt for sample in samples if sample.split == "train"]
        tiny.build(tiny_model, prompts, config.family, config.model_seed)
    trained = train(data, str(tiny_model), out / "train", train_config, progress, figures)
    cold = out / "train" / "sft" / "model"
    # The page shows the blind score of the trained model only.
    seeing = replace(eval_config, conditions=("full",))
    evaluate(str(cold), data, out / "before", seeing, progress)
    evaluate(str(trained), data, out / "after", eval_config, progress)
    page = out / "report.html"
    sets = build(
        [out / "before", out / "train", out / "after"],
        page,
        names=("cold start", "GRPO"),
        lead="A demo on small settings: a tiny model with random weights, few small frames, short "
        f"clips. It shows that the machinery learns, not how well a real model does. Seen: {seen}. "
        f"The model: {config.family}, weights drawn with seed {config.model_seed}.",
    )
    found = {task: comparison.to_json() for task, comparison in labelled(sets).items()}
    replace_text(out / "result.json", json.dumps({"tasks": found}, indent=2) + "\n")
    return page


def _same_settings(out: Path, settings: str) -> bool:
    path = out / "settings.txt"
    return path.is_file() and path.read_text(encoding="utf-8") == settings
