from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuleshov.dataset import load_samples
from kuleshov.edits import apply
from kuleshov.errors import UsageError
from kuleshov.media import render
from kuleshov.pairs import Place, degraded, differing, evidence, held, pair, without_effect
from kuleshov.sample import Frame, Json, MediaItem, Pixels, Sample
from kuleshov.synthesize import MakeConfig, make
from tests.test_edits import ramp

TASKS = ("anomaly", "appearance", "arrow", "counting", "jigsaw", "masked", "odd_clip", "turned")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> dict[str, Sample]:
    """A sample of each task whose frames say anything."""
    folder = tmp_path_factory.mktemp("pairs") / "set"
    knobs = {"masked": {"max_similarity": 0.9999, "fps": 4.0}}
    config = MakeConfig(workers=0, tasks={name: knobs.get(name, {}) for name in TASKS})
    make(clips, folder, config)
    return {sample.task: sample for sample in load_samples(folder)}


def sample(num_frames: int = 6, *edits: dict[str, Json]) -> Sample:
    item = MediaItem(tuple(Frame("v", float(i), float(i)) for i in range(num_frames)), 4, 6, edits)
    return Sample("s", "t", ("v",), "train", (item,), "?", 1, "direct", {}, 0, 0.0)


def shown(sample: Sample, num_frames: int) -> Pixels:
    return apply(ramp(num_frames), sample.media[0].edits)


def test_each_key_frame_shows_its_predecessor_and_the_first_one_itself() -> None:
    # v~_t = v_max(t-1, 1), counted from 1 in the paper: key frames 1, 3 and 6 of six.
    other = degraded(sample(), [(0, 0), (0, 2), (0, 5)])
    assert (shown(other, 6) == ramp(6)[[0, 1, 1, 3, 4, 4]]).all()


def test_a_run_of_key_frames_shows_what_was_there_before_it() -> None:
    assert held(8, {3, 4, 5}) == [0, 1, 2, 2, 2, 2, 6, 7]


def test_a_run_from_the_start_can_show_what_follows() -> None:
    assert held(5, {0, 1}) == [0, 0, 2, 3, 4]
    assert held(5, {0, 1}, "following") == [2, 2, 2, 3, 4]


def test_where_nothing_is_left_to_show_it_is_said() -> None:
    with pytest.raises(UsageError, match="all 2 frames of a media item are key frames"):
        degraded(sample(2), [(0, 0), (0, 1)], "following")


@pytest.mark.parametrize("place", [(1, 0), (0, 6), (-1, 0), (0, -1)])
def test_a_key_frame_that_is_not_there_is_refused(place: Place) -> None:
    with pytest.raises(UsageError, match=r"the media items have \[6\] frames"):
        degraded(sample(), [place])


def test_a_pair_differs_in_nothing_but_edits() -> None:
    found = pair(sample(), [(0, 2)])
    assert found is not None and found.absent == ((0, 2),)
    full, other = found.full, found.degraded
    assert replace(other, media=full.media) == full
    assert other.media[0].frames == full.media[0].frames
    assert Sample.from_json(other.to_json()) == other


def test_what_changes_nothing_is_no_pair() -> None:
    assert pair(sample(), []) is None
    assert pair(sample(), [(0, 0)]) is None  # by itself, as in the paper


def test_edits_go_along_with_the_frame_that_they_act_on() -> None:
    # Frame 3 is inverted and replaced; frame 4 shows what is inverted in the place of frame 5.
    inverted: dict[str, Json] = {"edit": "invert", "start": 3, "stop": 5}
    full = sample(6, inverted)
    found = pair(full, [(0, 3), (0, 5)])
    assert found is not None and found.absent == ((0, 3), (0, 5))
    wanted = shown(full, 6)[[0, 1, 2, 2, 4, 4]]
    assert (shown(found.degraded, 6) == wanted).all()


