from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuleshov.errors import UsageError
from kuleshov.sample import Frame, MediaItem
from kuleshov.sparse import sparsified


def item(num_frames: int, fps: float = 1.0) -> MediaItem:
    """Frames at `fps` from second 5 on, whose shown clock starts at 0."""
    times = [round(t / fps, 6) for t in range(num_frames)]
    return MediaItem(tuple(Frame("v", 5 + t, t) for t in times), 64, 64)


def test_frames_are_added_until_the_share_is_met() -> None:
    # 1 of 10 is a key frame; 1 of 20 is 5 %.
    found = sparsified(item(10), [4])
    assert len(found.item.frames) == 20 and found.share == 0.05
    assert [found.item.frames[t] for t in found.keys] == [Frame("v", 9, 4)]


def test_no_frame_is_added_beside_a_key_frame() -> None:
    found = sparsified(item(10), [4], share=0.01)
    added = set(found.item.frames) - set(item(10).frames)
    assert added and not any(8 < frame.source_seconds < 10 for frame in added)


def test_with_nothing_left_to_add_the_share_says_so() -> None:
    # The gaps 0-1, 1-2, 2-3 and 5-6, ..., 8-9 have 7 more frames each at 8 fps: 49, and an even
    # number of 10 + 48 is shown.
    found = sparsified(item(10), [4], share=0.001)
    assert len(found.item.frames) == 58 and found.share == 1 / 58


def test_frames_are_added_at_the_given_rate_with_the_clock_of_their_neighbours() -> None:
    # 16 are lacking and 14 are there, in the gaps 0-1 and 1-2: 1/8, ..., 7/8 of each second.
    crowded = sparsified(item(4), [3], share=0.05, fps=8.0)
    times = [frame.source_seconds for frame in crowded.item.frames]
    assert times == [5 + k / 8 for k in range(17)] + [8] and len(times) == 18
    assert all(f.source_seconds - f.shown_seconds == 5 for f in crowded.item.frames)


def test_a_share_that_is_met_changes_nothing() -> None:
    assert sparsified(item(40), [3]).item == item(40)


def test_items_with_edits_or_out_of_order_are_refused() -> None:
    with pytest.raises(UsageError, match="item with edits"):
        sparsified(item(4).edited({"edit": "grey"}), [1])
    backwards = MediaItem(item(4).frames[::-1], 64, 64)
    with pytest.raises(UsageError, match="in order of time"):
        sparsified(backwards, [1])


@pytest.mark.parametrize(("share", "fps"), [(0.0, 8.0), (1.5, 8.0), (0.05, 0.0)])
def test_knobs_out_of_range_are_refused(share: float, fps: float) -> None:
    with pytest.raises(UsageError, match="allowed"):
        sparsified(item(4), [1], share, fps)


@given(st.integers(1, 30), st.sets(st.integers(0, 29)), st.floats(0.01, 1), st.floats(0.5, 30))
def test_all_frames_stay_in_order_and_even_in_number(
    half: int, keys: set[int], share: float, fps: float
) -> None:
    full = item(2 * half)
    keys = {key for key in keys if key < 2 * half}
    found = sparsified(full, keys, share, fps)
    times = [frame.source_seconds for frame in found.item.frames]
    assert all(a < b for a, b in pairwise(times)) and len(times) % 2 == 0
    assert set(full.frames) <= set(found.item.frames)
    assert [found.item.frames[t] for t in found.keys] == [full.frames[t] for t in sorted(keys)]
    assert found.share == len(keys) / len(times)
