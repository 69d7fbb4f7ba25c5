from __future__ import annotations

import numpy as np
import pytest

from kuleshov.edits import apply
from kuleshov.errors import UsageError
from kuleshov.lettering import _font
from kuleshov.sample import Pixels, Sample
from kuleshov.tasks import build
from kuleshov.tasks.stories import ACTIONS, COLOURS, THINGS, Event
from kuleshov.tasks.text_frames import TextFrames, _text
from tests.conftest import a_video


def a_sample(task: TextFrames, seed: int = 0) -> Sample:
    result = task.synthesize(a_video(), np.random.default_rng(seed), lambda n: [])
    assert isinstance(result, Sample)
    return result


def test_the_answer_is_the_option_that_is_told_first_or_last() -> None:
    asked = set()
    for seed in range(20):
        task = TextFrames(num_pages=6)
        sample = a_sample(task, seed)
        pages = [edit["text"] for edit in sample.media[0].edits]
        # On which page each option is told: each on another one, and once.
        told = {
            text: [i for i, page in enumerate(pages) if text in page]
            for text in task.options(sample).values()
        }
        assert len(told) == 4 and all(len(places) == 1 for places in told.values())
        places = [place for (place,) in told.values()]
        assert len(set(places)) == 4
        last = "is told last?" in sample.prompt
        assert told[task.right(sample)] == [max(places) if last else min(places)]
        asked.add(last)
    assert asked == {True, False}


@pytest.mark.parametrize(
    ("task", "frames"), [(TextFrames(), 16), (TextFrames.paper(), 8)], ids=["default", "paper"]
)
def test_pages_follow_each_other_on_square_frames(task: TextFrames, frames: int) -> None:
    (item,) = a_sample(task).media
    assert (item.height, item.width, len(item.frames)) == (448, 448, frames)
    assert [frame.shown_seconds for frame in item.frames] == list(range(frames))
    starts = [(edit["start"], edit["stop"]) for edit in item.edits]
    each = frames // 8
    assert starts == [(i * each, (i + 1) * each) for i in range(8)]
    words = [len(edit["text"].split()) for edit in item.edits]
    # 115 words are 23 events; of the widest words, 22 fit.
    assert words == [110] * 8


def test_no_event_of_any_words_overflows_a_page() -> None:
    task = TextFrames(max_pixels=224 * 224, min_pixels=224 * 224)
    assert task._layout() == (224, 10, 10)
    page: Pixels = np.zeros((1, 224, 224, 3), np.uint8)
    for seed in range(3):
        for edit in a_sample(task, seed).media[0].edits:
            apply(page, [{**edit, "start": 0, "stop": 1}])
    widest = [max(words, key=_font(20).getlength) for words in (COLOURS, THINGS, ACTIONS)]
    assert widest == ["yellow", "bottle", "dropped"]


def test_the_size_follows_max_pixels() -> None:
    # 256 pixels: 20 * 256 / 448 = 11.4.
    assert TextFrames(max_pixels=256 * 256)._layout() == (256, 11, 11)
    # The side is a multiple and never larger: 8 * 32 = 256 would be, so 7 * 32.
    assert TextFrames(max_pixels=255 * 255)._layout()[0] == 224


def test_switched_off_pages_are_white() -> None:
    sample = a_sample(TextFrames())
    off = TextFrames().switched_off(sample)
    (item,) = off.media
    frames: Pixels = np.full((16, 448, 448, 3), 7, np.uint8)
    assert (apply(frames, item.edits) == 255).all()
    assert (apply(frames, sample.media[0].edits) == 0).any()


def test_text_is_sentences() -> None:
    page = [Event("red", "box", "opened"), Event("blue", "cup", "sold")]
    assert _text(page) == "The red box was opened. The blue cup was sold."


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"num_options": 9}, "num_options is 9 for 8 pages"),
        ({"num_pages": 7, "frames_per_page": 1}, "need an even number of frames"),
        ({"max_words": 4}, "need 5 words or more to a page"),
        ({"font_size": 200}, "of a size that fits it"),
        ({"num_pages": 40}, "at most 3840 in all"),
    ],
)
def test_knobs_out_of_range_are_refused(knobs: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build("text_frames", knobs=knobs)
