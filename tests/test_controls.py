from __future__ import annotations

import numpy as np

from kuleshov.controls import CONTROLS, control
from kuleshov.edits import apply
from kuleshov.sample import Frame, MediaItem, Sample
from tests.test_edits import ramp


def sample() -> Sample:
    item = MediaItem(tuple(Frame("v", float(i), float(i)) for i in range(4)), 4, 6)
    invert = item.edited({"edit": "invert", "start": 0, "stop": 1})
    return Sample("s", "t", ("v",), "train", (invert, item), "?", 1, "direct", {}, 0, 0.0)


def test_controls_act_on_what_the_model_would_have_seen() -> None:
    seen = apply(ramp(), sample().media[0].edits)
    wanted = {
        "blind": np.full_like(seen, 128),
        "single": np.repeat(seen[2:3], 4, axis=0),
        "reversed": seen[::-1],
        "half_rate": seen[[0, 0, 2, 2]],
    }
    for name, frames in wanted.items():
        assert (apply(ramp(), control(sample(), name).media[0].edits) == frames).all(), name


def test_shuffled_control_keeps_the_frames_and_is_the_same_each_time() -> None:
    seen = apply(ramp(), sample().media[0].edits)
    first, again = (apply(ramp(), control(sample(), "shuffled").media[0].edits) for _ in range(2))
    assert (first == again).all()
    assert sorted(frame.tobytes() for frame in first) == sorted(frame.tobytes() for frame in seen)


def test_controls_keep_prompt_answer_frames_and_times() -> None:
    for name in CONTROLS:
        changed = control(sample(), name)
        assert (changed.prompt, changed.answer) == (sample().prompt, sample().answer)
        assert [m.frames for m in changed.media] == [m.frames for m in sample().media]
    assert control(sample(), "full") == sample()
