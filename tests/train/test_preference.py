from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kuleshov.controls import CONTROLS, control
from kuleshov.dataset import load_samples
from kuleshov.errors import UsageError
from kuleshov.pairs import differing
from kuleshov.sample import Sample
from kuleshov.tasks import score, task_of
from kuleshov.train.preference import SOURCES, degraded, pair


@pytest.fixture(scope="module")
def samples(data: Path) -> list[Sample]:
    return load_samples(data, "train")


def side(row: dict[str, str], name: str) -> Sample:
    return Sample.from_json(row[name])


def test_a_rejected_answer_earns_no_more_than_it_may(samples: list[Sample]) -> None:
    earned = []
    for most in (0.0, 0.3, 0.9):
        for sample in samples:
            row = pair(sample, max_reward=most)
            assert row is not None and row["sample"] == row["rejected_sample"]
            assert side(row, "sample") == sample
            assert score(sample, row["chosen"]).total == 1.0
            reward = score(sample, row["rejected"])
            assert reward.total <= most and reward.answer is not None
            earned.append(reward.total)
    assert max(earned) > 0.3  # what is more than half right is drawn too, where it may be


def test_the_same_seed_gives_the_same_pair_beside_any_other_samples(samples: list[Sample]) -> None:
    rows = [pair(sample, seed=3) for sample in samples]
    assert [pair(sample, seed=3) for sample in reversed(samples)] == rows[::-1]
    assert [pair(sample, seed=4) for sample in samples] != rows


def test_a_sample_whose_guesses_all_earn_too_much_gives_none(
    samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = samples[0]
    kind = type(task_of(sample))
    monkeypatch.setattr(kind, "guess", lambda self, sample, rng: sample.answer)
    assert pair(sample) is None


@pytest.mark.parametrize("source", CONTROLS)
def test_a_control_is_rejected_with_the_same_answer(samples: list[Sample], source: str) -> None:
    row = pair(samples[0], source)
    assert row is not None and row["chosen"] == row["rejected"]
    assert side(row, "rejected_sample") == control(samples[0], source)


def test_what_is_asked_for_may_be_switched_off(samples: list[Sample]) -> None:
    anomaly = next(sample for sample in samples if sample.task == "anomaly")
    row = pair(anomaly, "switched_off")
    assert row is not None and row["chosen"] == row["rejected"]
    assert side(row, "rejected_sample") == task_of(anomaly).switched_off(anomaly)


def test_key_frames_may_be_taken_away_and_as_many_others(samples: list[Sample]) -> None:
    anomaly = next(sample for sample in samples if sample.task == "anomaly")
    given = replace(anomaly, provenance={**anomaly.provenance, "key_frames": [[0, 2], [0, 5]]})
    key = degraded(given, "key_frames")
    assert key is not None and differing(given, key) == [(0, 2), (0, 5)]
    other = degraded(given, "random_frames")
    assert other is not None and len(differing(given, other)) == 2
    elsewhere = replace(anomaly, provenance={"published": "x"})
    assert degraded(elsewhere, "key_frames") is None


def test_a_video_that_stays_as_it_was_gives_no_pair(samples: list[Sample]) -> None:
    jigsaw = next(sample for sample in samples if sample.task == "jigsaw")
    ordered = replace(jigsaw, answer=[1, 2, 3])
    assert pair(ordered, "switched_off") is None
    anomaly = next(sample for sample in samples if sample.task == "anomaly")
    (item,) = anomaly.media
    still = replace(anomaly, media=(replace(item, frames=item.frames[:1], edits=()),))
    for source, gives in (
        ("blind", True),
        ("single", False),
        ("shuffled", False),
        ("reversed", False),
    ):
        assert (pair(still, source) is not None) == gives, source
    assert all(pair(replace(still, media=()), source) is None for source in CONTROLS)
    elsewhere = replace(anomaly, provenance={**anomaly.provenance, "published": "x"})
    assert pair(elsewhere, "switched_off") is None


def test_an_unknown_source_is_refused_with_the_nearest_name(samples: list[Sample]) -> None:
    assert "shuffled" in SOURCES
    with pytest.raises(UsageError, match="did you mean 'shuffled'"):
        pair(samples[0], "shufled")
