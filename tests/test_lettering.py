from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from kuleshov.edits import apply
from kuleshov.errors import UsageError
from kuleshov.lettering import _font, _lines, fits, page
from kuleshov.sample import Pixels

WORDS = "the quick brown fox jumps over the lazy dog"


def test_text_is_dark_on_white_within_the_margin() -> None:
    drawn = page(WORDS, 100, 120, 12, 10)
    assert drawn.shape == (100, 120, 3) and drawn.dtype == np.uint8
    dark = np.argwhere(drawn[:, :, 0] < 128)
    assert len(dark) > 100
    # The soft edge of a letter may lean out by a pixel.
    assert (dark.min(axis=0) >= 9).all() and (dark.max(axis=0) < [91, 111]).all()
    assert (drawn[:9] == 255).all() and (drawn[:, :9] == 255).all()


def test_lines_hold_all_words_in_order_and_no_more_than_fit() -> None:
    rows = _lines(WORDS, 90, 12)
    assert rows is not None and len(rows) > 1
    assert " ".join(rows) == WORDS
    widths = [_font(12).getlength(row) for row in rows]
    assert max(widths) <= 90
    # Greedy: the first word of the next line would not have fitted.
    for row, after in pairwise(rows):
        assert _font(12).getlength(f"{row} {after.split()[0]}") > 90


def test_other_text_looks_other_and_none_is_white() -> None:
    assert (page("one", 40, 60, 12, 4) != page("two", 40, 60, 12, 4)).any()
    assert (page("", 40, 60, 12, 4) == 255).all()


def test_what_does_not_fit_is_refused_and_not_cut_off() -> None:
    # Lines are 12 pixels apart: 5 of them need 60, and the page has 60 - 2 * 4 = 52.
    assert fits("a a a a", 60, 19, 10, 4) and not fits("a a a a a", 60, 19, 10, 4)
    assert not fits("incomprehensible", 60, 60, 10, 4)
    with pytest.raises(ValueError, match="5 words of size 10 do not fit 60 x 19 pixels"):
        page("a a a a a", 60, 19, 10, 4)


def test_the_edit_overwrites_its_frames_only() -> None:
    frames: Pixels = np.full((3, 40, 60, 3), 90, np.uint8)
    edit = {"edit": "text", "text": "one", "font_size": 12, "margin": 4, "start": 1, "stop": 3}
    edited = apply(frames, [edit])
    assert (edited[0] == 90).all()
    assert (edited[1:] == page("one", 40, 60, 12, 4)).all()
    with pytest.raises(UsageError, match="cannot be applied"):
        apply(frames, [{**edit, "font_size": 40}])
