"""Videos that show the same: re-encodes, other sizes, other containers.

The hash of a video are the perceptual hashes of 8 evenly spaced frames: of each one the 64 lowest
frequencies (8 x 8) of its 32 x 32 grey picture, as bits: above their median or not (the "pHash" of
Zauner, 2010). A frame without a picture, such as a black one, says nothing and has none. Two
videos are near-duplicates if the share of bits that differ is small.

    clips of the test folder, each against itself re-encoded (CRF 28; CRF 35 at half the size;
    VP9 at CRF 40 and a third of the size):          0 to 6 % of the bits differ
    against other clips:                             32 % or more

Not all pairs are compared. A frame's 64 bits are cut into pieces of 16, and two videos are
compared only if a piece at the same place is the same, which is certain where fewer bits differ
than there are pieces. Where very many videos share a piece, each is compared with the next few in
the order of their hashes only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kuleshov.sample import Pixels, Video
from kuleshov.sampling import uniform

THRESHOLD = 31 / 512
"""Share of differing bits up to which every pair with 8 frames is found: 31 of 512 bits."""

_FRAMES = 8
_SIDE = 32
_LOW = 8
_FLAT = 4.0  # standard deviation of the grey values below which a frame shows nothing
_LEAST = 4  # frames that both videos must show to be compared
_PIECE = 16  # bits
_NEIGHBORS = 16  # videos with the same piece with which each one is compared

Hash = list[int | None]
"""For each of the frames 64 bits, or None where it shows nothing."""

NO_HASH: Hash = [None] * _FRAMES
"""Of a video that cannot be decoded; nothing is its near-duplicate."""


def hash_of(video: Video) -> Hash:
    """The perceptual hashes of a video's frames.

    Raises:
        UnreadableVideoError: the frames cannot be decoded.
    """
    seconds = uniform(video.start, video.end, _FRAMES).seconds()
    return [_frame_hash(picture) for picture in _grey(video.frames(seconds, (_SIDE, _SIDE)))]


def _grey(frames: Pixels) -> npt.NDArray[np.float64]:
    grey: npt.NDArray[np.float64] = frames @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    return grey


def _frame_hash(picture: npt.NDArray[np.float64]) -> int | None:
    if picture.std() < _FLAT:
        return None
    frequency, place = np.arange(_LOW)[:, None], np.arange(_SIDE)[None]
    cosines = np.cos(np.pi * frequency * (2 * place + 1) / (2 * _SIDE))  # DCT-II
    low = (cosines @ picture @ cosines.T).ravel()
    bits = low > np.median(low[1:])  # without the mean, which is far above
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def groups(hashes: Sequence[Hash], threshold: float) -> list[int]:
    """For each video the first one that it is a near-duplicate of, through others if need be.

    Args:
        hashes: of the videos; the result depends on their order only in who is first.
        threshold: share of differing bits up to which two are near-duplicates.

    Returns:
        Indices; a video without near-duplicates has its own.
    """
    shown = np.array([[h is not None for h in row] for row in hashes], bool).reshape(-1, _FRAMES)
    bits = np.array([[h or 0 for h in row] for row in hashes], np.uint64).reshape(-1, _FRAMES)
    leader = np.arange(len(hashes))
    for frame in range(_FRAMES):
        for shift in range(0, 64, _PIECE):
            here = np.flatnonzero(shown[:, frame])
            pieces = (bits[here, frame] >> np.uint64(shift)) & np.uint64((1 << _PIECE) - 1)
            # Within a piece by the other bits, so that the most alike are next to each other.
            order = np.lexsort((bits[here, frame], pieces))
            here, pieces = here[order], pieces[order]
            for step in range(1, min(_NEIGHBORS, len(here) - 1) + 1):
                alike = pieces[step:] == pieces[:-step]
                one, other = here[:-step][alike], here[step:][alike]
                apart = leader[one] != leader[other]
                one, other = one[apart], other[apart]
                near = _distance(bits, shown, one, other) <= threshold
                for a, b in zip(one[near].tolist(), other[near].tolist(), strict=True):
                    _join(leader, a, b)
                leader = leader[leader]
    while (leader != leader[leader]).any():
        leader = leader[leader]
    return [int(index) for index in leader]


def _distance(
    bits: npt.NDArray[np.uint64],
    shown: npt.NDArray[np.bool_],
    one: npt.NDArray[np.intp],
    other: npt.NDArray[np.intp],
) -> npt.NDArray[np.float64]:
    """Share of differing bits over the frames that both show; 1 where these are too few."""
    both = shown[one] & shown[other]
    differ = (np.bitwise_count(bits[one] ^ bits[other]) * both).sum(axis=1)
    frames = both.sum(axis=1)
    share: npt.NDArray[np.float64] = np.where(
        frames >= _LEAST, differ / (64 * np.maximum(frames, 1)), 1.0
    )
    return share


def _join(leader: npt.NDArray[np.intp], a: int, b: int) -> None:
    """Make the smaller of two roots the leader of the other."""
    while leader[a] != a:
        a = int(leader[a])
    while leader[b] != b:
        b = int(leader[b])
    leader[max(a, b)] = min(a, b)
