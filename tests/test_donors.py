from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from kuleshov.donors import Lender, load
from kuleshov.donors import donors as of
from kuleshov.randomness import digest
from kuleshov.sample import Video
from tests.conftest import a_video


def videos(count: int) -> list[Video]:
    found = [replace(a_video(), id=f"{digest(i):032x}", path=f"{i}.mp4") for i in range(count)]
    return sorted(found, key=lambda video: video.id)


def donors(video: Video, others: list[Video], n: int, seed: int, task: str) -> list[Video]:
    """Without near-duplicates."""
    return of(video, video.id, [Lender(other, other.id) for other in others], n, seed, task)


def test_near_duplicates_do_not_lend_to_each_other() -> None:
    some = videos(10)
    # The first three are near-duplicates of the first one.
    lenders = [Lender(video, some[0].id if i < 3 else video.id) for i, video in enumerate(some)]
    for video in some[:3]:
        assert set(of(video, some[0].id, lenders, 10, 0, "swap")) == set(some[3:])
    assert set(of(some[3], some[3].id, lenders, 10, 0, "swap")) == set(some) - {some[3]}


def test_donors_change_only_where_a_chosen_one_goes() -> None:
    before = {v.id: donors(v, videos(50), 3, 0, "swap") for v in videos(50)}
    gone = videos(50)[7]
    rest = [video for video in videos(50) if video != gone]
    for video in rest:
        after = donors(video, rest, 3, 0, "swap")
        assert video not in before[video.id]
        if gone in before[video.id]:
            assert set(before[video.id]) - {gone} < set(after)
        else:
            assert after == before[video.id]


def test_donors_are_spread_over_the_videos() -> None:
    chosen = {donors(v, videos(200), 1, 0, "swap")[0].id for v in videos(200)}
    # A place falls on a video with the length of the arc before it, which is exponential with mean
    # 1/200: of 200 places, 200 * (1 - E exp(-x)) = 200 * (1 - 1/2) = 100 different ones are hit.
    assert 80 <= len(chosen) <= 120


def test_each_task_borrows_elsewhere() -> None:
    video = videos(50)[0]
    assert donors(video, videos(50), 3, 0, "swap") != donors(video, videos(50), 3, 0, "splice")


def test_there_are_no_more_donors_than_other_videos() -> None:
    video = videos(3)[0]
    assert set(donors(video, videos(3), 5, 0, "swap")) == set(videos(3)) - {video}
    assert donors(video, [video], 1, 0, "swap") == []


def test_a_file_of_videos_is_read_sorted(tmp_path: Path) -> None:
    lines = [
        json.dumps({"video": asdict(video), "first": "a" * 32}) for video in reversed(videos(4))
    ]
    (tmp_path / "train").write_text("\n".join(lines) + "\n")
    assert list(load(tmp_path / "train")) == [Lender(video, "a" * 32) for video in videos(4)]
