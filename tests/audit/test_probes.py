from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kuleshov.audit import probes
from kuleshov.audit.evidence import Evidence, FrameFile
from kuleshov.rendered.jpeg import to_jpeg
from kuleshov.sample import Frame, MediaItem, Pixels
from kuleshov.tasks.jigsaw import Jigsaw
from kuleshov.tasks.task import Part, Unit
from tests.audit.samples import a_sample, evidence, noise


def test_only_tables_tell_the_quality_whatever_is_shown() -> None:
    frames = noise(2, 16, 16)
    fine, coarse = (FrameFile.of(to_jpeg(frames[0], quality)) for quality in (95, 75))
    # The sums of the tables of ITU-T T.81 annex K, scaled as libjpeg does for 75 and 95.
    assert (coarse.luma > 4 * fine.luma) and (coarse.chroma > 4 * fine.chroma)
    assert FrameFile.of(to_jpeg(frames[1], 95))[1:] == fine[1:]
    units = [Unit((Part(0, 0, 1),), True), Unit((Part(0, 1, 2),), False)]
    seen = Evidence(a_sample(Jigsaw()), units, [frames], [[fine, coarse]])
    found = probes.quantisation(seen)
    assert found is not None and (found[0] != found[1]).any()
    seen = Evidence(a_sample(Jigsaw()), units, [frames], [[fine, fine]])
    found = probes.quantisation(seen)
    assert found is not None and (found[0] == found[1]).all()


def test_times_are_those_that_are_told() -> None:
    frames = tuple(Frame("v", 9.0 + i, 0.5 * i) for i in range(4))
    sample = replace(a_sample(Jigsaw()), media=(MediaItem(frames, 16, 32),))
    units = [Unit((Part(0, 0, 2),), True), Unit((Part(0, 2, 4), Part(0, 0, 2)), False)]
    found = probes.times(evidence(sample, [noise(4, 16, 32)], units))
    assert found is not None
    # Start, end, frames, frames of the item, height, width; then the difference of the parts.
    assert found[0].tolist() == [0, 0.5, 2, 4, 16, 32, 0, 0, 0, 0, 0, 0]
    assert found[1].tolist() == [0.5, 1.0, 2, 4, 16, 32, -1, -1, 0, 0, 0, 0]


def test_boundary_is_the_jump_from_the_end_of_one_part_to_the_start_of_the_other() -> None:
    ramp: Pixels = np.repeat(np.arange(4, dtype=np.uint8) * 10, 16 * 16 * 3).reshape(4, 16, 16, 3)
    pair = Unit((Part(0, 0, 4), Part(1, 0, 4)), True)
    sample = replace(a_sample(Jigsaw()), media=a_sample(Jigsaw()).media[:2])
    found = probes.boundary(evidence(sample, [ramp, ramp + 50], [pair]))
    assert found is not None and found.tolist() == [[50 - 30]]


def test_context_is_what_is_shown_beside_what_is_asked_about() -> None:
    shown, stills = noise(6, 16, 16), [noise(1, 16, 16, seed=1), noise(1, 16, 16, seed=2)]
    shown[2:4] = 128
    stills[0][0] = shown[1]
    units = [Unit((Part(i, 0, 1),), i == 1) for i in (1, 2)]
    seen = evidence(a_sample(Jigsaw()), [shown, *stills], units)
    assert seen.context == [(0, 0), (0, 1), (0, 4), (0, 5)]
    found = probes.context(seen)
    assert found is not None
    assert found[0, 0] == pytest.approx(1.0) and found[1, 0] < 0.5
    # The edge before the gap is the frame that the first candidate shows.
    assert found[0, 2] == pytest.approx(1.0)
    shown[:] = 128
    found = probes.context(evidence(a_sample(Jigsaw()), [shown, *stills], units))
    assert found is not None and (found == 0).all()


def test_questions_about_text_have_no_pixels_to_look_at() -> None:
    units = [Unit((), True, "2 s"), Unit((), False, "14 s")]
    sample = replace(a_sample(Jigsaw()), media=(), prompt="Is it 14 s or 2 s?")
    seen = evidence(sample, [], units)
    for name, probe in probes.PROBES.items():
        found = probe.features(seen)
        assert (found is not None) == (name == "prompt")


def test_prompt_features_know_numbers_and_places_of_options() -> None:
    units = [Unit((), True, "2 s"), Unit((), False, "14 s")]
    sample = replace(a_sample(Jigsaw()), media=(), prompt="Is it 14 s or 2 s?")
    found = probes.prompt(evidence(sample, [], units))
    assert found is not None
    # Length, spaces, value, how often, where.
    assert found[:, :5].tolist() == [[3, 1, 2, 1, 14], [4, 1, 14, 1, 6]]
