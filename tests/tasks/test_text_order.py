from __future__ import annotations

import re

import numpy as np
import pytest

from kuleshov.errors import UsageError
from kuleshov.sample import Sample
from kuleshov.tasks import Task, build
from kuleshov.tasks.text_order import KINDS, TextOrder
from tests.conftest import a_video


def a_sample(task: TextOrder, seed: int = 0) -> Sample:
    result = task.synthesize(a_video(), np.random.default_rng(seed), lambda n: [])
    assert isinstance(result, Sample)
    return result


def captions(sample: Sample) -> dict[str, str]:
    """Caption by its span, in the order of the text."""
    return dict(re.findall(r"^(\d+-\d+ s): (.+)$", sample.prompt, re.MULTILINE))


# The answer worked out from the prompt alone, as a reader would, by another way than the task's.
def in_order(sample: Sample, option: str) -> bool:
    named = [re.sub(r" \.\.\.$", "", name).lower() for name in option.split(", then ")]
    told = [caption.lower() for caption in captions(sample).values()]
    return len(named) == len(told) and all(n in t for n, t in zip(named, told, strict=True))


def colours_in_order(sample: Sample, option: str) -> bool:
    told = [caption.split()[-1].strip(".") for caption in captions(sample).values()]
    return option.split(", then ") == told


def what_happens(sample: Sample, option: str) -> bool:
    found = re.search(r"What happens at (.+)\?", sample.prompt)
    assert found is not None
    return captions(sample)[found[1]] == option


def when_it_happens(sample: Sample, option: str) -> bool:
    found = re.search(r"When does this happen: (.+)", sample.prompt)
    assert found is not None
    return captions(sample)[option] == found[1]


IS_RIGHT = {
    "order_sentence": in_order,
    "order_phrase": in_order,
    "order_prefix": in_order,
    "attribute": colours_in_order,
    "referring": what_happens,
    "grounding": when_it_happens,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_captions", [3, 4, 8])
def test_exactly_the_answer_is_true_of_the_text(kind: str, num_captions: int) -> None:
    task = TextOrder(kinds=(kind,), num_captions=num_captions)
    for seed in range(15):
        sample = a_sample(task, seed)
        options = task.options(sample)
        assert len(options) == len(set(options.values())) == num_captions
        right = [letter for letter, text in options.items() if IS_RIGHT[kind](sample, text)]
        assert right == [sample.answer]
        assert sample.chance == 1 / num_captions


def test_spans_follow_each_other_from_0() -> None:
    for seed in range(10):
        told = captions(a_sample(TextOrder(), seed))
        spans = [span.removesuffix(" s").split("-") for span in told]
        assert spans[0][0] == "0" and len(spans) == 4
        assert [start for start, _ in spans[1:]] == [end for _, end in spans[:-1]]
        assert all(1 <= int(end) - int(start) <= 5 for start, end in spans)


def test_what_an_order_option_names_is_the_kind() -> None:
    kinds = ("order_sentence", "order_phrase", "order_prefix")
    made = [a_sample(TextOrder(kinds=(kind,))) for kind in kinds]
    sentence, phrase, prefix = (TextOrder().right(s).split(", then ") for s in made)
    assert all(re.fullmatch(r"the \w+ \w+ was \w+", name) for name in sentence)
    assert all(re.fullmatch(r"the \w+ \w+", name) for name in phrase)
    assert all(re.fullmatch(r"the \w+ \w+ was \.\.\.", name) for name in prefix)


def test_there_is_nothing_to_see() -> None:
    task: Task = TextOrder()
    sample = a_sample(TextOrder())
    assert sample.media == () and "<video>" not in sample.prompt
    assert task.switched_off(sample) is None
    assert all(unit.parts == () for unit in task.units(sample))


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"kinds": ("gounding",)}, "unknown text_order kind 'gounding'; did you mean 'grounding'"),
        ({"kinds": ()}, "number of kinds is 0"),
        ({"num_captions": 2}, "num_captions is 2; allowed: 3 to 8"),
        ({"max_seconds": 0}, "max_seconds is 0"),
    ],
)
def test_knobs_out_of_range_are_refused(knobs: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build("text_order", knobs=knobs)