@settings(max_examples=200)
@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)), st.booleans())
    )
)
def test_exactly_the_listed_frames_differ(case: tuple[int, set[int], bool]) -> None:
    num_frames, keys, following = case
    if following and len(keys) == num_frames:
        return
    swapped: dict[str, Json] = {"edit": "reorder", "order": list(range(num_frames))[::-1]}
    full = sample(num_frames, swapped)
    found = pair(full, [(0, t) for t in keys], "following" if following else "itself")
    before = shown(full, num_frames)
    after = before if found is None else shown(found.degraded, num_frames)
    changed = {t for t in range(num_frames) if (before[t] != after[t]).any()}
    assert changed == ({t for _, t in found.absent} if found else set())
    first_run = next((t for t in range(num_frames) if t not in keys), num_frames)
    kept = set() if following else ({0} if 0 in keys else set())
    assert changed == keys - kept
    for t in changed - set(range(first_run)):
        assert (after[t] == after[t - 1]).all()


def test_pairs_of_every_task_differ_in_the_listed_frames_when_rendered(
    made: dict[str, Sample], clips: Path
) -> None:
    assert set(made) == set(TASKS)
    for name, full in made.items():
        places = [(i, t) for i, item in enumerate(full.media) for t in range(len(item.frames))]
        keys = places[1::3]
        found = pair(full, keys)
        assert found is not None, name
        assert changed(found.full, found.degraded, clips) <= set(found.absent) <= set(keys), name
        before, after = render(found.full, clips), render(found.degraded, clips)
        for i, (old, new) in enumerate(zip(before, after, strict=True)):
            order = held(len(old), {t for item, t in keys if item == i})
            assert (new == old[order]).all(), name


def changed(a: Sample, b: Sample, root: Path) -> set[Place]:
    both = zip(render(a, root), render(b, root), strict=True)
    return {
        (i, t)
        for i, (left, right) in enumerate(both)
        for t in np.flatnonzero((left != right).any(axis=(1, 2, 3))).tolist()
    }


@pytest.mark.parametrize("name", ["anomaly", "appearance", "counting", "turned"])
def test_without_its_evidence_a_sample_shows_nothing_of_the_effect(
    made: dict[str, Sample], clips: Path, name: str
) -> None:
    full = made[name]
    keys = evidence(full)
    assert 0 < len(keys) < len(full.media[0].frames)
    found = pair(full, keys, "following")
    assert found is not None
    # What is left are frames that look the same with the effect switched off.
    off = without_effect(full)
    assert off is not None
    (after,), (quiet,) = render(found.degraded, clips), render(off.degraded, clips)
    order = held(len(after), {t for _, t in keys}, "following")
    assert (after == quiet[order]).all()


def test_evidence_of_counting_is_where_shapes_are_drawn(made: dict[str, Sample]) -> None:
    full = made["counting"]
    drawn = {edit["start"] for edit in full.media[0].edits}
    assert evidence(full) == sorted((0, t) for t in drawn)


def test_key_frames_that_a_sample_lists_are_its_evidence(made: dict[str, Sample]) -> None:
    full = made["anomaly"]
    listed = replace(full, provenance={**full.provenance, "key_frames": [[0, 3], [0, 1]]})
    assert evidence(listed) == [(0, 1), (0, 3)] != evidence(full)
    assert evidence(replace(listed, provenance={**listed.provenance, "published": "x"})) == [
        (0, 1),
        (0, 3),
    ]


def test_evidence_of_the_odd_clip_is_all_of_it(made: dict[str, Sample]) -> None:
    full = made["odd_clip"]
    odd = int(full.answer) - 1
    assert evidence(full) == [(odd, t) for t in range(len(full.media[odd].frames))]


def test_without_the_effect_exactly_the_listed_frames_differ(
    made: dict[str, Sample], clips: Path
) -> None:
    for name, full in made.items():
        found = without_effect(full)
        if found is not None:
            assert changed(full, found.degraded, clips) <= set(found.absent), name
            assert found.absent == tuple(differing(full, found.degraded))
