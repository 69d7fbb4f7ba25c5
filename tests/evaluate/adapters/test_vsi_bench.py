from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kuleshov.dataset import load_samples
from kuleshov.evaluate.adapters.vsi_bench import NUMBERS, overall
from kuleshov.sample import Sample
from tests.evaluate.adapters.conftest import rows

Sets = Callable[[str], Path]


def test_numbers_and_choices_are_asked_in_their_wording(sets: Sets) -> None:
    by_entry = {sample.entry: sample for sample in load_samples(sets("vsi_bench"))}
    assert by_entry["object_counting"].prompt == (
        "<video>\nThese are frames of a video.\nWhich?\n"
        "Please answer the question using a single word or phrase."
    )
    assert by_entry["route_planning"].prompt == (
        "<video>\nThese are frames of a video.\nWhich?\nOptions:\nA. a bed\nB. a sofa\nC. a lamp\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert by_entry["obj_appearance_order"].provenance["about_order"]


def test_numbers_earn_mean_relative_accuracy_and_directions_are_one_task(sets: Sets) -> None:
    # 10 % off all numbers: 0.9 each. A is right of easy directions (1 of 3 levels) and of routes.
    def say(sample: Sample) -> str:
        return f"{sample.answer * 1.1:.6f}" if sample.entry in NUMBERS else "A"

    found = rows("vsi_bench", sets("vsi_bench"), say)
    values = {name: row.value for (name, _), row in found.items()}
    for name in NUMBERS:
        assert found[name, "mean relative accuracy"].value == pytest.approx(0.9)
    assert values["object_rel_direction"] == pytest.approx(1 / 3)
    assert (values["route_planning"], values["object_rel_distance"]) == (1.0, 0.0)
    # 4 numbers, directions, routes, and nothing for distances and orders: 8 tasks.
    assert values["overall"] == pytest.approx((4 * 0.9 + 1 / 3 + 1) / 8)


def test_overall_is_the_mean_of_means_for_any_scores_and_sizes(sets: Sets) -> None:
    samples = load_samples(sets("vsi_bench"))
    samples = [s for i, s in enumerate(samples) if i % 7 != 3]  # of unequal sizes
    scores = np.random.default_rng(0).random(len(samples))
    means: dict[str, list[float]] = {}
    for entry in sorted({s.entry for s in samples}):
        mean = np.mean([x for s, x in zip(samples, scores, strict=True) if s.entry == entry])
        task = "direction" if entry.startswith("object_rel_direction") else entry
        means.setdefault(task, []).append(float(mean))
    expected = np.mean([np.mean(levels) for levels in means.values()])
    assert overall(scores, samples).value() == pytest.approx([expected])
