from __future__ import annotations

import numpy as np
import pytest

from kuleshov.edits import CONTROLS, EDITS, apply, control
from kuleshov.errors import UsageError
from kuleshov.sample import Frame, MediaItem, Pixels, Sample


def ramp(count: int = 4, height: int = 4, width: int = 6) -> Pixels:
    """Frames in which every value is different, as far as 256 values go."""
    values = np.arange(count * height * width * 3) % 256
    return values.astype(np.uint8).reshape(count, height, width, 3)


def test_an_edit_acts_on_its_range_only_and_leaves_its_input() -> None:
    frames = ramp()
    before = frames.copy()
    edited = apply(frames, [{"edit": "invert", "start": 1, "stop": 3}])
    assert (frames == before).all()
    assert (edited[[0, 3]] == frames[[0, 3]]).all()
    assert (edited[1:3] == 255 - frames[1:3]).all()


def test_pixels_go_where_they_should() -> None:
    # One pixel, one channel: easy to follow through each edit.
    frames = np.zeros((1, 4, 6, 3), np.uint8)
    frames[0, 0, 1, 0] = 200
    assert apply(frames, [{"edit": "mirror"}])[0, 0, 4, 0] == 200
    assert apply(frames, [{"edit": "rotate180"}])[0, 3, 4, 0] == 200
    assert apply(frames, [{"edit": "channel_swap"}])[0, 0, 1, 2] == 200


def test_zoom_out_puts_a_smaller_picture_in_the_middle_of_black() -> None:
    frames = np.full((2, 10, 20, 3), 90, np.uint8)
    # 10 / 1.25 = 8 rows and 20 / 1.25 = 16 columns: a border of 1 row and 2 columns.
    zoomed = apply(frames, [{"edit": "zoom_out", "scale": 1.25}])
    assert (zoomed[:, 1:9, 2:18] == 90).all()
    assert zoomed[:, [0, 9]].max() == 0 and zoomed[:, :, [0, 1, 18, 19]].max() == 0


def test_zoom_out_takes_a_scale_for_each_frame() -> None:
    frames = np.full((2, 10, 20, 3), 90, np.uint8)
    zoomed = apply(frames, [{"edit": "zoom_out", "scale": [1.0, 2.0]}])
    assert [(frame == 90).all(axis=2).sum() for frame in zoomed] == [200, 50]


def test_reorder_within_a_range() -> None:
    edited = apply(ramp(), [{"edit": "reorder", "order": [1, 0], "start": 2, "stop": 4}])
    assert (edited == ramp()[[0, 1, 3, 2]]).all()


def test_edits_are_applied_in_order() -> None:
    # Holding an inverted frame and inverting a held one differ outside of the range.
    edited = apply(
        ramp(), [{"edit": "invert", "start": 0, "stop": 1}, {"edit": "hold", "frame": 0}]
    )
    assert (edited == 255 - ramp()[0]).all()


@pytest.mark.parametrize(
    ("shape", "share"), [("circle", 0.7854), ("square", 1.0), ("triangle", 0.433)]
)
def test_a_shape_covers_its_area(shape: str, share: float) -> None:
    # Areas in units of side^2: pi/4, 1 and sqrt(3)/4. Side 0.5 * 200 = 100 pixels.
    frames = np.zeros((1, 200, 300, 3), np.uint8)
    drawn = apply(
        frames,
        [
            {
                "edit": "shape",
                "shape": shape,
                "x": 0.5,
                "y": 0.5,
                "size": 0.5,
                "angle": 30.0,
                "color": [10, 20, 30],
            }
        ],
    )
    covered = (drawn[0] == [10, 20, 30]).all(axis=2)
    assert covered.sum() == pytest.approx(share * 100 * 100, rel=0.03)
    rows, columns = np.nonzero(covered)
    assert rows.mean() == pytest.approx(100, abs=1) and columns.mean() == pytest.approx(150, abs=1)


def test_an_unknown_edit_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown edit 'mirrr'; did you mean 'mirror'\? Known: "):
        apply(ramp(), [{"edit": "mirrr"}])


def test_a_wrong_parameter_says_which_edit() -> None:
    with pytest.raises(UsageError, match="'scales': 2"):
        apply(ramp(), [{"edit": "zoom_out", "scales": 2}])


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


def test_every_edit_keeps_shape_and_type() -> None:
    parameters: dict[str, dict[str, object]] = {
        "reorder": {"order": [3, 2, 1, 0]},
        "hold": {"frame": 1},
        "zoom_out": {"scale": 1.3},
        "shape": {
            "shape": "circle",
            "x": 0.5,
            "y": 0.5,
            "size": 0.4,
            "angle": 0,
            "color": [1, 2, 3],
        },
        "text": {"text": "", "font_size": 2, "margin": 1},
    }
    for name in EDITS:
        edited = apply(ramp(), [{"edit": name, **parameters.get(name, {})}])
        assert edited.shape == ramp().shape and edited.dtype == np.uint8, name
