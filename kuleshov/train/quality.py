"""Qualities of a response beside the task's own score: Q of VideoPerceiver (arXiv 2511.18823, 3.3).

    exact        1 where the answer is the true one, else 0
    overlap      open-ended: share of the reference's words that the answer has      ours
    entailment   open-ended: P(the answer entails the reference) of an NLI model

Stated in the paper: exact match for closed questions, and the entailment probability of a
pretrained NLI model for open-ended ones. **Reconstructed**: the direction, premise = response and
hypothesis = reference. So here a closed question is always compared exactly, and the other two are
for answers that are free texts. Which model the paper takes is not stated. Overlap needs none and
is no entailment: "it did not fall" has all words of "it did fall".

Imports no torch by itself: `comparative.py` uses it, and a recipe is checked before torch loads.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from kuleshov.errors import UsageError
from kuleshov.reward import extract
from kuleshov.sample import Sample
from kuleshov.tasks import score, task_of
from kuleshov.tasks.given_texts import GivenCaption, GivenText
from kuleshov.tasks.labelled import Labelled, plain

ENTAILMENT = "entailment"
NLI = "FacebookAI/roberta-large-mnli"
"""The NLI model if none is named. Ours."""
_LABEL = "entailment"
_PAIRS = 32  # for each forward pass
_TOKENS = 512  # of a pair; what is longer is cut


def exact(sample: Sample, completion: str) -> float:
    """1 where the answer is the true one, else 0; texts are compared as `labelled` does."""
    answer = score(sample, completion).answer
    if answer is None or not (wanted := references(sample)):
        return float(answer == sample.answer)
    return float(plain(str(answer)) in map(plain, wanted))


def references(sample: Sample) -> tuple[str, ...]:
    """The true answers as free text, of which one is enough; none of a closed question."""
    if sample.task == Labelled.name and not sample.knobs["options"]:
        return (str(sample.answer),)
    if sample.task == GivenText.name:
        return tuple(map(str, sample.answer))
    return (str(sample.answer),) if sample.task == GivenCaption.name else ()


def response(sample: Sample, completion: str) -> str | None:
    """The text of a free answer; None if there is not exactly one."""
    text = extract(completion, sample.form)
    said = None if text is None else task_of(sample).parse(text, sample)
    return None if said is None else str(said)


def overlap(sample: Sample, completion: str) -> float:
    """Share of the words of the reference that are in the answer too, in [0, 1].

    A word that stands twice counts twice; case and marks do not count. Of several references the
    best counts. A closed question is compared exactly.
    """
    if not (wanted := references(sample)):
        return exact(sample, completion)
    said = _words(response(sample, completion) or "")
    shares = []
    for reference in wanted:
        words = _words(reference)
        shares.append((words & said).total() / words.total() if words else 0.0)
    return max(shares)


def _words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.casefold()))


def entailments(samples: Sequence[Sample], completions: Sequence[str], model: str) -> list[float]:
    """P(the answer entails the reference) of each completion, in [0, 1].

    Of several references the best counts; a completion without an answer has 0. A closed question
    is compared exactly.

    Args:
        samples: the questions.
        completions: one for each of them.
        model: name or path of a sequence classifier with a label "entailment".

    Raises:
        UsageError: the model cannot be loaded, or has no such label.
    """
    found = [0.0] * len(samples)
    pairs: list[tuple[str, str]] = []
    places: list[int] = []
    for place, (sample, completion) in enumerate(zip(samples, completions, strict=True)):
        wanted = references(sample)
        if not wanted:
            found[place] = exact(sample, completion)
        elif (said := response(sample, completion)) is not None:
            pairs += [(said, reference) for reference in wanted]
            places += [place] * len(wanted)
    if pairs:
        judge = _loaded(model)
        for start in range(0, len(pairs), _PAIRS):
            chances = judge(pairs[start : start + _PAIRS])
            for place, chance in zip(places[start : start + _PAIRS], chances, strict=True):
                found[place] = max(found[place], chance)
    return found


class _Judge(NamedTuple):
    """An NLI model: (premise, hypothesis) pairs to probabilities of entailment."""

    model: Any
    tokenizer: Any
    label: int

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        import torch

        premises, hypotheses = map(list, zip(*pairs, strict=True))
        longest = min(self.tokenizer.model_max_length, _TOKENS)
        inputs = self.tokenizer(
            premises,
            hypotheses,
            padding=True,
            truncation=True,
            max_length=longest,
            return_tensors="pt",
        )
        with torch.no_grad():
            logits = self.model(**inputs.to(self.model.device)).logits
        chances: list[float] = logits.float().softmax(dim=-1)[:, self.label].tolist()
        return chances


@lru_cache(maxsize=1)
def _loaded(name: str) -> _Judge:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        model = AutoModelForSequenceClassification.from_pretrained(name).eval()
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UsageError(
            f"NLI model {name!r} cannot be loaded: {reason}. Give a Hugging Face name of one, or "
            'its folder; quality "overlap" needs none'
        ) from error
    labels = {str(label).casefold(): int(i) for i, label in model.config.id2label.items()}
    if _LABEL not in labels:
        raise UsageError(
            f"NLI model {name!r} has the labels {', '.join(map(str, labels))}; one of them must be "
            f"{_LABEL!r}, in any case; take another model"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return _Judge(model.to(device), tokenizer, labels[_LABEL])
