"""Videos on both sides of the split: the same one, or two that show the same."""

from __future__ import annotations

from collections.abc import Sequence

from kuleshov.audit.findings import Finding
from kuleshov.errors import UnreadableVideoError
from kuleshov.locations import Location
from kuleshov.near_duplicates import NO_HASH, THRESHOLD, Hash, groups, hash_of
from kuleshov.progress import Progress
from kuleshov.read import read_video
from kuleshov.sample import Sample, Video


def on_both_sides(
    samples: Sequence[Sample], root: Location, progress: Progress = lambda *_: None
) -> list[Finding]:
    """Videos of the train side that the held-out side shows too, lent ones included.

    Near-duplicates are those of near_duplicates.py at its widest threshold, whatever the set was
    made with; they are looked for in the files, not in what the set says of itself. Costs 8
    frames of each video.
    """
    sides: dict[str, set[str]] = {}
    paths: dict[str, str] = {}
    for sample in samples:
        for origin in sample.videos:
            sides.setdefault(origin["id"], set()).add(sample.split)
            paths[origin["id"]] = origin["path"]
    found = [
        Finding("duplicate", "", f"{paths[video]} is used on both sides of the split")
        for video in sorted(sides)
        if len(sides[video]) > 1
    ]
    if {side for here in sides.values() for side in here} < {"train", "held_out"}:
        return found
    ids = sorted(sides)
    hashes: list[Hash] = []
    for video in ids:
        hashes.append(_hash(root, paths[video]))
        progress("comparing videos", len(hashes), len(ids))
    leaders = groups(hashes, THRESHOLD)
    for video, leader in zip(ids, (ids[i] for i in leaders), strict=True):
        if sides[video] != sides[leader] and len(sides[video] | sides[leader]) > 1:
            found.append(
                Finding(
                    "duplicate",
                    "",
                    f"{paths[video]} ({', '.join(sides[video])}) shows the same as "
                    f"{paths[leader]} ({', '.join(sides[leader])})",
                )
            )
    return found


def _hash(root: Location, path: str) -> Hash:
    video = read_video(root, path)
    try:
        return hash_of(video) if isinstance(video, Video) else NO_HASH
    except UnreadableVideoError:
        return NO_HASH  # rendering says what is wrong with it
