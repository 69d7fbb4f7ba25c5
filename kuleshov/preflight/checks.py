"""What a preflight looks at, in this order; each check says what it found (findings.py).

The limits are ours. Where two ways of computing should give the same, they are compared with how
far the same way is apart from itself at another batch shape, measured with the model at hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice, zip_longest
from typing import Any, NamedTuple

import numpy as np
import torch
from jinja2 import TemplateError
from transformers import GenerationConfig

from kuleshov.errors import UsageError
from kuleshov.evaluate.backends.backend import Request
from kuleshov.evaluate.backends.encoding import Encoding
from kuleshov.preflight.findings import FINE, NOTE, WARNING, WRONG, Found
from kuleshov.preflight.step import step
from kuleshov.preflight.subject import Subject
from kuleshov.sample import VIDEO, Sample
from kuleshov.tasks import score, task_of
from kuleshov.train.encode import Encoded, batch, vision_tokens
from kuleshov.train.generation import ends, plain
from kuleshov.train.positions import LARGEST_PLUS_ONE, clock, coarse_clocks
from kuleshov.train.prefix import Group
from kuleshov.train.rollout import generate
from kuleshov.train.sharing import prove, unshared
from kuleshov.train.tower import Tower
from kuleshov.train.vllm_rollout import check_positions

ROUNDING, LEAST = 10.0, 1e-6
"""What differs by more than so many times the rounding, and by more than the second, is another."""
ANSWERS, GROUP = 5, 4
"""Questions that are answered, and answers to each."""
FEW_ANSWERS = 0.5
"""A smaller share of answers that can be read is warned of."""
GREEDY = 16
"""Tokens that rollouts and evaluation are compared on."""
COMPLETIONS = (12, 7, 16, 9)
"""Tokens of the completions that shared prompts are compared on."""
FRAMES = 16
"""Frames of a video that are changed one at a time."""


def prompt(subject: Subject, left: float) -> Found:
    """A question of each task goes through the processor: each frame is there, and each token has
    its features; the encoder refuses anything else.
    """
    lengths = {
        s.entry: len(p.input_ids) for s, p in zip(subject.chosen, subject.prompts, strict=True)
    }
    tokens = vision_tokens(subject.model.config)
    for sample, encoded in zip(subject.chosen, subject.prompts, strict=True):
        seen = sum(int((encoded.input_ids == token).sum()) for token in tokens)
        if sample.media and not seen:
            text = f"sample {sample.id}: no token of the prompt stands for its video"
            return Found("prompt", WRONG, text, _TEMPLATE)
    subject.following(subject.prompts[:1])  # the guard of the model counts its features
    text = ", ".join(f"{task} {length:,} tokens" for task, length in lengths.items())
    return Found("prompt", FINE, text, figures={"tokens": lengths})


_TEMPLATE = (
    "the chat template leaves the video out; put the one that belongs to the model into its folder "
    "as chat_template.jinja"
)


def frames(subject: Subject, left: float) -> Found:
    """Each frame reaches the model, at its place: a change of one changes what belongs to it."""
    found = next((s for s in subject.samples if list(s.placeholders) == [VIDEO]), None)
    if found is None:
        return Found("frames", NOTE, "no sample shows a single video; not looked at")
    whole = subject.encoder(found)
    (name,) = [key for key in whole.videos if key.startswith("pixel_values")]
    count = len(found.media[0].frames)
    lost, moved = [], []
    for number in np.unique(np.linspace(0, count - 1, min(count, FRAMES)).round()).astype(int):

        def inverted(pixels: Any, number: int = int(number)) -> Any:
            changed = pixels.copy()
            changed[number] = 255 - changed[number]
            return changed

        other = subject.shown(found, inverted).videos[name]
        if other.shape != whole.videos[name].shape:
            return Found(
                "frames", WRONG, "what a frame shows changes the size of the input", _SAMPLING
            )
        rows = (other != whole.videos[name]).flatten(1).any(dim=1).nonzero().flatten()
        if not len(rows):
            lost.append(int(number))
        elif not _at_its_place(rows, len(other), int(number), count, subject):
            moved.append(int(number))
    figures = {"frames": count, "lost": lost, "moved": moved}
    if lost or moved:
        said = f"frames {lost} do not reach the model" if lost else f"frames {moved} are elsewhere"
        text = f"of the {count} frames of sample {found.id} {said} (counted from 0)"
        return Found("frames", WRONG, text, _SAMPLING, figures)
    return Found("frames", FINE, f"all of {count} frames are at their places", figures=figures)


_SAMPLING = (
    "the processor samples or moves frames by itself; switch off do_sample_frames, and what else "
    "picks frames, in its video_preprocessor_config.json"
)


def _at_its_place(
    rows: torch.Tensor, length: int, number: int, count: int, subject: Subject
) -> bool:
    """Whether all changed rows of the vision input are those of the frame's place in time."""
    merged = getattr(subject.processor.video_processor, "temporal_patch_size", 1) or 1
    steps = -(-count // merged)
    if length % steps:
        return True  # not laid out by time
    return set((rows // (length // steps)).tolist()) == {number // merged}


def answer(subject: Subject, left: float) -> Found:
    """What ends a turn, and whether the true answer, written as a target, is read back as one."""
    tokenizer, model = subject.processor.tokenizer, subject.model
    stops = ends(model, tokenizer)
    names = tokenizer.convert_ids_to_tokens(stops)
    figures: dict[str, Any] = {"ends": names, "opens_thought": bool(subject.encoder.opening)}
    written = _end_of_turn(subject.processor)
    if written is not None and written not in stops:
        token = tokenizer.convert_ids_to_tokens(written)
        text = (
            f"the chat template ends an answer with {token!r}, and generation stops at "
            f"{', '.join(map(repr, names))} only: answers would run on to their longest length"
        )
        remedy = f"set eos_token to {token!r} in tokenizer_config.json and generation_config.json"
        return Found("answer", WRONG, text, remedy, {**figures, "written": token})
    for sample in subject.chosen:
        ids = subject.encoder.answer_ids(task_of(sample).completion(sample.answer, sample))
        (text,) = subject.encoder.texts([ids.tolist()])
        if (earned := score(sample, text).total) < 1:
            said = (
                f"sample {sample.id}: its true answer comes back as {text!r} and earns {earned:g}"
            )
            return Found(
                "answer", WRONG, said, "the tokenizer loses letters; take its own", figures
            )
    text = f"ends with {', '.join(map(repr, names))}; true answers are read back"
    if subject.encoder.opening:
        text += "; the prompt opens a thought, which targets close"
    if written is not None and written != tokenizer.eos_token_id:
        own = tokenizer.convert_ids_to_tokens(written)
        text += (
            f"; targets end with {tokenizer.eos_token!r}, the chat template's turns with {own!r}"
        )
        return Found("answer", NOTE, text, figures=figures)
    return Found("answer", FINE, text, figures=figures)


def _end_of_turn(processor: Any) -> int | None:
    """The added token with which the chat template ends an answer, None if that is not known."""
    question = {"role": "user", "content": [{"type": "text", "text": "Why?"}]}
    for content in ([{"type": "text", "text": "Because."}], "Because."):
        try:
            text = processor.apply_chat_template(
                [question, {"role": "assistant", "content": content}], tokenize=False
            )
        except (ValueError, TypeError, LookupError, TemplateError):
            continue
        _, answered, behind = text.rpartition("Because.")
        ids = processor.tokenizer(behind.lstrip(), add_special_tokens=False)["input_ids"]
        if answered and ids and ids[0] in processor.tokenizer.added_tokens_decoder:
            return int(ids[0])
    return None


def sees(subject: Subject, left: float) -> Found:
    """Other pixels, and the same frames backwards, change what the model says."""
    sample = next((s for s in subject.chosen if VIDEO in s.placeholders), None)
    if sample is None:
        return Found("sees", NOTE, "no sample shows a video; not looked at")
    rng = np.random.default_rng(0)
    before = subject.following([subject.encoder(sample)])[0]
    changes = {
        "other pixels": lambda p: rng.integers(0, 256, p.shape, dtype=np.uint8),
        "frames backwards": lambda p: np.ascontiguousarray(p[::-1]),
    }
    figures: dict[str, Any] = {"rounding": subject.rounding}
    blind = []
    for name, change in changes.items():
        after = subject.following([subject.shown(sample, change)])[0]
        figures[name] = float((after - before).abs().max())
        if figures[name] <= _limit(subject):
            blind.append(name)
    text = ", ".join(f"{name} {figures[name]:.2g} nats" for name in changes)
    if blind:
        said = f"{' and '.join(blind)} change nothing ({text}): the model does not see the video"
        if blind == ["frames backwards"]:
            said = f"the order of frames changes nothing ({text})"
        remedy = "compare the processor's tokens and the model's configuration with their originals"
        return Found("sees", WRONG, said, remedy, figures)
    return Found("sees", FINE, f"{text} (rounding {subject.rounding:.1g})", figures=figures)


def times(subject: Subject, left: float) -> Found:
    """Frames that the model cannot tell apart in time, and text that stands within a video."""
    prompts = {
        s.entry: [p] for s, p in zip(subject.chosen, subject.prompts, strict=True) if s.media
    }
    coarse = coarse_clocks(subject.model, prompts)
    figures = {"coarse": sorted(coarse)}
    if coarse:
        task, text = next(iter(coarse.items()))
        return Found("times", WARNING, f"{task}: {text}", figures=figures)
    overlaps = [task for task, (p,) in prompts.items() if clock(subject.model, p).overlaps]
    if overlaps:
        text = f"in {', '.join(overlaps)} what follows a video stands at times within it"
        remedy = f"positions: {LARGEST_PLUS_ONE} in train and eval, as the model was published"
        return Found("times", NOTE, text, remedy, figures)
    return Found(
        "times", FINE, "frames differ in time as far as the model is told", figures=figures
    )


def shared(subject: Subject, left: float) -> Found:
    """A prompt that is computed once for its completions gives what plain rows give."""
    if not subject.config.grpo.share_prompts:
        subject.shares = False
        return Found("shared", NOTE, "train.grpo.share_prompts is false; not looked at")
    if reason := unshared(subject.model):
        subject.shares = False
        text = f"prompts are not shared, as {reason}: each completion is computed with its own"
        return Found("shared", NOTE, text)
    random = torch.Generator().manual_seed(0)
    tokens = len(subject.processor.tokenizer)
    lengths = COMPLETIONS[: max(2, subject.config.grpo.group_size)]
    encoded = subject.prompts[0]
    # Any tokens will do that stand for no picture.
    usual = torch.tensor(sorted(set(range(tokens)) - set(vision_tokens(subject.model.config))))
    completions = [usual[torch.randint(len(usual), (n,), generator=random)] for n in lengths]

    def log_probs(inputs: dict[str, Any], labels: torch.Tensor) -> torch.Tensor:
        logits = subject.model(**inputs).logits[:, :-1]
        wanted = labels[:, 1:]
        told = torch.zeros(wanted.shape, device=wanted.device)
        own = wanted != -100
        chosen = torch.log_softmax(logits[own].float(), dim=-1)
        told[own] = chosen.gather(1, wanted[own][:, None])[:, 0]
        return told

    with subject.precision():
        group = Group(encoded, completions)
        proof = prove(subject.model, group, log_probs, subject.device)
    figures = proof._asdict()
    if not proof.holds:
        subject.shares = False
        text = (
            f"completions leak into each other where they share a prompt: {proof}. Training finds "
            "it too and computes each with a prompt of its own, which is right and slower"
        )
        remedy = (
            "train.grpo.share_prompts: false; if all layers should be of full attention, compare "
            "the model with its original"
        )
        return Found("shared", WARNING, text, remedy, figures)
    text = f"as plain rows, to {proof.logps:.1g} nats (rounding {proof.rounding:.1g})"
    return Found("shared", FINE, text, figures=figures)


def cached(subject: Subject, left: float) -> Found:
    """Embeddings that are computed once give what pixels give."""
    prompts = [p for p in subject.prompts if p.videos][:2]
    if not prompts:
        return Found("cached", NOTE, "no sample shows anything; not looked at")
    tower, first = Tower(), prompts[0]
    with torch.no_grad(), subject.precision(), tower.between_updates():
        for _ in range(2):  # the second time from what is kept
            known = tower.inputs(subject.model, prompts, subject.device)
        if "mm_encoder_outputs" not in known:
            return Found("cached", NOTE, "the model takes no embeddings; pixels go in each time")
        known = tower.inputs(subject.model, [first], subject.device)
        inputs = {
            key: value.to(subject.device)
            for key, value in batch([first], subject.processor.tokenizer.pad_token_id).items()
            if not key.startswith("pixel_values")
        }
        logits = subject.model(**{**inputs, **known}, logits_to_keep=1).logits[:, -1]
    apart = float(
        (torch.log_softmax(logits.float(), -1).cpu()[0] - subject.following([first])[0]).abs().max()
    )
    figures = {"apart": apart, "rounding": subject.rounding}
    if apart > _limit(subject):
        text = f"kept embeddings are {apart:.2g} nats from pixels (rounding {subject.rounding:.1g})"
        return Found("cached", WRONG, text, "train.cache_embeddings_megabytes: 0", figures)
    return Found("cached", FINE, f"as pixels, to {apart:.1g} nats", figures=figures)


def backends(subject: Subject, left: float) -> Found:
    """Training, rollouts and evaluation put the same question and get the same greedy answer."""
    sample, encoded = subject.chosen[0], subject.prompts[0]
    asked = Encoding(subject.processor)(Request(sample, subject.render(sample)))
    if not torch.equal(asked.input_ids, encoded.input_ids):
        text = "evaluation writes another prompt than training"
        return Found("backends", WRONG, text, "take the processor that belongs to the model")
    greedy = _settings(subject, GREEDY, do_sample=False)
    written = _plainly(subject, [encoded], greedy)[0].tolist()
    rolled = _rolled_out(subject, [encoded], [0], greedy)[0].tolist()
    same = next((i for i, (a, b) in enumerate(zip_longest(rolled, written)) if a != b), None)
    figures: dict[str, Any] = {"same_tokens": len(written) if same is None else same}
    said = [_vllm(subject, encoded)]
    if same is None:
        text = f"the same prompt, and the same {len(written)} greedy tokens"
        return Found("backends", FINE, "; ".join([text, *filter(None, said)]), figures=figures)
    at = subject.following([_behind(encoded, written[:same])])[0]
    gap = float((at[rolled[same]] - at[written[same]]).abs()) if same < len(rolled) else 0.0
    figures["gap"] = gap
    text = f"greedy answers of rollouts and evaluation part at token {same}, by {gap:.2g} nats"
    if gap > _limit(subject):
        return Found("backends", WRONG, text, "train.grpo.share_prompts: false", figures)
    return Found("backends", NOTE, f"{text}, which is rounding", figures=figures)


def _vllm(subject: Subject, encoded: Encoded) -> str:
    if encoded.videos and encoded.token_types is None:
        return "vLLM is not written for this family"
    try:
        check_positions(subject.model, encoded)
    except UsageError as error:
        return f"vLLM: {error}"
    return ""


def _behind(encoded: Encoded, written: Sequence[int]) -> Encoded:
    """A prompt with what was written behind it, as a longer prompt."""
    ids = torch.cat([encoded.input_ids, torch.tensor(list(written), dtype=torch.long)])
    types = encoded.token_types
    if types is not None:
        types = torch.nn.functional.pad(types, (0, len(written)))
    return Encoded(ids, types, encoded.videos, encoded.sample)


def answers(subject: Subject, left: float) -> Found:
    """What the model says before training: can it be read, and do the answers of a group differ."""
    began = time.monotonic()
    settings = subject.config.grpo
    asked = _spread(subject.samples, ANSWERS)
    encoded = [subject.encoder(sample) for sample in asked]
    rows = [number for number in range(len(asked)) for _ in range(GROUP)]
    torch.manual_seed(subject.config.seed)
    drawn = _settings(
        subject,
        settings.max_completion_tokens,
        **settings.sampling.transformers(settings.temperature),
    )
    written = _rolled_out(subject, encoded, rows, drawn).cpu()
    texts = subject.encoder.texts(written.tolist())
    rewards = [score(asked[row], text) for row, text in zip(rows, texts, strict=True)]
    read = sum(reward.answer is not None for reward in rewards) / len(rewards)
    totals = torch.tensor([reward.total for reward in rewards]).view(len(asked), GROUP)
    alike = float((totals.amax(1) == totals.amin(1)).float().mean())
    cut = float((~torch.isin(written, torch.tensor(drawn.eos_token_id)).any(1)).float().mean())
    seconds = time.monotonic() - began
    subject.seconds_per_answer = seconds / len(rows)
    figures = {
        "answers": len(rows),
        "read": read,
        "mean_reward": float(totals.mean()),
        "groups_alike": alike,
        "cut": cut,
        "seconds": round(seconds, 2),
    }
    text = (
        f"{read:.0%} of {len(rows)} can be read, mean reward {totals.mean():.2f}, "
        f"{alike:.0%} of {len(asked)} groups of {GROUP} without variance, {cut:.0%} cut off at "
        f"{settings.max_completion_tokens} tokens"
    )
    remedies = []
    if read < FEW_ANSWERS and not subject.config.sft.steps:
        remedies.append("begin with a cold start (train.sft.steps: 200)")
    if cut > 1 - FEW_ANSWERS:
        remedies.append("raise train.grpo.max_completion_tokens")
    if alike > 1 - FEW_ANSWERS and read >= FEW_ANSWERS:
        remedies.append("make easier or harder samples (level), or raise the temperature")
    if remedies:
        return Found(
            "answers", WARNING, f"{text}; e.g. {texts[0][:80]!r}", "; ".join(remedies), figures
        )
    return Found("answers", FINE, text, figures=figures)


def _spread(samples: Sequence[Sample], most: int) -> list[Sample]:
    """Samples of as many tasks as there are, the first ones by id, which is a hash."""
    by_task: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.id):
        by_task.setdefault(sample.entry, []).append(sample)
    turns = zip_longest(*(by_task[task] for task in sorted(by_task)))
    return list(islice((sample for turn in turns for sample in turn if sample is not None), most))


@torch.no_grad()
def _rolled_out(
    subject: Subject, encoded: Sequence[Encoded], rows: Sequence[int], drawn: GenerationConfig
) -> torch.Tensor:
    """Completions as GRPO draws them, one for each row, which names its prompt."""
    if not subject.shares:
        return _plainly(subject, [encoded[row] for row in rows], drawn)
    with subject.precision():
        return generate(subject.model, encoded, rows, drawn.pad_token_id, drawn)


@torch.no_grad()
def _plainly(subject: Subject, prompts: Sequence[Encoded], drawn: GenerationConfig) -> torch.Tensor:
    """Completions as evaluation draws them."""
    inputs = batch(prompts, drawn.pad_token_id)
    moved = {key: value.to(subject.device) for key, value in inputs.items()}
    with subject.precision(), plain(subject.model):
        written = subject.model.generate(**moved, generation_config=drawn)
    completions: torch.Tensor = written[:, inputs["input_ids"].size(1) :]
    return completions


def _settings(subject: Subject, tokens: int, **drawn: Any) -> GenerationConfig:
    tokenizer, model = subject.processor.tokenizer, subject.model
    return GenerationConfig(
        max_new_tokens=tokens,
        eos_token_id=ends(model, tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        suppress_tokens=vision_tokens(model.config),
        **drawn,
    )


def _limit(subject: Subject) -> float:
    return max(LEAST, ROUNDING * subject.rounding)


class Check(NamedTuple):
    """One thing that is looked at.

    Args:
        run: called with the subject and the seconds that are left.
        needs: checks without which it has nothing to go on.
    """

    run: Callable[[Subject, float], Found]
    needs: tuple[str, ...] = ()


CHECKS: dict[str, Check] = {
    "prompt": Check(prompt),
    "frames": Check(frames, ("prompt",)),
    "answer": Check(answer),
    "sees": Check(sees, ("prompt",)),
    "times": Check(times, ("prompt",)),
    "shared": Check(shared, ("prompt",)),
    "cached": Check(cached, ("prompt",)),
    "backends": Check(backends, ("prompt",)),
    "answers": Check(answers, ("prompt", "answer")),
    "step": Check(step, ("prompt", "answer")),
}
"""In the order in which they are done; the last one changes the model in memory."""
