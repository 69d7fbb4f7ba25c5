from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kuleshov.errors import UsageError
from kuleshov.evaluate.figures import FIGURES, about_order, right_from
from kuleshov.sample import Json, Sample
from kuleshov.tasks import build
from tests.test_floors import jigsaws


def samples(*provenances: dict[str, Json]) -> list[Sample]:
    made = jigsaws(*["123"] * len(provenances))
    return [replace(s, provenance=p) for s, p in zip(made, provenances, strict=True)]


def test_a_source_is_the_film_else_the_first_near_duplicate_else_the_video() -> None:
    made = samples({}, {"near_duplicate_of": "d"}, {"near_duplicate_of": "d", "source": "film"})
    assert [s.source for s in made] == ["0", "d", "film"]


def test_figures_by_hand() -> None:
    made = samples({}, {}, {}, {"entry": "other"})
    scores = [1, 0, 0.5, 0]
    assert FIGURES["items"].report(scores, made).value() == pytest.approx([1.5 / 4])
    assert FIGURES["tasks"].report(scores, made).value() == pytest.approx([(0.5 + 0) / 2])


def test_a_set_is_right_where_each_sample_is_by_its_own_measure() -> None:
    # The second sample of p is a grounding, right from 0.5 on.
    made = samples({"set": "p"}, {"set": "p"}, {"set": "q"})
    knobs = build("anomaly").knobs()
    made[1] = replace(made[1], task="anomaly", knobs=knobs, provenance={"set": "p"})
    made = [replace(s, provenance={**s.provenance, "entry": "bench"}) for s in made]
    assert right_from(made) == [1.0, 0.5, 1.0]
    scores = np.array([[1, 1], [0.6, 0.4], [0.9, 1]])
    assert FIGURES["sets"].report(scores, made).value() == pytest.approx([1 / 2, 1 / 2])
    assert FIGURES["sets"].report(scores[:, 0], made).value() == pytest.approx([1 / 2])


def test_samples_outside_of_sets_are_refused() -> None:
    with pytest.raises(UsageError, match="1 samples, such as 1, are in no set"):
        FIGURES["sets"].report([1, 1], samples({"set": "p"}, {}))


def test_a_sample_may_say_itself_whether_it_is_about_order() -> None:
    assert about_order(samples({}, {"about_order": False})) == [True, False]


def test_chance_of_a_set_is_to_hit_all_of_it() -> None:
    # Chances 0, 1, 2, 3 of 40 (test_floors.py): items 1.5, sets (0 * 1 + 2 * 3) / 2 of 1600.
    made = samples({"set": "p"}, {"set": "p"}, {"set": "q"}, {"set": "q"})
    assert FIGURES["items"].chance(made) == FIGURES["tasks"].chance(made) == pytest.approx(1.5 / 40)
    assert FIGURES["sets"].chance(made) == pytest.approx(3 / 1600)
