"""Run a model on a sample set, under each condition, and write down what it said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from kuleshov.controls import control
from kuleshov.dataset import load_samples, videos_root
from kuleshov.errors import UsageError
from kuleshov.evaluate.config import EvalConfig
from kuleshov.evaluate.results import Result, append_results, load_results
from kuleshov.media import Renderer
from kuleshov.progress import Progress
from kuleshov.randomness import digest
from kuleshov.run import begin, samples_hash, weights_hash
from kuleshov.sample import Sample
from kuleshov.tasks import score
from kuleshov.train.encode import Encoder, batch, vision_tokens
from kuleshov.train.guard import guard
from kuleshov.train.pipeline import load_model


def evaluate(
    model: str, data: Path, run: Path, config: EvalConfig, progress: Progress = lambda *_: None
) -> list[Result]:
    """A model's answers to every sample of a split, under every condition.

    Args:
        model: name or path for `from_pretrained`.
        data: the folder that `kuleshov make` wrote.
        run: the run folder; items that are there already are not run again.
        config: the settings.
        progress: told of every batch.

    Raises:
        UsageError: no samples, or a run folder that holds another model's results.
    """
    samples = load_samples(data, config.split)
    if not samples:
        raise UsageError(f"{data} has no samples in its {config.split} split")
    record = {
        "model": model,
        "weights": weights_hash(model),
        "data": str(data.resolve()),
        "samples": samples_hash(samples),
        "temperature": config.temperature,
        "seed": config.seed,
        "max_completion_tokens": config.max_completion_tokens,
    }
    started = (run / "results.jsonl").is_file()
    begin(run, record, config, started)
    done = {(r.sample, r.condition) for r in load_results(run)} if started else set()
    todo = [
        (sample, condition)
        for condition in config.conditions
        for sample in samples
        if (sample.id, condition) not in done
    ]
    # Prompts of like length share a batch; items are independent, so the order is free.
    todo.sort(key=lambda item: (item[1], item[0].task, item[0].id))
    gpu = torch.cuda.is_available()
    loaded, processor = load_model(model, torch.bfloat16 if gpu else torch.float32)
    loaded.eval().to("cuda" if gpu else "cpu")
    guard(loaded)
    encoder = Encoder(processor, Renderer(videos_root(data)))
    progress("evaluating", 0, len(todo))
    for start in range(0, len(todo), config.batch_size):
        part = todo[start : start + config.batch_size]
        append_results(run, _answers(loaded, encoder, part, config))
        progress("evaluating", start + len(part), len(todo))
    return load_results(run)


@torch.no_grad()
def _answers(
    model: Any, encoder: Encoder, items: list[tuple[Sample, str]], config: EvalConfig
) -> list[Result]:
    tokenizer = encoder.processor.tokenizer
    encoded = [encoder(control(sample, condition)) for sample, condition in items]
    inputs = {k: v.to(model.device) for k, v in batch(encoded, tokenizer.pad_token_id).items()}
    # The whole distribution: a model's own generation settings may cut it (top_k, top_p).
    sampling = {"temperature": config.temperature, "top_k": 0, "top_p": 1.0}
    # Keyed by what is asked: a run that was stopped between batches goes on with the same draws.
    asked = "".join(f"{sample.id}{condition}" for sample, condition in items)
    torch.manual_seed(digest("eval", config.seed, asked) % 2**63)
    output = model.generate(
        **inputs,
        do_sample=config.temperature > 0,
        **(sampling if config.temperature > 0 else {}),
        max_new_tokens=config.max_completion_tokens,
        pad_token_id=tokenizer.pad_token_id,
        suppress_tokens=vision_tokens(model.config),
    )
    written = output[:, inputs["input_ids"].size(1) :]
    texts = tokenizer.batch_decode(written, skip_special_tokens=True)
    results = []
    for (sample, condition), prompt, text in zip(items, encoded, texts, strict=True):
        reward = score(sample, text)
        results.append(
            Result(
                sample=sample.id,
                task=sample.entry,
                video=sample.video_ids[0],
                condition=condition,
                repeat=0,
                completion=text,
                answer=reward.answer,
                score=reward.total,
                num_frames=sum(len(item.frames) for item in sample.media),
                num_tokens=len(prompt.input_ids),
            )
        )
    return results
