from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from kuleshov.clips import clip
from kuleshov.near_duplicates import THRESHOLD, Hash, groups, hash_of
from kuleshov.read import read_video
from kuleshov.sample import Pixels, Video
from tests.frames.encoded import encode


def video(path: Path, frames: Pixels, codec: str = "libx264", **options: str) -> Video:
    encode(path, codec, options, frames)
    found = read_video(path.parent, path.name)
    assert isinstance(found, Video)
    return found


def distance(a: Hash, b: Hash) -> float:
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    return sum((x ^ y).bit_count() for x, y in pairs) / (64 * len(pairs))


def noisy(base: Hash, flips: int, rng: random.Random) -> Hash:
    """The hash with so many of its 512 bits turned over."""
    result = list(base)
    for place in rng.sample(range(512), flips):
        result[place // 64] = (result[place // 64] or 0) ^ (1 << place % 64)
    return result


def test_a_re_encode_differs_in_few_bits_and_another_clip_in_many(tmp_path: Path) -> None:
    one = hash_of(video(tmp_path / "one.mp4", clip(3, 1)))
    again = hash_of(video(tmp_path / "again.mkv", clip(3, 1), crf="23"))
    vp9 = hash_of(video(tmp_path / "vp9.webm", clip(3, 1), "libvpx-vp9", crf="20", b="0"))
    other = hash_of(video(tmp_path / "other.mp4", clip(3, 2)))
    assert distance(one, again) <= THRESHOLD
    assert distance(one, vp9) <= THRESHOLD
    assert distance(one, other) > 4 * THRESHOLD


def test_a_black_frame_says_nothing(tmp_path: Path) -> None:
    frames = clip(3, 1, seconds=8)
    frames[:24] = 0
    hashed = hash_of(video(tmp_path / "v.mp4", frames))
    # 96 frames: of the eight looked at, those at 0.5 and 1.5 s are in the first 2 s.
    assert [h is None for h in hashed] == [True, True, *[False] * 6]


def test_the_hash_of_a_wave_is_the_bit_of_its_frequency() -> None:
    from kuleshov.near_duplicates import _frame_hash

    # cos(pi * 3 * (2x + 1) / 64) is the basis function of frequency (0, 3) itself: of the 64
    # values all are 0 (rounding aside) but this one and the mean. Bits are counted from the top.
    wave = 128 + 100 * np.cos(np.pi * 3 * (2 * np.arange(32) + 1) / 64) * np.ones((32, 1))
    hashed = _frame_hash(wave)
    assert hashed is not None
    assert hashed >> 63 & 1  # the mean
    assert hashed >> (63 - 3) & 1


@pytest.mark.parametrize("count", [40, 400])
def test_groups_are_those_of_comparing_all_pairs(count: int) -> None:
    rng = random.Random(count)
    bases: list[Hash] = [[rng.getrandbits(64) for _ in range(8)] for _ in range(count)]
    hashes = [noisy(bases[i % (count // 2)], rng.choice([0, 5, 12]), rng) for i in range(count)]
    expected = [
        min(j for j in range(count) if distance(hashes[i], hashes[j]) <= THRESHOLD)
        for i in range(count)
    ]
    assert groups(hashes, THRESHOLD) == expected


def test_near_duplicates_of_near_duplicates_are_in_one_group() -> None:
    rng = random.Random(0)
    one: Hash = [rng.getrandbits(64) for _ in range(8)]
    two = noisy(one, 20, rng)
    three = noisy(two, 20, rng)
    assert distance(one, three) > THRESHOLD
    assert groups([three, one, two], THRESHOLD) == [0, 0, 0]


def test_thousands_of_the_same_are_one_group() -> None:
    assert groups([[5, 6, 7, 8, 9, 10, 11, 12]] * 5000, THRESHOLD) == [0] * 5000


def test_frames_that_show_nothing_make_no_near_duplicates() -> None:
    blank: Hash = [None] * 5
    hashes: list[Hash] = [[*blank, 1, 2, 3], [*blank, 1, 2, 3], [None] * 8, [None] * 8]
    assert groups(hashes, THRESHOLD) == [0, 1, 2, 3]
    assert groups([], THRESHOLD) == []


SMALL = ("sk_bikes.mp4", "de_pancake.mkv", "nasa_13013.mp4", "intel_asl_book.mkv")


def test_real_clips_and_their_re_encodes_are_told_from_others(
    real_clips: Path, tmp_path: Path
) -> None:
    hashes = []
    for name in SMALL:
        found = read_video(real_clips, name)
        assert isinstance(found, Video)
        hashes.append(hash_of(found))
        # Every frame at half the size, at 12 frames per second: the same pictures, in other times.
        times = [found.start + i / 30 for i in range(int(found.duration * 30))]
        frames = found.frames(times, (found.height // 4 * 2, found.width // 4 * 2))
        hashes.append(hash_of(video(tmp_path / f"{name}.mp4", frames, crf="32")))
    assert groups(hashes, THRESHOLD) == [0, 0, 2, 2, 4, 4, 6, 6]
    apart = [
        distance(a, b) for i, a in enumerate(hashes) for b in hashes[: i // 2 * 2] if a is not b
    ]
    assert min(apart) > 0.3
