"""Videos on both sides of the split: the same one, or two that show the same."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from functools import partial

from kuleshov.audit.findings import Finding
from kuleshov.errors import UnreadableVideoError
from kuleshov.frames import scan
from kuleshov.locations import Location
from kuleshov.near_duplicates import NO_HASH, THRESHOLD, Hash, groups, hash_of
from kuleshov.progress import Progress
from kuleshov.runners import Failed, Here, Runner
from kuleshov.sample import Video

_Use = tuple[str, str, str]


def on_both_sides(
    uses: Iterable[_Use],
    root: Location,
    progress: Progress = lambda *_: None,
    runner: Runner | None = None,
) -> list[Finding]:
    """Videos of the train side that the held-out side shows too, lent ones included.

    Near-duplicates are those of near_duplicates.py at its widest threshold, whatever the set was
    made with; they are looked for in the files, not in what the set says of itself. Costs 8
    frames of each video.

    Args:
        uses: side, id and path of the videos of all samples.
        root: the folder of videos.
        progress: told of every video.
        runner: where they are looked at; None for this process.
    """
    sides: dict[str, set[str]] = {}
    paths: dict[str, str] = {}
    for side, video, path in uses:
        sides.setdefault(video, set()).add(side)
        paths[video] = path
    found = [
        Finding("duplicate", "", f"{paths[video]} is used on both sides of the split")
        for video in sorted(sides)
        if len(sides[video]) > 1
    ]
    if {side for here in sides.values() for side in here} < {"train", "held_out"}:
        return found
    ids = sorted(sides)
    hashes: list[Hash] = []
    work = (runner or Here()).map(partial(_hash, root), (paths[video] for video in ids))
    with closing(work) as results:
        for result in results:
            hashes.append(NO_HASH if isinstance(result, Failed) else result)
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
    try:
        # Whether it is still the one that was named, whoever renders it sees.
        video = Video(id="", path=path, root=str(root), **scan(root / path)._asdict())
        return hash_of(video)
    except (UnreadableVideoError, OSError):
        return NO_HASH  # rendering says what is wrong with it
