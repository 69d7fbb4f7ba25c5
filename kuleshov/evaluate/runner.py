"""Ask a model a sample set, under each condition, and write down what it said.

One answer is one line of `results.jsonl`, written when it is there. What was answered is not asked
again, so a run that was killed, or whose endpoint failed, goes on where it stopped. Under
`torchrun` or `accelerate launch` the questions are shared out (shares.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from itertools import chain, groupby, takewhile
from pathlib import Path
from typing import Any

from kuleshov.controls import control
from kuleshov.dataset import load_samples, videos_root
from kuleshov.errors import EndpointError, UnreadableVideoError, UsageError
from kuleshov.evaluate.address import canonical
from kuleshov.evaluate.backends import BACKENDS, Backend, Refusal, Reply, Request
from kuleshov.evaluate.bench import verify
from kuleshov.evaluate.config import EvalConfig
from kuleshov.evaluate.judge import grading, needs_judge
from kuleshov.evaluate.metrics import scores_of
from kuleshov.evaluate.results import BEFORE, Result, append_results, load_results
from kuleshov.evaluate.shares import Shares
from kuleshov.left_out import FILE, LeftOut
from kuleshov.locations import Location
from kuleshov.media import render_all
from kuleshov.owned import writing
from kuleshov.progress import Progress
from kuleshov.randomness import digest
from kuleshov.run import begin, environment, samples_hash, weights_hash
from kuleshov.sample import Reward, Sample, dump_json
from kuleshov.tasks import score
from kuleshov.trained_on import trained_on, trained_with, videos_of
from kuleshov.whole import check_trained

Grade = Callable[[Sample, str], Reward]
Asked = tuple[Sample, str, int]
"""(sample, condition, repeat)."""
ALL_REFUSED = 8
"""If so many questions are left out and none is answered, it is not the questions; ours."""


def evaluate(
    model: str,
    data: Path,
    run: Path,
    config: EvalConfig,
    progress: Progress = lambda *_: None,
    grade: Grade = score,
) -> list[Result]:
    """A model's answers to every sample of a split, under every condition.

    Args:
        model: name or path for `from_pretrained`, or what an endpoint calls it.
        data: the folder that `kuleshov make` wrote; a frozen one is verified first.
        run: the run folder; items that are there already are not asked again.
        config: the settings.
        progress: told of every answer.
        grade: what a completion earns, unless the settings name a judge.

    Raises:
        UsageError: no samples, a frozen set that has changed, a run folder that holds another
            model's results or something else, more questions left out than `config` allows, or
            several processes with a backend that one process asks.
        EndpointError: an endpoint gives no answer; what was answered before is kept.
    """
    samples = load_samples(data, config.split)
    if not samples:
        raise UsageError(f"{data} has no samples in its {config.split} split")
    videos_root(data)  # what is refused is refused before anything is written
    shares = Shares(config.backend)
    with writing(run, "eval", data, Path(model)) if shares.main else nullcontext():
        return _evaluate(model, data, run, config, samples, shares, progress, grade)


def _evaluate(
    model: str,
    data: Path,
    run: Path,
    config: EvalConfig,
    samples: Sequence[Sample],
    shares: Shares,
    progress: Progress,
    grade: Grade,
) -> list[Result]:
    started = (run / "results.jsonl").is_file()
    if shares.main:
        check_trained(model)
        record = {**_record(model, data, samples, config), "bench": verify(data, progress)}
        if started:
            _check_asked(run, config)
        begin(run, record, config, started, BEFORE, {key: now for key, now, _ in _asked(config)})
    shares.wait()
    done = {asked_of(result) for result in load_results(run)} if started else set()
    todo = [
        (sample, condition, repeat)
        for condition in config.conditions
        for sample in samples
        for repeat in range(config.repeats)
        if (sample.id, condition, repeat) not in done
    ]
    if not todo:
        return load_results(run)
    if shares.main:
        (run / FILE).unlink(missing_ok=True)  # what was left out is asked again
    # Items are independent, so the order is free: prompts of like length share a batch, the
    # longest first, as what does not fit into memory is to fail at once; and the conditions of
    # a sample stand together, so that its videos are decoded once.
    todo.sort(key=lambda item: (*_length(item[0]), item[0].id), reverse=True)
    # A judge that cannot be asked is refused before a model is loaded.
    with grading(config.judge, grade) as graded:
        backend = BACKENDS[config.backend](model, config)
        if shares.main:
            _warn(backend, model, samples, config)
            progress("evaluating", 0, len(todo))
        mine = shares.mine(todo, config.batch_size)
        failed: list[EndpointError] = []  # a judge: nothing more is asked, what comes in is kept
        told = _answers(backend, list(chain(*mine)), videos_root(data), config.seed, failed)
        samples_asked = len({sample.id for sample, _, _ in todo})
        share = config.left_out_share
        out = LeftOut(run, samples_asked, share, "eval.left_out_share", shares.main)
        unanswered = 0
        for count, (request, reply) in enumerate(shares.of_all(told, list(map(len, mine))), 1):
            if isinstance(reply, Refusal):
                out.add(reply.reason, **_named(request))
                unanswered += 1
                if unanswered == count >= min(ALL_REFUSED, len(todo)):
                    raise EndpointError(reply.reason)
            elif shares.main and not (failed and needs_judge(request.sample)):
                try:
                    append_results(run, [result_of(request, reply, graded)])
                except EndpointError as error:
                    failed.append(error)
            if shares.main:
                progress("evaluating", count, len(todo))
    if failed:
        raise failed[0]
    shares.wait()
    return load_results(run)


def _answers(
    backend: Backend,
    todo: Sequence[Asked],
    root: Location,
    seed: int,
    failed: Sequence[EndpointError],
) -> Iterator[tuple[Request, Reply | Refusal]]:
    """What is made of each question, without the pixels, which no grade looks at.

    Args:
        backend: who answers.
        todo: see `requests`; `root` and `seed` likewise.
        root: the folder of videos.
        seed: of the sampling.
        failed: as soon as there is something in it, no further question is asked.
    """
    unshown: list[tuple[Request, Reply | Refusal]] = []

    def left_out(request: Request, reason: str) -> None:
        unshown.append((request, Refusal(reason)))

    asked = takewhile(lambda _: not failed, requests(todo, root, seed, left_out))
    for request, reply in backend.ask(asked):
        yield replace(request, pixels=()), reply
        while unshown:
            yield unshown.pop()
    yield from unshown


def _named(request: Request) -> dict[str, Any]:
    """What is left out."""
    sample = request.sample
    names = {"sample": sample.id, "task": sample.entry, "video": sample.video_ids[0]}
    return {**names, "condition": request.condition, "repeat": request.repeat}


def _warn(backend: Backend, model: str, samples: Sequence[Sample], config: EvalConfig) -> None:
    """Of what a score would not tell."""
    log = logging.getLogger(__name__)
    if (other := trained_with(model)) not in (None, config.positions):
        log.warning(
            "%s was trained with positions: %s and is asked with %s; set eval.positions",
            *(model, other, config.positions),
        )
    for task, text in backend.coarse_clocks(samples).items():
        log.warning("%s: %s", task, text)


def requests(
    todo: Sequence[Asked],
    root: Location,
    seed: int,
    left_out: Callable[[Request, str], None] | None = None,
) -> Iterator[Request]:
    """What is to be asked, each sample rendered when it is taken, under all of its conditions.

    Args:
        todo: (sample, condition, repeat), with those of a sample in a row.
        root: the folder of videos.
        seed: of the sampling.
        left_out: called with what cannot be shown, and why; None to raise.
    """
    for _, group in groupby(todo, key=lambda asked: asked[0].id):
        asked = list(group)
        shown = {condition: control(sample, condition) for sample, condition, _ in asked}
        try:
            pixels = dict(zip(shown, render_all(list(shown.values()), root), strict=True))
        except (UnreadableVideoError, UsageError) as error:
            if left_out is None:
                raise
            for _, condition, repeat in asked:
                left_out(Request(shown[condition], (), condition, repeat), str(error))
            continue
        for sample, condition, repeat in asked:
            draw = digest("eval", seed, sample.id, condition, repeat) % 2**31
            yield Request(shown[condition], pixels[condition], condition, repeat, draw)


def _length(sample: Sample) -> tuple[int, int]:
    """About how long a prompt is: pixels, characters. A control of a sample is as long."""
    pixels = sum(len(item.frames) * item.height * item.width for item in sample.media)
    return pixels, len(sample.prompt)


def result_of(request: Request, reply: Reply, grade: Grade = score) -> Result:
    """An answer as a line of the results."""
    sample = request.sample
    reward = grade(sample, reply.text)
    return Result(
        sample=sample.id,
        task=sample.entry,
        video=sample.video_ids[0],
        condition=request.condition,
        repeat=request.repeat,
        completion=reply.text,
        answer=reward.answer,
        score=reward.total,
        num_frames=reply.num_frames,
        num_tokens=reply.num_tokens,
        scores=scores_of(sample, reward),
        seconds=reply.seconds,
        sizes=reply.sizes,
        sent=reply.sent,
        finish=reply.finish,
        sampling=reply.sampling,
        positions=reply.positions,
        reasoning=reply.reasoning,
    )


def asked_of(result: Result) -> tuple[str, str, int]:
    """What a result answers: id of the sample, condition, repeat."""
    return result.sample, result.condition, result.repeat


def _record(
    model: str, data: Path, samples: Sequence[Sample], config: EvalConfig
) -> dict[str, Any]:
    """What must stay the same while a run goes on; how fast an endpoint is called may change."""
    record = {
        "model": model,
        "weights": weights_hash(model),
        "data": str(data.resolve()),
        "samples": samples_hash(samples),
        "temperature": config.temperature,
        "sampling": asdict(config.sampling),
        "positions": config.positions,
        "seed": config.seed,
        "max_completion_tokens": config.max_completion_tokens,
        "backend": config.backend,
    }
    if known := trained_on(model) & videos_of(samples):
        record["videos_trained_on"] = sorted(known)
    if config.endpoint is not None:
        record |= {
            "model_name": config.model_name or model,
            "images": config.images,
            "body": dump_json(config.body),
        }
    return record


def _asked(config: EvalConfig) -> Iterator[tuple[str, str, str | None]]:
    """Whom a run asks: (how it is written down, who, who else that was)."""
    if config.endpoint is not None:
        former = None if config.formerly is None else canonical(config.formerly)
        yield "endpoint", canonical(config.endpoint), former
    if (judge := config.judge) is not None:
        now, former = (
            None if address is None else f"{judge.model_name} at {canonical(address)}"
            for address in (judge.endpoint, judge.formerly)
        )
        yield "judge", str(now), former


def _check_asked(run: Path, config: EvalConfig) -> None:
    """Refuse to mix answers of two endpoints. One that has moved is the same by the user's word."""
    there = environment(run)
    for key, now, former in _asked(config) if there.get("backend") == config.backend else ():
        written = str(there.get(key))
        name, at, address = written.rpartition(" at ")
        if f"{name}{at}{canonical(address)}" in (now, former):
            continue
        setting = "judge.formerly" if at else "formerly"
        moved = (
            f"if the same model answers there now, say so with --set {setting}={address}; else "
            if key in there and name == now.rpartition(" at ")[0]
            else ""
        )
        raise UsageError(
            f"{run} holds a run with {key} = {written}, not {now}; {moved}give another run folder "
            "with -o, or remove this one"
        )
