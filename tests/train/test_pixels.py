"""What processors must not do to frames, and what is said when they do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText

from kuleshov.errors import MissingVideoError, UsageError
from kuleshov.sample import Sample
from kuleshov.train.encode import Encoder, batch
from kuleshov.train.pixels import count_features, untouched
from tests.train.conftest import Setup, tower


@pytest.fixture
def encoder(setup: Setup) -> Encoder:
    """An encoder whose processor may be spoilt."""
    return Encoder(copy.deepcopy(setup.encoder.processor), setup.encoder.render)


def one_video(setup: Setup) -> Sample:
    """8 frames of 56 x 56 pixels."""
    return next(s for s in setup.samples if s.task == "anomaly")


def spoil(encoder: Encoder, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Let the video processor change the videos that it is given."""
    reader = encoder.processor.video_processor
    preprocess = reader._preprocess

    def changed(videos: list[torch.Tensor], **kwargs: Any) -> Any:
        return preprocess([change(video) for video in videos], **kwargs)

    reader._preprocess = changed


@pytest.mark.parametrize(
    ("change", "made"),
    [
        (lambda video: video[::2], 4),
        (lambda video: torch.cat([video, video[-1:], video[-1:]]), 10),
    ],
    ids=["dropped", "padded"],
)
def test_other_frames_than_the_recipe_has_are_refused(
    setup: Setup, encoder: Encoder, change: Callable[[torch.Tensor], torch.Tensor], made: int
) -> None:
    if setup.family == "qwen3_vl" and made > 8:
        pytest.skip("its processor has no time stamps for more frames, and fails by itself")
    assert encoder.tells_times in (True, False)  # found out before the processor is spoilt
    spoil(encoder, change)
    tiles = rf"pixel_values has the shape \({made}, 3, \d+, \d+\); expected: a tile for each of 8"
    wanted = tiles if setup.tiled else f"the processor made {made} frames of a video of 8"
    with pytest.raises(UsageError, match=rf"sample \w+: {wanted}.*do_sample"):
        encoder(one_video(setup))


def test_an_odd_frame_is_not_padded_silently(setup: Setup) -> None:
    sample = one_video(setup)
    (item,) = sample.media
    odd = replace(sample, media=(replace(item, frames=item.frames[:7]),), knobs={})
    if setup.tiled:
        assert len(setup.encoder(odd).videos["pixel_values"]) == 7  # no pairs, no padding
        return
    with pytest.raises(UsageError, match="made 8 frames of a video of 7; allowed: multiples of 2"):
        setup.encoder(odd)


def test_frames_of_another_size_are_refused_where_they_change_the_tokens(setup: Setup) -> None:
    sample = one_video(setup)
    (item,) = sample.media
    wide = replace(sample, media=(replace(item, height=56, width=80),), knobs={})
    if setup.tiled:
        before, after = setup.encoder(sample), setup.encoder(wide)
        assert torch.equal(after.input_ids, before.input_ids)
        return
    with pytest.raises(
        UsageError, match=r"video of 56 x 80 pixels to 56 x 84.*multiples of 28.*size_multiple"
    ):
        setup.encoder(wide)


def test_fewer_tokens_than_features_are_refused(setup: Setup, encoder: Encoder) -> None:
    # As when a tokenizer has other special tokens than the processor takes it to have.
    expand = encoder.processor.replace_video_token
    token = encoder.processor.tokenizer.decode(setup.token("video"))
    encoder.processor.replace_video_token = lambda *args, **kwargs: expand(*args, **kwargs).replace(
        token, "", 1
    )
    # 8 frames of 4 tokens each, or 4 pairs of them.
    features = 32 if setup.tiled else 16
    with pytest.raises(
        MissingVideoError, match=f"holds {features - 1} vision tokens for {features} features"
    ):
        encoder(one_video(setup))


def test_videos_of_different_lengths_in_one_prompt(setup: Setup) -> None:
    sample = next(s for s in setup.samples if s.task == "jigsaw")
    first, *others = sample.media
    shorter = replace(first, frames=first.frames[:2])
    ragged = replace(sample, media=(shorter, *others), knobs={})
    if setup.tiled:
        with pytest.raises(UsageError, match=r"does not take videos of \[2, 4, 4\] frames"):
            setup.encoder(ragged)
    else:
        grid = setup.encoder(ragged).videos["video_grid_thw"]
        assert grid[:, 0].tolist() == [1, 2, 2]


def test_features_are_counted_as_the_tower_makes_them(setup: Setup) -> None:
    model = AutoModelForImageTextToText.from_pretrained(setup.folder)
    inputs = batch([setup.encoder(sample) for sample in setup.samples[:3]], 0)
    medium = "image" if setup.tiled else "video"
    made: list[int] = []
    last = model.model.multi_modal_projector if setup.tiled else tower(model).merger
    last.register_forward_hook(lambda m, args, out: made.append(out.flatten(0, -2).size(0)))
    with torch.no_grad():
        model(**inputs)
    assert made == [count_features(model.config, inputs, medium)]
    other = "video" if setup.tiled else "image"
    assert count_features(model.config, inputs, other) == 0


def test_features_of_an_unknown_layout_are_not_counted() -> None:
    config = SimpleNamespace(vision_config=SimpleNamespace(patch_size=14))
    assert count_features(config, {"pixel_values": torch.zeros(1, 3, 56, 56)}, "image") is None
    assert count_features(config, {}, "image") == 0


def test_settings_are_those_that_the_processor_has(setup: Setup) -> None:
    processor = setup.encoder.processor
    video, image = untouched(processor.video_processor), untouched(processor.image_processor)
    if setup.tiled:
        assert video == {} and image == {"crop_to_patches": False}
    else:
        assert video == {"size": image["size"], "cap_pixels_per_frame": False}
