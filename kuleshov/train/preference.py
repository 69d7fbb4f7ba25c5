"""Pairs of which one side is better, made from samples without labels.

    source         chosen                      rejected
    answer         the true answer             a wrong answer to the same video
    shuffled, ...  the true answer             the same answer to the video under a control
    switched_off   the true answer             the same answer to the video without the effect
    key_frames     the true answer             the same answer to the video without its key frames
    random_frames  the true answer             the same, without as many frames at random

A wrong answer teaches which answer is better, and may be learned from the prompt alone. The same
answer to another video can be learned from the video only: the conditional preference of mDPO
(arXiv 2406.11839), which degrades the image instead. The answer must be lost under the control: a
shuffled video still holds the shapes that `counting` asks for. Where the effect is switched off it
always is, see `Task.switched_off`.

That wrong answers are guesses of the task itself is our own choice: no model is sampled from.
"""

from __future__ import annotations

from kuleshov.controls import CONTROLS, control
from kuleshov.errors import unknown_name
from kuleshov.pairing import Pairing
from kuleshov.pairs import differing, without_effect
from kuleshov.randomness import rng_for
from kuleshov.sample import Sample
from kuleshov.tasks import task_of

ANSWER, SWITCHED_OFF = "answer", "switched_off"
KEY_FRAMES, RANDOM_FRAMES = "key_frames", "random_frames"
DEGRADED = (SWITCHED_OFF, KEY_FRAMES, RANDOM_FRAMES, *CONTROLS)
"""How a video is degraded."""
SOURCES = (ANSWER, *DEGRADED)
"""Where the rejected side of a pair comes from."""

_TRIES = 64


def pair(
    sample: Sample, source: str = ANSWER, max_reward: float = 0.5, seed: int = 0
) -> dict[str, str] | None:
    """A sample as a row of `VideoDPOTrainer`.

    Args:
        sample: the question with its true answer.
        source: of the rejected side, in `SOURCES`.
        max_reward: the largest reward that a rejected answer may have, in [0, 1).
        seed: of the wrong answers.

    Returns:
        `chosen` and `rejected`, completions; `sample` and `rejected_sample`, what they answer, as
        JSON. None where the sample gives no such pair: 64 guesses all earn more, or the other
        video is the same.

    Raises:
        UsageError: an unknown source.
    """
    if source not in SOURCES:
        raise unknown_name("source of rejected sides", source, SOURCES)
    truth = task_of(sample).completion(sample.answer, sample)
    wrong = _wrong(sample, max_reward, seed) if source == ANSWER else truth
    other = sample if source == ANSWER else degraded(sample, source)
    if wrong is None or other is None:
        return None
    return {
        "sample": sample.to_json(),
        "chosen": truth,
        "rejected_sample": other.to_json(),
        "rejected": wrong,
    }


def _wrong(sample: Sample, max_reward: float, seed: int) -> str | None:
    task = task_of(sample)
    rng = rng_for("preference", seed, sample.id)
    for _ in range(_TRIES):
        completion = task.completion(task.guess(sample, rng), sample)
        if task.score(sample, completion).total <= max_reward:
            return completion
    return None


def degraded(sample: Sample, source: str) -> Sample | None:
    """The same question on less of a video: under a control, without the effect or key frames.

    Key frames are the sample's evidence (`kuleshov.pairs.evidence`); random ones stand in for them
    in VideoPerceiver's ablation A.

    Returns:
        None where nothing is lost: the effect cannot be switched off, no key frames are known, or
        the control changes nothing.
    """
    if source == SWITCHED_OFF:
        found = without_effect(sample)
        return found and found.degraded
    if source in (KEY_FRAMES, RANDOM_FRAMES):
        paired = Pairing(keys="evidence", random=source == RANDOM_FRAMES)(sample, "")
        return paired and paired.pair.degraded
    other = control(sample, source)
    return other if differing(sample, other) else None
