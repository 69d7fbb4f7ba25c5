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

An interrupted demo goes on where it was; a finished one starts over.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from kuleshov import clips
from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.evaluate.config import EvalConfig
from kuleshov.files import replace_text
from kuleshov.progress import Figures, Progress
from kuleshov.recipe import load
from kuleshov.synthesize import MakeConfig, make, with_both_sides
from kuleshov.train.config import TrainConfig


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
        shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
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
            make(videos, data, with_both_sides(make_config, ids), progress)
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
