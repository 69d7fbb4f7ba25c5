"""Models that look at nothing: floors that are scored the same way as a model.

    random          an answer drawn from the task's own prior (`task.guess`)
    best_constant   of all constant answers, on all clocks, the one that earns most on the set
    majority        the most frequent true answer
    learned         for each question what earns most by what is visible without pixels, learned on
                    other source videos (learned_floor.py)

Each writes completions, which `kuleshov.tasks.score` grades, into the results of a run folder. The
constants are found on the set that they are scored on: no model knows it, so these are the highest
such floors there are. The learned one is found on other videos. What only a judge could grade they
leave unanswered, which is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError, unknown_name
from kuleshov.evaluate.bench import verify
from kuleshov.evaluate.config import EvalConfig
from kuleshov.evaluate.judge import needs_judge
from kuleshov.evaluate.metrics import scores_of
from kuleshov.evaluate.results import Result, append_results, load_results
from kuleshov.floors import Constant, best_constant
from kuleshov.learned_floor import learned_answers
from kuleshov.owned import writing
from kuleshov.randomness import rng_for
from kuleshov.run import begin, samples_hash
from kuleshov.sample import Json, Sample, dump_json
from kuleshov.tasks import score, task_of

PREFIX = "policy:"
"""Before a policy's name where a model is asked for: `kuleshov eval policy:random OUT -o RUN`."""


def _random(samples: Sequence[Sample], seed: int, repeat: int) -> Iterator[Json]:
    for sample in samples:
        yield task_of(sample).guess(sample, rng_for("policy", seed, sample.id, repeat))


def _best_constant(samples: Sequence[Sample], seed: int, repeat: int) -> Iterator[Json]:
    gradable = [sample for sample in samples if not needs_judge(sample)]
    best = best_constant(gradable) if gradable else Constant(0.0, None)
    return (None if best.answer is None else best.to(sample) for sample in samples)


def _majority(samples: Sequence[Sample], seed: int, repeat: int) -> Iterator[Json]:
    gradable = [sample for sample in samples if not needs_judge(sample)]
    answer = majority(gradable) if gradable else None
    return (answer for _ in samples)


def _learned(samples: Sequence[Sample], seed: int, repeat: int) -> Iterator[Json]:
    gradable = [sample for sample in samples if not needs_judge(sample)]
    learned = learned_answers(gradable)
    given = {sample.id: answer for sample, answer in zip(gradable, learned, strict=True)}
    return (given.get(sample.id) for sample in samples)


POLICIES: dict[str, Callable[[Sequence[Sample], int, int], Iterator[Json]]] = {
    "random": _random,
    "best_constant": _best_constant,
    "majority": _majority,
    "learned": _learned,
}
"""The answers to all samples of one entry of a recipe, in order."""


def majority(samples: Sequence[Sample]) -> Json:
    """The most frequent true answer; of several the one whose JSON comes first."""
    by_text = {dump_json(sample.answer): sample.answer for sample in samples}
    counts = Counter(dump_json(sample.answer) for sample in samples)
    return by_text[min(counts, key=lambda text: (-counts[text], text))]


def answers(name: str, samples: Sequence[Sample], repeats: int = 1, seed: int = 0) -> list[Result]:
    """What a policy earns, as results under the condition "full".

    Args:
        name: in `POLICIES`.
        samples: of any tasks; the constants are found for each entry of the recipe.
        repeats: draws of the random policy for each sample; the others say the same each time.
        seed: of these draws.

    Raises:
        UsageError: the policy is not in `POLICIES`.
    """
    if name not in POLICIES:
        raise unknown_name("policy", name, POLICIES)
    results = []
    for _, group in groupby(sorted(samples, key=lambda s: s.entry), key=lambda s: s.entry):
        here = list(group)
        for repeat in range(repeats):
            for sample, answer in zip(here, POLICIES[name](here, seed, repeat), strict=True):
                results.append(_scored(sample, repeat, answer))
    return results


def _scored(sample: Sample, repeat: int, answer: Json) -> Result:
    silent = answer is None or needs_judge(sample)
    completion = "" if silent else task_of(sample).completion(answer, sample)
    reward = score(sample, completion)
    return Result(
        sample=sample.id,
        task=sample.entry,
        video=sample.video_ids[0],
        condition="full",
        repeat=repeat,
        completion=completion,
        answer=reward.answer,
        score=reward.total,
        num_frames=0,
        num_tokens=0,
        scores=scores_of(sample, reward),
    )


def evaluate_policy(name: str, data: Path, run: Path, config: EvalConfig) -> list[Result]:
    """A run folder of a policy, as `evaluate` writes one of a model.

    Args:
        name: in `POLICIES`, with or without `PREFIX`.
        data: the folder that `kuleshov make` wrote.
        run: the run folder.
        config: the settings; split, temperature and seed count.

    Raises:
        UsageError: an unknown policy, no samples, a frozen set that has changed, or a run folder
            that holds another run.
    """
    policy = name.removeprefix(PREFIX)
    samples = load_samples(data, config.split)
    if not samples:
        raise UsageError(f"{data} has no samples in its {config.split} split")
    results = answers(policy, samples, seed=config.seed)
    record: dict[str, Json] = {
        "model": f"{PREFIX}{policy}",
        "weights": "",
        "data": str(data.resolve()),
        "samples": samples_hash(samples),
        "temperature": config.temperature,
        "seed": config.seed,
        "max_completion_tokens": config.max_completion_tokens,
        "bench": verify(data),
    }
    with writing(run, "eval", data):
        started = (run / "results.jsonl").is_file()
        begin(run, record, config, started)
        done = {(r.sample, r.condition, r.repeat) for r in load_results(run)} if started else set()
        append_results(run, (r for r in results if (r.sample, r.condition, r.repeat) not in done))
        return load_results(run)
