from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kuleshov.errors import UsageError
from kuleshov.media import render
from kuleshov.published.question import question
from kuleshov.published.row import parse
from kuleshov.sample import Pixels, Sample
from kuleshov.tasks import score, task_of
from tests.published.conftest import FPS, SYSTEM, counting, grounding, jigsaw


def asked(row: dict[str, Any], root: Path, prefix: str = "", hard: bool = False) -> Sample:
    return question(parse(row), root, prefix, 32, hard)


def picture(path: Path, size: tuple[int, int]) -> Pixels:
    return np.asarray(Image.open(path).resize(size[::-1], Image.Resampling.BOX))


def test_the_prompt_is_kept_to_the_letter_behind_the_system_message(frames: Path) -> None:
    sample = asked(grounding(), frames)
    assert sample.prompt == f"{SYSTEM}\n<video>\nWhen?"
    assert (sample.form, sample.provenance["setting"]) == ("direct", "paper")
    assert sample.made_elsewhere and sample.entry == "mirror"


def test_the_clock_is_the_published_one(frames: Path) -> None:
    (item,) = asked(grounding(), frames).media
    assert [frame.shown_seconds for frame in item.frames] == [round(i / FPS, 6) for i in range(48)]


def test_the_frames_are_the_pictures_that_the_row_names(frames: Path) -> None:
    sample = asked(grounding(), frames)
    (item,) = sample.media
    # 96 x 64 = 6144 pixels are scaled to at least 128 * 128 by sqrt(16384 / 6144) = 1.63, to
    # 157 x 105, and to multiples of 32.
    assert (item.height, item.width) == (96, 160)
    (pixels,) = render(sample, frames)
    assert pixels.shape == (48, 96, 160, 3)
    for i, name in ((0, "0"), (9, "9"), (10, "10_mirror"), (21, "21_mirror"), (22, "22")):
        wanted = picture(frames / "a/one" / f"{name}.jpg", (96, 160)).astype(int)
        # Flat halves: away from the edge between them, every scaler gives the same.
        for columns in (slice(0, 60), slice(100, 160)):
            assert np.abs(pixels[i][:, columns] - wanted[:, columns]).max() <= 4, name


def test_clips_of_a_jigsaw_are_shown_in_the_order_of_the_row(frames: Path) -> None:
    items = render(asked(jigsaw(), frames), frames)
    # The green channel is 5 * index on the right half.
    greens = [[float(f[:, 100:, 1].mean()) for f in item] for item in items]
    for k, green in zip([2, 5, 1, 0, 3, 4], greens, strict=True):
        assert green == pytest.approx([5 * i for i in range(8 * k, 8 * k + 8)], abs=3)


@pytest.mark.parametrize(
    ("row", "completion", "earned"),
    [
        (grounding(), "2.1-4.6", 1.0),
        (grounding(), "2.1-3.6", 0.6),  # 1.5 of 2.5 s
        (grounding(), "between 2.1 and 4.6", 0.0),
        (counting(), "3,1,4", 1.0),
        (counting(), "3,1,3", (1 + 1 + 3 / 4) / 3),
        (counting(), "3,1", 0.0),
        (jigsaw(), "431562", 1.0),
        # The first two exchanged: both are one place off, and 1 - 2 / 18 is left.
        (jigsaw(), "341562", 1 - 2 / 18),
        (jigsaw(), "331562", 0.0),
    ],
)
def test_scores_are_those_of_the_published_formulas(
    frames: Path, row: dict[str, Any], completion: str, earned: float
) -> None:
    assert score(asked(row, frames), completion).total == pytest.approx(earned)


@pytest.mark.parametrize(
    ("row", "hard", "chance"),
    [
        # 1 - (36 - 1) / 3 / 18.
        (jigsaw(), False, 1 - 35 / 54),
        # Each count has one frame, or two or three, of 1 to 3 instances. Of "1,1,1" only a count
        # of 1 earns: with 1/3 one frame, of which 1/3 have one instance.
        (counting("1,1,1"), False, 1 / 9),
        (counting("1,1,1"), True, 1 / 16),
    ],
)
def test_chance_is_what_guesses_earn(
    frames: Path, row: dict[str, Any], hard: bool, chance: float
) -> None:
    # Of 1000 guesses; one has a standard deviation of at most 0.25.
    assert asked(row, frames, hard=hard).chance == pytest.approx(chance, abs=4 * 0.25 / 1000**0.5)


