from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from kuleshov.edits import EDITS, apply
from kuleshov.errors import UsageError
from kuleshov.sample import Pixels


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


def of_color(*rgb: int, height: int = 4, width: int = 6, count: int = 1) -> Pixels:
    return np.full((count, height, width, 3), rgb, np.uint8)


def test_grayscale_weighs_the_channels() -> None:
    # 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2
    assert (apply(of_color(200, 100, 50), [{"edit": "grayscale"}]) == 124).all()


def test_saturation_doubles_the_distance_from_grey() -> None:
    # Grey is 0.299 * 200 + 0.587 * 100 + 0.114 * 100 = 129.9, so 130: red 130 + 2 * 70 = 270,
    # clipped, the others 130 - 2 * 30.
    edited = apply(of_color(200, 100, 100), [{"edit": "saturation", "factor": 2}])
    assert (edited == [255, 70, 70]).all()
    grey = of_color(90, 90, 90)
    assert (apply(grey, [{"edit": "saturation", "factor": 2}]) == grey).all()


def test_blur_turns_an_edge_into_a_slope_as_wide_as_its_radius() -> None:
    frames = np.zeros((1, 8, 60, 3), np.uint8)
    frames[:, :, 30:] = 240
    row = apply(frames, [{"edit": "blur", "radius": 2}])[0, 4, :, 0].astype(float)
    # The steps of a blurred edge are the kernel: a distribution around the edge (between columns
    # 29 and 30), with the radius as its standard deviation.
    kernel = np.diff(row) / 240
    places = np.arange(59) + 1
    assert kernel.sum() == 1 and (kernel >= 0).all()
    assert kernel @ places == pytest.approx(30, abs=0.1)
    assert np.sqrt(kernel @ (places - 30) ** 2) == pytest.approx(2, abs=0.1)


def test_noise_has_the_deviation_asked_for_and_no_mean() -> None:
    frames = of_color(128, 128, 128, height=64, width=64, count=2)
    noisy = apply(frames, [{"edit": "noise", "sigma": [10.0, 20.0], "seed": 3}]).astype(float)
    for frame, sigma in zip(noisy, [10, 20], strict=True):
        # 12,288 values: the standard error of the mean is sigma / 111, of the deviation
        # sigma / 157. Cutting to integers takes 0.5 off the mean.
        assert frame.mean() == pytest.approx(127.5, abs=4 * sigma / 111)
        assert frame.std() == pytest.approx(sigma, abs=4 * sigma / 157)
        # Normal: 68.3 % within one deviation.
        assert (abs(frame - 127.5) < sigma).mean() == pytest.approx(0.683, abs=0.03)
    assert abs(np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1]) < 0.04


def test_noise_is_clipped_and_not_wrapped() -> None:
    for value in (0, 255):
        noisy = apply(of_color(*[value] * 3), [{"edit": "noise", "sigma": 30, "seed": 0}])
        assert (abs(noisy.astype(int) - value) < 5 * 30).all()
        assert (noisy == value).mean() > 0.3


def test_the_same_seed_gives_the_same_noise_anywhere() -> None:
    edit = {"edit": "noise", "sigma": 50.0, "seed": 7}
    frames = of_color(128, 128, 128, height=1, width=2)
    # Worked out from PCG64(7): the first six 16-bit words, little end first, as normal quantiles.
    words = [
        int(word) >> shift & 0xFFFF
        for word in np.random.PCG64(7).random_raw(2)
        for shift in (0, 16, 32, 48)
    ][:6]
    quantiles = [NormalDist(128, 50).inv_cdf((word + 0.5) / 65536) for word in words]
    wanted = [int(min(255, max(0, value))) for value in quantiles]
    assert apply(frames, [edit]).ravel().tolist() == wanted
    assert wanted == [100, 207, 95, 143, 117, 151]
    assert (apply(frames, [{**edit, "seed": 8}]) != apply(frames, [edit])).any()


def test_zoom_in_shows_the_middle_only() -> None:
    # 12 / 1.5 = 8 rows and 24 / 1.5 = 16 columns: what lies outside of them is gone.
    frames = np.full((1, 12, 24, 3), 200, np.uint8)
    frames[:, 2:10, 4:20] = 90
    assert (apply(frames, [{"edit": "zoom_in", "scale": 1.5}]) == 90).all()
    # Left and right half of the middle become left and right half of the picture.
    frames[:, :, 12:] += 40
    zoomed = apply(frames, [{"edit": "zoom_in", "scale": 1.5}])
    assert (zoomed[:, :, :9] == 90).all() and (zoomed[:, :, 15:] == 130).all()


def test_zoom_in_takes_a_scale_for_each_frame() -> None:
    frames = np.full((2, 12, 24, 3), 200, np.uint8)
    frames[:, 3:9, 6:18] = 90
    zoomed = apply(frames, [{"edit": "zoom_in", "scale": [1.0, 2.0]}])
    assert (zoomed[0] == frames[0]).all() and (zoomed[1] == 90).all()


def test_quarter_turns_of_a_square_move_each_pixel() -> None:
    # Clockwise: the top row becomes the right column, its left end on top.
    frames = np.zeros((1, 3, 3, 3), np.uint8)
    frames[0, 0, :, 0] = [1, 2, 3]
    assert apply(frames, [{"edit": "rotate90"}])[0, :, 2, 0].tolist() == [1, 2, 3]
    # By 270 degrees: the left column, its left end at the bottom.
    assert apply(frames, [{"edit": "rotate270"}])[0, :, 0, 0].tolist() == [3, 2, 1]


def test_quarter_turns_of_a_wide_picture_fit_it_on_black() -> None:
    # 10 rows, 20 columns, turned 20 x 10, at half the size 10 x 5: columns 7 to 11 of 20.
    frames = np.full((1, 10, 20, 3), 90, np.uint8)
    for edit in ("rotate90", "rotate270"):
        turned = apply(frames, [{"edit": edit}])
        assert (turned[:, :, 7:12] == 90).all()
        assert turned[:, :, :7].max() == turned[:, :, 12:].max() == 0
    # The left half is on top after a quarter turn clockwise, and at the bottom after three.
    frames[:, :, :10] = 200
    for edit, rows in (("rotate90", [200, 90]), ("rotate270", [90, 200])):
        turned = apply(frames, [{"edit": edit}])
        assert turned[0, [1, 8], 9, 0].tolist() == rows


def test_reorder_may_repeat_frames() -> None:
    assert (
        apply(ramp(), [{"edit": "reorder", "order": [0, 0, 2, 2]}]) == ramp()[[0, 0, 2, 2]]
    ).all()


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


def test_every_edit_keeps_shape_and_type() -> None:
    parameters: dict[str, dict[str, object]] = {
        "reorder": {"order": [3, 2, 1, 0]},
        "hold": {"frame": 1},
        "zoom_in": {"scale": 1.3},
        "zoom_out": {"scale": 1.3},
        "blur": {"radius": 2},
        "noise": {"sigma": 50, "seed": 0},
        "saturation": {"factor": 2},
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
