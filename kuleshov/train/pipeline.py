"""The `train` stage: an optional cold start, optional learning from pairs, then GRPO.

    RUN/
      config.yaml        as resolved
      environment.json   versions, the model, hash of the samples
      metrics.jsonl      one line for each logged step of each phase
      left_out.jsonl     samples whose videos cannot be shown, each with its reason (stand_ins.py);
                         only if there are any
      completions.jsonl  every rollout: step, sample, completion, reward (as the task gives it;
                         "twin": true where it is of a twin)
      sft/model/         the cold-started model, if there was a cold start
      dpo/model/         the model that learned from pairs, if there were any
      dpo/no_pair.json   ids of the samples that gave none; sft/no_pair.json likewise, with
                         contrastive losses
      model/             the trained model, by the last phase, with its card and the ids of the
                         videos that it was trained on (trained_on.py)
      PHASE/whole        what the files of the phase's model are (whole.py)
      PHASE/adapter/     with train.lora the adapters of a phase, which its model holds merged

A phase whose model folder exists is done and is not run again; an interrupted one goes on from
its last checkpoint (resume.py), and ends with the same files as if it had not been interrupted.
Models and checkpoints are what they were when they were written (whole.py), or the run is refused.

Under `accelerate launch` all processes run this; the first one alone writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path

from accelerate import PartialState

from kuleshov.dataset import load_samples, videos_root
from kuleshov.errors import UsageError
from kuleshov.media import Renderer
from kuleshov.owned import writing
from kuleshov.processes import decided, state
from kuleshov.progress import Figures, Progress
from kuleshov.run import begin, samples_hash, weights_hash
from kuleshov.sample import Sample
from kuleshov.train.card import write_card
from kuleshov.train.config import TrainConfig
from kuleshov.train.job import Job
from kuleshov.train.phases import PHASES, check
from kuleshov.train.ready import check_model
from kuleshov.train.reporters import check_installed
from kuleshov.train.resume import going_on
from kuleshov.whole import check_trained

_STARTED = ("metrics.jsonl", "model", "*/model", "*/checkpoints/checkpoint-*")
"""What a run folder holds when work was done in it."""


def train(
    data: Path,
    model: str,
    run: Path,
    config: TrainConfig,
    progress: Progress = lambda *_: None,
    figures: Figures = lambda *_: None,
) -> Path:
    """Train a model on the train split of a sample set.

    Args:
        data: the folder that `kuleshov make` wrote.
        model: name or path for `from_pretrained`.
        run: the run folder; a finished or interrupted one is gone on with.
        config: the settings.
        progress: told of every step.
        figures: told of what is logged.

    Returns:
        The folder of the trained model.

    Raises:
        UsageError: no samples to train on, a model that cannot be loaded, a batch that cannot be
            split over the processes, or a run folder that holds something else, or a run with
            other settings, samples, weights or another number of processes, or files that are
            not what they were; processes of a
            launcher that are not joined; or more samples that cannot be shown than `config` allows.
        MissingVideoError: video tokens reached the model without their features.
        DivergenceError: a loss or gradient is no number, or far too large.
    """
    check_installed(config.report_to)
    state()  # joined, before anything is asked of the others
    samples = load_samples(data, "train")
    if not samples:
        raise UsageError(f"{data} has no samples in its train split; lower make's held_out")
    videos_root(data)  # what is refused is refused before anything is written
    main = PartialState().is_main_process
    with writing(run, "train", data, Path(model)) if main else nullcontext():
        return _train(data, samples, model, run, config, progress, figures)


def _train(
    data: Path,
    samples: Sequence[Sample],
    model: str,
    run: Path,
    config: TrainConfig,
    progress: Progress,
    figures: Figures,
) -> Path:
    # But for what may be raised to go on with a run that it has stopped.
    settings = {key: value for key, value in asdict(config).items() if key != "left_out_share"}
    if not config.lora.rank:
        settings["lora"] = {"rank": 0}  # what adapters would be like says nothing without any
    record = {
        "model": model,
        "weights": weights_hash(model),
        "samples": samples_hash(samples),
        "processes": PartialState().num_processes,
        "settings": settings,
    }
    if PartialState().is_main_process:
        # A key that an earlier version had not is as it would have been: at its default.
        before = {"settings": asdict(TrainConfig())}
        begin(run, record, config, any(any(run.glob(one)) for one in _STARTED), before)
    PartialState().wait_for_everyone()
    renderer = Renderer(videos_root(data), config.cache_megabytes << 20)
    trained = run / "model"
    phases = [name for name in PHASES if getattr(config, name).steps]
    targets = {name: run / name / "model" for name in phases[:-1]} | {phases[-1]: trained}
    given = (samples, renderer, run)
    to_do = [name for name in phases if not targets[name].exists()]
    finished = {name: targets[name] for name in phases if name not in to_do}
    decided(partial(check_trained, model))
    last = decided(partial(going_on, run, finished, to_do))
    if to_do:
        # All of it before the first phase begins: the last one may begin hours later.
        done = phases[: phases.index(to_do[0])]
        check_model(str(targets[done[-1]]) if done else model, samples, config)
    starts = [model, *(str(target) for target in targets.values())]
    jobs = {
        name: Job(name, start, *given, targets[name], config, progress, figures, last.get(name))
        for name, start in zip(phases, starts, strict=False)
    }
    for name in to_do:
        check(jobs[name])
    for name, job in jobs.items():
        if name in to_do:
            PHASES[name](job)
        if PartialState().is_main_process:
            write_card(run, job.target, phases[: phases.index(name) + 1])
    return trained
