from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kuleshov.errors import UsageError
from kuleshov.sample import Sample, Skip, Video
from kuleshov.tasks.odd_clip import OddClip
from tests.conftest import a_video

VIDEO = a_video(num_frames=480, end=20.0)


def a_donor(number: int, num_frames: int = 480, end: float = 20.0, width: int = 64) -> Video:
    video = a_video(num_frames, 3.0, 3.0 + end, (64, width))
    return replace(video, id=f"{number:032x}", path=f"{number}.mp4")


def ask(donors: list[Video], seed: int = 0) -> Sample | Skip:
    return OddClip().synthesize(VIDEO, np.random.default_rng(seed), lambda n: donors[:n])


def a_sample(seed: int = 0) -> Sample:
    result = ask([a_donor(1)], seed)
    assert isinstance(result, Sample)
    return result


def test_the_answer_is_the_number_of_the_foreign_clip() -> None:
    answers = set()
    for seed in range(30):
        sample = a_sample(seed)
        foreign = [item.frames[0].video_id != VIDEO.id for item in sample.media]
        assert foreign.count(True) == 1
        assert sample.answer == str(foreign.index(True) + 1)
        answers.add(sample.answer)
    assert answers == set("1234")
    assert sample.video_ids == (VIDEO.id, a_donor(1).id)
    assert sample.prompt.startswith("Clip 1: <video>\nClip 2: <video>\n")


def test_clips_differ_in_nothing_but_where_they_come_from() -> None:
    for seed in range(20):
        media = a_sample(seed).media
        # 18 s in four clips of 8 frames, of which the middle 80 % are looked at.
        step = 18 / 4 * 0.8 / 8
        for item in media:
            shown = [frame.shown_seconds for frame in item.frames]
            assert shown == pytest.approx([i * step for i in range(8)], abs=1e-6)
            assert np.diff([f.source_seconds for f in item.frames]) == pytest.approx(
                [step] * 7, abs=1e-5
            )
        assert len({(item.height, item.width) for item in media}) == 1
        times = [f.source_seconds for i in media for f in i.frames if f.video_id != VIDEO.id]
        assert min(times) >= 4.0 and max(times) <= 22.0  # 5 % of the donor's 3 to 23 s


def test_own_clips_are_the_consecutive_ones() -> None:
    sample = a_sample()
    odd = int(sample.answer) - 1
    firsts = [item.frames[0].source_seconds for item in sample.media]
    # Each quarter of 1 to 19 s is 4.5 s; 10 % are left out, and half a step of 0.45 s.
    wanted = [1 + 4.5 * i + 0.45 + 0.225 for i in range(4)]
    for i in set(range(4)) - {odd}:
        assert firsts[i] == pytest.approx(wanted[i], abs=1e-6)


def test_switched_off_shows_the_own_clip_in_that_place() -> None:
    for seed in range(12):
        media = OddClip().switched_off(a_sample(seed)).media
        assert {frame.video_id for item in media for frame in item.frames} == {VIDEO.id}
        wanted = [1 + 4.5 * i + 0.45 + 0.225 for i in range(4)]
        assert [i.frames[0].source_seconds for i in media] == pytest.approx(wanted, abs=2e-6)
        assert {i.frames[-1].shown_seconds for i in media} == {media[0].frames[-1].shown_seconds}


def test_the_donor_is_the_first_of_the_nearest_in_shape() -> None:
    sample = ask([a_donor(1, width=68), a_donor(2, width=66), a_donor(3, width=66)])
    assert isinstance(sample, Sample)
    assert sample.video_ids[1] == a_donor(2).id


@pytest.mark.parametrize(
    "donors",
    [
        [],
        [a_donor(1, width=72)],  # 72 / 64 = 1.125
        [a_donor(1, width=56)],  # as much, the other way: 64 / 56 = 1.14
        [a_donor(1, num_frames=96, end=3.9)],  # 90 % of 3.9 s are less than 3.6 s
        [a_donor(1, num_frames=20)],  # one frame a second: each would be shown twice
    ],
)
def test_without_a_donor_that_fits_there_is_no_sample(donors: list[Video]) -> None:
    result = ask(donors)
    assert isinstance(result, Skip)
    counted = "1 other video is" if len(donors) == 1 else f"{len(donors)} other videos is"
    missing = "no donor: there is no other video on its side of the split"
    assert result.reason.startswith(f"no donor among {counted}" if donors else missing)


def test_two_clips_have_no_odd_one() -> None:
    with pytest.raises(UsageError, match="allowed: 3 to 9"):
        OddClip(num_clips=2)