def test_knobs_are_what_the_row_tells(frames: Path) -> None:
    assert task_of(asked(jigsaw(), frames)).knobs()["num_clips"] == 6
    knobs = task_of(asked(counting("3,12,4"), frames, hard=True)).knobs()
    assert (knobs["max_frames"], knobs["max_instances"], knobs["num_frames"]) == (4, 4, 48)
    assert (knobs["min_pixels"], knobs["max_pixels"]) == (128 * 128, 256 * 256)


def test_samples_of_one_video_say_so(frames: Path) -> None:
    one, two, other = (asked(row, frames) for row in (counting(), jigsaw(), grounding()))
    assert one.video_ids == two.video_ids != other.video_ids
    unnamed = {**counting(), "extra_info": None}
    assert asked(unnamed, frames).video_ids == one.video_ids  # by its folder
    assert len({one.id, two.id, other.id}) == 3


def test_a_prefix_of_another_machine_is_left_out(frames: Path) -> None:
    row = counting()
    row["videos"] = [
        {**row["videos"][0], "video": [f"/data/48/{p}" for p in row["videos"][0]["video"]]}
    ]
    assert asked(row, frames, prefix="/data/48").media == asked(counting(), frames).media
    with pytest.raises(UsageError, match=r"/data/48/two/0\.jpg lies outside of"):
        asked(row, frames)


def with_frames(paths: list[str]) -> dict[str, Any]:
    row = counting()
    return {**row, "videos": [{**row["videos"][0], "video": paths}]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (with_frames(["../x.jpg"] * 48), r"\.\./x\.jpg lies outside of"),
        (with_frames(["/etc/passwd"] * 48), "/etc/passwd lies outside of"),
        (with_frames(["file:///etc/passwd"] * 48), "lies outside of"),
        (with_frames(["two/\0.jpg"] * 48), "lies outside of"),
        (with_frames(["two/list.m3u8"] * 48), r"is no picture; allowed: \.jpg"),
        (with_frames(["two/%d.jpg"] * 48), "is no picture; allowed: .*, without %"),
        (with_frames(["two/99.jpg"] * 48), r"two/99\.jpg: No such file"),
        (with_frames(["two/0.jpg"]), "a video has fewer than two frames"),
        (with_frames(["two/0.jpg"] * 12), "do not fit 12 frames"),
        ({**counting(), "data_source": "captions"}, "data_source is 'captions'; known: grounding"),
        ({**counting(), "videos": jigsaw()["videos"]}, "1 <video> in the prompt, 6 videos"),
        ({**jigsaw(), "data_source": "counting"}, "6 videos; counting has 1"),
        (counting("three"), "'three' is no answer of counting"),
        ({**jigsaw(), "reward_model": {"ground_truth": "431566"}}, "'431566' is no answer of"),
    ],
)
def test_rows_that_do_not_hold_together_are_refused(
    frames: Path, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        asked(row, frames)


@pytest.mark.parametrize(
    "change",
    [{"sample_fps": float("nan")}, {"sample_fps": -1.0}, {"max_pixels": 1}, {"max_pixels": 10**12}],
)
def test_clocks_and_sizes_that_make_no_video_are_refused(
    frames: Path, change: dict[str, Any]
) -> None:
    row = counting()
    row["videos"] = [{**row["videos"][0], **change}]
    with pytest.raises(UsageError, match="make no video"):
        asked(row, frames)


def test_links_out_of_the_folder_are_not_followed(frames: Path, tmp_path: Path) -> None:
    (tmp_path / "root" / "two").mkdir(parents=True)
    for i in range(48):
        (tmp_path / "root" / "two" / f"{i}.jpg").symlink_to(frames / "two" / f"{i}.jpg")
    with pytest.raises(UsageError, match="lies outside of"):
        asked(counting(), tmp_path / "root")
